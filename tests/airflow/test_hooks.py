"""The hook: all seven calls, repeats and steps; what both faces can do is told once, for both."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Generator
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Exchange, Gateway
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import Pause
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.faces import TOKEN, Open
from tests.airflow.puppet import Puppet, cut, dripping, refusal, silence, success

ROSA, LEA, GONE = "+39-3471112223", "+39-3482223334", "+39-3493330001"
LATER = date.today() + timedelta(days=30)
HELLO: dict[str, Any] = {"sender": "Depot", "body": "Hello"}


def methods(gateway: Gateway) -> list[str]:
    return [exchange.method for exchange in gateway.requests()]


# --- what both faces can do -------------------------------------------------------------------------------------------


def test_an_empty_account_has_no_messages(face: Any, messaggisms_gateway: Gateway) -> None:
    assert face.list_messages() == []
    assert messaggisms_gateway.requests() == [Exchange("GET", "/messages/", 404)]


def test_a_message_is_sent_listed_read_and_received(face: Any, messaggisms_gateway: Gateway) -> None:
    sent = face.send_message(**HELLO, recipients=["+39 347 111 2223", LEA])
    assert (sent.recipients.valid.count, sent.price, sent.credit, sent.transaction) == (2, 0.1, 99.9, False)
    (listed,) = face.list_messages()
    assert (listed.id, listed.sender, listed.timestamp) == (sent.id, "Depot", sent.timestamp)
    assert face.get_message(sent.id).statistics.delivered == 0
    messaggisms_gateway.advance(10)
    assert face.get_message(sent.id).statistics.delivered == 2
    assert {(sms.number, sms.text) for sms in messaggisms_gateway.inbox()} == {(ROSA, "Hello"), (LEA, "Hello")}
    assert methods(messaggisms_gateway) == ["POST", "GET", "GET", "GET"]


def test_every_option_of_a_send_arrives(face: Any, messaggisms_gateway: Gateway) -> None:
    sent = face.send_message(
        body="Dear {{name}}",
        sender="40404",
        recipients={"number": ROSA, "fields": {"name": "Rosa"}},
        priority=2,
        flash=True,
        custom={"order": 12},
        callback_url="http://127.0.0.1:9/callback",
        callback_field="report",
    )
    assert (sent.sender, sent.priority, sent.options.flash) == ("40404", 2.0, True)
    assert sent.options.custom == {"order": 12}
    assert (sent.options.callback_url, sent.options.callback_field) == ("http://127.0.0.1:9/callback", "report")
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.sender, sms.text, sms.flash) == ("40404", "Dear Rosa", True)


@pytest.mark.parametrize("fields", [{}, {"Name": "Rosa"}, {"name": ""}, {"name": "\u00a0"}, {"name": float("nan")}])
def test_a_placeholder_without_a_value_sends_nothing(face: Any, messaggisms_gateway: Gateway, fields: Any) -> None:
    recipients = [{"number": LEA, "fields": {"name": "Lea"}}, {"number": ROSA, "fields": fields}]
    with pytest.raises(errors.ConfigurationError, match=r"^body: .*\{\{name\}\} has no field .* for recipients\[1\]"):
        face.send_message(sender="Depot", body="Dear {{ name }}", recipients=recipients)
    assert messaggisms_gateway.requests() == []


def test_a_field_that_the_text_does_not_use_stays_here(face: Any, messaggisms_gateway: Gateway) -> None:
    recipient = {"number": ROSA, "fields": {"First name": "Rosa", "note": object()}}
    sent = face.send_message(sender="Depot", body="Dear {{First name}}", recipients=recipient)
    with MessaggiSmsHook() as hook:
        assert hook.get_recipients(sent.id)[0].fields == [{"First name": "Rosa"}]
    assert messaggisms_gateway.inbox()[0].text == "Dear Rosa"


def test_a_message_for_a_later_day_waits_for_it(face: Any, messaggisms_gateway: Gateway) -> None:
    sent = face.send_message(**HELLO, recipients=ROSA, timestamp_send=LATER)
    assert sent.options.timestamp_send.astimezone(ZoneInfo("Europe/Rome")).isoformat()[:19] == f"{LATER}T00:00:00"
    assert messaggisms_gateway.inbox() == []


def test_a_day_that_is_none_is_refused_before_any_request(face: Any, messaggisms_gateway: Gateway) -> None:
    for day in ("tomorrow", "2020-01-01", f"{LATER}T10:00:00+00:00"):
        with pytest.raises(errors.ConfigurationError, match="timestamp_send"):
            face.send_message(**HELLO, recipients=ROSA, timestamp_send=day)
    assert messaggisms_gateway.requests() == []


@pytest.mark.parametrize(
    "bad", [{"recipients": []}, {"recipients": "+39 12"}, {"body": ""}, {"sender": "!"}, {"priority": 0}]
)
def test_what_is_wrong_is_refused_before_any_request(
    face: Any, messaggisms_gateway: Gateway, bad: dict[str, Any]
) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(bad))):
        face.send_message(**{**HELLO, "recipients": ROSA, **bad})
    assert messaggisms_gateway.requests() == []


def test_the_connection_gives_a_default_sender_and_a_region(
    open_hook: Open, messaggisms_gateway: Gateway, connect: Open
) -> None:
    extra = {"sender": "Shop 24", "default_region": "IT"}
    connect(messaggisms_gateway.token, host=messaggisms_gateway.url, extra=extra)
    face = open_hook()
    face.send_message(body="Hello", recipients="347 111 2223")
    face.send_message(body="Hello", recipients="347 111 2223", sender="Depot")
    assert {(sms.number, sms.sender) for sms in messaggisms_gateway.inbox()} == {(ROSA, "Shop 24"), (ROSA, "Depot")}


def test_without_any_sender_nothing_is_sent(face: Any, messaggisms_gateway: Gateway) -> None:
    with pytest.raises(errors.ConfigurationError, match="sender: missing"):
        face.send_message(body="Hello", recipients=ROSA)
    assert messaggisms_gateway.requests() == []


def test_an_unknown_message_is_not_found(face: Any) -> None:
    for message_id in ("0" * 24, "nonsense"):
        with pytest.raises(errors.MessageNotFoundError):
            face.get_message(message_id)


def test_an_account_without_credit_sends_nothing(face: Any, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(credit=0.01)
    with pytest.raises(errors.InsufficientCreditError) as caught:
        face.send_message(**HELLO, recipients=ROSA)
    assert (caught.value.status, caught.value.code) == (402, 201)
    assert methods(messaggisms_gateway) == ["POST"]


def test_a_wrong_token_is_tried_once_more(open_hook: Open, messaggisms_gateway: Gateway, connect: Open) -> None:
    connect("wrong", host=messaggisms_gateway.url)
    with pytest.raises(errors.AuthenticationError):
        open_hook().list_messages()
    assert methods(messaggisms_gateway) == ["GET", "GET"]


@pytest.mark.parametrize(
    ("switch", "choice"),
    [
        ("put_status", "200"),
        ("put_status", "201"),
        ("list_order", "newest"),
        ("list_order", "oldest"),
        ("custom_echo", "object"),
        ("custom_echo", "string"),
    ],
)
def test_the_undocumented_may_turn_out_either_way(
    hook: MessaggiSmsHook, messaggisms_gateway: Gateway, switch: str, choice: str
) -> None:
    messaggisms_gateway.reset(personality={switch: choice})
    sent = hook.send_message(**HELLO, recipients=ROSA, custom={"order": 1}, transaction=True)
    hook.update_message(sent.id, recipients=LEA, transaction=False)
    assert [message.id for message in hook.list_messages()] == [sent.id]
    assert hook.get_message(sent.id).options.custom == {"order": 1}


# --- repeats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status_before", "status_after", "truncated"])
def test_a_read_is_asked_again_until_it_is_answered(face: Any, messaggisms_gateway: Gateway, kind: str) -> None:
    sent = face.send_message(**HELLO, recipients=ROSA)
    messaggisms_gateway.fail_next(kind, method="GET", times=2)
    assert face.get_message(sent.id).id == sent.id


def test_a_read_is_asked_three_times_and_no_more(face: Any, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("status_before", times=0)
    with pytest.raises(errors.GatewayUnavailableError) as caught:
        face.list_messages()
    assert caught.value.status == 503
    assert methods(messaggisms_gateway) == ["GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("drop_before", errors.OutcomeUnknownError),
        ("drop_after", errors.OutcomeUnknownError),
        ("truncated", errors.OutcomeUnknownError),
        ("status_before", errors.GatewayUnavailableError),
        ("status_after", errors.GatewayUnavailableError),
        ("malformed", errors.ProtocolError),
    ],
)
def test_unknown_outcome_of_a_send_is_never_repeated(
    face: Any, messaggisms_gateway: Gateway, kind: str, error: type[errors.MessaggiSmsError]
) -> None:
    face.list_messages()  # the connection is kept, which tempts HTTP libraries to repeat
    messaggisms_gateway.fail_next(kind, method="POST")
    with pytest.raises(error):
        face.send_message(**HELLO, recipients=ROSA)
    assert methods(messaggisms_gateway) == ["GET", "POST"]
    assert len(messaggisms_gateway.inbox()) == (kind not in ("drop_before", "status_before"))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status_after", "malformed"])
def test_unknown_outcome_of_added_recipients_is_never_repeated(
    hook: MessaggiSmsHook, messaggisms_gateway: Gateway, kind: str
) -> None:
    sent = hook.send_message(**HELLO, recipients=ROSA, transaction=True)
    messaggisms_gateway.fail_next(kind, method="PUT")
    with pytest.raises((errors.OutcomeUnknownError, errors.GatewayUnavailableError, errors.ProtocolError)):
        hook.update_message(sent.id, recipients=LEA)
    assert methods(messaggisms_gateway) == ["POST", "PUT"]


def test_a_send_that_was_told_to_wait_is_made_again_and_sent_once(face: Any, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("rate_limit", method="POST", times=2, retry_after=0)
    face.send_message(**HELLO, recipients=ROSA)
    assert [exchange.status for exchange in messaggisms_gateway.requests()] == [429, 429, 201]
    assert len(messaggisms_gateway.inbox()) == 1


def test_too_long_a_wait_is_left_to_airflow(face: Any, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=3600)
    with pytest.raises(errors.RateLimitedError) as caught:
        face.list_messages()
    assert caught.value.retry_after_seconds == 3600.0
    assert methods(messaggisms_gateway) == ["GET"]


def test_a_send_that_never_left_is_made_again(open_hook: Open, connect: Open, said: Callable[[], str]) -> None:
    with Puppet() as gone:
        connect(host=gone.url)
    with pytest.raises(errors.NotSentError):
        open_hook().send_message(**HELLO, recipients=ROSA)
    told = said()
    assert "asking again in 0.0 s (attempt 3)" in told
    assert "attempt 4" not in told


def test_an_error_after_a_lost_answer_says_so(face: Any, hook: MessaggiSmsHook, messaggisms_gateway: Gateway) -> None:
    sent = hook.send_message(**HELLO, recipients=ROSA, timestamp_send=LATER)
    messaggisms_gateway.fail_next("drop_after", method="DELETE")
    with pytest.raises(errors.MessageNotFoundError) as caught:
        hook.delete_message(sent.id)
    assert caught.value.after_lost_answer
    with pytest.raises(errors.MessageNotFoundError) as caught:
        face.get_message(sent.id)
    assert not caught.value.after_lost_answer


def test_a_call_may_be_given_less_time_than_the_connection_gives(open_hook: Open, puppet: Puppet) -> None:
    puppet.answers(silence)
    whole = calls.list_messages()
    hurried = Call(whole.request, whole.parse, repeatable=True, within_seconds=0.2)

    def steps() -> Generator[Call[Any], Any, Any]:
        return (yield hurried)

    with pytest.raises(errors.OutcomeUnknownError):
        open_hook(retry_policy=RetryPolicy(first_delay_seconds=0.2)).run_steps(steps())
    assert len(puppet.asked) == 1


def test_an_exchange_ends_before_airflow_gives_its_task_up(
    open_hook: Open, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "0.4")
    puppet.answers(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n", 0.02))
    with pytest.raises(errors.OutcomeUnknownError):
        open_hook(retry_policy=RetryPolicy(attempts=1)).list_messages()


# --- several calls that depend on each other --------------------------------------------------------------------------


def test_steps_are_followed_and_get_their_results(face: Any) -> None:
    sent = face.send_message(**HELLO, recipients=[ROSA, LEA])

    def steps() -> Generator[Call[Any] | Pause, Any, list[Any]]:
        listed = yield calls.list_messages()
        assert (yield Pause(0.0)) is None
        message = yield calls.get_message(listed[0].id)
        numbers = yield calls.get_numbers(message.id)
        counts = yield calls.get_delivery_counts(message.id)
        return [message.id, len(numbers), counts.total]

    assert face.run_steps(steps()) == [sent.id, 2, 2]


def test_steps_get_errors_where_they_asked(face: Any, messaggisms_gateway: Gateway) -> None:
    def steps() -> Generator[Call[Any], Any, str]:
        try:
            yield calls.get_message("0" * 24)
        except errors.MessageNotFoundError:
            listed = yield calls.list_messages()
            return f"none of {len(listed)}"
        return "found"

    assert face.run_steps(steps()) == "none of 0"


def test_an_error_that_steps_do_not_handle_reaches_the_caller(face: Any) -> None:
    ended = []

    def steps() -> Generator[Call[Any], Any, None]:
        try:
            yield calls.get_message("0" * 24)
        finally:
            ended.append(True)

    with pytest.raises(errors.MessageNotFoundError):
        face.run_steps(steps())
    assert ended == [True]


# --- the calls that only workers make ---------------------------------------------------------------------------------


def test_a_transaction_is_opened_filled_closed_and_then_locked(
    hook: MessaggiSmsHook, messaggisms_gateway: Gateway
) -> None:
    opened = hook.send_message(**HELLO, recipients=ROSA, transaction=True)
    assert opened.transaction is True
    assert messaggisms_gateway.inbox() == []
    assert hook.update_message(opened.id, recipients=["+39 348 222 3334"]).statistics.total == 2
    closed = hook.update_message(opened.id, recipients=[GONE], transaction=False)
    assert (closed.transaction, closed.statistics.total) == (False, 3)
    with pytest.raises(errors.MessageLockedError) as caught:
        hook.update_message(opened.id, recipients=[ROSA])
    assert (caught.value.status, caught.value.code) == (422, 212)
    assert {sms.number for sms in messaggisms_gateway.inbox()} == {ROSA, LEA, GONE}


@pytest.mark.personality(empty_put="accepted")
def test_a_message_is_moved_to_another_day(hook: MessaggiSmsHook) -> None:
    sent = hook.send_message(**HELLO, recipients=ROSA, timestamp_send=LATER.isoformat(), transaction=True)
    moved = hook.update_message(sent.id, timestamp_send=(LATER + timedelta(days=2)).strftime("%d-%m-%Y"))
    assert moved.options.timestamp_send
    assert sent.options.timestamp_send
    assert (moved.options.timestamp_send - sent.options.timestamp_send).days in (1, 2)  # a day may have 23 hours


def test_a_day_in_the_accounts_own_form_is_sent_as_it_is(open_hook: Open, puppet: Puppet, connect: Open) -> None:
    connect(host=puppet.url, extra={"timestamp_send_format": "%d.%m.%Y %H:%M"})
    puppet.answers(success([{"id": "a"}], 201))
    open_hook().send_message(**HELLO, recipients=ROSA, timestamp_send="22.05.2126 18:30")
    assert json.loads(puppet.asked[0].body)["options"] == {"timestamp_send": "22.05.2126 18:30"}


def test_a_message_is_cancelled_while_it_waits_and_not_later(hook: MessaggiSmsHook) -> None:
    waiting = hook.send_message(**HELLO, recipients=ROSA, timestamp_send=LATER)
    hook.delete_message(waiting.id)
    with pytest.raises(errors.MessageNotFoundError) as not_there:
        hook.delete_message(waiting.id)
    assert not_there.value.code == 219
    gone = hook.send_message(**HELLO, recipients=ROSA)
    with pytest.raises(errors.MessageLockedError) as locked:
        hook.delete_message(gone.id)
    assert locked.value.code == 221


def test_recipients_are_read_with_their_reports(hook: MessaggiSmsHook, messaggisms_gateway: Gateway) -> None:
    sent = hook.send_message(**HELLO, recipients=[ROSA, GONE])
    assert {one.state for one in hook.get_recipients(sent.id)} == {"PENDING"}
    messaggisms_gateway.advance(10)
    rosa, gone = hook.get_recipients(sent.id)
    assert (rosa.number, rosa.body, rosa.state_description) == (ROSA, "Hello", "DELIVERED_TO_HANDSET")
    assert gone.report
    assert gone.report.status
    assert gone.report.status.name == "UNDELIVERABLE_NOT_DELIVERED"
    assert hook.get_numbers(sent.id) == {ROSA, GONE}


@pytest.mark.parametrize("written", [ROSA, "+39 347 111 2223", "00393471112223"])
def test_one_recipient_is_found_however_the_number_is_written(hook: MessaggiSmsHook, written: str) -> None:
    sent = hook.send_message(**HELLO, recipients=[ROSA, LEA])
    assert hook.get_recipient(sent.id, written).number == ROSA
    with pytest.raises(errors.MessageNotFoundError):
        hook.get_recipient(sent.id, GONE)
    with pytest.raises(errors.ConfigurationError):
        hook.get_recipient(sent.id, "not a number")


# --- the session ------------------------------------------------------------------------------------------------------


def test_many_calls_take_one_connection(open_hook: Open, puppet: Puppet) -> None:
    face = open_hook()
    for _ in range(5):
        face.list_messages()
    assert (len(puppet.asked), puppet.accepted) == (5, 1)


def test_a_closed_hook_can_be_used_again(open_hook: Open, puppet: Puppet) -> None:
    face = open_hook()
    face.close()
    face.list_messages()
    face.close()
    face.list_messages()
    assert puppet.accepted == 2


def test_a_block_closes_the_hook(puppet: Puppet) -> None:
    with MessaggiSmsHook() as hook:
        hook.list_messages()

    async def ask() -> None:
        async with MessaggiSmsHook() as hook:
            await hook.alist_messages()

    asyncio.run(ask())
    assert puppet.accepted == 2


# --- privacy ----------------------------------------------------------------------------------------------------------


def test_nothing_that_the_hook_does_logs_a_number_a_text_or_the_token(
    open_hook: Open, puppet: Puppet, said: Callable[[], str]
) -> None:
    text, name = "Dear Rosa", "Lovelace"
    message = {"id": "a1", "body": text, "recipients": {"invalid": {"total": 1, "list": [ROSA]}}}
    puppet.answers(refusal(503), refusal(429, None, f"{ROSA} {TOKEN}", Retry_After="0"), success(message), cut)
    order = {"sender": "Depot", "body": text, "recipients": {"number": ROSA, "fields": {"n": name}}}
    face = open_hook()
    found: Message = face.get_message("a1")
    logging.getLogger("a DAG").warning("got %s, %r", found, found)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        face.send_message(**order)
    logging.getLogger("a DAG").error("failed", exc_info=caught.value)
    assert found.body == text
    told = said()
    assert told.count("asking again") >= 2
    assert "OutcomeUnknownError" in told
    for secret in (ROSA[4:], TOKEN, text, name):
        assert secret not in told
