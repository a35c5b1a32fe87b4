"""The credit sensor: poked, rescheduled and deferred it comes to the same end, and reads but never sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG, AirflowSensorTimeout, TaskDeferred

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.sensors import MessaggiSmsCreditSensor
from airflow_provider_messaggisms.triggers import MessaggiSmsCreditTrigger
from airflow_provider_messaggisms.waiting import trigger_event
from tests.airflow.conftest import Run, posts
from tests.airflow.waiting.waits import send

START: dict[str, Any] = {"schedule": None, "start_date": datetime(2024, 1, 1, tzinfo=UTC)}
FACES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True},
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("least", "state"), [("20", "success"), (1000, "failed")])
def test_it_ends_alike_in_every_mode(
    run_dag: Run, messaggisms_gateway: Gateway, face: str, least: Any, state: str
) -> None:
    send()  # an account without messages tells no credit
    with DAG(f"credit_{face}_{state}", **START) as dag:
        MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=least, timeout=0, **FACES[face])
    (ti,) = run_dag(dag).get_task_instances()
    assert str(ti.state) == state
    if state == "success":
        assert ti.xcom_pull(task_ids="credit")["min_credit_eur"] == 20.0
    assert posts(messaggisms_gateway) == 1


def test_too_little_credit_is_left_to_the_trigger(messaggisms_gateway: Gateway, context: Any) -> None:
    send()
    sensor = MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=1000, timeout=600, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context)
    path, arguments = deferred.value.trigger.serialize()
    assert path.endswith("MessaggiSmsCreditTrigger")
    assert MessaggiSmsCreditTrigger(**arguments).serialize() == (path, arguments)


async def test_the_trigger_tells_when_there_is_enough(messaggisms_gateway: Gateway) -> None:
    send()
    wait = {"min_credit_eur": 20.0, "since": datetime.now(UTC).timestamp(), "poke_interval": 0.1}
    trigger = MessaggiSmsCreditTrigger(messaggisms_conn_id="messaggisms_default", wait=wait, handover_seconds=0.0)
    (event,) = [event async for event in trigger.run()]
    assert trigger_event.credit_report_of(event.payload)["credit_eur"] >= 20.0


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (trigger_event.time_is_up(), AirflowSensorTimeout),
        (trigger_event.failed(errors.AuthenticationError(401, None, "Wrong Token")), errors.AuthenticationError),
        (trigger_event.delivered({"message_id": "m1", "summary": "all"}), errors.ProtocolError),
        (None, errors.ProtocolError),
    ],
)
def test_no_other_event_counts_as_enough_credit(event: Any, error: type[Exception], context: Any) -> None:
    with pytest.raises(error):
        MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=20).execute_complete(context, event)


@pytest.mark.parametrize("wrong", [-1, "a lot", True])
def test_a_wrong_amount_fails_when_the_dag_is_parsed(wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="min_credit_eur"):
        MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=wrong)


def test_a_timeout_that_airflow_notices_first_is_the_same(context: Any) -> None:
    error = "Trigger/execution timeout" if airflow_version.startswith("2.") else "Trigger timeout"
    sensor = MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=5, deferrable=True)
    with pytest.raises(AirflowSensorTimeout, match="There is too little credit"):
        sensor.resume_execution("__fail__", {"error": error}, context)
