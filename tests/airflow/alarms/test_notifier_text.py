"""What the notifier's SMS says, in every context that Airflow gives."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.sms_text import measure
from tests.airflow.alarms.notifying import ANNA, BEN, Face, alarm, numbers, texts
from tests.airflow.alarms.occasions import RUN_ID, asked, dag_failed, deadline_missed, killed, task_failed


@pytest.mark.parametrize(
    ("context", "text"),
    [
        (task_failed(ValueError("boom"), map_index=3), f"Failed: etl.load[3], try 3/3\nrun {RUN_ID}\nValueError: boom"),
        (task_failed("SIGTERM"), f"Failed: etl.load, try 3/3\nrun {RUN_ID}\nSIGTERM"),
        (
            killed(try_number=1),
            f"Will retry: etl.load, try 1/3\nrun {RUN_ID}\nno error known: killed, lost or cleared",
        ),
        (dag_failed(), f"Failed: etl\nrun {RUN_ID}\ntask failure: load"),
        (dag_failed("success"), f"Succeeded: etl\nrun {RUN_ID}"),
        ({"dag": DAG("etl", schedule=None), "run_id": "r", "reason": "timed_out"}, "Failed: etl\nrun r\ntimed out"),
        (deadline_missed(), f"Late: etl\nrun {RUN_ID}\nwas due 2026-12-24 07:30 UTC"),
    ],
    ids=["worker", "error is a text", "dag-processor", "dag", "dag success", "dag without a task", "deadline"],
)
def test_the_text_is_useful_in_every_context(face: Face, gateway: Gateway, context: dict[str, Any], text: str) -> None:
    face(alarm(), context)
    assert texts(gateway) == [text]


def test_a_text_of_its_own_is_rendered(face: Face, gateway: Gateway) -> None:
    face(alarm(body="{{ ti.task_id }} of {{ dag.dag_id }}: {{ exception }}"), task_failed(ValueError("boom")))
    assert texts(gateway) == ["load of etl: boom"]


def test_a_deadline_knows_its_dag_and_its_run(face: Face, gateway: Gateway) -> None:
    face(alarm(body="{{ dag.dag_id }} {{ run_id }} {{ dag_run.dag_id }} {{ deadline.id }}"), deadline_missed())
    assert texts(gateway) == [f"etl {RUN_ID} etl 0197-abcd"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{{ ds }} is missing", "'ds' is undefined"),
        ("{{ broken", "body: the template cannot be rendered"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ exception.args[0].upper() }}", "body: the template cannot be rendered"),
        ("{{ '' }}", "renders to nothing"),
        (lambda **_: [][0], "IndexError"),
    ],
)
@pytest.mark.parametrize("context", [killed(), deadline_missed()], ids=["killed", "deadline"])
def test_a_text_that_cannot_be_rendered_gives_way_to_the_default(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture, context: dict[str, Any], body: Any, why: str
) -> None:
    face(alarm(body=body), context)
    (text,) = texts(gateway)
    assert text.startswith(("Failed: etl.load", "Late: etl"))
    assert why in caplog.text
    assert "sending the default text" in caplog.text


def test_a_dag_that_makes_no_environment_loses_nothing(face: Face, gateway: Gateway) -> None:
    class Serialized:
        dag_id = "etl"
        render_template_as_native_obj = False

    face(alarm(body="{{ dag.dag_id }} broke"), dag_failed() | {"dag": Serialized()})
    assert texts(gateway) == ["etl broke"]


def test_it_fits_into_one_part_by_default(face: Face, gateway: Gateway) -> None:
    face(alarm(), task_failed(ValueError("“quoted” – and long " * 20)))
    face(alarm(body="’" * 300), task_failed(task_id="other"))
    assert [measure(text).parts for text in texts(gateway)] == [1, 1]
    assert all(sms.encoding == "GSM-7" for sms in gateway.inbox())


def test_without_max_parts_it_is_sent_as_it_is(face: Face, gateway: Gateway) -> None:
    face(alarm(body="’" * 200, max_parts=None), task_failed())
    assert texts(gateway) == ["’" * 200]


def test_a_link_is_there_where_airflow_has_an_address(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for section in ("API", "WEBSERVER"):
        monkeypatch.setenv(f"AIRFLOW__{section}__BASE_URL", "https://airflow.example.com")
    face(alarm(), task_failed(ValueError("boom")))
    assert texts(gateway)[0].endswith("\nhttps://airflow.example.com/dags/etl")


def test_one_notifier_has_a_text_for_each_failure(face: Face, gateway: Gateway) -> None:
    notifier = alarm(recipients="{{ params.phone }}", body="{{ ti.task_id }}", alarm_key="{{ ti.task_id }}")
    face(notifier, task_failed(task_id="one", params={"phone": ANNA}))
    face(notifier, task_failed(task_id="two", params={"phone": BEN}))
    assert texts(gateway) == ["one", "two"]
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}
    assert notifier.body == "{{ ti.task_id }}"


def test_the_context_is_left_as_it_was(face: Face, gateway: Gateway) -> None:
    context = task_failed()
    before = dict(context)
    face(alarm(body="x"), context)
    assert context == before


def test_the_list_of_callbacks_tells_the_kind_of_event(face: Face, gateway: Gateway) -> None:
    notifier = alarm()
    with DAG("etl", schedule=None):
        operator = BaseOperator(task_id="load", on_retry_callback=notifier)
    face(notifier, killed(try_number=3, task=operator))
    assert texts(gateway)[0].startswith("Will retry: etl.load")


class UnspeakableError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise AttributeError("no text")


@pytest.mark.parametrize("body", [None, "{{ exception }}", "broken"])
def test_an_error_without_a_text_does_not_lose_the_alarm(face: Face, gateway: Gateway, body: str | None) -> None:
    face(alarm(body=body), task_failed(UnspeakableError()))
    (text,) = texts(gateway)
    assert text == "broken" if body == "broken" else text.endswith("\nUnspeakableError")


@pytest.mark.parametrize("max_parts", [1, None])
@pytest.mark.parametrize("fields", [{}, {"body": "{{ exception }}"}, {"alarm_key": "{{ exception }}"}])
def test_half_characters_do_not_lose_the_alarm(
    face: Face, gateway: Gateway, max_parts: int | None, fields: dict[str, Any]
) -> None:
    face(alarm(max_parts=max_parts, **fields), task_failed(ValueError("bad name \udcff.csv")))
    (text,) = texts(gateway)
    assert "bad name " in text


def test_one_name_beyond_gsm7_does_not_halve_all_texts(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Łucja"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    words = "the nightly import of orders is broken since midnight, see the runbook page 7 and call the others"
    face(alarm(recipients=people, body="{{name}}, " + words), task_failed())
    assert sorted(texts(gateway)) == [f"Ben, {words}", f"Lucja, {words}"]


def test_an_error_with_a_placeholder_stays_within_its_parts(face: Face, gateway: Gateway) -> None:
    person = {"number": ANNA, "fields": {"name": "N" * 150}}
    face(alarm(recipients=person), task_failed(KeyError("{{name}}")))
    assert [sms.parts for sms in gateway.inbox()] == [1]


def test_an_alarm_raised_while_an_error_is_handled_says_failed(face: Face, gateway: Gateway) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        face(alarm(), task_failed(state="running", try_number=1))
    assert texts(gateway) == [f"Failed: etl.load, try 1/3\nrun {RUN_ID}\nValueError: boom"]


def test_an_alarm_of_a_running_task_says_started(face: Face, gateway: Gateway) -> None:
    face(alarm(), task_failed(state="running"))
    assert texts(gateway) == [f"Started: etl.load\nrun {RUN_ID}"]


def test_a_task_instance_alone_is_enough(face: Face, gateway: Gateway) -> None:
    context = {"task_instance": task_failed(try_number=1, state="up_for_retry")["ti"]}
    face(alarm(), context)
    face(alarm(body="{{ ti.task_id }} of {{ dag.dag_id }}, {{ run_id }}"), context)
    assert texts(gateway)[0].startswith(f"Will retry: etl.load, try 1/3\nrun {RUN_ID}")
    assert texts(gateway)[1] == f"load of etl, {RUN_ID}"


def test_a_question_is_its_subject_and_a_link_to_answer(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "https://airflow.example.com")
    notifier = alarm()
    face(notifier, asked(notifiers=[notifier]))
    headline, subject, link = texts(gateway)[0].split("\n")
    assert (headline, subject) == ("Answer needed: etl.approve", "Deploy 2.4 to production?")
    # Airflow 2 has no questions, and no page of a run that could lead to them.
    run = f"/runs/{quote(RUN_ID)}" if AIRFLOW_V_3_0_PLUS else ""
    assert link == f"https://airflow.example.com/dags/etl{run}/required_actions"


def test_a_question_and_the_start_of_its_task_are_two_alarms(face: Face, gateway: Gateway) -> None:
    asks, starts = alarm(), alarm()
    context = asked(notifiers=[asks])
    context["task"].on_execute_callback = [starts]
    face(starts, context)
    face(asks, context)
    assert [text.split("\n")[0] for text in texts(gateway)] == ["Started: etl.approve", "Answer needed: etl.approve"]


def test_a_question_that_fails_is_a_failure(face: Face, gateway: Gateway) -> None:
    notifier = alarm()
    face(notifier, asked(notifiers=[notifier], state="failed") | {"exception": TimeoutError("no answer")})
    assert "TimeoutError: no answer" in texts(gateway)[0]
