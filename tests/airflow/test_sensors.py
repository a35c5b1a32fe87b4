"""The delivery sensor: poked, rescheduled or deferred it asks little, logs little, and comes to the same end."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
    conf,
)

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from airflow_provider_messaggisms.waiting import outcome
from airflow_provider_messaggisms.waiting.operator import WaitingOperator
from tests.airflow.conftest import Run, plain
from tests.airflow.puppet import Connection, Puppet, success, then
from tests.airflow.waiting.waits import NUMBER, RECIPIENTS, SUMMARY, asked, finished, send
from tests.progress import SILENCE_SECONDS

STUCK_AT_OPERATOR, STUCK, UNDELIVERABLE, EXPIRED, REJECTED = (
    f"+39 349 123 {digits}" for digits in ("0004", "0005", "0001", "0002", "0003")
)

_numbers = count()


class Ended(NamedTuple):
    """How a task has ended; ``error`` is why it failed for good, or what its next try would begin with."""

    state: str
    report: Any = None
    error: BaseException | None = None


def sensor(message_id: str = "m1", **arguments: Any) -> MessaggiSmsDeliverySensor:
    """Make a sensor without a DAG."""
    return MessaggiSmsDeliverySensor(
        task_id=f"wait_{next(_numbers)}",
        message_id=message_id,
        **{"poke_interval": 0.1, "timeout": SILENCE_SECONDS, **arguments},
    )


Wait = Callable[..., Ended]


def by_hand(context: Any, **mode: Any) -> Wait:
    """Wait without Airflow's machinery, which is slow."""

    def wait(message_id: str, **arguments: Any) -> Ended:
        try:
            return Ended("success", finished(sensor(message_id, **mode, **arguments), context))
        except AirflowSkipException as skipped:
            return Ended("skipped", error=skipped.__cause__)
        except Exception as error:  # noqa: BLE001 (whatever it is, the test asks)
            not_retried = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            return Ended("failed" if not_retried else "up_for_retry", error=error)

    return wait


def by_airflow(run_dag: Run, **mode: Any) -> Wait:
    """Run a DAG with nothing but the sensor."""

    def wait(message_id: str, **arguments: Any) -> Ended:
        raised: list[BaseException] = []
        with DAG(f"wait_{next(_numbers)}", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)):
            task = sensor(
                message_id,
                retries=1,
                on_failure_callback=lambda context: raised.append(context["exception"]),
                on_retry_callback=lambda context: pytest.fail("it is retried"),
                **mode,
                **arguments,
            )
        (ti,) = run_dag(task.dag).get_task_instances()
        return Ended(str(ti.state), ti.xcom_pull(task_ids=task.task_id), raised[0] if raised else None)

    return wait


@pytest.fixture(params=["poke", "reschedule", "deferred"])
def wait(request: pytest.FixtureRequest) -> Wait:
    """Wait in each mode. Only Airflow itself can reschedule."""
    if request.param == "reschedule":
        return by_airflow(request.getfixturevalue("run_dag"), mode="reschedule")
    return by_hand(request.getfixturevalue("context"), deferrable=request.param == "deferred")


@pytest.fixture
def meanwhile(messaggisms_gateway: Gateway) -> Iterator[Callable[..., None]]:
    """Do something at the gateway once a wait has looked so often, however long a busy machine takes to get there."""
    over, threads = threading.Event(), []

    def arrange(act: Callable[[], Any], *, looks: int = 3, at: str = RECIPIENTS) -> None:
        def run() -> None:
            while asked(messaggisms_gateway).count(at) < looks:
                if over.wait(0.02):
                    return
            act()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield arrange
    over.set()
    for thread in threads:
        thread.join()


# --- the same in all modes --------------------------------------------------------------------------------------------


