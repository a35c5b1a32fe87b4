"""
The notifier, both faces: with every context that Airflow gives, an alarm goes out once and says the right thing.

What only a real Airflow can show is in ``tests/system/test_alarms.py``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseNotifier, BaseOperator

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    InsufficientCreditError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.sms_text import measure
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier, send_messaggisms_notification
from tests.airflow.alarms.occasions import RUN_ID, dag_failed, deadline_missed, killed, task_failed
from tests.airflow.conftest import Run, posts
from tests.airflow.puppet import Connection, Puppet, success
from tests.progress import SILENCE_SECONDS, until_or_done, wait_for_exit

ANNA = "+39 349 123 4567"
BEN = "+44 7400 123456"

Face = Callable[[MessaggiSmsNotifier, Any], None]


def call_back(notifier: MessaggiSmsNotifier, context: Any) -> None:
    """Do what Airflow does in a worker or a dag-processor."""
    notifier(context)


def call_back_awaited(notifier: MessaggiSmsNotifier, context: Any) -> None:
    """Do what Airflow does in the triggerer."""

    async def wait() -> None:
        notifier.context = context
        await notifier

    asyncio.run(wait())


@pytest.fixture(params=[call_back, call_back_awaited])
def face(request: pytest.FixtureRequest) -> Face:
    """Each scenario is written once, and run on both faces."""
    called: Face = request.param
    return called


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def gateway(messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Give a gateway with a connection that has a sender, and an Airflow that a telephone could reach."""
    connect(messaggisms_gateway, monkeypatch)
    return messaggisms_gateway


def connect(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    connection = json.loads(gateway.connection) | {"extra": {"sender": "Airflow", "default_region": "IT", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))


def alarm(**kwargs: Any) -> MessaggiSmsNotifier:
    return MessaggiSmsNotifier(**({"recipients": ANNA} | kwargs))


def texts(gateway: Gateway) -> list[str]:
    """Return what the phones received, oldest first."""
    return [sms.text for sms in reversed(gateway.inbox())]


def numbers(gateway: Gateway) -> set[str]:
    return {sms.number for sms in gateway.inbox()}


# --- what it says -----------------------------------------------------------------------------------------------------


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


def test_the_text_of_somebody_is_rendered(face: Face, gateway: Gateway) -> None:
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
def test_a_text_that_cannot_be_rendered_does_not_lose_the_alarm(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture, context: dict[str, Any], body: Any, why: str
) -> None:
    face(alarm(body=body), context)
    (text,) = texts(gateway)
    assert text.startswith(("Failed: etl.load", "Late: etl"))
    assert why in caplog.text
    assert "sending a plain text instead" in caplog.text


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


# --- whom it reaches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipients",
    [
        [ANNA, BEN],
        (ANNA, {"number": BEN}),
        f"{ANNA}, {BEN}",
        f"{ANNA};{BEN}",
        json.dumps([ANNA, BEN]),
        "{{ params.on_call }}",
        "{{ params.on_call | join(',') }}",
        "{{ params.on_call | tojson }}",
        ["{{ params.on_call[0] }}", "{{ params.on_call[1] }}"],
        ["{{ params.on_call }}"],
        "{{ var.value.on_call }}",
        "{{ var.json.on_call }}",
        "{{ var.json.rota.monday }}",
    ],
)
def test_recipients_are_a_list_however_it_is_written(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, recipients: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ON_CALL", json.dumps([ANNA, BEN]))
    monkeypatch.setenv("AIRFLOW_VAR_ROTA", json.dumps({"monday": [ANNA, BEN]}))
    context = task_failed(params={"on_call": [ANNA, BEN]})
    del context["var"]  # it is added
    face(alarm(recipients=recipients), context)
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}


def test_a_wrong_number_does_not_keep_the_others_from_their_alarm(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(recipients=["+39 12", ANNA, "not a number"]), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}
    assert caplog.text.count("This recipient gets no alarm: recipients[") == 2


def test_a_number_that_may_exist_is_tried(face: Face, gateway: Gateway) -> None:
    face(alarm(recipients="+39 300 123 4567"), task_failed())
    assert numbers(gateway) == {"+39-3001234567"}


