"""The account and its rules, without HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.account import message_states
from airflow_provider_messaggisms.emulator.account.api_errors import ApiError
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import (
    MessageOptions,
    MessageUpdate,
    NewMessage,
    RequestedRecipients,
)
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.account.stored_message import PRICE_PER_PART_EUR, StoredMessage
from airflow_provider_messaggisms.emulator.http.serialization import message_object, recipient_object
from airflow_provider_messaggisms.emulator.inbox.inbox_search import InboxQuery, search_inbox

ANNA, BRUNO, CARLA = "+39-3491234567", "+39-3491234568", "+39-3491234569"
DAY = 86_400.0


def new_message(*numbers: str, body: str = "hello", **changes: Any) -> NewMessage:
    """A plain message, except for these changes."""
    plain: dict[str, Any] = {
        "sender": "ops",
        "body": body,
        "recipients": requested(*numbers or (ANNA,)),
        "test": False,
        "priority": 1.0,
        "transaction": False,
        "options": MessageOptions(),
        "send_at": None,
    }
    return NewMessage(**(plain | changes))


def requested(*numbers: str, invalid: int = 0) -> RequestedRecipients:
    return RequestedRecipients([(number, None) for number in numbers], ["nonsense"] * invalid)


def change(*numbers: str, transaction: bool | None = None, send_at: float | None = None) -> MessageUpdate:
    return MessageUpdate(requested(*numbers), transaction, send_at)


def send(account: SmsAccount, *numbers: str, **changes: Any) -> StoredMessage:
    return account.create(new_message(*numbers, **changes))


def update(account: SmsAccount, message: StoredMessage, *numbers: str, **changes: Any) -> StoredMessage:
    return account.update(message.id, change(*numbers, **changes))


def inbox(account: SmsAccount) -> list[dict[str, Any]]:
    return list(search_inbox(account, InboxQuery())["sms"])


def state(account: SmsAccount, number: str) -> str:
    return str(next(sms["state"] for sms in inbox(account) if sms["number"] == number))


def refused(status: int, code: int, call: Any, *arguments: Any) -> None:
    with pytest.raises(ApiError) as error:
        call(*arguments)
    assert (error.value.status, error.value.code) == (status, code)


# --- delivery -----------------------------------------------------------------------------------------------------


def test_an_sms_is_on_its_way_for_four_seconds(account: SmsAccount) -> None:
    send(account, ANNA)
    seen = [state(account, ANNA)]
    for _ in range(4):
        account.clock.advance(1)
        seen.append(state(account, ANNA))
    assert seen == [
        "PENDING_ACCEPTED",
        "PENDING_ENROUTE",
        "DELIVERED_TO_OPERATOR",
        "DELIVERED_TO_OPERATOR",
        "DELIVERED_TO_HANDSET",
    ]


@pytest.mark.parametrize(
    ("digits", "ends_as"),
    [
        ("0001", "UNDELIVERABLE_NOT_DELIVERED"),
        ("0002", "EXPIRED_EXPIRED"),
        ("0003", "REJECTED_NETWORK"),
        ("0004", "DELIVERED_TO_OPERATOR"),
        ("0005", "PENDING_ENROUTE"),
        ("0006", "DELIVERED_TO_HANDSET"),
    ],
)
def test_the_last_four_digits_decide_the_state(account: SmsAccount, digits: str, ends_as: str) -> None:
    number = f"+39-349000{digits}"
    send(account, number)
    account.clock.advance(DAY)
    assert state(account, number) == ends_as


def test_a_stuck_sms_gets_the_state_that_is_decided(account: SmsAccount) -> None:
    message = send(account, "+39-3490000005")
    account.clock.advance(100)
    account.decide(message.id, "+39-3490000005", message_states.ON_HANDSET)
    assert [step["state"] for step in inbox(account)[0]["history"]] == [
        "PENDING_ACCEPTED",
        "PENDING_ENROUTE",
        "DELIVERED_TO_HANDSET",
    ]
    shown = message_object(message, account.clock.now(), account.personality)
    assert shown["state"] == 2
    assert shown["statistics"] == {"error": 0, "sent": 1, "delivered": 1, "total": 1, "sms_total": 1}


def test_an_sms_that_is_final_or_not_sent_cannot_be_decided(account: SmsAccount) -> None:
    message = send(account, ANNA)
    account.clock.advance(4)
    refused(422, 221, account.decide, message.id, ANNA, message_states.EXPIRED)
    later = send(account, ANNA, send_at=account.clock.now() + DAY)
    refused(422, 221, account.decide, later.id, ANNA, message_states.EXPIRED)


def test_the_statistics_count_the_recipients_states(account: SmsAccount) -> None:
    message = send(account, ANNA, "+39-3490000001", "+39-3490000004", body="x" * 161)
    account.clock.advance(10)
    shown = message_object(message, account.clock.now(), account.personality)
    assert shown["statistics"] == {"error": 1, "sent": 3, "delivered": 1, "total": 3, "sms_total": 6}
    assert shown["state"] == 1


def test_a_test_reaches_no_phone_and_costs_nothing(account: SmsAccount) -> None:
    message = send(account, ANNA, test=True)
    account.clock.advance(10)
    assert inbox(account) == []
    assert account.credit_eur == 100
    assert message_object(message, account.clock.now(), account.personality)["state"] == 2


# --- money --------------------------------------------------------------------------------------------------------


def test_credit_pays_for_parts_priority_and_realtime(account: SmsAccount) -> None:
    send(account, ANNA, BRUNO, body="x" * 161)
    assert account.credit_eur == pytest.approx(100 - 4 * PRICE_PER_PART_EUR)
    send(account, ANNA, priority=2.0, options=MessageOptions(realtime=True))
    assert account.credit_eur == pytest.approx(100 - 7 * PRICE_PER_PART_EUR)


@pytest.mark.parametrize("count", [3, 20, 77])
def test_the_credit_can_be_spent_to_the_last_cent(account: SmsAccount, count: int) -> None:
    account.credit_eur = float(f"{count * PRICE_PER_PART_EUR:.2f}")
    for _ in range(count):
        send(account, ANNA)
    assert account.credit_eur == 0
    refused(402, 201, account.create, new_message(ANNA))


def test_a_send_beyond_the_credit_is_refused_and_changes_nothing(account: SmsAccount) -> None:
    account.reset(3 * PRICE_PER_PART_EUR, Personality())
    message = send(account, ANNA, transaction=True)
    refused(402, 201, update, account, message, BRUNO, CARLA, "+39-3491234560")
    refused(402, 201, send, account, ANNA, BRUNO, CARLA)
    assert [m.id for m in account.list_messages()] == [message.id]
    assert len(message.recipients) == 1
    assert account.credit_eur == pytest.approx(2 * PRICE_PER_PART_EUR)


def test_a_second_realtime_message_in_a_minute_is_refused(account: SmsAccount) -> None:
    send(account, options=MessageOptions(realtime=True))
    refused(429, 429, account.create, new_message(options=MessageOptions(realtime=True)))
    account.clock.advance(60)
    send(account, options=MessageOptions(realtime=True))


# --- transactions, days, cancelling -------------------------------------------------------------------------------


def test_a_transaction_goes_out_when_it_is_closed(account: SmsAccount) -> None:
    message = send(account, ANNA, transaction=True)
    update(account, message, BRUNO, transaction=True)
    update(account, message, "+39-3491234560")
    account.clock.advance(DAY)
    assert inbox(account) == []
    update(account, message, CARLA, transaction=False)
    assert [sms["number"] for sms in inbox(account)] == [CARLA, "+39-3491234560", BRUNO, ANNA]
    assert state(account, ANNA) == "PENDING_ACCEPTED"
    refused(422, 212, update, account, message, ANNA)
    refused(422, 221, account.delete, message.id)


def test_a_message_for_a_later_day_goes_out_when_that_day_begins(account: SmsAccount) -> None:
    tomorrow = account.clock.now() + DAY
    message = send(account, ANNA, send_at=tomorrow)
    account.clock.advance(DAY - 1)
    assert inbox(account) == []
    assert "report" not in recipient_object(message, message.recipients[0], account.clock.now())
    account.clock.advance(1)
    assert state(account, ANNA) == "PENDING_ACCEPTED"
    assert "report" in recipient_object(message, message.recipients[0], account.clock.now())


def test_a_day_that_has_begun_means_now(account: SmsAccount) -> None:
    message = send(account, ANNA, send_at=account.clock.now() - 3 * DAY)
    assert message.goes_out_at == account.clock.now()


def test_a_message_can_be_moved_until_its_day_begins(account: SmsAccount) -> None:
    message = send(account, ANNA, send_at=account.clock.now() + DAY)
    update(account, message, send_at=account.clock.now() + 2 * DAY)
    refused(422, 212, update, account, message, BRUNO)
    account.clock.advance(DAY + 1)
    assert inbox(account) == []
    account.clock.advance(DAY)
    assert len(inbox(account)) == 1
    with pytest.raises(ApiError, match="closed"):
        update(account, message, send_at=account.clock.now() + DAY)


def test_a_message_moved_to_a_past_day_goes_out_now(account: SmsAccount) -> None:
    now = account.clock.now()
    message = send(account, send_at=now + 30 * DAY)
    account.clock.advance(5.5 * DAY)
    update(account, message, send_at=now + 5 * DAY)
    assert message.goes_out_at == account.clock.now()
    assert state(account, ANNA) == "PENDING_ACCEPTED"


def test_a_message_can_be_cancelled_until_it_goes_out_without_refund(account: SmsAccount) -> None:
    for message in (send(account, send_at=account.clock.now() + DAY), send(account, transaction=True)):
        account.delete(message.id)
        refused(404, 219, account.delete, message.id)
    assert account.credit_eur == pytest.approx(100 - 2 * PRICE_PER_PART_EUR)
    refused(422, 221, account.delete, send(account).id)


def test_each_call_has_its_own_codes_for_an_unknown_id(account: SmsAccount) -> None:
    nowhere, nonsense = "0" * 24, "nonsense"
    refused(406, 202, account.message, nowhere)
    refused(406, 202, account.message, nonsense)
    refused(404, 211, account.update, nowhere, change(ANNA))
    refused(406, 210, account.update, nonsense, change(ANNA))
    refused(404, 219, account.delete, nowhere)
    refused(406, 218, account.delete, nonsense)
    refused(404, 203, account.message_with_recipients, nowhere)
    refused(406, 202, account.message_with_recipients, nonsense)
    refused(404, 203, account.recipient, send(account, ANNA).id, BRUNO)
    refused(404, 203, SmsAccount(account.clock).list_messages)


def test_a_number_that_is_there_twice_is_found_once(account: SmsAccount) -> None:
    message = send(account, BRUNO, ANNA, ANNA)
    assert account.recipient(message.id, ANNA)[1].index == 1


# --- personalities ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("repeats", "times"), [("twice", 4), ("merged", 1)])
def test_a_repeated_number_is_sent_to_twice_or_merged(account: SmsAccount, repeats: Any, times: int) -> None:
    account.reset(100, Personality(repeats=repeats))
    message = send(account, ANNA, ANNA, transaction=True)
    update(account, message, ANNA, ANNA, transaction=False)
    assert [sms["number"] for sms in inbox(account)] == [ANNA] * times


def test_the_list_shows_the_newest_or_the_oldest_first(account: SmsAccount) -> None:
    first, second = send(account), send(account)
    assert account.list_messages() == [second, first]
    account.personality = Personality(list_order="oldest")
    assert account.list_messages() == [first, second]


# --- what is kept -------------------------------------------------------------------------------------------------


@pytest.fixture
def small(account: SmsAccount) -> SmsAccount:
    """An account that keeps ten recipients."""
    return SmsAccount(account.clock, max_kept=10)


def test_the_oldest_messages_are_forgotten_when_too_many_are_kept(small: SmsAccount) -> None:
    first = send(small, *[ANNA] * 4)
    second = send(small, ANNA)
    third = send(small, recipients=requested(ANNA, invalid=2))
    assert small.list_messages() == [third, second]
    refused(406, 202, small.message, first.id)
    fourth = send(small, ANNA, transaction=True)
    update(small, fourth, BRUNO, BRUNO, BRUNO)
    assert small.list_messages() == [fourth, third]


def test_a_message_larger_than_all_that_is_kept_is_refused(small: SmsAccount) -> None:
    message = send(small, transaction=True)
    refused(413, 413, update, small, message, *[BRUNO] * 9)
    refused(413, 413, send, small, *[BRUNO] * 10)
    assert len(message.recipients) == 1
    assert small.list_messages() == [message]


def test_a_decision_is_for_each_open_sms_of_the_number(account: SmsAccount) -> None:
    stuck = "+39-3490000005"
    message = send(account, stuck, stuck, ANNA)
    account.clock.advance(10)
    account.decide(message.id, stuck, message_states.EXPIRED)
    assert [sms["state"] for sms in inbox(account)] == ["DELIVERED_TO_HANDSET", "EXPIRED_EXPIRED", "EXPIRED_EXPIRED"]
    refused(422, 221, account.decide, message.id, stuck, message_states.EXPIRED)