def test_it_succeeds_with_the_report_when_the_sms_arrives(
    messaggisms_gateway: Gateway,
    wait: Wait,
    meanwhile: Callable[..., None],
    said: Callable[[], str],
) -> None:
    message_id = send()
    meanwhile(lambda: messaggisms_gateway.advance(10))
    ended = wait(message_id)
    assert ended.state == "success"
    assert ended.report == {
        "message_id": message_id,
        "total": 1,
        "delivered": 1,
        "failed_count": 0,
        "pending": 0,
        "states": {"DELIVERED_TO_HANDSET": 1},
        "price_eur": 0.05,
        "failed": [],
        "summary": "delivered to +39-*******567 after 4 s",
    }
    log = said()
    assert "delivered to +39-*******567 after 4 s" in [line for line in log.splitlines() if "*567" in line][-1]
    assert "1234567" not in log
    assert "Hello" not in log


def test_it_fails_for_good_when_the_sms_cannot_arrive(
    messaggisms_gateway: Gateway, wait: Wait, meanwhile: Callable[..., None]
) -> None:
    message_id = send([NUMBER, UNDELIVERABLE])
    meanwhile(lambda: messaggisms_gateway.advance(10))
    ended = wait(message_id)
    error = ended.error
    assert ended.state == "failed"
    assert isinstance(error, errors.DeliveryError)
    assert isinstance(error, AirflowFailException)
    assert error.report["failed"] == [
        {
            "index": 1,
            "number": "+39-*******001",
            "state": "UNDELIVERABLE_NOT_DELIVERED",
            "reason": "Nobody has this number",
            "permanent": True,
        }
    ]
    assert str(error) == (
        f"message {message_id}: 1 of 2 not delivered, 1 delivered; "
        "the first: +39-*******001 UNDELIVERABLE_NOT_DELIVERED (Nobody has this number)"
    )
    assert "1230001" not in plain(error)


def test_a_message_of_which_all_recipients_are_invalid_has_failed(messaggisms_gateway: Gateway, wait: Wait) -> None:
    error = wait(send("+39 349 123 0009")).error
    assert isinstance(error, errors.DeliveryError)
    assert isinstance(error, AirflowFailException)
    assert error.report["total"] == 0


@pytest.mark.parametrize(("number", "state"), [(EXPIRED, "EXPIRED_EXPIRED"), (REJECTED, "REJECTED_NETWORK")])
def test_an_sms_that_expired_or_was_rejected_has_failed(
    messaggisms_gateway: Gateway, wait: Wait, number: str, state: str
) -> None:
    message_id = send(number)
    messaggisms_gateway.advance(10)
    error = wait(message_id).error
    assert isinstance(error, errors.DeliveryError)
    assert error.report["states"] == {state: 1}
    assert error.report["summary"].startswith(f"not delivered to {error.report['failed'][0]['number']}: {state} (")


def test_enough_delivered_is_a_success_with_the_failures_in_the_report(
    messaggisms_gateway: Gateway, wait: Wait
) -> None:
    message_id = send([NUMBER, UNDELIVERABLE])
    messaggisms_gateway.advance(10)
    ended = wait(message_id, min_delivered=0.5)
    assert (ended.state, ended.report["delivered"], ended.report["failed_count"]) == ("success", 1, 1)


def test_what_only_the_operator_has_is_delivered_if_that_is_accepted(messaggisms_gateway: Gateway, wait: Wait) -> None:
    message_id = send(STUCK_AT_OPERATOR)
    messaggisms_gateway.advance(10)
    assert wait(message_id, accept_delivered_to_operator=True).state == "success"
    assert isinstance(wait(message_id, timeout=0.5).error, AirflowSensorTimeout)


@pytest.mark.parametrize("number", [STUCK, STUCK_AT_OPERATOR])
def test_its_timeout_ends_it_as_airflow_ends_sensors(messaggisms_gateway: Gateway, wait: Wait, number: str) -> None:
    message_id = send(number)
    messaggisms_gateway.advance(10)
    ended = wait(message_id, timeout=0.5)
    assert ended.state == "failed"
    assert type(ended.error) is AirflowSensorTimeout


def test_with_soft_fail_a_timeout_and_a_failed_delivery_skip_the_task(messaggisms_gateway: Gateway, wait: Wait) -> None:
    stuck, failed = send(STUCK), send(UNDELIVERABLE)
    messaggisms_gateway.advance(10)
    assert wait(stuck, timeout=0.5, soft_fail=True).state == "skipped"
    assert wait(failed, soft_fail=True).state == "skipped"


