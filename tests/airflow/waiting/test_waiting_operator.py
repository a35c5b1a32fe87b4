"""Send operators that wait: with the sensor's parameters and its ends, and without sending twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.operators import (
    MessaggiSmsRescheduleOperator,
    MessaggiSmsSendOperator,
    MessaggiSmsSendTransactionOperator,
)
from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger
from tests.airflow.conftest import Run, posts
from tests.airflow.waiting.waits import NUMBER, RECIPIENTS, asked, finished, send
from tests.progress import SILENCE_SECONDS

STUCK, UNDELIVERABLE = "+39 349 123 0005", "+39 349 123 0001"


def sending(recipients: Any = NUMBER, kind: type[Any] = MessaggiSmsSendOperator, **arguments: Any) -> Any:
    """Make an operator that sends and waits."""
    return kind(
        task_id="send",
        sender="Airflow",
        body="Hello",
        recipients=recipients,
        **{"wait_for_delivery": True, "poke_interval": 0.1, "timeout": SILENCE_SECONDS, **arguments},
    )


@pytest.fixture(params=[False, True], ids=["poke", "deferred"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def arrival(messaggisms_gateway: Gateway) -> Iterator[None]:
    """Let the SMS arrive after the second poll, however long a busy machine takes to get there."""
    over = threading.Event()

    def run() -> None:
        while asked(messaggisms_gateway).count(RECIPIENTS) < 2:
            if over.wait(0.02):
                return
        messaggisms_gateway.advance(10)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("kind", [MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator])
def test_it_returns_the_id_when_all_have_it_and_pushes_the_report(
    messaggisms_gateway: Gateway, context: Any, arrival: None, deferrable: bool, kind: type[Any]
) -> None:
    task = sending([NUMBER, "+39 349 123 4568"], kind, deferrable=deferrable)
    message_id = finished(task, context)
    report = context["ti"].xcoms["delivery"]
    assert (report["message_id"], report["delivered"]) == (message_id, 2)
    assert context["ti"].xcoms["message"]["message_id"] == message_id
    assert len(messaggisms_gateway.inbox()) == 2
    assert "1234567" not in str(context["ti"].xcoms)


def test_without_being_asked_it_does_not_wait(messaggisms_gateway: Gateway, context: Any) -> None:
    finished(sending(wait_for_delivery=False, deferrable=True), context)
    assert asked(messaggisms_gateway) == []
    assert "delivery" not in context["ti"].xcoms


def test_it_fails_for_good_when_the_sms_cannot_arrive(
    messaggisms_gateway: Gateway, context: Any, arrival: None, deferrable: bool
) -> None:
    with pytest.raises(errors.DeliveryError) as caught:
        finished(sending(UNDELIVERABLE, deferrable=deferrable), context)
    assert isinstance(caught.value, AirflowFailException)
    assert caught.value.report["failed_count"] == 1


def test_its_timeout_is_that_of_a_sensor(messaggisms_gateway: Gateway, context: Any, deferrable: bool) -> None:
    with pytest.raises(AirflowSensorTimeout):
        finished(sending(STUCK, timeout=timedelta(seconds=0.5), deferrable=deferrable), context)
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_next_try_waits_for_what_the_first_has_sent(
    messaggisms_gateway: Gateway, context: Any, deferrable: bool
) -> None:
    messaggisms_gateway.fail_next("status_before", method="GET", times=0)
    with pytest.raises(errors.GatewayUnavailableError):
        finished(sending(outage_tolerance=0, deferrable=deferrable), context)
    messaggisms_gateway.heal()
    messaggisms_gateway.advance(10)
    context["ti"].try_number = 2
    finished(sending(deferrable=deferrable), context)
    assert posts(messaggisms_gateway) == 1
    assert context["ti"].xcoms["delivery"]["delivered"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_delivered": 2},
        {"poke_interval": -1},
        {"timeout": "soon"},
        {"outage_tolerance": None},
        {"wait_for_delivery": "yes"},
        {"deferrable": 1},
    ],
)
def test_a_wrong_argument_of_the_wait_fails_when_the_dag_is_parsed(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))) as caught:
        sending(**wrong)
    assert isinstance(caught.value, AirflowFailException)  # a mapped task is made when it runs


def test_a_timeout_that_airflow_notices_first_is_the_same(context: Any) -> None:
    error = "Trigger/execution timeout" if airflow_version.startswith("2.") else "Trigger timeout"
    with pytest.raises(AirflowSensorTimeout, match="The delivery is not known within timeout"):
        sending().resume_execution("__fail__", {"error": error}, context)


def test_it_may_defer_twice_for_the_moment_and_for_the_delivery(messaggisms_gateway: Gateway, context: Any) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=0.5)
    triggers: list[Any] = []

    def between(deferred: TaskDeferred) -> Any:
        triggers.append(deferred.trigger)
        if isinstance(deferred.trigger, MessaggiSmsDeliveryTrigger):
            message_id = deferred.trigger.wait["message_id"]
            return {"status": "delivered", "report": {"message_id": message_id, "summary": "there"}}
        assert messaggisms_gateway.requests() == []
        threading.Event().wait(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
        return moment

    message_id = finished(sending(send_at=moment, deferrable=True), context, between=between)
    assert [isinstance(trigger, MessaggiSmsDeliveryTrigger) for trigger in triggers] == [False, True]
    assert triggers[1].wait["message_id"] == message_id
    assert len(messaggisms_gateway.inbox()) == 1


@pytest.mark.personality(empty_put="accepted")
def test_a_message_that_is_moved_is_waited_for_from_its_new_day_on(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id = send(timestamp_send="2098-12-24")
    task = MessaggiSmsRescheduleOperator(
        task_id="move", message_id=message_id, timestamp_send="2098-12-31", wait_for_delivery=True, deferrable=True
    )
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    assert caught.value.trigger.wait["since"] == datetime(2098, 12, 30, 23, tzinfo=UTC).timestamp()


def test_airflow_runs_it(messaggisms_gateway: Gateway, run_dag: Run, arrival: None, deferrable: bool) -> None:
    with DAG(f"send_and_wait_{deferrable}", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)) as dag:
        sending(deferrable=deferrable).handover_seconds = 0.0
    (ti,) = run_dag(dag).get_task_instances()
    assert str(ti.state) == "success"
    message_id = ti.xcom_pull(task_ids="send")
    assert ti.xcom_pull(task_ids="send", key="delivery")["message_id"] == message_id
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [message_id]
