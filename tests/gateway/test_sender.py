"""The sender: what the contract takes, what is refused with the character at fault, what is sent with a warning."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.sender import check_sender, sender_warning

RULE = "the gateway takes 3 to 11 letters and digits, with single blanks between them, or 3 to 14 digits"


@pytest.mark.parametrize(
    ("sender", "checked"),
    [
        ("Depot 24", "Depot 24"),
        (40404, "40404"),
        ("Acme ", "Acme"),
        ("\u00a0Acme\n", "Acme"),
        ("E-Shop", "E-Shop"),
        ("A&B.it", "A&B.it"),
        ("D'Oro_1", "D'Oro_1"),
    ],
)
def test_a_sender_is_taken_without_the_blanks_around_it(sender: Any, checked: str) -> None:
    assert check_sender(sender) == checked


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        ("Depòt", "the character 'ò' (number 4) is not allowed"),
        ("E–Shop", "the character '–' (number 2) is not allowed"),
        ("Depot!", "the character '!' (number 6) is not allowed"),
        ("Shop\u00a01", "the character '\\xa0' (number 5) is not allowed"),
        ("+393471112223", "the character '+' is not allowed, so write the number with digits only"),
        ("a  b", "two blanks stand side by side (from number 2)"),
        ("ab", "it has 2 characters"),
        ("E-Commerce24", "it has 12 characters"),
        ("123456789012345", "it has 15 digits"),
        ("12", "it has 2 digits"),
        ("1-2-3", "it has no letter, and is not a number either"),
    ],
)
def test_a_refusal_names_the_character_at_fault_and_the_rule(sender: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_sender(sender)
    assert str(caught.value) == f"sender: {why}; {RULE}"


@pytest.mark.parametrize("sender", [None, "", " ", "\u00a0"])
def test_a_missing_sender_is_called_missing(sender: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^sender: missing; give the task a sender"):
        check_sender(sender)


@pytest.mark.parametrize("sender", [["abc"], True, 4.5])
def test_a_sender_is_a_text(sender: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^sender: expected a text, got {type(sender).__name__}$"):
        check_sender(sender)


def test_signs_beyond_the_contract_are_warned_of() -> None:
    assert sender_warning("Depot 24") is None
    assert str(sender_warning("E-Shop_1")).startswith(
        "sender: the contract allows letters and digits only, but this one has - _;"
    )
