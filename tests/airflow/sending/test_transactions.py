"""A message to many: how many calls it takes, where its recipients come from, and what it is guarded by."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    GatewayError,
    ProtocolError,
)
from airflow_provider_messaggisms.gateway.models import Invalid, Message, RecipientCounts, Valid
from airflow_provider_messaggisms.gateway.recipients import read_recipients
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.installation import installation_of
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
from airflow_provider_messaggisms.sending.task_state import Origin
from airflow_provider_messaggisms.sending.transactions import Guards, Transaction
from tests.airflow.conftest import plain
from tests.airflow.puppet import Puppet, success
from tests.airflow.sending.many import PERSONALITIES, execute, left_open, people, phones, transaction, writes

# --- the calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "chunk_size", "calls"),
    [
        (1, 1, 1),
        (1, 1000, 1),
        (2, 1, 2),
        (2, 2, 2),
        (2, 1000, 2),
        (3, 3, 2),
        (4, 2, 2),
        (5, 2, 3),
        (6, 2, 3),
        (7, 1, 7),
    ],
)
def test_a_message_to_many_takes_a_call_a_chunk_and_at_least_two(
    count: int, chunk_size: int, calls: int, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    execute(context, recipients=people(count), chunk_size=chunk_size)
    assert writes(messaggisms_gateway) == ["POST"] + ["PUT"] * (calls - 1)
    assert len(messaggisms_gateway.requests()) == calls
    assert phones(messaggisms_gateway) == Counter(people(count))
    assert len({sms.message_id for sms in messaggisms_gateway.inbox()}) == 1
    account = context["ti"].xcoms["message"]
    assert (account["valid"], account["price_eur"], account["parts"]) == (count, pytest.approx(0.05 * count), count)


@pytest.mark.parametrize("personality", PERSONALITIES, ids=str)
def test_a_message_to_many_arrives_whatever_the_gateway_is_like(
    personality: dict[str, str], context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.reset(personality=personality)
    execute(context)
    assert phones(messaggisms_gateway) == Counter(people(5))
    assert len(messaggisms_gateway.requests()) == 3


def test_every_call_carries_a_recipient(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(personality={"empty_put": "refused", "put_status": "200"})
    for count in (2, 3, 4):
        execute(context, recipients=people(count), idempotency_key=f"key {count}")
    assert {exchange.status for exchange in messaggisms_gateway.requests()} == {200, 201}


def test_recipients_that_are_there_twice_are_sent_to_once(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    execute(context, recipients=[*people(3), *people(3)])
    assert phones(messaggisms_gateway) == Counter(people(3))
    assert context["ti"].xcoms["message"]["repeated"] == 3


def test_long_sending_says_every_ten_seconds_how_far_it_is(
    context: dict[str, Any], hook: MessaggiSmsHook, messaggisms_gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    origin = Origin.of(context, installation_of(hook.settings))
    exactly_once = ExactlyOnce(hook, context, origin, key="a key", sender=None)
    content = hook.compose(sender="Airflow", body="Hello", custom=exactly_once.custom(None))
    recipients = read_recipients(people(14))
    # At the begin, and after each call of two more recipients; twice where there is a line to say.
    seconds = iter((0.0, 9.0, 16.0, 16.0, 25.0, 30.0, 30.0, 31.0))
    sending = Transaction(exactly_once, Guards(), total=14, chunk_size=2, clock=lambda: next(seconds))
    with caplog.at_level(logging.INFO):
        sending.send(recipients, content, None)
    said = [record.getMessage() for record in caplog.records if "handed over" in record.getMessage()]
    assert said == ["6 of 14 handed over, about 32 s left", "10 of 14 handed over, about 15 s left"]
    assert phones(messaggisms_gateway) == Counter(people(14))


# --- from a file ------------------------------------------------------------------------------------------------------


def written(tmp_path: Path, content: str, name: str = "people.csv") -> str:
    """Write a file and give its address."""
    path = tmp_path / name
    path.write_text(content)
    return f"file://{path}"


def test_a_file_gives_each_recipient_a_text_of_his_own(
    context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    rows = [f"{number};Name {i};unused {i}" for i, number in enumerate(people(5))]
    path = written(tmp_path, "\n".join(["number;name;town", *rows]))
    operator = transaction(recipients_path=path, body="Dear {{name}} of {{ ds }}")
    rendering: Any = {"ds": "2026-05-01", **context}
    operator.render_template_fields(rendering)
    operator.execute(context)  # type: ignore[arg-type]
    assert {(sms.number.replace("-", ""), sms.text) for sms in messaggisms_gateway.inbox()} == {
        (number, f"Dear Name {i} of 2026-05-01") for i, number in enumerate(people(5))
    }
    with MessaggiSmsHook() as hook:
        fields = [one.fields for one in hook.get_recipients(messaggisms_gateway.inbox()[0].message_id)]
    assert fields[0] == [{"name": "Name 0"}]  # what the text does not use stays here


def test_a_file_with_one_recipient_takes_a_plain_send(
    context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    execute(context, recipients_path=written(tmp_path, f"number\n{people(1)[0]}\n"))
    assert writes(messaggisms_gateway) == ["POST"]
    assert phones(messaggisms_gateway) == Counter(people(1))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("number,name\n+393491231000,Anna\n+39349,Ben\n", "recipients_path, line 3"),
        ("number,name\n+393491231000,Anna\n+393491231001,\n", "no field of that name for recipients_path, line 3"),
        ("number,name,ds\n+393491231000,Anna,x\n", "'ds' is a field of a recipient and a template variable of Airflow"),
    ],
)
def test_a_file_is_checked_to_its_end_before_anything_is_asked(
    content: str, error: str, context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    operator = transaction(recipients_path=written(tmp_path, content), body="Dear {{name}} of {{ ds }}")
    rendering: Any = {"ds": "2026-05-01", **context}
    operator.render_template_fields(rendering)
    with pytest.raises(ConfigurationError, match=error):
        operator.execute(context)  # type: ignore[arg-type]
    assert messaggisms_gateway.requests() == []


def test_rows_that_cannot_be_sent_to_are_left_out_where_that_is_wanted(
    context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path, said: Callable[[], str]
) -> None:
    path = written(tmp_path, "number\n+39349\n" + "\n".join(people(3)))
    execute(context, recipients_path=path, on_invalid="drop")
    assert phones(messaggisms_gateway) == Counter(people(3))
    assert context["ti"].xcoms["message"]["dropped"] == 1
    assert "Left out, as on_invalid='drop' says: recipients_path, line 2" in said()


def test_a_file_that_is_cut_while_it_is_sent_leaves_nothing_behind(
    context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    context["ti"].max_tries = 8
    path = tmp_path / "people.csv"

    def write(count: int) -> None:
        path.write_text("\n".join(["number,name", *(f"{number},Anna" for number in people(count))]))

    class Cutting(dict[str, Any]):
        """A task state that cuts the file when the task is about to write to the gateway."""

        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            write(10)

    write(3000)

    context["task_state_store"] = Cutting()
    with pytest.raises(ConfigurationError, match=r"changed while it was read.*; nothing was sent") as caught:
        execute(context, recipients_path=str(path), chunk_size=100, body="Dear {{name}}")
    assert isinstance(caught.value, AirflowFailException)
    found = writes(messaggisms_gateway)
    assert (found[0], found[1], found[-1]) == ("POST", "PUT", "DELETE")
    assert phones(messaggisms_gateway) == Counter()
    assert left_open(messaggisms_gateway) == []


# --- guards -----------------------------------------------------------------------------------------------------------

INVALID = "+393491230009"
"""The gateway calls numbers with these last digits invalid."""


@pytest.mark.parametrize("position", [0, 2], ids=["first chunk", "second chunk"])
def test_an_invalid_number_stops_the_message_before_it_goes_out(
    position: int, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    recipients = people(5)
    recipients[position] = INVALID
    with pytest.raises(DeliveryError, match=r"calls 1 of \d numbers invalid; nothing was sent") as caught:
        execute(context, recipients=recipients)
    assert isinstance(caught.value, AirflowFailException)
    assert "1230009" not in plain(caught.value)
    assert writes(messaggisms_gateway)[-1] == "DELETE"
    assert left_open(messaggisms_gateway) == []
    assert phones(messaggisms_gateway) == Counter()


def test_in_the_last_chunk_it_is_found_too_late_and_said_so(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(DeliveryError, match=r"calls 1 recipient\(s\) invalid; .* 4 other\(s\) were sent to"):
        execute(context, recipients=[*people(4), INVALID])
    assert phones(messaggisms_gateway) == Counter(people(4))


def test_numbers_that_the_gateway_calls_invalid_may_be_left_to_it(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    execute(context, recipients=[INVALID, *people(4)], on_invalid="drop")
    assert phones(messaggisms_gateway) == Counter(people(4))
    assert context["ti"].xcoms["message"]["invalid"] == 1


@pytest.mark.parametrize(("limit", "is_sent"), [(0.25, True), ("0.25", True), (0.24, False), (0, False), (None, True)])
def test_a_message_costs_no_more_than_it_may(
    limit: Any, is_sent: bool, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    if is_sent:
        execute(context, max_price_eur=limit)
    else:
        with pytest.raises(
            ConfigurationError, match=r"^max_price_eur: the gateway quotes 0.10 EUR for 2 recipients, so 0.25"
        ):
            execute(context, max_price_eur=limit)
        assert left_open(messaggisms_gateway) == []
    assert phones(messaggisms_gateway) == Counter(people(5) if is_sent else [])


def quoted(price: float | None, valid: int, invalid: int = 0) -> Message:
    """Make the gateway's account of an open message."""
    counts = RecipientCounts(valid=Valid(count=valid), invalid=Invalid(total=invalid))
    return Message(id="1", recipients=counts, price=price, transaction=True)


