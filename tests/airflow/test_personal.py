"""What Airflow shows of a field with personal data."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.personal import Personal

ANNA = {"number": "+39 349 123 4567", "fields": {"name": "Anna"}}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+39 349 123 4567", "+39-*******567"),
        (["0039 349 1234567", ANNA, Recipient("+39-3491234567")], None),
        (ANNA, {"number": "+39-*******567", "fields": "***"}),
        ({"+39 349 123 4567": {"name": "Anna"}}, {"+39-*******567": "***"}),
        (393491234567, "***"),
        ("Call +393491234567 or 0039 349 1234568", "Call +39-*******567 or +39-*******568"),
        ([f"+39349123{i:04}" for i in range(1000)], None),
    ],
    ids=str,
)
def test_what_airflow_shows_of_a_personal_field_is_masked(value: Any, shown: Any) -> None:
    personal = Personal(value)
    if shown is not None:
        assert personal.serialize() == shown
    everything = f"{personal.serialize()} {personal} {personal!r} {[personal]}"
    assert "349 123 4567" not in everything
    assert "3491234" not in everything.replace(" ", "").replace("-", "")
    assert "Anna" not in everything


def test_rendered_templates_shows_twenty_recipients_and_counts_the_rest() -> None:
    shown = Personal([f"+39349123{i:04}" for i in range(1000)]).serialize()
    assert len(shown) == 21
    assert shown[-1] == "and 980 more"


@pytest.mark.parametrize("text", ["Your code is 4711", "", 4711])
def test_of_a_text_only_its_length_is_shown(text: Any) -> None:
    personal = Personal(text, is_text=True)
    assert str(personal) == personal.serialize() == f"*** ({len(str(text))} characters)"
