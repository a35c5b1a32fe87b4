"""The send operator as users of Airflow meet it: in real DAGs, with every option, and with everything that is wrong."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, chain, task

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run, posts
from tests.airflow.sending.impatient import MessaggiSmsSendOperator
from tests.conftest import AIRFLOW_HOME

ANNA = {"number": "+39 349 123 4567", "fields": {"name": "Anna"}}
BEN = {"number": "+44 7400 123456", "fields": {"name": "Ben"}}
START: dict[str, Any] = {"schedule": None, "start_date": datetime(2024, 1, 1, tzinfo=UTC)}


def texts(gateway: Gateway) -> dict[str, str]:
    """Tell what each phone shows."""
    return {sms.number: sms.text for sms in gateway.inbox()}


def operator(**arguments: Any) -> MessaggiSmsSendOperator:
    """Make a send operator that is right but for what a test adds."""
    usual = {"task_id": "send", "sender": "Airflow", "body": "Hello", "recipients": "+39 349 123 4567"}
    return MessaggiSmsSendOperator(**usual | arguments)


def shown_recipients(dag_id: str) -> list[tuple[str, int, Any]]:
    """Read what Airflow's view of rendered templates shows: Airflow 3 values, Airflow 2 their text."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
    from airflow.utils.session import create_session

    def is_text(shown: Any) -> bool:
        return isinstance(shown, str) and shown[0] in "[{"

    with create_session() as session:
        rows = session.query(Rendered).filter(Rendered.dag_id == dag_id).order_by(Rendered.task_id, Rendered.map_index)
        found = [(row.task_id, row.map_index, row.rendered_fields["recipients"]) for row in rows if row.map_index >= 0]
    return [(name, index, literal_eval(shown) if is_text(shown) else shown) for name, index, shown in found]


