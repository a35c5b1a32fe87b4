"""Texts that hold recipients: what a template makes of a list is read back as the same list."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipient_text import parse_recipients, spliced

ROSA, LEA = "+39 347 111 2223", "+39 348 222 3334"


@pytest.mark.parametrize(
    "value",
    [
        [],
        [ROSA, LEA],
        [[ROSA, "02112345678"]],
        [ROSA, None, ""],
        {"number": ROSA, "fields": {"name": 'Rosa, "d\'oro"'}},
        [{"number": ROSA, "fields": {"due": dt.date(2026, 12, 24), "sum": Decimal("12.50"), "rate": -1.5}}],
        [{"number": ROSA, "fields": {"at": dt.datetime(2026, 12, 24, 8, 30), "hour": dt.time(8)}}],
        [{"number": ROSA, "fields": {"at": dt.datetime(2026, 12, 24, tzinfo=dt.UTC)}}],
    ],
)
def test_a_value_is_read_back_from_its_text(value: Any) -> None:
    assert parse_recipients(str(value)) == parse_recipients(f"\n {value}\u00a0") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"('{ROSA}', '{LEA}')", [ROSA, LEA]),
        (f"{{'{ROSA}'}}", [ROSA]),
        (f"[{{'number': '{ROSA}', 'fields': {{'a': nan, 'b': -inf, 'c': NaT}}}}]",
         [{"number": ROSA, "fields": {"a": None, "b": None, "c": None}}]),
        (f"[('{ROSA}', np.int64(7), Timestamp('2026-12-24 00:00:00'))]", [[ROSA, 7, dt.datetime(2026, 12, 24)]]),
        (f"dict_values(['{ROSA}'])", [ROSA]),
        (f"frozenset({{'{ROSA}'}})", [ROSA]),
        (f"deque(['{ROSA}', '{LEA}'])", [ROSA, LEA]),
        (f"['{ROSA}', \"it's '7' '8'\"]", [ROSA, "it's '7' '8'"]),
        (f'"{ROSA}, {LEA}"', [ROSA, LEA]),
        (f"{ROSA}, {LEA};\n", [ROSA, LEA]),
        (f"({ROSA[:3]}) 347 111 2223", "(+39) 347 111 2223"),
        ("'+39347", "'+39347"),
        ("", ""),
        (",;", []),
        ("None", None),
    ],
)  # fmt: skip
def test_a_text_is_read_as_its_author_means_it(text: str, value: Any) -> None:
    assert parse_recipients(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"['{ROSA}', '{LEA}'", r"\(SyntaxError\)"),
        (f"[<NA>, '{ROSA}']", r"\(SyntaxError\)"),
        (f"[Person('{ROSA}')]", r"\(it shows a value of the type Person\)"),
        (
            f"[DateTime(2026, 1, 1, tzinfo=Timezone('Europe/Rome')), '{ROSA}']",
            r"\(it shows an instant in a time zone\)",
        ),
        (f"[x for x in '{ROSA}']", r"\(it shows ListComp\)"),
        ("[" * 10_000, r"\((RecursionError|MemoryError|SyntaxError)\)"),
        ("{**{}}", None),
    ],
)
def test_a_text_that_only_looks_like_a_list_is_refused_with_the_way_out(text: str, why: str | None) -> None:
    if why is None:
        assert parse_recipients(text) == {}
        return
    with pytest.raises(
        ConfigurationError, match=rf"^recipients: the text begins like .*{why}; give the value"
    ) as caught:
        parse_recipients(text)
    assert "347" not in str(caught.value)


@given(st.text(alphabet="[]{}()'\"+39 ,:;\n-a.", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigurationError):
        parse_recipients(text)


@pytest.mark.parametrize(
    "text", ["['061234' '567890']", "['061234'\n '567890']", "[['061234' 'a']\n ['567890' 'b']]", "('061234' '567890')"]
)
def test_texts_without_commas_as_numpy_prints_them_are_not_joined(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients: .* \(it shows values without commas between them\)"):
        parse_recipients(text)


@pytest.mark.parametrize(
    "text",
    [
        "0    3491234567\n1    3481234567\nName: number, dtype: object",
        "0    3491234567\ndtype: object",
        "7    3491234567\n9    3481234567\ndtype: object",
        "       number  name\n0  3491234567  Rosa",
        "       number\n10  3491234567",
        "0  3491234567\n1  3481234567",
    ],
)
def test_the_index_of_a_printed_table_becomes_no_part_of_a_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients: the text is a printed table; give the value itself"):
        parse_recipients(text)


def test_numbers_with_two_blanks_between_their_digits_are_no_table() -> None:
    assert parse_recipients("349  1234567\n348  1234567") == ["349  1234567", "348  1234567"]
    assert parse_recipients("0  349 1234567") == "0  349 1234567"


def test_only_a_template_inside_a_list_is_spliced_one_level_deep() -> None:
    row, person = [ROSA, "02112345678"], {"number": ROSA}
    assert spliced([([ROSA, LEA], True), (LEA, False)]) == [ROSA, LEA, LEA]
    assert spliced([([row], True), (row, False)]) == [row, row]
    assert spliced([(str([ROSA, LEA]), True), (f"{ROSA}, {LEA}", True)]) == [ROSA, LEA, ROSA, LEA]
    assert spliced([(person, True), (ROSA, True), (None, True), (f"{ROSA}, {LEA}", False)]) == [
        person,
        ROSA,
        None,
        f"{ROSA}, {LEA}",
    ]
