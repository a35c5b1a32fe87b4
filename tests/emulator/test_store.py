from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.emulator import answers, fates
from airflow_provider_messaggisms.emulator import store as store_module
from airflow_provider_messaggisms.emulator.payload import Addressees, Amendment, Options, Order
from airflow_provider_messaggisms.emulator.personality import Personality
from airflow_provider_messaggisms.emulator.refusals import Refusal
from airflow_provider_messaggisms.emulator.store import PRICE_PER_PART_EUR, Message, Store

ANNA, BRUNO, CARLA = "+39-3491234567", "+39-3491234568", "+39-3491234569"
DAY = 86_400.0


def order(*numbers: str, body: str = "hello", **changes: Any) -> Order:
    """An order with nothing special about it but what is said."""
    plain: dict[str, Any] = {
        "sender": "ops",
        "body": body,
        "addressees": Addressees([(number, None) for number in numbers or (ANNA,)], []),
        "test": False,
        "priority": 1.0,
        "transaction": False,
        "options": Options(),
        "send_at": None,
    }
    return Order(**(plain | changes))


def amendment(*numbers: str, transaction: bool | None = None, send_at: float | None = None) -> Amendment:
    return Amendment(Addressees([(number, None) for number in numbers], []), transaction, send_at)


def send(store: Store, *numbers: str, **changes: Any) -> Message:
    return store.create(order(*numbers, **changes), weight=100)


def amend(store: Store, message: Message, *numbers: str, **changes: Any) -> Message:
    return store.amend(message.id, amendment(*numbers, **changes), weight=100)


def inbox(store: Store) -> list[dict[str, Any]]:
    return list(answers.inbox_entries(store.departed(), store.clock.now(), None))


def state(store: Store, number: str) -> str:
    return str(next(sms["state"] for sms in inbox(store) if sms["number"] == number))


