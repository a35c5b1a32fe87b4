"""The delivery sensor in poke and reschedule mode: what it asks, and when Airflow lets it ask again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
)

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.puppet import Connection, Puppet, success, then
from tests.airflow.waiting.sensing import STUCK, sensor
from tests.airflow.waiting.waits import RECIPIENTS, SUMMARY, asked, send
from tests.progress import SILENCE_SECONDS

# On Airflow 2.11 the number of reschedules is in the database.
pytestmark = pytest.mark.usefixtures("airflow_db")


def poked(task: MessaggiSmsDeliverySensor, context: Any, times: int) -> list[bool]:
    return [task.poke(context).is_done for _ in range(times)]


@pytest.mark.parametrize("state", ["DELIVERED_TO_HANDSET", "UNDELIVERABLE_NOT_DELIVERED"])
def test_it_leaves_no_connection_open(puppet: Puppet, context: Any, state: str) -> None:
    message = {"id": "m1", "statistics": {"total": 1}, "recipients": {"valid": {"count": 1}}}
    closed = threading.Event()

    def wait_for_its_end(connection: Connection) -> None:
        if not connection.raw.recv(1):
            closed.set()

    recipients = success([{"number": "+39-3491234567", "state": state}])
    puppet.answers(success([message]), then(recipients, wait_for_its_end))
    task = sensor()
    with suppress(errors.DeliveryError):
        task.execute(context)
    assert closed.wait(SILENCE_SECONDS)
    del task  # not sooner, for then its end would close the connection


def test_a_summary_that_stands_still_is_checked_at_every_tenth_poll(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    poked(sensor(message_id), context, 10)
    assert asked(messaggisms_gateway) == [SUMMARY] * 10 + [RECIPIENTS]


def test_an_unknown_state_is_waited_on_and_warned_of_once(
    puppet: Puppet, context: Any, said: Callable[[], str]
) -> None:
    message = {"id": "m1", "statistics": {"total": 1}, "recipients": {"valid": {"count": 1}}}
    puppet.answers(success([message]), success([{"number": "+39-3491234567", "state": "TELEPORTED"}]))
    task = sensor("m1")
    assert poked(task, context, 1) == [False]
    assert "unknown state 'TELEPORTED'" in said()
    assert poked(task, context, 2) == [False] * 2
    assert "TELEPORTED" not in said()


def test_failures_that_last_end_it_and_leave_its_retries_alone(messaggisms_gateway: Gateway, context: Any) -> None:
    messaggisms_gateway.fail_next("status_before", times=0)
    task = sensor(outage_tolerance=timedelta(0))
    assert poked(task, context, 2) == [False, False]
    with pytest.raises(errors.GatewayUnavailableError, match="giving up: 3 polls in a row failed") as caught:
        task.poke(context)
    assert not isinstance(caught.value, AirflowFailException)


def test_after_its_time_it_asks_no_more(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id = send(STUCK)
    task = sensor(message_id, timeout=0)
    assert poked(task, context, 2) == [False, False]
    assert asked(messaggisms_gateway) == [SUMMARY, RECIPIENTS]


def next_pause(task: MessaggiSmsDeliverySensor, passed: float) -> float:
    """Ask what Airflow asks between two pokes."""
    return task._get_next_poke_interval(0.0, lambda: passed, 1)


@pytest.mark.parametrize(("passed", "pause"), [(0, 5), (59, 5), (61, 15), (601, 60), (4_000, 300)])
def test_its_polls_grow_apart(messaggisms_gateway: Gateway, context: Any, passed: float, pause: float) -> None:
    task = sensor(send(STUCK), poke_interval=None, timeout=10_000)
    poked(task, context, 1)
    assert pause <= next_pause(task, passed) <= 1.1 * pause


def test_rescheduled_it_leaves_the_scheduler_a_minute(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(STUCK), poke_interval=None, timeout=10_000, mode="reschedule")
    poked(task, context, 1)
    assert next_pause(task, 0) == 60


def test_rescheduled_it_follows_retry_after(messaggisms_gateway: Gateway, context: Any) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=7_200)
    task = sensor(timeout=10_000, mode="reschedule")
    poked(task, context, 1)
    assert next_pause(task, 0) >= 7_200


def test_a_fixed_interval_is_kept_but_not_beyond_the_timeout(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(STUCK), poke_interval=timedelta(minutes=20), timeout=timedelta(hours=1))
    poked(task, context, 1)
    assert [next_pause(task, passed) for passed in (0, 1_200, 3_000, 3_599, 3_601)] == [1_200, 1_200, 600, 1, 0]


def test_a_scheduled_message_is_not_polled_before_its_day(messaggisms_gateway: Gateway, context: Any) -> None:
    day = datetime.now(UTC).date() + timedelta(days=3)
    task = sensor(send(timestamp_send=day.isoformat()), timeout=timedelta(days=9))
    assert poked(task, context, 1) == [False]
    assert asked(messaggisms_gateway) == [SUMMARY]
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)  # midnight in Rome, in summer
    assert next_pause(task, 0) > begins.timestamp() - time.time() - 1


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_exponential_backoff_decides_unless_the_gateway_asks_for_more(
    messaggisms_gateway: Gateway, context: Any, mode: str
) -> None:
    backing_off: dict[str, Any] = {"exponential_backoff": True, "timeout": timedelta(days=9), "mode": mode}
    task = sensor(send(STUCK), poke_interval=1_000, **backing_off)
    poked(task, context, 1)
    assert 500 <= next_pause(task, 0) < 1_000
    day = datetime.now(UTC).date() + timedelta(days=3)
    task = sensor(send(timestamp_send=day.isoformat()), **backing_off)
    poked(task, context, 1)
    assert next_pause(task, 0) > timedelta(days=1).total_seconds()
    messaggisms_gateway.fail_next("rate_limit", retry_after=600)
    task = sensor(**backing_off)
    poked(task, context, 1)
    assert 600 <= next_pause(task, 0) <= 900