def test_with_never_fail_a_failed_delivery_and_a_wrong_message_skip_the_task(
    messaggisms_gateway: Gateway, wait: Wait, meanwhile: Callable[..., None]
) -> None:
    message_id = send(UNDELIVERABLE)
    meanwhile(lambda: messaggisms_gateway.advance(10))
    assert wait(message_id, never_fail=True).state == "skipped"
    assert wait("0" * 24, never_fail=True).state == "skipped"


def test_an_unknown_message_and_a_refused_token_end_it_at_once(
    messaggisms_gateway: Gateway, wait: Wait, meanwhile: Callable[..., None]
) -> None:
    ended = wait("0" * 24)
    assert isinstance(ended.error, errors.MessageNotFoundError)
    assert (ended.state, asked(messaggisms_gateway)) == ("failed", [SUMMARY])
    message_id = send(STUCK)
    meanwhile(lambda: messaggisms_gateway.fail_next("expired_token", times=0))
    ended = wait(message_id)
    assert isinstance(ended.error, errors.AuthenticationError)
    assert isinstance(ended.error, AirflowFailException)
    assert (ended.state, ended.error.status) == ("failed", 401)


def test_a_gateway_that_fails_for_a_while_is_waited_for(messaggisms_gateway: Gateway, wait: Wait) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    messaggisms_gateway.fail_next("drop_before")
    messaggisms_gateway.fail_next("rate_limit", retry_after=0)
    assert wait(message_id).state == "success"


def test_a_message_whose_transaction_is_open_is_waited_for(messaggisms_gateway: Gateway, wait: Wait) -> None:
    message_id = send([NUMBER, "+39 349 123 4568"], transaction=True)
    messaggisms_gateway.advance(100)
    assert isinstance(wait(message_id, timeout=0.4).error, AirflowSensorTimeout)


def test_of_many_recipients_the_summary_is_read_and_the_list_at_the_end(
    messaggisms_gateway: Gateway, wait: Wait, meanwhile: Callable[..., None]
) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    meanwhile(lambda: messaggisms_gateway.advance(60), at=SUMMARY)
    ended = wait(message_id)
    assert ended.report["delivered"] == 60
    assert asked(messaggisms_gateway).count(RECIPIENTS) == 1


def test_rescheduled_it_counts_its_looks_over_all_processes_and_reads_the_recipients_at_every_tenth(
    messaggisms_gateway: Gateway, run_dag: Run, meanwhile: Callable[..., None]
) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    meanwhile(lambda: messaggisms_gateway.advance(60), looks=11, at=SUMMARY)
    assert by_airflow(run_dag, mode="reschedule")(message_id).report["delivered"] == 60
    assert asked(messaggisms_gateway)[:12] == [SUMMARY] * 10 + [RECIPIENTS, SUMMARY]


# --- poked ------------------------------------------------------------------------------------------------------------


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


def test_a_summary_that_stands_still_is_checked_against_the_recipients_at_every_tenth_look(
    messaggisms_gateway: Gateway, context: Any
) -> None:
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