def refused(status: int, code: int, call: Any, *arguments: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        call(*arguments)
    assert (refusal.value.status, refusal.value.code) == (status, code)


# --- delivery -----------------------------------------------------------------------------------------------------


def test_an_sms_is_on_its_way_for_four_seconds(store: Store) -> None:
    send(store, ANNA)
    seen = [state(store, ANNA)]
    for _ in range(4):
        store.clock.advance(1)
        seen.append(state(store, ANNA))
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
def test_the_last_four_digits_decide_what_becomes_of_an_sms(store: Store, digits: str, ends_as: str) -> None:
    number = f"+39-349000{digits}"
    send(store, number)
    store.clock.advance(DAY)
    assert state(store, number) == ends_as


def test_a_stuck_sms_ends_as_somebody_decides_and_its_message_with_it(store: Store) -> None:
    message = send(store, "+39-3490000005")
    store.clock.advance(100)
    store.decide(message.id, "+39-3490000005", fates.ON_HANDSET)
    assert [step["state"] for step in inbox(store)[0]["history"]] == [
        "PENDING_ACCEPTED",
        "PENDING_ENROUTE",
        "DELIVERED_TO_HANDSET",
    ]
    shown = answers.message_object(message, store.clock.now(), store.personality)
    assert shown["state"] == 2
    assert shown["statistics"] == {"error": 0, "sent": 1, "delivered": 1, "total": 1, "sms_total": 1}


def test_a_history_does_not_grow_for_ever(store: Store) -> None:
    message = send(store, ANNA[:-4] + "0005")
    store.clock.advance(10)
    for _ in range(store_module.MAX_STEPS - 2):
        store.decide(message.id, message.recipients[0].number, fates.AT_OPERATOR)
    refused(422, 221, store.decide, message.id, message.recipients[0].number, fates.AT_OPERATOR)


def test_what_is_final_or_not_yet_out_is_not_decided(store: Store) -> None:
    message = send(store, ANNA)
    store.clock.advance(4)
    refused(422, 221, store.decide, message.id, ANNA, fates.EXPIRED)
    later = send(store, ANNA, send_at=store.clock.now() + DAY)
    refused(422, 221, store.decide, later.id, ANNA, fates.EXPIRED)


def test_the_summary_counts_what_the_recipients_became(store: Store) -> None:
    message = send(store, ANNA, "+39-3490000001", "+39-3490000004", body="x" * 161)
    store.clock.advance(10)
    shown = answers.message_object(message, store.clock.now(), store.personality)
    assert shown["statistics"] == {"error": 1, "sent": 3, "delivered": 1, "total": 3, "sms_total": 6}
    assert shown["state"] == 1


def test_a_test_reaches_no_phone_and_costs_nothing(store: Store) -> None:
    message = send(store, ANNA, test=True)
    store.clock.advance(10)
    assert inbox(store) == []
    assert store.credit_eur == 100
    assert answers.message_object(message, store.clock.now(), store.personality)["state"] == 2


# --- money --------------------------------------------------------------------------------------------------------


def test_credit_pays_for_parts_priority_and_realtime(store: Store) -> None:
    send(store, ANNA, BRUNO, body="x" * 161)
    assert store.credit_eur == pytest.approx(100 - 4 * PRICE_PER_PART_EUR)
    send(store, ANNA, priority=2.0, options=Options(realtime=True))
    assert store.credit_eur == pytest.approx(100 - 7 * PRICE_PER_PART_EUR)


@pytest.mark.parametrize("count", [3, 20, 77])
def test_the_last_cent_buys_what_it_costs(store: Store, count: int) -> None:
    store.credit_eur = float(f"{count * PRICE_PER_PART_EUR:.2f}")
    for _ in range(count):
        send(store, ANNA)
    assert store.credit_eur == 0
    refused(402, 201, store.create, order(ANNA), 100)


def test_what_the_account_cannot_pay_is_refused_and_changes_nothing(store: Store) -> None:
    store.reset(3 * PRICE_PER_PART_EUR, Personality())
    message = send(store, ANNA, transaction=True)
    refused(402, 201, amend, store, message, BRUNO, CARLA, "+39-3491234560")
    refused(402, 201, send, store, ANNA, BRUNO, CARLA)
    assert [m.id for m in store.messages()] == [message.id]
    assert len(message.recipients) == 1
    assert store.credit_eur == pytest.approx(2 * PRICE_PER_PART_EUR)


def test_one_realtime_message_a_minute(store: Store) -> None:
    send(store, options=Options(realtime=True))
    refused(429, 429, store.create, order(options=Options(realtime=True)), 0)
    store.clock.advance(60)
    send(store, options=Options(realtime=True))


# --- transactions, days, cancelling -------------------------------------------------------------------------------


def test_a_transaction_goes_out_once_it_is_closed(store: Store) -> None:
    message = send(store, ANNA, transaction=True)
    amend(store, message, BRUNO, transaction=True)
    amend(store, message, "+39-3491234560")
    store.clock.advance(DAY)
    assert inbox(store) == []
    amend(store, message, CARLA, transaction=False)
    assert [sms["number"] for sms in inbox(store)] == [CARLA, "+39-3491234560", BRUNO, ANNA]
    assert state(store, ANNA) == "PENDING_ACCEPTED"
    refused(422, 212, amend, store, message, ANNA)
    refused(422, 221, store.delete, message.id)


def test_a_message_for_a_later_day_goes_out_when_that_day_begins(store: Store) -> None:
    tomorrow = store.clock.now() + DAY
    message = send(store, ANNA, send_at=tomorrow)
    store.clock.advance(DAY - 1)
    assert inbox(store) == []
    assert "report" not in answers.recipient_object(message, message.recipients[0], store.clock.now())
    store.clock.advance(1)
    assert state(store, ANNA) == "PENDING_ACCEPTED"
    assert "report" in answers.recipient_object(message, message.recipients[0], store.clock.now())


def test_a_day_that_has_begun_means_now(store: Store) -> None:
    message = send(store, ANNA, send_at=store.clock.now() - 3 * DAY)
    assert message.departs_at == store.clock.now()


def test_a_message_for_a_later_day_can_be_moved_until_that_day_begins(store: Store) -> None:
    message = send(store, ANNA, send_at=store.clock.now() + DAY)
    amend(store, message, send_at=store.clock.now() + 2 * DAY)
    refused(422, 212, amend, store, message, BRUNO)
    store.clock.advance(DAY + 1)
    assert inbox(store) == []
    store.clock.advance(DAY)
    assert len(inbox(store)) == 1
    with pytest.raises(Refusal, match="closed"):
        amend(store, message, send_at=store.clock.now() + DAY)


def test_a_message_that_is_moved_to_a_day_that_has_begun_goes_out_now(store: Store) -> None:
    now = store.clock.now()
    message = send(store, send_at=now + 30 * DAY)
    store.clock.advance(5.5 * DAY)
    amend(store, message, send_at=now + 5 * DAY)
    assert message.departs_at == store.clock.now()
    assert state(store, ANNA) == "PENDING_ACCEPTED"


def test_a_message_can_be_cancelled_until_it_goes_out_and_is_not_refunded(store: Store) -> None:
    for message in (send(store, send_at=store.clock.now() + DAY), send(store, transaction=True)):
        store.delete(message.id)
        refused(404, 219, store.delete, message.id)
    assert store.credit_eur == pytest.approx(100 - 2 * PRICE_PER_PART_EUR)
    refused(422, 221, store.delete, send(store).id)


def test_each_call_has_its_own_codes_for_an_id_that_is_not_there(store: Store) -> None:
    nowhere, nonsense = "0" * 24, "nonsense"
    refused(406, 202, store.message, nowhere)
    refused(406, 202, store.message, nonsense)
    refused(404, 211, store.amend, nowhere, amendment(ANNA), 0)
    refused(406, 210, store.amend, nonsense, amendment(ANNA), 0)
    refused(404, 219, store.delete, nowhere)
    refused(406, 218, store.delete, nonsense)
    refused(404, 203, store.message_with_recipients, nowhere)
    refused(406, 202, store.message_with_recipients, nonsense)
    refused(404, 203, store.recipient, send(store, ANNA).id, BRUNO)
    refused(404, 203, Store(store.clock).messages)


def test_a_number_that_is_there_twice_is_shown_once_where_one_is_asked_for(store: Store) -> None:
    message = send(store, BRUNO, ANNA, ANNA)
    assert store.recipient(message.id, ANNA)[1].index == 1


# --- personalities ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("repeats", "times"), [("twice", 4), ("merged", 1)])
def test_a_number_given_again_is_sent_to_again_or_not(store: Store, repeats: Any, times: int) -> None:
    store.reset(100, Personality(repeats=repeats))
    message = send(store, ANNA, ANNA, transaction=True)
    amend(store, message, ANNA, ANNA, transaction=False)
    assert [sms["number"] for sms in inbox(store)] == [ANNA] * times


def test_the_list_shows_the_newest_or_the_oldest_first(store: Store) -> None:
    first, second = send(store), send(store)
    assert store.messages() == [second, first]
    store.personality = Personality(list_order="oldest")
    assert store.messages() == [first, second]


# --- memory -------------------------------------------------------------------------------------------------------


def test_the_oldest_messages_are_forgotten_when_the_memory_is_full(store: Store) -> None:
    half = store_module.MEMORY_BYTES // 2
    first = store.create(order(), half)
    second = store.create(order(), half // 2)
    third = store.create(order(), half // 2)
    assert store.messages() == [third, second]
    refused(406, 202, store.message, first.id)


def test_fields_and_invalid_numbers_weigh_too(store: Store) -> None:
    def weight(valid: list[Any], invalid: list[str]) -> int:
        return store.create(order(addressees=Addressees(valid, invalid)), weight=100).weight

    plain = weight([(ANNA, None)], [])
    assert weight([(ANNA, {"a": "x", "b": "y"})], []) >= plain + 400
    assert weight([(ANNA, None)], ["10"] * 5) >= plain + 400


def test_a_message_that_alone_would_fill_the_memory_is_refused(store: Store) -> None:
    message = send(store, transaction=True)
    refused(413, 413, store.amend, message.id, amendment(BRUNO), store_module.MEMORY_BYTES)
    refused(413, 413, store.create, order(), store_module.MEMORY_BYTES)
    assert len(message.recipients) == 1
    assert store.messages() == [message]


def test_a_decision_settles_all_that_the_number_still_waits_for(store: Store) -> None:
    stuck = "+39-3490000005"
    message = send(store, stuck, stuck, ANNA)
    store.clock.advance(10)
    store.decide(message.id, stuck, fates.EXPIRED)
    assert [sms["state"] for sms in inbox(store)] == ["DELIVERED_TO_HANDSET", "EXPIRED_EXPIRED", "EXPIRED_EXPIRED"]
    refused(422, 221, store.decide, message.id, stuck, fates.EXPIRED)
