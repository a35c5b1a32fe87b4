"""A message that is not on its way yet: cancelled, or moved to another day; and one that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    InvalidRequestError,
    MessageLockedError,
    MessageNotFoundError,
    NotSentError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.operators import (
    MessaggiSmsCancelOperator,
    MessaggiSmsRescheduleOperator,
    MessaggiSmsSendOperator,
)
from tests.airflow.conftest import Run
from tests.airflow.sending.many import people
from tests.airflow.sending.tries import FAULTS, Tries

ROME = ZoneInfo("Europe/Rome")
TODAY = datetime.now(ROME).date()
UNKNOWN_ID = "0123456789abcdef01234567"
"""In the gateway's form, but of no message."""

DAY_SECONDS = 86_400


def day(ahead: int) -> str:
    """Name the day in Rome that is so many days ahead."""
    return (TODAY + timedelta(days=ahead)).isoformat()


@pytest.fixture
def scheduled(messaggisms_gateway: Gateway) -> str:
    """Give the id of a message to two, for the day after tomorrow."""
    with MessaggiSmsHook() as hook:
        return hook.send_message(body="Hello", recipients=people(2), sender="Airflow", timestamp_send=day(2)).id


@pytest.fixture
def underway(messaggisms_gateway: Gateway) -> str:
    """Give the id of a message that went out at once."""
    with MessaggiSmsHook() as hook:
        return hook.send_message(body="Hello", recipients=people(2), sender="Airflow").id


def cancel(context: dict[str, Any], message_id: Any, **arguments: Any) -> str:
    """Run the cancel operator once."""
    operator = MessaggiSmsCancelOperator(task_id="cancel", message_id=message_id, **arguments)
    return str(operator.execute(context))  # type: ignore[arg-type]


def reschedule(context: dict[str, Any], message_id: Any, timestamp_send: Any) -> str:
    """Run the reschedule operator once."""
    operator = MessaggiSmsRescheduleOperator(task_id="move", message_id=message_id, timestamp_send=timestamp_send)
    return str(operator.execute(context))  # type: ignore[arg-type]


def asked(gateway: Gateway, method: str) -> list[int | None]:
    """List the answers to all requests of a method."""
    return [exchange.status for exchange in gateway.requests() if exchange.method == method]


def read(message_id: str) -> Message:
    """Read a message."""
    with MessaggiSmsHook() as hook:
        return hook.get_message(message_id)


