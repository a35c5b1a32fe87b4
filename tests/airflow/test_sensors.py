"""The delivery sensor: poked, rescheduled or deferred, it comes to the same end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
)

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run, plain
from tests.airflow.waiting.sensing import (
    EXPIRED,
    REJECTED,
    STUCK,
    STUCK_AT_OPERATOR,
    UNDELIVERABLE,
    Waits,
    by_airflow,
    by_hand,
    one_dag,
    sensor,
)
from tests.airflow.waiting.waits import NUMBER, RECIPIENTS, SUMMARY, asked, send
from tests.progress import SILENCE_SECONDS


@pytest.fixture(params=["poke", "reschedule", "deferred"])
def wait(request: pytest.FixtureRequest) -> Waits:
    """Wait in each mode. Only Airflow itself can reschedule."""
    if request.param == "reschedule":
        return by_airflow(request.getfixturevalue("run_dag"), mode="reschedule")
    return by_hand(request.getfixturevalue("context"), deferrable=request.param == "deferred")


@pytest.fixture
def meanwhile(messaggisms_gateway: Gateway) -> Iterator[Callable[..., None]]:
    """Do something at the gateway after so many polls, however long a busy machine takes to get there."""
    over, threads = threading.Event(), []

    def arrange(act: Callable[[], Any], *, polls: int = 3, at: str = RECIPIENTS) -> None:
        def run() -> None:
            while asked(messaggisms_gateway).count(at) < polls:
                if over.wait(0.02):
                    return
            act()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield arrange
    over.set()
    for thread in threads:
        thread.join()


def test_it_succeeds_with_the_report_when_the_sms_arrives(
    messaggisms_gateway: Gateway,
    wait: Waits,
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
        "seconds": 4.0,
        "summary": "delivered to +39-*******567 after 4 s",
    }
    log = said()
    assert "delivered to +39-*******567 after 4 s" in [line for line in log.splitlines() if "*567" in line][-1]
    assert "1234567" not in log
    assert "Hello" not in log


def test_it_fails_for_good_when_the_sms_cannot_arrive(
    messaggisms_gateway: Gateway, wait: Waits, meanwhile: Callable[..., None]
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
            "reason": "The number is not in use",
            "permanent": True,
        }
    ]
    assert str(error) == (
        f"message {message_id}: 1 of 2 not delivered, 1 delivered; "
        "the first: +39-*******001 UNDELIVERABLE_NOT_DELIVERED (The number is not in use)"
    )
    assert "1230001" not in plain(error)


def test_a_message_of_which_all_recipients_are_invalid_has_failed(messaggisms_gateway: Gateway, wait: Waits) -> None:
    error = wait(send("+39 349 123 0009")).error
    assert isinstance(error, errors.DeliveryError)
    assert isinstance(error, AirflowFailException)
    assert error.report["total"] == 0


@pytest.mark.parametrize(("number", "state"), [(EXPIRED, "EXPIRED_EXPIRED"), (REJECTED, "REJECTED_NETWORK")])
def test_an_sms_that_expired_or_was_rejected_has_failed(
    messaggisms_gateway: Gateway, wait: Waits, number: str, state: str
) -> None:
    message_id = send(number)
    messaggisms_gateway.advance(10)
    error = wait(message_id).error
    assert isinstance(error, errors.DeliveryError)
    assert error.report["states"] == {state: 1}
    assert error.report["summary"].startswith(f"not delivered to {error.report['failed'][0]['number']}: {state} (")


def test_enough_delivered_is_a_success_with_the_failures_in_the_report(
    messaggisms_gateway: Gateway, wait: Waits
) -> None:
    message_id = send([NUMBER, UNDELIVERABLE])
    messaggisms_gateway.advance(10)
    ended = wait(message_id, min_delivered=0.5)
    assert (ended.state, ended.report["delivered"], ended.report["failed_count"]) == ("success", 1, 1)


def test_what_only_the_operator_has_is_delivered_if_that_is_accepted(messaggisms_gateway: Gateway, wait: Waits) -> None:
    message_id = send(STUCK_AT_OPERATOR)
    messaggisms_gateway.advance(10)
    assert wait(message_id, accept_delivered_to_operator=True).state == "success"
    assert isinstance(wait(message_id, timeout=0.5).error, AirflowSensorTimeout)


@pytest.mark.parametrize("number", [STUCK, STUCK_AT_OPERATOR])
def test_its_timeout_ends_it_as_airflow_ends_sensors(messaggisms_gateway: Gateway, wait: Waits, number: str) -> None:
    message_id = send(number)
    messaggisms_gateway.advance(10)
    ended = wait(message_id, timeout=0.5)
    assert ended.state == "failed"
    assert type(ended.error) is AirflowSensorTimeout


def test_soft_fail_skips_after_a_timeout_and_a_failed_delivery(messaggisms_gateway: Gateway, wait: Waits) -> None:
    stuck, failed = send(STUCK), send(UNDELIVERABLE)
    messaggisms_gateway.advance(10)
    assert wait(stuck, timeout=0.5, soft_fail=True).state == "skipped"
    assert wait(failed, soft_fail=True).state == "skipped"


def test_never_fail_skips_after_a_failed_delivery_and_a_wrong_message(
    messaggisms_gateway: Gateway, wait: Waits, meanwhile: Callable[..., None]
) -> None:
    message_id = send(UNDELIVERABLE)
    meanwhile(lambda: messaggisms_gateway.advance(10))
    assert wait(message_id, never_fail=True).state == "skipped"
    assert wait("0" * 24, never_fail=True).state == "skipped"


def test_an_unknown_message_and_a_refused_token_end_it_at_once(
    messaggisms_gateway: Gateway, wait: Waits, meanwhile: Callable[..., None]
) -> None:
    ended = wait("0" * 24)
    assert isinstance(ended.error, errors.MessageNotFoundError)
    assert (ended.state, asked(messaggisms_gateway)) == ("failed", [SUMMARY])
    message_id = send(STUCK)
    meanwhile(lambda: messaggisms_gateway.fail_next("status_before", status=403, times=0))
    ended = wait(message_id)
    assert isinstance(ended.error, errors.AuthenticationError)
    assert isinstance(ended.error, AirflowFailException)
    assert (ended.state, ended.error.status) == ("failed", 403)


def test_a_gateway_that_fails_for_a_while_is_waited_for(messaggisms_gateway: Gateway, wait: Waits) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    messaggisms_gateway.fail_next("drop_before")
    messaggisms_gateway.fail_next("rate_limit", retry_after=0)
    assert wait(message_id).state == "success"


def test_a_message_whose_transaction_is_open_is_waited_for(messaggisms_gateway: Gateway, wait: Waits) -> None:
    message_id = send([NUMBER, "+39 349 123 4568"], transaction=True)
    messaggisms_gateway.advance(100)
    assert isinstance(wait(message_id, timeout=0.4).error, AirflowSensorTimeout)


def test_of_many_recipients_it_reads_the_summary_and_at_the_end_the_list(
    messaggisms_gateway: Gateway, wait: Waits, meanwhile: Callable[..., None]
) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    meanwhile(lambda: messaggisms_gateway.advance(60), at=SUMMARY)
    ended = wait(message_id)
    assert ended.report["delivered"] == 60
    assert asked(messaggisms_gateway).count(RECIPIENTS) == 1


def test_rescheduled_it_counts_its_polls_over_all_processes(
    messaggisms_gateway: Gateway, run_dag: Run, meanwhile: Callable[..., None]
) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    meanwhile(lambda: messaggisms_gateway.advance(60), polls=11, at=SUMMARY)
    assert by_airflow(run_dag, mode="reschedule")(message_id).report["delivered"] == 60
    assert asked(messaggisms_gateway)[:12] == [SUMMARY] * 10 + [RECIPIENTS, SUMMARY]


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
    with one_dag() as dag:
        MessaggiSmsDeliverySensor.partial(
            task_id="wait",
            deferrable=True,
            min_delivered=0.5,
            poke_interval=0.1,
            timeout=SILENCE_SECONDS,
            outage_tolerance=60,
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
        {"poke_interval": -1},
        {"poke_interval": "often"},
        {"timeout": float("inf")},
        {"deferrable": "yes"},
    ],
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))) as caught:
        sensor(**wrong)
    assert isinstance(caught.value, AirflowFailException)  # a mapped task is made when it runs


@pytest.mark.parametrize("wrong", ["not an id", "None", None, ["a", "b"], "['a', 'b']"])
def test_what_is_no_id_fails_the_task_for_good(messaggisms_gateway: Gateway, context: Any, wrong: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="message_id") as caught:
        sensor(message_id=wrong).execute(context)
    assert isinstance(caught.value, AirflowFailException)
    assert asked(messaggisms_gateway) == []