def test_it_says_what_it_was_called_for_although_the_context_does_not(face: Face, gateway: Gateway) -> None:
    notifier = alarm()
    with DAG("etl", schedule=None):
        operator = BaseOperator(task_id="load", on_retry_callback=notifier)
    face(notifier, killed(try_number=3, task=operator))
    assert texts(gateway)[0].startswith("Will retry: etl.load")


def test_the_connection_knows_the_country_of_short_numbers(face: Face, gateway: Gateway) -> None:
    face(alarm(recipients="349 123 4567"), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}


def test_a_country_that_is_none_keeps_only_those_from_their_alarm_who_need_it(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, monkeypatch, default_region="UK")
    face(alarm(recipients=["07400 123456", ANNA]), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}
    assert "default_region 'UK' is not a country" in caplog.text


def test_nobody_to_alarm_is_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(ConfigurationError, match="nobody is named"):
        face(alarm(recipients="{{ params.get('phone') or '' }}"), task_failed())


def test_numbers_that_the_gateway_does_not_know_are_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(DeliveryError, match="calls 1 recipient"):
        face(alarm(recipients="+39 349 123 0009"), task_failed())


def test_fields_of_recipients_are_filled_in(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Anna"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    face(alarm(recipients=people, body="{{name}}, {{ dag.dag_id }} is down"), task_failed())
    assert sorted(texts(gateway)) == ["Anna, etl is down", "Ben, etl is down"]


def test_fields_of_a_rota_are_filled_in_too(face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    rota = [{"number": ANNA, "fields": {"name": "Anna"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    monkeypatch.setenv("AIRFLOW_VAR_ROTA", json.dumps(rota))
    face(alarm(recipients="{{ var.value.rota }}", body="{{name}}, {{ dag.dag_id }} is down"), deadline_missed())
    assert sorted(texts(gateway)) == ["Anna, etl is down", "Ben, etl is down"]


def test_a_placeholder_without_a_field_does_not_lose_the_alarm(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Anna"}}, BEN]
    face(alarm(recipients=people, body="{{name}}, wake up"), task_failed())
    assert len(gateway.inbox()) == 2
    assert all(text.startswith("Failed: etl.load") for text in texts(gateway))


@pytest.mark.parametrize(("sender", "seen"), [(None, "Airflow"), ("Etl", "Etl"), ("{{ ds }}", "Airflow")])
def test_the_sender_is_its_own_or_the_connections(face: Face, gateway: Gateway, sender: str | None, seen: str) -> None:
    face(alarm(sender=sender), task_failed())
    assert [sms.sender for sms in gateway.inbox()] == [seen]


def test_options_reach_the_gateway(face: Face, gateway: Gateway) -> None:
    face(alarm(flash=True, priority=2), task_failed())
    (sms,) = gateway.inbox()
    assert sms.flash


def test_a_simulated_alarm_reaches_nobody_and_says_so(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(test=True), task_failed())
    assert posts(gateway) == 1
    assert gateway.inbox() == []
    assert "simulated" in caplog.text
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


# --- once, and no storm -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [killed(), dag_failed(), deadline_missed()], ids=["task", "dag", "deadline"])
def test_the_same_event_is_told_once(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture, context: dict[str, Any]
) -> None:
    caplog.set_level(logging.INFO)
    face(alarm(), context)
    face(alarm(), context)
    assert len(gateway.inbox()) == 1
    assert "Staying silent: message" in caplog.text


def test_each_try_is_an_event_of_its_own(face: Face, gateway: Gateway) -> None:
    for number in (1, 2, 3):
        face(alarm(), task_failed(try_number=number))
    assert len(gateway.inbox()) == 3


def test_one_alarm_key_makes_one_alarm_of_many_failures(face: Face, gateway: Gateway) -> None:
    for index in range(5):
        face(alarm(alarm_key="{{ dag.dag_id }}", once_per=timedelta(minutes=15)), task_failed(map_index=index))
    face(alarm(alarm_key="{{ dag.dag_id }}"), deadline_missed())
    face(alarm(alarm_key="{{ dag.dag_id }}"), task_failed(dag_id="other"))
    assert len(gateway.inbox()) == 2


def test_somebody_else_gets_an_alarm_of_his_own(face: Face, gateway: Gateway) -> None:
    face(alarm(alarm_key="etl"), task_failed())
    face(alarm(alarm_key="etl", recipients=BEN), task_failed())
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}


@pytest.mark.parametrize("once_per", [0, timedelta(0)])
def test_zero_never_silences(face: Face, gateway: Gateway, once_per: Any) -> None:
    face(alarm(once_per=once_per), task_failed())
    face(alarm(once_per=once_per), task_failed())
    assert len(gateway.inbox()) == 2


@pytest.mark.parametrize("alarm_key", ["{{ nothing.at.all }}", "{{ None }}", "{{ ' ' }}"])
def test_an_alarm_key_that_is_wrong_does_not_lose_the_alarm(
    face: Face, gateway: Gateway, alarm_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(alarm_key=alarm_key), task_failed(map_index=1))
    face(alarm(alarm_key=alarm_key), task_failed(map_index=2))
    assert len(gateway.inbox()) == 2
    assert "using the default key" in caplog.text


def test_an_alarm_key_may_be_as_long_as_a_dag_id(face: Face, gateway: Gateway) -> None:
    for index in range(2):
        face(alarm(alarm_key="{{ dag.dag_id }}"), task_failed(dag_id="d" * 249 + "1", map_index=index))
    face(alarm(alarm_key="{{ dag.dag_id }}"), task_failed(dag_id="d" * 249 + "2"))
    assert len(gateway.inbox()) == 2


def test_by_default_an_alarm_silences_for_an_hour(face: Face, gateway: Gateway) -> None:
    for minutes_ago, sent in ((61, 2), (59, 1)):
        gateway.reset(now=(datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat())
        face(alarm(), task_failed())
        face(alarm(), task_failed())
        assert len(gateway.inbox()) == sent


def test_what_the_message_carries_leads_a_person_to_the_event(face: Face, gateway: Gateway) -> None:
    face(alarm(alarm_key="the {{ dag.dag_id }}"), task_failed(map_index=3))
    (sms,) = gateway.inbox()
    carried = json.loads(sms.custom or "")["airflow"]
    assert carried.pop("key")
    assert carried.pop("attempt")
    assert carried == {
        "event": "failed",
        "alarm_key": "the etl",
        "dag_id": "etl",
        "run_id": RUN_ID,
        "task_id": "load",
        "map_index": 3,
        "try_number": 3,
    }


def test_callbacks_that_race_end_in_one_sms(gateway: Gateway) -> None:
    notifier = alarm(alarm_key="{{ dag.dag_id }}")
    errors: list[Exception] = []

    def race(index: int) -> None:
        try:
            call_back(notifier, task_failed(map_index=index))
        except MessaggiSmsError as error:
            errors.append(error)

    threads = [threading.Thread(target=race, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(gateway.inbox()) == 1


def test_callbacks_that_race_end_in_one_sms_on_a_busy_account_too(gateway: Gateway) -> None:
    for number in range(8):
        call_back(alarm(once_per=0), task_failed(task_id=f"other_{number}"))
    gateway.fail_next("slow_before", times=0, seconds=0.3)
    threads = [
        threading.Thread(
            target=call_back, args=(alarm(alarm_key="etl", timeout_seconds=60), task_failed(map_index=index))
        )
        for index in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gateway.inbox()) == 9


def test_processes_that_race_end_in_one_sms(gateway: Gateway, tmp_path: Path) -> None:
    script = (
        "from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier\n"
        "from tests.airflow.alarms.occasions import task_failed\n"
        f"MessaggiSmsNotifier(recipients={ANNA!r}, alarm_key='etl', timeout_seconds=60)(task_failed())\n"
    )
    racing = [
        subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)}) for _ in range(3)
    ]
    assert [wait_for_exit(one) for one in racing] == [0, 0, 0]
    assert len(gateway.inbox()) == 1


def test_callbacks_that_race_in_one_event_loop_end_in_one_sms(gateway: Gateway) -> None:
    async def race() -> None:
        notifiers = [alarm(alarm_key="etl") for _ in range(20)]
        for index, notifier in enumerate(notifiers):
            notifier.context = cast("Any", deadline_missed(deadline_id=str(index)))
        await asyncio.gather(*(_finish(notifier) for notifier in notifiers))

    async def _finish(notifier: MessaggiSmsNotifier) -> None:
        await notifier

    asyncio.run(race())
    assert len(gateway.inbox()) == 1


def test_it_says_what_an_alarm_will_take_before_it_goes(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, monkeypatch, price_per_part_eur=0.1)
    caplog.set_level(logging.INFO)
    gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError):
        face(alarm(recipients=[ANNA, BEN], body="’" * 71, max_parts=None), task_failed())
    assert "To send: 2 recipient(s), 4 SMS part(s) in UCS-2, estimated price 0.40 EUR" in caplog.text


def test_numbers_in_an_alarm_key_are_masked_in_the_log(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        face(alarm(alarm_key="{{ dag.dag_id }} {{ params.phone }}"), task_failed(params={"phone": ANNA}))
    assert caplog.text.count("(alarm_key 'etl +39-*******567'") == 2
    assert "349 123 4567" not in caplog.text


# --- what can go wrong ------------------------------------------------------------------------------------------------


class UnspeakableError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise AttributeError("no text")


@pytest.mark.parametrize("body", [None, "{{ exception }}", "broken"])
def test_an_error_that_cannot_be_told_does_not_lose_the_alarm(face: Face, gateway: Gateway, body: str | None) -> None:
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


def test_a_sender_that_the_gateway_would_refuse_gives_way_to_the_connections(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(sender="{{ dag.dag_id }}"), task_failed(dag_id="orders_of_the_day"))
    assert [sms.sender for sms in gateway.inbox()] == ["Airflow"]
    assert "sender: " in caplog.text


def test_a_name_beyond_gsm7_does_not_halve_everybodys_alarm(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Łucja"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    words = "the nightly import of orders is broken and nobody looks, see the runbook page 7 and call the others"
    face(alarm(recipients=people, body="{{name}}, " + words), task_failed())
    assert sorted(texts(gateway)) == [f"Ben, {words}", f"Lucja, {words}"]


def test_an_error_with_a_placeholder_stays_within_its_parts(face: Face, gateway: Gateway) -> None:
    person = {"number": ANNA, "fields": {"name": "N" * 150}}
    face(alarm(recipients=person), task_failed(KeyError("{{name}}")))
    assert [sms.parts for sms in gateway.inbox()] == [1]


def test_params_are_known_without_a_task_too(face: Face, gateway: Gateway) -> None:
    dag = DAG("etl", schedule=None, params={"on_call": ANNA})
    face(alarm(recipients="{{ params.on_call }}"), {"dag": dag, "run_id": RUN_ID, "reason": "timed_out"})
    late = deadline_missed()
    late["dag_run"]["conf"] = {"on_call": BEN}
    face(alarm(recipients="{{ params.on_call }}"), late)
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}


def test_a_template_that_takes_long_holds_nobody_up(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()

    def slow() -> str:
        released.wait(SILENCE_SECONDS)
        return ANNA

    threads = set(threading.enumerate())
    with pytest.raises(OutcomeUnknownError, match="not done within 1 s"):
        call_back(alarm(recipients="{{ params.slow() }}", timeout_seconds=1), task_failed(params={"slow": slow}))
    assert "ALARM NOT SENT" in caplog.text
    released.set()
    for thread in set(threading.enumerate()) - threads:
        thread.join(SILENCE_SECONDS)
    assert gateway.inbox() == []  # it was said to be lost


def test_by_default_it_has_twenty_seconds() -> None:
    assert alarm().timeout_seconds == 20


def test_templates_are_rendered_outside_of_the_event_loop(gateway: Gateway) -> None:
    rendered_in: list[int] = []

    def note() -> str:
        rendered_in.append(threading.get_ident())
        return ANNA

    call_back_awaited(alarm(recipients="{{ note() }}"), deadline_missed() | {"note": note})
    assert rendered_in != []
    assert threading.get_ident() not in rendered_in


def test_an_error_of_somebody_else_is_logged_without_numbers(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(f"cannot read the rota of {ANNA}")

    monkeypatch.setattr(MessaggiSmsNotifier, "_alarm", fail)
    with pytest.raises(RuntimeError):
        face(alarm(), task_failed())
    assert "cannot read the rota of +39-*******567" in caplog.text


def test_a_look_that_fails_leads_to_a_send(face: Face, gateway: Gateway) -> None:
    face(alarm(), task_failed())
    gateway.fail_next("expired_token", method="GET")
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 2


def test_a_lost_answer_is_settled(face: Face, gateway: Gateway) -> None:
    gateway.fail_next("drop_after", method="POST")
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


def test_an_alarm_that_may_be_lost_is_an_error_that_names_the_key(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("drop_before", method="POST")
    with pytest.raises(OutcomeUnknownError, match=r"may be lost.* the key [0-9a-f]{32} in options.custom"):
        face(alarm(timeout_seconds=2), task_failed())
    assert posts(gateway) == 1
    assert f"ALARM NOT SENT: etl/{RUN_ID}/load" in caplog.text


def test_a_refusal_is_logged_with_status_and_code_and_without_numbers(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError):
        face(alarm(body="Secret words"), task_failed())
    assert "HTTP 402, code 201" in caplog.text
    assert "+39-*******567" in caplog.text
    for secret in ("3491234567", "349 123 4567", "Secret words", gateway.token):
        assert secret not in caplog.text


def test_what_goes_well_is_logged_without_numbers_too(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    face(alarm(body="Secret words"), task_failed())
    assert "Alarm sent as message" in caplog.text
    for secret in ("3491234567", "349 123 4567", "Secret words", gateway.token):
        assert secret not in caplog.text
    assert "Secret" not in repr(alarm(body="Secret words"))


def test_a_rate_limit_is_waited_for(face: Face, gateway: Gateway) -> None:
    gateway.fail_next("rate_limit", method="POST", retry_after=0)
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


@pytest.mark.parametrize("kind", ["slow_before", "slow_after"])
def test_a_gateway_that_hangs_holds_nobody_up(face: Face, gateway: Gateway, kind: str) -> None:
    gateway.fail_next(kind, times=0, seconds=30)
    before = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match="may be lost"):
        face(alarm(timeout_seconds=1), task_failed())
    assert time.monotonic() - before < 30  # sooner than the gateway answers


def test_a_connection_that_cannot_be_read_in_time_holds_nobody_up(gateway: Gateway) -> None:
    class Stuck(MessaggiSmsNotifier):
        def _hook(self) -> Any:
            released.wait(SILENCE_SECONDS)
            raise AssertionError("nobody waited so long")

    released = threading.Event()
    with pytest.raises(OutcomeUnknownError, match="not done within 1 s"):
        call_back(Stuck(recipients=ANNA, timeout_seconds=1), task_failed())
    released.set()


def test_an_alarm_is_made_outside_of_the_event_loop(gateway: Gateway) -> None:
    made_in: list[int] = []

    class Watched(MessaggiSmsNotifier):
        def _alarm(self, *args: Any) -> Any:
            made_in.append(threading.get_ident())
            return super()._alarm(*args)

    call_back_awaited(Watched(recipients=ANNA), deadline_missed())
    assert made_in != []
    assert threading.get_ident() not in made_in


def test_what_airflow_logs_of_a_deadline_that_fails_tells_nothing(gateway: Gateway) -> None:
    from airflow.providers.common.compat.sdk import redact

    arguments: dict[str, Any] = {
        "recipients": ["+39 349 765 4321", {"number": "+39 349 765 4322"}],
        "body": "It's a\nsecret",
    }
    gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError):
        call_back_awaited(MessaggiSmsNotifier(**arguments), deadline_missed())
    assert redact(f"kwargs: {arguments}") == "kwargs: {'recipients': ***, 'body': ***}"


def test_the_event_loop_goes_on_meanwhile(puppet: Puppet) -> None:
    loop_goes_on = threading.Event()

    def answer(connection: Connection) -> None:
        if loop_goes_on.wait(30):
            connection.send(success({"id": "m1"}, 201))

    async def send() -> None:
        notifier = alarm(once_per=0, sender="Airflow", timeout_seconds=60)
        notifier.context = cast("Any", deadline_missed())
        await notifier

    async def send_and_see() -> None:
        sending = asyncio.create_task(send())
        await until_or_done(sending, puppet.came.is_set)
        loop_goes_on.set()
        await sending

    puppet.answers(answer)
    asyncio.run(send_and_see())
    assert [asked.method for asked in puppet.asked] == ["POST"]


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ({"max_parts": 0}, "max_parts"),
        ({"max_parts": "2"}, "max_parts"),
        ({"once_per": -1}, "once_per"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"sender": "much too long a sender"}, "sender"),
        ({"once_per": "15m"}, "once_per"),
        ({"once_per": float("inf")}, "once_per"),
        ({"recipients": []}, "recipients"),
        ({"recipients": None}, "recipients"),
        ({"priority": 0.5}, "priority"),
        ({"flash": "yes"}, "flash"),
        ({"test": "False"}, "test"),
    ],
)
def test_a_wrong_argument_is_found_when_the_dag_is_read(argument: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        alarm(**argument)


def test_an_argument_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError):
        alarm(reciepients=ANNA)


def test_a_missing_connection_is_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(Exception, match="nowhere"):
        face(alarm(messaggisms_conn_id="nowhere"), task_failed())


# --- in Airflow -------------------------------------------------------------------------------------------------------


def test_the_alias_is_the_notifier() -> None:
    assert send_messaggisms_notification is MessaggiSmsNotifier
    assert issubclass(MessaggiSmsNotifier, BaseNotifier)


class Broken(BaseOperator):
    """A task that fails."""

    def execute(self, context: Any) -> None:
        """Fail."""
        raise ValueError(f"{self.task_id} is broken")


class Fine(BaseOperator):
    """A task that does not."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


def test_default_args_serve_every_task_of_a_dag(run_dag: Run, gateway: Gateway) -> None:
    shared: dict[str, Any] = {
        "on_failure_callback": [MessaggiSmsNotifier(recipients=ANNA), lambda context: None],
        "on_success_callback": MessaggiSmsNotifier(recipients=BEN, body="{{ ti.task_id }} is done"),
    }
    with DAG("alarming", schedule=None, default_args=shared) as dag:
        Broken(task_id="one")
        Broken(task_id="two")
        Fine(task_id="three")
    run_dag(dag)
    told = sorted(text.splitlines()[0] for text in texts(gateway))
    assert told == ["Failed: alarming.one, try 1/1", "Failed: alarming.two, try 1/1", "three is done"]
    assert any(text.endswith("ValueError: two is broken") for text in texts(gateway))


def test_a_dags_own_callback_works_in_a_dag_test_too(run_dag: Run, gateway: Gateway) -> None:
    with DAG("alarming_dag", schedule=None, on_failure_callback=MessaggiSmsNotifier(recipients=ANNA)) as dag:
        Broken(task_id="one")
    run_dag(dag)
    (text,) = texts(gateway)
    assert text.startswith("Failed: alarming_dag\nrun ")


def test_a_notifier_that_fails_fails_nothing_else(run_dag: Run, gateway: Gateway) -> None:
    gateway.fail_next("no_credit", method="POST")
    callbacks: list[Any] = [MessaggiSmsNotifier(recipients=ANNA), MessaggiSmsNotifier(recipients=BEN)]
    with DAG("alarming_twice", schedule=None) as dag:
        Fine(task_id="one", on_success_callback=callbacks)
    assert run_dag(dag).state == "success"
    assert numbers(gateway) == {"+44-7400123456"}