def states(run: Any) -> dict[str, str]:
    """Tell how each task of a run ended."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


# --- in real DAGs -----------------------------------------------------------------------------------------------------


def test_a_send_tells_the_sensor_its_id_and_airflow_an_account_of_it(
    run_dag: Run, messaggisms_gateway: Gateway
) -> None:
    with DAG("account", **START) as dag:
        send = operator(body="Dear {{name}}, it is done", recipients=[ANNA, BEN, ANNA])

        @task
        def time_passes() -> None:
            messaggisms_gateway.advance(10)

        message_id: Any = send.output
        wait = MessaggiSmsDeliverySensor(task_id="wait", message_id=message_id, poke_interval=1)
        send >> time_passes() >> wait
    run = run_dag(dag)
    assert states(run) == {"send": "success", "time_passes": "success", "wait": "success"}
    tis = {ti.task_id: ti for ti in run.get_task_instances()}
    message_id = tis["send"].xcom_pull(task_ids="send")
    account = tis["send"].xcom_pull(task_ids="send", key="message")
    assert account == {
        "message_id": message_id,
        "valid": 2,
        "invalid": 0,
        "parts": 2,
        "price_eur": 0.1,
        "credit_eur": 99.9,
        "state": 0,
        "test": False,
        "dropped": 0,
        "repeated": 1,
    }
    assert tis["wait"].xcom_pull(task_ids="wait")["delivered"] == 2
    assert {sms.message_id for sms in messaggisms_gateway.inbox()} == {message_id}


def test_recipients_text_and_options_come_from_tasks_and_parameters(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    params = {"number": "+39 349 123 4568", "city": "Turin", "flash": "True", "priority": 2}
    with DAG("upstream", params=params, user_defined_macros={"shop": lambda: "Bar Sport"}, **START) as dag:

        @task
        def people() -> list[Any]:
            return [ANNA, BEN]

        @task
        def text() -> str:
            return "Dear {{name}}, {{ ds }} is no template here"

        operator(task_id="xcoms", recipients=people(), body=text())
        operator(
            task_id="parameters",
            recipients="{{ params.number }}",
            body="{{ shop() }} in {{ params.city }}",
            flash="{{ params.flash }}",
            priority="{{ params.priority }}",
        )
    run = run_dag(dag)
    assert states(run)["parameters"] == "success"
    # a text from another task is no template; what looks like a placeholder there is one
    assert states(run)["xcoms"] == "failed"
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.number, sms.text, sms.flash, sms.price_eur) == ("+39-3491234568", "Bar Sport in Turin", True, 0.1)


def test_each_mapped_send_has_its_own_message_placeholders_and_mask(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("mapped", params={"city": "Turin"}, **START) as dag:
        MessaggiSmsSendOperator.partial(
            task_id="literal", sender="Airflow", body="{{name}} in {{ params.city }}"
        ).expand(recipients=[ANNA, [BEN, {**ANNA, "number": "+39 349 123 4568"}]])

        @task
        def letters() -> list[dict[str, Any]]:
            return [
                {"recipients": {**ANNA, "number": "+39 349 123 4569"}, "body": "Dear {{name}}"},
                {"recipients": "+39 349 123 4570", "body": "In {{ params.city }}"},
            ]

        @task
        def numbers() -> list[str]:
            return ["+39 349 123 4572", "+39 349 123 4573"]

        MessaggiSmsSendOperator.partial(task_id="plain", sender="Airflow", body="Hello").expand(recipients=numbers())

        @task
        def bodies() -> list[str]:
            return ["100 {% off", "Dear {{name}}"]

        MessaggiSmsSendOperator.partial(task_id="from_task", sender="Airflow").expand_kwargs(letters())
        MessaggiSmsSendOperator.partial(
            task_id="no_template", sender="Airflow", recipients={**ANNA, "number": "+39 349 123 4571"}
        ).expand(body=bodies())
    run = run_dag(dag)
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    assert {(sms.number, sms.text) for sms in messaggisms_gateway.inbox()} == {
        ("+39-3491234567", "Anna in Turin"),
        ("+44-7400123456", "Ben in Turin"),
        ("+39-3491234568", "Anna in Turin"),
        ("+39-3491234569", "Dear Anna"),
        ("+39-3491234570", "In Turin"),
        ("+39-3491234571", "100 {% off"),
        ("+39-3491234571", "Dear Anna"),
        ("+39-3491234572", "Hello"),
        ("+39-3491234573", "Hello"),
    }
    assert len({sms.message_id for sms in messaggisms_gateway.inbox()}) == 8
    assert {(sms.airflow or {})["map_index"] for sms in messaggisms_gateway.inbox()} == {0, 1}
    anna, masked = {"fields": "***", "number": "+39-*******567"}, {"fields": "***", "number": "+39-*******568"}
    assert shown_recipients("mapped") == [
        ("from_task", 0, {"fields": "***", "number": "+39-*******569"}),
        ("from_task", 1, "+39-*******570"),
        ("literal", 0, anna),
        ("literal", 1, [{"fields": "***", "number": "+44-*******456"}, masked]),
        ("no_template", 0, {"fields": "***", "number": "+39-*******571"}),
        ("no_template", 1, {"fields": "***", "number": "+39-*******571"}),
        ("plain", 0, "+39-*******572"),
        ("plain", 1, "+39-*******573"),
    ]


def test_what_mapped_tasks_push_one_by_one_are_recipients_with_fields(
    run_dag: Run, messaggisms_gateway: Gateway
) -> None:
    with DAG("mapped_upstream", **START) as dag:

        @task
        def one(n: int) -> dict[str, Any]:
            return {"number": f"+39 349 123 45{n}", "fields": {"name": f"Anna {n}"}}

        operator(recipients=one.expand(n=[67, 68]), body="Dear {{name}}, hello")
    assert set(states(run_dag(dag)).values()) == {"success"}
    assert texts(messaggisms_gateway) == {
        "+39-3491234567": "Dear Anna 67, hello",
        "+39-3491234568": "Dear Anna 68, hello",
    }


def test_a_dag_that_renders_native_objects_sends_what_is_written(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    params = {"number": "+393491234567", "people": [ANNA, BEN], "price": "12.50"}
    with DAG("native", params=params, render_template_as_native_obj=True, **START) as dag:
        operator(task_id="number", recipients="{{ params.number }}", body="{{ params.price }}", test="{{ 1 == 2 }}")
        operator(task_id="people", recipients="{{ params.people }}", body="{{name}}", sender="{{ '39349' }}")
    assert set(states(run_dag(dag)).values()) == {"success"}
    found = sorted((sms.number, sms.text, sms.sender) for sms in messaggisms_gateway.inbox())
    assert found == [
        ("+39-3491234567", "12.50", "Airflow"),
        ("+39-3491234567", "Anna", "39349"),
        ("+44-7400123456", "Ben", "39349"),
    ]


RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(0)}


def test_retries_are_kept_for_what_they_can_cure(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("retried", **START) as dag:
        steps: list[BaseOperator] = [
            operator(task_id="no_credit", **RETRIES),
            operator(task_id="a_wrong_number", recipients="+39 12", trigger_rule="all_done", **RETRIES),
            operator(task_id="an_unknown_name", body="{{ unknown }}", trigger_rule="all_done", **RETRIES),
            operator(task_id="a_lost_request", trigger_rule="all_done", **RETRIES),
            operator(task_id="a_lost_answer", trigger_rule="all_done", recipients="+39 349 123 4568", **RETRIES),
        ]
        chain(*steps)
    messaggisms_gateway.fail_next("no_credit", method="POST")
    messaggisms_gateway.fail_next("drop_before", method="POST", after=1)
    messaggisms_gateway.fail_next("drop_after", method="POST", after=3)
    run = run_dag(dag)
    assert {ti.task_id: (str(ti.state), ti.try_number) for ti in run.get_task_instances()} == {
        "no_credit": ("failed", 1),
        "a_wrong_number": ("failed", 1),
        "an_unknown_name": ("failed", 1),
        "a_lost_request": ("success", 2),
        "a_lost_answer": ("success", 1),
    }
    assert posts(messaggisms_gateway) == 1 + 0 + 0 + 2 + 1
    assert texts(messaggisms_gateway) == {"+39-3491234567": "Hello", "+39-3491234568": "Hello"}


# --- privacy ----------------------------------------------------------------------------------------------------------

# Put together here, for Airflow stores the source of a DAG.
NUMBER = "347111" + "2223"
INVALID = "347111" + "0009"
TEXT = "Secret" + "word"
TOKEN = "token" + "marker"


def test_no_number_text_or_token_reaches_a_log_an_xcom_or_the_database(
    run_dag: Run, messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    messaggisms_gateway.reset(tokens={TOKEN: ["GET", "POST", "PUT", "DELETE"]})
    monkeypatch.setenv(
        "AIRFLOW_CONN_MESSAGGISMS_DEFAULT",
        json.dumps({"conn_type": "messaggisms", "password": TOKEN, "host": messaggisms_gateway.url}),
    )
    macros = {
        "good": lambda: f"+39{NUMBER}",
        "too_long": lambda: f"+39{NUMBER}999999",
        "invalid": lambda: f"+39{INVALID}",
        "text": lambda: f"{TEXT} to +39{NUMBER}",
        "fails": lambda: [][0],
    }

    def people(**_: Any) -> list[Any]:
        return [{"number": f"+39 {NUMBER}", "fields": {"name": TEXT}}]

    with DAG("private", user_defined_macros=macros, **START) as dag:
        wrong: dict[str, dict[str, Any]] = {
            "all_is_well": {},
            "retried": {"retries": 1, "retry_delay": timedelta(0), "idempotency_key": "other"},
            "lost": {"idempotency_key": "lost"},
            "broken_answer": {"idempotency_key": "broken"},
            "no_credit": {},
            "invalid_at_gateway": {"recipients": "{{ invalid() }}"},
            "too_long": {"recipients": ["{{ too_long() }}"]},
            "dropped": {"recipients": ["{{ too_long() }}", "{{ good() }}"], "on_invalid": "drop"},
            "personal": {"recipients": people, "body": "Dear {{name}}"},
            "wrong_day": {"timestamp_send": "x"},
            "unknown_name": {"body": "{{ text() }} {{ unknown }}"},
            "failing_macro": {"body": TEXT + "{{ text() }} {{ fails() }}"},
            "failing_recipients": {"recipients": ["{{ good() }}", "{{ fails() }}"]},
            "broken_template": {"body": "{{ text() " + TEXT + " }}"},
        }
        usual = {"recipients": "{{ good() }}", "body": "{{ text() }}", "trigger_rule": "all_done"}
        chain(*(operator(task_id=name, **usual | arguments) for name, arguments in wrong.items()))
    messaggisms_gateway.fail_next("drop_before", method="POST", after=1, times=1)
    messaggisms_gateway.fail_next("drop_before", method="POST", after=3, times=1)
    messaggisms_gateway.fail_next("malformed", method="POST", after=4, times=1)
    messaggisms_gateway.fail_next("no_credit", method="POST", after=5, times=1)
    ended = states(run_dag(dag))
    green = {"all_is_well", "retried", "broken_answer", "dropped", "personal"}
    assert ended == {name: "success" if name in green else "failed" for name in wrong}
    logs = said()
    database = (AIRFLOW_HOME / "airflow.db").read_bytes().decode("utf-8", "replace")
    for where, everything in {"logs": logs, "database": database}.items():
        assert NUMBER not in everything, where
        assert INVALID not in everything, where
        assert TOKEN not in everything, where
    assert TEXT not in logs
    assert "dropped" in logs
