"""What a send may cost: the price of a part, the estimate, and the limit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.price import Estimate, Seen, has_surcharge, price_per_part


def message(base_price: float | None = 0.126, parts: int | None = 4, **options: Any) -> Message:
    content = {"id": "m1", "base_price": base_price, "statistics": {"sms_total": parts}, "options": options}
    return msgspec.convert(content, Message)


@pytest.mark.parametrize(
    ("read", "price"),
    [
        (message(), 0.0315),
        (message(0.0315, 1), 0.0315),
        (message(None), None),
        (message(0.0), None),
        (message(parts=0), None),
        (message(parts=None), None),
        (message(flash=True), None),
        (message(realtime=True), None),
    ],
)
def test_the_price_of_a_part_is_the_base_price_divided_by_the_parts(read: Message, price: float | None) -> None:
    assert price_per_part(read) == (price and pytest.approx(price))


def test_a_message_without_a_price_leaves_the_last_one() -> None:
    seen = Seen()
    for one in (message(None), message(), message(None)):
        seen.note(one)
    assert seen.price_per_part_eur == pytest.approx(0.0315)


@pytest.mark.parametrize(("eur", "limit"), [(0.30, 0.30), (0.1 + 0.2, 0.3), (0.0, 0.0), (5.0, None)])
def test_an_estimate_up_to_the_limit_passes(eur: float, limit: float | None) -> None:
    Estimate(eur).check(limit)


@pytest.mark.parametrize(
    ("is_floor", "words"), [(False, "at 0.31 EUR without"), (True, "at at least 0.31 EUR without")]
)
def test_an_estimate_above_the_limit_is_refused(is_floor: bool, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"max_price_eur: .* {words} VAT; the limit is 0.30. Nothing was sent"):
        Estimate(0.31, is_floor).check(0.30)


@pytest.mark.parametrize(
    ("options", "has_one"),
    [
        ({}, False),
        ({"priority": 1}, False),
        ({"priority": 1.5}, True),
        ({"flash": True}, True),
        ({"realtime": True}, True),
    ],
)
def test_priority_flash_and_realtime_are_surcharges(options: dict[str, Any], has_one: bool) -> None:
    assert has_surcharge(MessageContent(sender="Depot", body="Hello", **options)) == has_one
