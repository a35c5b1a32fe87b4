from __future__ import annotations

import pytest

from airflow_provider_messaggisms.emulator.account.sms_parts import (
    SmsSize,
    TextTooLongError,
    fill,
    measure,
)


@pytest.mark.parametrize(
    ("text", "encoding", "parts", "remaining"),
    [
        ("a" * 160, "GSM-7", 1, 0),
        ("a" * 161, "GSM-7", 2, 2 * 153 - 161),
        ("a" * 306, "GSM-7", 2, 0),
        ("a" * 307, "GSM-7", 3, 152),
        ("€" * 80, "GSM-7", 1, 0),
        ("è" * 160, "GSM-7", 1, 0),
        ("ё" * 70, "UCS-2", 1, 0),
        ("ё" * 71, "UCS-2", 2, 2 * 67 - 71),
        ("😀" * 35, "UCS-2", 1, 0),
    ],
)
def test_parts_are_counted_as_in_the_standard(text: str, encoding: str, parts: int, remaining: int) -> None:
    assert measure(text) == SmsSize(encoding, parts, remaining)


def test_a_character_of_two_units_is_not_split_between_parts() -> None:
    assert measure("a" * 152 + "€" + "a" * 152).parts == 3
    assert measure("ё" * 66 + "😀" + "ё" * 66).parts == 3


def test_a_backtick_is_not_in_gsm7() -> None:
    assert measure("`").encoding == "UCS-2"


@pytest.mark.parametrize("character", ["a", "€", "ё", "😀"])
def test_a_text_of_more_than_255_parts_is_too_long(character: str) -> None:
    with pytest.raises(TextTooLongError):
        measure(character * 256 * 153)


def test_placeholders_are_filled_from_the_fields() -> None:
    assert fill("Ciao {{name}} {{surname}}!", {"name": "Anna", "surname": "{{name}}"}) == "Ciao Anna {{name}}!"


def test_a_placeholder_without_a_field_stays_as_it_is() -> None:
    assert fill("Ciao {{name}} {{ name }}", {"other": "x"}) == "Ciao {{name}} {{ name }}"


def test_a_text_beyond_any_sms_is_not_built() -> None:
    with pytest.raises(TextTooLongError):
        fill("{{a}}" * 1000, {"a": "x" * 1_000_000})


def test_only_double_braces_are_placeholders() -> None:
    text = "{a} {{}} }}a{{"
    assert fill(text, {"a": "x"}) == text
