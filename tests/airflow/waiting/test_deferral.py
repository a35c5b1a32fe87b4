"""The delivery sensor when it defers: what the trigger gets, and how the task goes on."""

from __future__ import annotations

import inspect
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
    conf,
)

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.polling import Wait
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from airflow_provider_messaggisms.waiting import trigger_event
from airflow_provider_messaggisms.waiting.waiting_operator import WaitingOperator
from tests.airflow.waiting.sensing import STUCK, UNDELIVERABLE, sensor
from tests.airflow.waiting.waits import SUMMARY, asked, finished, send
from tests.progress import SILENCE_SECONDS


def deferral_of(task: MessaggiSmsDeliverySensor, context: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    return caught.value


def test_what_is_known_already_is_not_deferred(messaggisms_gateway: Gateway, context: Any) -> None:
    arrived, failed = send(), send(UNDELIVERABLE)
    messaggisms_gateway.advance(10)
    assert sensor(arrived, deferrable=True).execute(context)["delivered"] == 1
    with pytest.raises(errors.DeliveryError):
        sensor(failed, deferrable=True).execute(context)


def test_the_trigger_gets_what_the_sensor_was_given(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id = send(STUCK)
    task = sensor(
        message_id,
        deferrable=True,
        min_delivered=0.9,
        accept_delivered_to_operator=True,
        poke_interval=timedelta(seconds=90),
        outage_tolerance=timedelta(minutes=5),
    )
    task.handover_seconds = 7.0
    arguments = deferral_of(task, context).trigger.serialize()[1]
    wait = Wait.from_json(arguments["wait"])
    assert (arguments["messaggisms_conn_id"], arguments["handover_seconds"]) == ("messaggisms_default", 7.0)
    assert wait == Wait(
        message_id=message_id,
        since=wait.since,
        deadline=wait.since + SILENCE_SECONDS,
        rule=Rule(0.9, accept_delivered_to_operator=True),
        poke_interval=90.0,
        outage_tolerance=300.0,
    )
    without = deferral_of(sensor(message_id, deferrable=True, poke_interval=None), context)
    assert without.trigger.wait["poke_interval"] is None


def test_the_trigger_follows_the_retry_after_that_the_worker_was_told(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=60)
    began = time.time()
    not_before = deferral_of(sensor(deferrable=True), context).trigger.wait["not_before"]
    assert began + 60 <= not_before <= time.time() + 60


def test_airflow_bounds_the_deferral_by_what_is_left_of_the_timeout(messaggisms_gateway: Gateway, context: Any) -> None:
    began = time.time()
    deferred = deferral_of(sensor(send(STUCK), deferrable=True, timeout=5_000), context)
    assert isinstance(deferred.timeout, timedelta)
    assert timedelta(seconds=4_000) < deferred.timeout < timedelta(seconds=5_000)
    wait = Wait.from_json(deferred.trigger.wait)
    assert wait.deadline == wait.since + 5_000.0
    assert began <= wait.deadline - deferred.timeout.total_seconds() <= time.time()


def test_the_execution_timeout_bounds_the_deferral_too(messaggisms_gateway: Gateway, context: Any) -> None:
    context["ti"].start_date = datetime.now(UTC) - timedelta(seconds=1_000)
    task = sensor(send(STUCK), deferrable=True, timeout=5_000, execution_timeout=timedelta(seconds=3_000))
    timeout = deferral_of(task, context).timeout
    assert isinstance(timeout, timedelta)
    assert timedelta(seconds=1_000) < timeout < timedelta(seconds=2_000)


def test_the_end_of_the_execution_timeout_is_airflows_own_error(messaggisms_gateway: Gateway, context: Any) -> None:
    context["ti"].start_date = datetime.now(UTC)
    task = sensor(send(STUCK), deferrable=True, execution_timeout=timedelta(seconds=0.5))
    with pytest.raises(AirflowTaskTimeout):
        finished(task, context)


def test_a_timeout_that_airflow_notices_first_is_the_same(context: Any) -> None:
    timed_out = {"error": "Trigger/execution timeout" if airflow_version.startswith("2.") else "Trigger timeout"}
    with pytest.raises(AirflowSensorTimeout, match="The delivery is not known within timeout"):
        sensor().resume_execution("__fail__", timed_out, context)
    for skipping in ("soft_fail", "never_fail"):
        with pytest.raises(AirflowSkipException):
            sensor("m1", **{skipping: True}).resume_execution("__fail__", timed_out, context)


def test_a_trigger_that_breaks_is_airflows_own_error(context: Any) -> None:
    with pytest.raises(Exception, match="Trigger failure") as caught:
        sensor().resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert type(caught.value).__name__ == "TaskDeferralError"


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"status": "delivered"}])
def test_an_unknown_event_fails_the_task(context: Any, event: Any) -> None:
    with pytest.raises(errors.ProtocolError):
        sensor().execute_complete(context, event)


def test_failures_that_last_are_the_same_when_deferred(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(STUCK), deferrable=True, outage_tolerance=0.0)
    messaggisms_gateway.fail_next("status_before", times=0, after=2)
    with pytest.raises(errors.GatewayUnavailableError, match="giving up: 3 polls in a row failed") as caught:
        finished(task, context)
    assert not isinstance(caught.value, AirflowFailException)
    with suppress(AirflowSkipException):
        finished(sensor(deferrable=True, never_fail=True, outage_tolerance=0.0), context)


def test_a_scheduled_message_is_deferred_to_its_day(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(timestamp_send="2098-12-24"), deferrable=True)
    assert deferral_of(task, context).trigger.wait["since"] == datetime(2098, 12, 23, 23, tzinfo=UTC).timestamp()
    assert asked(messaggisms_gateway) == [SUMMARY]


def test_deferring_is_the_default_where_airflow_says_so() -> None:
    default = inspect.signature(WaitingOperator).parameters["deferrable"].default
    assert default == conf.getboolean("operators", "default_deferrable", fallback=False)


def test_what_it_tells_is_what_the_trigger_told(context: Any) -> None:
    report = {"message_id": "m1", "summary": "delivered to +39-*******567 after 4 s", "total": 1}
    assert sensor().execute_complete(context, trigger_event.delivered(report)) == report