def test_the_price_is_projected_from_those_who_pay_for_it() -> None:
    guards = Guards(on_invalid="drop", max_price_eur=0.40)
    guards.check(quoted(0.05, valid=1, invalid=3), added=4, total=11)
    with pytest.raises(ConfigurationError, match=r"so 0\.45 EUR for all 12"):
        guards.check(quoted(0.05, valid=1, invalid=3), added=4, total=12)


def test_the_price_of_texts_of_many_lengths_is_projected_from_their_parts(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    everyone = [
        {"number": number, "fields": {"name": "N" * (1 if i < 2 else 400)}} for i, number in enumerate(people(4))
    ]
    arguments: dict[str, Any] = {"recipients": everyone, "body": "{{name}}"}
    with pytest.raises(ConfigurationError, match=r"quotes 0.10 EUR for 2 recipients, so 0.40 EUR for all 4"):
        execute(context, **arguments, max_price_eur=0.39)
    assert phones(messaggisms_gateway) == Counter()
    execute(context, **arguments, max_price_eur=0.40, idempotency_key="dearer")
    assert phones(messaggisms_gateway) == Counter(people(4))


def test_a_price_that_rose_with_the_close_is_told_of(
    context: dict[str, Any], puppet: Puppet, said: Callable[[], str]
) -> None:
    opened, closed = {"valid": {"count": 1}}, {"valid": {"count": 2}}
    puppet.answers(
        success({"id": "m1", "transaction": True, "price": 0.05, "recipients": opened}, 201),
        success({"id": "m1", "transaction": False, "price": 0.25, "recipients": closed}),
    )
    execute(context, recipients=people(2), max_price_eur=0.2)
    assert "costs 0.25 EUR, more than max_price_eur allows" in said()


def test_without_a_quoted_price_no_limit_can_be_kept() -> None:
    with pytest.raises(ProtocolError, match="quotes no price, so max_price_eur cannot be kept"):
        Guards(max_price_eur=1.0).check(quoted(None, valid=2), added=2, total=4)
    Guards().check(quoted(None, valid=2), added=2, total=4)


@pytest.mark.parametrize("counted", [1, 3])
def test_a_message_that_does_not_count_whom_it_was_given_is_not_sent(counted: int) -> None:
    with pytest.raises(ProtocolError, match=rf"counts {counted} valid and 0 invalid recipients where it was given 2"):
        Guards().check(quoted(0.1, valid=counted), added=2, total=4)


def test_too_little_credit_on_the_way_leaves_nothing_behind(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].max_tries = 8
    messaggisms_gateway.reset(credit=0.2)
    with pytest.raises(GatewayError) as caught:
        execute(context)
    assert (caught.value.status, isinstance(caught.value, AirflowFailException)) == (402, True)
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT", "DELETE"]
    assert left_open(messaggisms_gateway) == []