def day_of(message_id: str) -> str:
    """Read on which day a message goes out."""
    at: Any = read(message_id).options.timestamp_send
    return str(at.astimezone(ROME).date())


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_cancelled_message_never_goes_out_and_is_not_refunded(
    scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    credit = messaggisms_gateway.credit
    assert cancel(context, scheduled) == scheduled
    assert f"Message {scheduled} is cancelled. The gateway does not refund it" in said()
    messaggisms_gateway.advance(4 * DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []
    assert messaggisms_gateway.credit == credit < 100


def test_too_late_is_a_failure_that_no_retry_can_cure(
    underway: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(MessageLockedError) as caught:
        cancel(context, underway)
    assert (caught.value.status, caught.value.code) == (422, 221)
    assert isinstance(caught.value, AirflowFailException)


def test_too_late_may_skip_the_task(underway: str, context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(AirflowSkipException, match=f"^Too late to cancel message {underway}: .*code 221"):
        cancel(context, underway, if_too_late="skip")


def test_a_lost_answer_and_a_404_after_it_are_a_success(
    scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("drop_after", method="DELETE")
    assert cancel(context, scheduled) == scheduled
    assert asked(messaggisms_gateway, "DELETE") == [None, 404]


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
def test_a_404_in_a_later_try_is_a_success(
    with_task_state: bool,
    scheduled: str,
    context: dict[str, Any],
    messaggisms_gateway: Gateway,
    said: Callable[[], str],
) -> None:
    if not with_task_state:
        del context["task_state_store"]
    cancel(context, scheduled)
    context["ti"].try_number = 2
    assert cancel(context, scheduled) == scheduled
    assert f"Message {scheduled} is gone already" in said()


def test_a_404_is_no_success_if_no_try_can_have_cancelled(
    context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MessageNotFoundError):
        cancel(context, UNKNOWN_ID)
    nowhere = '{"conn_type": "messaggisms", "host": "http://127.0.0.1:9", "password": "token"}'
    with monkeypatch.context() as away:
        away.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", nowhere)
        with pytest.raises(NotSentError):
            cancel(context, UNKNOWN_ID)
    context["ti"].try_number = 2
    with pytest.raises(MessageNotFoundError):
        cancel(context, UNKNOWN_ID)


def test_a_404_in_the_try_after_an_unknown_outcome_is_a_success(
    scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("drop_after", method="DELETE")
    messaggisms_gateway.fail_next("drop_before", method="DELETE", times=2)
    with pytest.raises(OutcomeUnknownError):
        cancel(context, scheduled)
    context["ti"].try_number = 2
    assert cancel(context, scheduled) == scheduled


@pytest.mark.parametrize("fault", ["drop_before", "status_before"])
def test_a_lost_request_is_repeated(
    fault: str, scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next(fault, method="DELETE")
    cancel(context, scheduled)
    assert asked(messaggisms_gateway, "DELETE")[-1] == 200


def test_an_id_of_no_message_is_a_failure(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(MessageNotFoundError) as caught:
        cancel(context, UNKNOWN_ID)
    assert (caught.value.status, caught.value.code) == (404, 219)
    assert isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("try_number", [1, 2])
def test_an_id_that_the_gateway_calls_invalid_is_a_failure_in_any_try(
    try_number: int, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].try_number = try_number
    with pytest.raises(MessageNotFoundError) as caught:
        cancel(context, "not-an-id")
    assert (caught.value.status, caught.value.code) == (406, 218)


@pytest.mark.parametrize("run", [cancel, lambda context, message_id: reschedule(context, message_id, day(3))])
@pytest.mark.parametrize(
    "message_id", [None, "None", "", "a/b", "../messages", ["x"], ("a", "b"), 17, "+39 349 123 4567"]
)
def test_what_is_no_id_is_refused_before_anything_is_asked(
    run: Callable[..., str], message_id: Any, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=r"^message_id: (.*is not an id|several ids|missing)") as caught:
        run(context, message_id)
    assert "349 123" not in str(caught.value)
    assert messaggisms_gateway.requests() == []


def test_an_unknown_word_for_too_late_is_refused(
    underway: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=r"^if_too_late: expected 'fail' or 'skip', got 'ignore'"):
        cancel(context, underway, if_too_late="ignore")
    assert asked(messaggisms_gateway, "DELETE") == []


# --- reschedule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personality", [{}, {"put_status": "201"}, {"repeats": "merged"}], ids=str)
def test_a_message_is_moved_to_another_day_and_sent_once(
    personality: dict[str, str], context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.reset(personality={"empty_put": "accepted", **personality})
    with MessaggiSmsHook() as hook:
        options = {"body": "Hello", "sender": "Airflow", "timestamp_send": day(2)}
        message_id = hook.send_message(recipients=people(2), **options).id  # type: ignore[arg-type]
    assert reschedule(context, message_id, day(4)) == message_id
    assert day_of(message_id) == day(4)
    messaggisms_gateway.advance(3 * DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []
    messaggisms_gateway.advance(2 * DAY_SECONDS)
    assert Counter(sms.number.replace("-", "") for sms in messaggisms_gateway.inbox()) == Counter(people(2))
    assert len(asked(messaggisms_gateway, "PUT")) == 1


@pytest.mark.personality(empty_put="accepted")
def test_an_earlier_day_is_as_good_and_doing_it_again_does_no_harm(
    scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    for _ in range(2):
        reschedule(context, scheduled, datetime.fromisoformat(day(1)).replace(tzinfo=ROME))
    assert day_of(scheduled) == day(1)
    assert read(scheduled).recipients.valid.count == 2


@pytest.mark.personality(empty_put="accepted")
def test_a_lost_answer_is_left_to_the_next_try(
    scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("drop_after", method="PUT")
    with pytest.raises(OutcomeUnknownError) as caught:
        reschedule(context, scheduled, day(3))
    assert not isinstance(caught.value, AirflowFailException)
    context["ti"].try_number = 2
    reschedule(context, scheduled, day(3))
    assert day_of(scheduled) == day(3)


def test_a_gateway_that_wants_recipients_is_explained(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(personality={"empty_put": "refused"})
    with MessaggiSmsHook() as hook:
        message = hook.send_message(body="Hello", recipients=people(1), sender="Airflow", timestamp_send=day(2))
    with pytest.raises(InvalidRequestError, match="cancel the message and send it anew on the new day") as caught:
        reschedule(context, message.id, day(3))
    assert (caught.value.status, caught.value.code) == (422, 302)
    assert isinstance(caught.value, AirflowFailException)
    assert day_of(message.id) == day(2)


@pytest.mark.personality(empty_put="accepted")
def test_a_message_on_its_way_cannot_be_moved(
    underway: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(MessageLockedError) as caught:
        reschedule(context, underway, day(3))
    assert (caught.value.status, isinstance(caught.value, AirflowFailException)) == (422, True)


@pytest.mark.personality(empty_put="accepted")
def test_a_message_that_is_not_there_cannot_be_moved(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(MessageNotFoundError) as caught:
        reschedule(context, UNKNOWN_ID, day(3))
    assert (caught.value.status, caught.value.code) == (404, 211)


@pytest.mark.parametrize(
    ("timestamp_send", "error"),
    [
        (None, "timestamp_send: missing"),
        ("", "timestamp_send: missing"),
        ("2020-01-01", "timestamp_send: 2020-01-01 is past"),
        (datetime(2099, 5, 1, 8, 30, tzinfo=UTC), r"timestamp_send: it has a time of day \(10:30:00 in Europe/Rome\)"),
    ],
)
def test_a_day_that_is_none_is_refused_before_anything_is_asked(
    timestamp_send: Any, error: str, scheduled: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{error}"):
        reschedule(context, scheduled, timestamp_send)
    assert asked(messaggisms_gateway, "PUT") == []


# --- in a real DAG ----------------------------------------------------------------------------------------------------


@pytest.mark.personality(empty_put="accepted")
def test_a_message_is_sent_moved_and_cancelled_by_the_tasks_of_a_dag(
    run_dag: Run, messaggisms_gateway: Gateway
) -> None:
    with DAG("changes", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), params={"day": day(4)}) as dag:
        send = MessaggiSmsSendOperator(
            task_id="send", sender="Airflow", body="Hello", recipients=people(1), timestamp_send=day(2)
        )
        message_id: Any = send.output
        move = MessaggiSmsRescheduleOperator(task_id="move", message_id=message_id, timestamp_send="{{ params.day }}")
        stop = MessaggiSmsCancelOperator(task_id="stop", message_id="{{ ti.xcom_pull(task_ids='move') }}")
        now = MessaggiSmsSendOperator(task_id="now", sender="Airflow", body="Hello", recipients=people(1))
        sent_id: Any = now.output
        late = MessaggiSmsCancelOperator(task_id="late", message_id=sent_id, if_too_late="skip")
        move >> stop >> now >> late
    run = run_dag(dag)
    assert {ti.task_id: str(ti.state) for ti in run.get_task_instances()} == {
        "send": "success",
        "move": "success",
        "stop": "success",
        "now": "success",
        "late": "skipped",
    }
    messaggisms_gateway.advance(9 * DAY_SECONDS)
    assert len(messaggisms_gateway.inbox()) == 1


# --- under every failure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize(
    ("fault", "times"),
    [*((fault, 1) for fault in FAULTS), ("lost on the way back", 3), ("502 after it was accepted", 3)],
)
def test_whatever_fails_a_message_ends_cancelled(
    fault: str, times: int, with_task_state: bool, scheduled: str, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    messaggisms_gateway.fail_next(**FAULTS[fault], method="DELETE", times=times)
    tries = Tries(lambda: MessaggiSmsCancelOperator(task_id="task", message_id=scheduled), tmp_path, with_task_state)
    assert tries.until_the_end().kind == "green", tries.outcomes
    messaggisms_gateway.advance(4 * DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []


@pytest.mark.personality(empty_put="accepted")
@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_a_message_ends_on_the_new_day_and_goes_out_once(
    fault: str, with_task_state: bool, scheduled: str, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    messaggisms_gateway.fail_next(**FAULTS[fault], method="PUT")
    tries = Tries(
        lambda: MessaggiSmsRescheduleOperator(task_id="task", message_id=scheduled, timestamp_send=day(4)),
        tmp_path,
        with_task_state,
    )
    assert tries.until_the_end().kind == "green", tries.outcomes
    assert day_of(scheduled) == day(4)
    messaggisms_gateway.advance(6 * DAY_SECONDS)
    assert Counter(sms.number.replace("-", "") for sms in messaggisms_gateway.inbox()) == Counter(people(2))
