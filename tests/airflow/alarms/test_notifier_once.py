"""Of one event, and of one storm, the notifier sends one SMS."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    MessaggiSmsError,
)
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.alarms.notifying import BEN, Face, alarm, call_back, new_machine, numbers, texts
from tests.airflow.alarms.occasions import RUN_ID, RUN_STARTED, dag_failed, deadline_missed, killed, task_failed


@pytest.mark.parametrize("context", [killed(), dag_failed(), deadline_missed()], ids=["task", "dag", "deadline"])
def test_the_same_event_is_told_once(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture, context: dict[str, Any]
) -> None:
    caplog.set_level(logging.INFO)
    face(alarm(), context)
    face(alarm(), context)
    assert len(gateway.inbox()) == 1
    assert "Staying silent: message" in caplog.text


@pytest.mark.parametrize("make", [task_failed, killed, dag_failed])
def test_a_run_that_is_made_again_is_another_run(face: Face, gateway: Gateway, make: Callable[..., Any]) -> None:
    face(alarm(), make())
    face(alarm(), make(run_started=RUN_STARTED + timedelta(microseconds=1)))
    assert len(gateway.inbox()) == 2


def test_another_airflow_with_the_same_account_sends_its_own(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("https://airflow.example", "https://staging.example"):
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", address)
        monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", address)
        for own_key in (None, "the {{ dag.dag_id }}"):
            for _ in range(2):
                face(alarm(alarm_key=own_key), task_failed())
    assert len(gateway.inbox()) == 4


def test_a_run_is_the_same_however_airflow_writes_its_start(face: Face, gateway: Gateway) -> None:
    face(alarm(), task_failed(run_started=RUN_STARTED))
    face(alarm(), task_failed(run_started=RUN_STARTED.astimezone(timezone(timedelta(hours=2)))))
    assert len(gateway.inbox()) == 1


def test_two_bodies_for_one_event_are_two_alarms(face: Face, gateway: Gateway) -> None:
    for body in ("{{ ti.task_id }} broke", "Call Anna about {{ ti.task_id }}", None):
        for _ in range(2):
            face(alarm(body=body), killed())
    default = f"Failed: etl.load, try 3/3\nrun {RUN_ID}\nno error known: killed, lost or cleared"
    assert texts(gateway) == ["load broke", "Call Anna about load", default]


def test_silence_about_another_text_is_a_warning(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(alarm_key="etl", body="{{ ti.task_id }} broke"), task_failed(task_id="one"))
    for _ in ("by the note", "by the gateway"):
        face(alarm(alarm_key="etl", body="{{ ti.task_id }} broke"), task_failed(task_id="two"))
        (warning,) = [one for one in caplog.records if "Staying silent" in one.getMessage()]
        assert warning.levelname == "WARNING"
        assert "told another text (alarm_key 'etl'" in warning.getMessage()
        caplog.clear()
        new_machine()
    assert texts(gateway) == ["one broke"]


def test_silence_about_the_same_text_is_no_warning(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        face(alarm(alarm_key="etl", body="etl broke"), task_failed())
        face(alarm(body="{{ range(1000000) | random }}"), task_failed())  # another text by chance, one event
    assert len(gateway.inbox()) == 2
    silent = [one for one in caplog.records if "Staying silent" in one.getMessage()]
    assert [one.levelname for one in silent] == ["INFO", "INFO"]


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


def test_other_recipients_get_an_alarm_of_their_own(face: Face, gateway: Gateway) -> None:
    face(alarm(alarm_key="etl"), task_failed())
    face(alarm(alarm_key="etl", recipients=BEN), task_failed())
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}


@pytest.mark.parametrize("once_per", [0, timedelta(0)])
def test_zero_never_silences(face: Face, gateway: Gateway, once_per: Any) -> None:
    face(alarm(once_per=once_per), task_failed())
    face(alarm(once_per=once_per), task_failed())
    assert len(gateway.inbox()) == 2


@pytest.mark.parametrize("alarm_key", ["{{ nothing.at.all }}", "{{ None }}", "{{ ' ' }}"])
def test_a_wrong_alarm_key_gives_way_to_the_default_key(
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


def test_the_message_leads_a_person_to_the_event(face: Face, gateway: Gateway) -> None:
    face(alarm(alarm_key="the {{ dag.dag_id }}"), task_failed(map_index=3))
    (sms,) = gateway.inbox()
    carried = json.loads(sms.custom or "")["airflow"]
    assert carried.pop("key")
    assert carried.pop("mark")
    assert carried.pop("text")
    assert carried == {
        "event": "failed",
        "alarm_key": "the etl",
        "dag_id": "etl",
        "run_id": RUN_ID,
        "task_id": "load",
        "map_index": 3,
        "try_number": 3,
    }


def test_racing_callbacks_send_one_sms(gateway: Gateway) -> None:
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


def test_racing_callbacks_send_one_sms_on_a_busy_account_too(gateway: Gateway) -> None:
    for number in range(8):
        call_back(alarm(once_per=0), task_failed(task_id=f"other_{number}"))
    gateway.fail_next("slow_before", times=0, seconds=0.3)
    threads = [
        threading.Thread(
            target=call_back, args=(alarm(alarm_key="etl", timeout_seconds=6), task_failed(map_index=index))
        )
        for index in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gateway.inbox()) == 9


def test_racing_callbacks_in_one_event_loop_send_one_sms(gateway: Gateway) -> None:
    async def race() -> None:
        notifiers = [alarm(alarm_key="etl") for _ in range(20)]
        for index, notifier in enumerate(notifiers):
            notifier.context = cast("Any", deadline_missed(deadline_id=str(index)))
        await asyncio.gather(*(_finish(notifier) for notifier in notifiers))

    async def _finish(notifier: MessaggiSmsNotifier) -> None:
        await notifier

    asyncio.run(race())
    assert len(gateway.inbox()) == 1


def test_a_failed_search_leads_to_a_send(face: Face, gateway: Gateway) -> None:
    face(alarm(), task_failed())
    new_machine()
    gateway.fail_next("expired_token", method="GET", times=2)
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 2