def test_failures_that_last_end_it_with_the_last_of_them_and_leave_its_retries_alone(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    messaggisms_gateway.fail_next("status_before", times=0)
    task = sensor(outage_tolerance=timedelta(0))
    assert poked(task, context, 2) == [False, False]
    with pytest.raises(errors.GatewayUnavailableError, match="3 looks in a row have failed") as caught:
        task.poke(context)
    assert not isinstance(caught.value, AirflowFailException)


def test_after_its_time_it_asks_no_more(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id = send(STUCK)
    task = sensor(message_id, timeout=0)
    assert poked(task, context, 2) == [False, False]
    assert asked(messaggisms_gateway) == [SUMMARY, RECIPIENTS]


def next_pause(task: MessaggiSmsDeliverySensor, passed: float) -> float:
    """Ask what Airflow asks between two looks."""
    return task._get_next_poke_interval(0.0, lambda: passed, 1)


@pytest.mark.parametrize(("passed", "pause"), [(0, 5), (59, 5), (61, 15), (601, 60), (4_000, 300)])
def test_its_looks_grow_apart(messaggisms_gateway: Gateway, context: Any, passed: float, pause: float) -> None:
    task = sensor(send(STUCK), poke_interval=None, timeout=10_000)
    poked(task, context, 1)
    assert pause <= next_pause(task, passed) <= 1.1 * pause


def test_rescheduled_it_leaves_the_scheduler_a_minute(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(STUCK), poke_interval=None, timeout=10_000, mode="reschedule")
    poked(task, context, 1)
    assert next_pause(task, 0) == 60


def test_rescheduled_it_leaves_the_gateway_alone_as_long_as_that_asks(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=7_200)
    task = sensor(timeout=10_000, mode="reschedule")
    poked(task, context, 1)
    assert next_pause(task, 0) >= 7_200


def test_a_fixed_interval_is_kept_to_the_letter_but_not_beyond_the_timeout(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    task = sensor(send(STUCK), poke_interval=timedelta(minutes=20), timeout=timedelta(hours=1))
    poked(task, context, 1)
    assert [next_pause(task, passed) for passed in (0, 1_200, 3_000, 3_599, 3_601)] == [1_200, 1_200, 600, 1, 0]


def test_a_scheduled_message_is_left_alone_until_its_day(messaggisms_gateway: Gateway, context: Any) -> None:
    day = datetime.now(UTC).date() + timedelta(days=3)
    task = sensor(send(timestamp_send=day.isoformat()), timeout=timedelta(days=9))
    assert poked(task, context, 1) == [False]
    assert asked(messaggisms_gateway) == [SUMMARY]
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)  # midnight in Rome, in summer
    assert next_pause(task, 0) > begins.timestamp() - time.time() - 1


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_airflows_own_pace_is_followed_where_the_gateway_does_not_ask_for_more(
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


# --- deferred ---------------------------------------------------------------------------------------------------------


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
    arguments = deferral_of(task, context).trigger.serialize()[1]
    assert arguments == {
        "messaggisms_conn_id": "messaggisms_default",
        "message_id": message_id,
        "min_delivered": 0.9,
        "accept_delivered_to_operator": True,
        "poke_interval": 90.0,
        "outage_tolerance": 300.0,
        "not_before": None,
        "since": arguments["since"],
        "deadline": arguments["deadline"],
    }
    assert deferral_of(sensor(message_id, deferrable=True, poke_interval=None), context).trigger.poke_interval is None


def test_the_trigger_leaves_the_gateway_alone_as_long_as_the_worker_was_told_to(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=60)
    began = time.time()
    not_before = deferral_of(sensor(deferrable=True), context).trigger.not_before
    assert began + 60 <= datetime.fromisoformat(not_before).timestamp() <= time.time() + 60


def test_airflow_bounds_the_deferral_by_what_is_left_of_the_timeout(messaggisms_gateway: Gateway, context: Any) -> None:
    message_id, began = send(STUCK), datetime.now(UTC)
    deferred = deferral_of(sensor(message_id, deferrable=True, timeout=50), context)
    ended = datetime.now(UTC)
    assert isinstance(deferred.timeout, timedelta)
    assert timedelta(seconds=50) - (ended - began) <= deferred.timeout < timedelta(seconds=50)
    deadline = datetime.fromisoformat(deferred.trigger.deadline)
    assert began <= deadline - deferred.timeout <= ended
    assert deadline - datetime.fromisoformat(deferred.trigger.since) == timedelta(seconds=50)


def test_the_execution_timeout_bounds_the_deferral_too(messaggisms_gateway: Gateway, context: Any) -> None:
    began = datetime.now(UTC)
    context["ti"].start_date = began - timedelta(minutes=10)
    task = sensor(send(STUCK), deferrable=True, timeout=3_000, execution_timeout=timedelta(minutes=30))
    timeout = deferral_of(task, context).timeout
    assert isinstance(timeout, timedelta)
    assert timedelta(minutes=20) - (datetime.now(UTC) - began) <= timeout < timedelta(minutes=20)


def test_the_end_of_the_execution_timeout_is_airflows_own_error(messaggisms_gateway: Gateway, context: Any) -> None:
    context["ti"].start_date = datetime.now(UTC)
    task = sensor(send(STUCK), deferrable=True, execution_timeout=timedelta(seconds=0.5))
    with pytest.raises(AirflowTaskTimeout):
        finished(task, context)


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger/execution timeout"])
def test_a_timeout_that_airflow_notices_first_is_the_same(context: Any, error: str) -> None:
    with pytest.raises(AirflowSensorTimeout):
        sensor().resume_execution("__fail__", {"error": error}, context)
    with pytest.raises(AirflowSkipException):
        sensor(soft_fail=True).resume_execution("__fail__", {"error": error}, context)


def test_a_trigger_that_breaks_is_airflows_own_error(context: Any) -> None:
    with pytest.raises(Exception, match="Trigger failure") as caught:
        sensor().resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert type(caught.value).__name__ == "TaskDeferralError"


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"status": "delivered"}])
def test_an_event_that_nobody_knows_fails_the_task(context: Any, event: Any) -> None:
    with pytest.raises(errors.ProtocolError):
        sensor().execute_complete(context, event)


def test_failures_that_last_are_the_same_when_deferred(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(STUCK), deferrable=True, outage_tolerance=0.0)
    messaggisms_gateway.fail_next("status_before", times=0, after=2)
    with pytest.raises(errors.GatewayUnavailableError, match="3 looks in a row have failed") as caught:
        finished(task, context)
    assert not isinstance(caught.value, AirflowFailException)
    with suppress(AirflowSkipException):
        finished(sensor(deferrable=True, never_fail=True, outage_tolerance=0.0), context)


def test_a_scheduled_message_is_deferred_to_its_day(messaggisms_gateway: Gateway, context: Any) -> None:
    task = sensor(send(timestamp_send="2098-12-24"), deferrable=True)
    assert deferral_of(task, context).trigger.since == "2098-12-23T23:00:00+00:00"
    assert asked(messaggisms_gateway) == [SUMMARY]


def test_deferring_is_the_default_where_airflow_says_so() -> None:
    default = inspect.signature(WaitingOperator).parameters["deferrable"].default
    assert default == conf.getboolean("operators", "default_deferrable", fallback=False)


@pytest.mark.parametrize("mode", [{"mode": "poke"}, {"deferrable": True}], ids=["poke", "deferred"])
def test_airflow_runs_it(
    messaggisms_gateway: Gateway, run_dag: Run, meanwhile: Callable[..., None], mode: dict[str, Any]
) -> None:
    message_id = send()
    meanwhile(lambda: messaggisms_gateway.advance(10))
    ended = by_airflow(run_dag, **mode)(message_id)
    assert (ended.state, ended.report["delivered"]) == ("success", 1)


def test_it_can_be_mapped(messaggisms_gateway: Gateway, run_dag: Run) -> None:
    messages = [send(), send()]
    messaggisms_gateway.advance(10)
    with DAG(f"mapped_{next(_numbers)}", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)) as dag:
        MessaggiSmsDeliverySensor.partial(
            task_id="wait", deferrable=True, min_delivered=0.5, poke_interval=0.1, timeout=600, outage_tolerance=60
        ).expand(message_id=messages)
    run = run_dag(dag)
    assert [str(ti.state) for ti in run.get_task_instances()] == ["success", "success"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_delivered": 1.5},
        {"min_delivered": "most"},
        {"accept_delivered_to_operator": "yes"},
        {"outage_tolerance": -1},
        {"message_id": "not an id"},
        {"message_id": "None"},
    ],
)
def test_a_wrong_argument_fails_the_task_for_good_and_is_named(
    messaggisms_gateway: Gateway, context: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))) as caught:
        sensor(**wrong).execute(context)
    assert isinstance(caught.value, AirflowFailException)
    assert asked(messaggisms_gateway) == []


def test_what_it_tells_is_what_the_trigger_told(context: Any) -> None:
    report = {"message_id": "m1", "summary": "delivered to +39-*******567 after 4 s", "total": 1}
    assert sensor().execute_complete(context, outcome.delivered(report)) == report
