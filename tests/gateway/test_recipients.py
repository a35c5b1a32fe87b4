"""Who gets an SMS: every form that people write, each number once, every complaint with its place and no number."""

from __future__ import annotations

import datetime as dt
import json
import math
import numbers as numbers_abc
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipients import (
    Recipient,
    RecipientCheck,
    RecipientList,
    check_placeholders,
    field_names,
    read_recipients,
)

ROSA, LEA, UGO = "+39-3471112223", "+39-3482223334", "+39-3493334445"


def numbers(written: Any, **how: Any) -> list[str]:
    return [one.number for one in read_recipients(written, **how).valid]


@pytest.mark.parametrize(
    "written",
    [
        "+39 347 111 2223",
        ["00393471112223"],
        ("+39-3471112223",),
        {"number": "+393471112223"},
        {"number": "+393471112223", "fields": None},
        {"number": "+393471112223", "fields": {}},
        [{"number": "+39 3471112223"}],
        {"+393471112223"},
        iter(["+393471112223"]),
        Recipient(ROSA),
        [Recipient(ROSA)],
    ],
)
def test_one_recipient_is_read_in_every_form(written: Any) -> None:
    assert read_recipients(written) == RecipientList((Recipient(ROSA),))


def test_numbers_and_objects_may_stand_side_by_side_and_keep_their_order() -> None:
    found = read_recipients([{"number": LEA, "fields": {"name": "Lea", "sum": 7, "rate": 1.5}}, ROSA, Recipient(UGO)])
    assert [one.number for one in found.valid] == [LEA, ROSA, UGO]
    assert found.valid[0].fields == {"name": "Lea", "sum": "7", "rate": "1.5"}
    assert found.valid[0] == Recipient(LEA, {"name": "Lea", "sum": "7", "rate": "1.5"})
    assert found.valid[1] == Recipient(ROSA)
    assert (found.dropped, found.repeated) == ((), 0)


def test_a_number_given_twice_is_sent_to_once_however_it_is_written() -> None:
    found = read_recipients([ROSA, "0039 347 1112223", LEA, {"number": ROSA}])
    assert [one.number for one in found.valid] == [ROSA, LEA]
    assert found.repeated == 2


def test_the_order_of_the_recipients_is_no_part_of_whom_they_are() -> None:
    assert read_recipients([ROSA, LEA]).numbers == read_recipients([LEA, ROSA, ROSA]).numbers == {ROSA, LEA}
    assert [one.number for one in read_recipients([ROSA, LEA])] == [ROSA, LEA]


def test_a_number_without_a_prefix_needs_a_region() -> None:
    assert numbers("347 111 2223", default_region="IT") == [ROSA]
    with pytest.raises(ConfigurationError, match="international prefix"):
        read_recipients("347 111 2223")


def test_full_validation_needs_an_existing_line_possible_only_counts() -> None:
    fictional = "+39-1111111111"
    assert numbers(fictional, validate="possible") == [fictional]
    with pytest.raises(ConfigurationError):
        read_recipients(fictional)


# --- complaints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ([], r"^recipients: there is no recipient$"),
        ((), r"^recipients: there is no recipient$"),
        ({}, r"^recipients\[0\]: the number is missing \(None\); did the task that gives it push nothing\?$"),
        (None, r"^recipients: expected .* got nothing \(None\); did the task that gives it push nothing\?$"),
        ("None", r"^recipients: expected .* got nothing \(None\); did the task that gives it push nothing\?$"),
        (["None"], r"^recipients\[0\]: the number is missing \('None'\); did the task that gives it push nothing\?$"),
        ([ROSA, "nan"], r"^recipients\[1\]: the number is missing \('nan'\); did the task"),
        ([ROSA, float("nan")], r"^recipients\[1\]: the number is missing \(nan\); did the task"),
        ([ROSA, Decimal("NaN")], r"^recipients\[1\]: the number is missing \(Decimal\); did the task"),
        ([ROSA, range(3)], r"^recipients\[1\]: it is a row of 3 value\(s\) \(range\), not a recipient"),
        ([ROSA, iter(())], r"^recipients\[1\]: it is a row \(tuple_iterator\), not a recipient"),
        ([ROSA, b"x"], r"^recipients\[1\]: a number is a text, not bytes$"),
        (type("DataFrame", (list,), {})(["number"]), r"^recipients: a DataFrame is a table; give a column of it"),
        ([ROSA, 3.9e11], r"^recipients\[1\]: a number is a text, not float; write it in quotes"),
        ([ROSA, ""], r"^recipients\[1\]: the telephone number is empty"),
        ([ROSA, "\u00a0\u200b"], r"^recipients\[1\]: the telephone number is empty"),
        (42, r"^recipients: expected .* got int$"),
        (b"+393471112223", r"^recipients: expected .* got bytes$"),
        ("", r"^recipients\[0\]: the telephone number is empty"),
        ([ROSA, "+39 12"], r"^recipients\[1\]: \+39-\*\* has 2 digits"),
        ([ROSA, None], r"^recipients\[1\]: the number is missing \(None\); did the task"),
        ([393471112223], r"^recipients\[0\]: a number is a text, not int; write it in quotes"),
        ([[ROSA]], r"^recipients\[0\]: it is a row of 1 value\(s\) \(list\), not a recipient; give its number, or"),
        ([(ROSA, "02112345678")], r"^recipients\[0\]: it is a row of 2 value\(s\) \(tuple\), not a recipient"),
        ([{"number": 393471112223}], r"^recipients\[0\]: a number is a text, not int; write it in quotes"),
        ([{"fields": {"name": "Rosa"}}], r"^recipients\[0\]: the number is missing \(None\)"),
        ({"number": ROSA, "field": {}}, r"^recipients\[0\]: unknown key 'field'; a recipient has"),
        ({ROSA: {"name": "Rosa"}}, r"^recipients\[0\]: unknown key '\+39-\*{7}223'; a recipient has"),
        ({"number": ROSA, "fields": ["Rosa"]}, r"^recipients\[0\]\.fields: expected names and texts, got list$"),
        ({"number": ROSA, "fields": "Rosa"}, r"^recipients\[0\]\.fields: expected names and texts, got str$"),
        ({"number": ROSA, "fields": {"name": b"x"}}, r"^recipients\[0\]\.fields\['name'\]: .* got bytes$"),
        ({"number": ROSA, "fields": {"name": ("R",)}}, r"^recipients\[0\]\.fields\['name'\]: .* got tuple$"),
        ({"number": ROSA, "fields": {"name": "a\0b"}}, r"^recipients\[0\]\.fields\['name'\]: .* NUL"),
        (
            {"number": ROSA, "fields": {"name": "A", " name": "B"}},
            r"^recipients\[0\]\.fields: the name 'name' is there twice",
        ),
        ({"number": ROSA, "fields": {"name": True}}, r"^recipients\[0\]\.fields\['name'\]: .* got bool$"),
        ({"number": ROSA, "fields": {"name": ["R"]}}, r"^recipients\[0\]\.fields\['name'\]: .* got list$"),
    ],
)
def test_each_complaint_says_where_and_why(written: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_recipients(written)


def test_the_caller_may_name_the_place() -> None:
    with pytest.raises(ConfigurationError, match=r"^line 17: "):
        RecipientCheck(None, lambda place: f"line {place}").add(17, "12")


def test_on_invalid_drop_sends_to_the_rest_and_reports_the_others() -> None:
    found = read_recipients([ROSA, "+39 12", 5, LEA], on_invalid="drop")
    assert [one.number for one in found.valid] == [ROSA, LEA]
    assert [why.partition(":")[0] for why in found.dropped] == ["recipients[1]", "recipients[2]"]


def test_on_invalid_drop_does_not_drop_everybody() -> None:
    with pytest.raises(ConfigurationError, match=r"none of the 2 is valid; the first: recipients\[0\]: "):
        read_recipients(["+39 12", "?"], on_invalid="drop")


@pytest.mark.parametrize("on_invalid", ["fail", "drop"])
def test_what_is_no_list_at_all_is_refused_even_if_bad_numbers_are_dropped(on_invalid: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a number, a recipient or a list"):
        read_recipients(42, on_invalid=on_invalid)


@pytest.mark.parametrize("written", ["+39 347 111 2223", ["347 111 2223", ROSA]])
def test_a_region_that_is_none_drops_no_number(written: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^default_region 'UK' is not a country"):
        read_recipients(written, default_region="UK", on_invalid="drop")
    assert numbers([ROSA], default_region="UK", validate="possible", on_invalid="drop") == [ROSA]


# --- placeholders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (None, set()),
        (42, set()),
        (ROSA, set()),
        ({"number": ROSA, "fields": {"name": "Rosa", 5: "x"}}, {"name", "5"}),
        ({"number": ROSA, "fields": ["name"]}, set()),
        (
            [{"fields": {"name": 1}}, ({"fields": {"city": 1}},), Recipient(ROSA, {"sum": "1"}), "x"],
            {"name", "city", "sum"},
        ),
    ],
)
def test_field_names_are_collected_from_recipients_right_or_wrong(written: Any, names: set[str]) -> None:
    assert field_names(written) == names


def test_a_placeholder_needs_a_field_for_everybody() -> None:
    rosa, lea = Recipient(ROSA, {"name": "Rosa"}), Recipient(LEA, {"city": "Lecce"})
    check_placeholders("Dear {{name}}", [rosa])
    check_placeholders("Dear {{ name }} in { name } {{}}", [rosa])
    check_placeholders("Dear all", [rosa, lea, Recipient(UGO)])
    for blank in ("", " ", "\u00a0"):
        with pytest.raises(ConfigurationError, match=r"\{\{name\}\} has no field of that name for recipient 0"):
            check_placeholders("Dear {{name}}", [Recipient(ROSA, {"name": blank})])
    with pytest.raises(ConfigurationError, match=r"\{\{name\}\} .* for recipient 1 \(\+39-\*{7}334\)"):
        check_placeholders("Dear {{name}}", [rosa, lea])
    with pytest.raises(ConfigurationError, match=r"\{\{city\}\} .* for line 9 \(\+39-\*{7}223\)"):
        check_placeholders("From {{city}}", iter([rosa]), where="line 9")


# --- values -----------------------------------------------------------------------------------------------------------

BODY = "Dear {{name}}"


class NAType:
    """Behaves like pandas' NA: its truth value is undefined."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class NaTType(dt.datetime):
    """Behaves like pandas' NaT: a datetime that is none."""


class datetime64:  # noqa: N801 (numpy's name)
    """Behaves like numpy's: known by its name and its text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@numbers_abc.Integral.register
class int64:  # noqa: N801 (numpy's name)
    def __str__(self) -> str:
        return "7"


@numbers_abc.Real.register
class float32:  # noqa: N801 (numpy's name)
    def __str__(self) -> str:
        return "0.1"


def one(fields: Any, body: str | None = BODY) -> Recipient:
    return read_recipients({"number": ROSA, "fields": fields}, body=body).valid[0]


@pytest.mark.parametrize(
    "value",
    [
        None, float("nan"), float("inf"), -float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), NAType(),
        NaTType(1, 1, 1), datetime64("NaT"), "", " ", "\t", "\u00a0", "\u2007 \u202f", "\u200b", "\ufeff", "\u2800",
        "nan", "NaN", "NaT", "<NA>", "None", "null", "NULL", "inf", "-Infinity", "\\N", "#N/A", "#N/D", " nan ",
    ],
)  # fmt: skip
def test_a_missing_value_is_refused_if_a_placeholder_needs_it(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"\{\{name\}\} has no field of that name for recipients\[0\]"):
        one({"name": value})
    assert one({"name": "Rosa", "other": value}).fields == {"name": "Rosa"}
    assert one({"name": value}, body=None).fields == {}
    found = read_recipients([{"number": ROSA, "fields": {"name": value}}, LEA], body="Hello", on_invalid="drop")
    assert len(found.valid) == 2


def test_the_error_says_what_stands_for_the_missing_value() -> None:
    with pytest.raises(ConfigurationError, match=r"\(it holds 'nan', which stands for a missing value\)$"):
        one({"name ": "nan"})
    with pytest.raises(ConfigurationError, match=r"\(it is blank\)$"):
        one({"name": " "})
    for value in (None, math.nan, math.inf):
        with pytest.raises(ConfigurationError, match=rf"\(it holds {value}, which stands for a missing value\)$"):
            one({"name": value})


@pytest.mark.parametrize("name", ["Nan", "NAN", "Null", "Na", "NA", "none", "0"])
def test_a_name_that_looks_like_a_missing_value_is_a_name(name: str) -> None:
    assert one({"name": name}).fields == {"name": name}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+2"), "100"),
        (12.5, "12.5"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (0, "0"),
        (int64(), "7"),
        (float32(), "0.1"),
        (dt.date(2026, 12, 24), "2026-12-24"),
        (dt.datetime(2026, 12, 24), "2026-12-24"),
        (dt.datetime(2026, 12, 24, 8, 30), "2026-12-24 08:30:00"),
        (dt.datetime(2026, 12, 24, tzinfo=dt.UTC), "2026-12-24 00:00:00+00:00"),
        (dt.time(8, 30), "08:30:00"),
        (datetime64("2026-12-24"), "2026-12-24"),
        (datetime64("2026-12-24T00:00:00.000000000"), "2026-12-24"),
        (datetime64("2026-12-24T08:30:00.000000000"), "2026-12-24 08:30:00"),
        (datetime64("2026-12"), "2026-12"),
        (" Rosa\u00a0", "Rosa"),
        ("Nicolo\u0300", "Nicol\u00f2"),
    ],
)
def test_numbers_and_dates_become_the_text_that_a_reader_expects(value: Any, text: str) -> None:
    assert one({"name": value}).fields == {"name": text}


@pytest.mark.parametrize("value", [True, ["R"], {"a": 1}, ("R",), b"R", Fraction(1, 3), 1j, dt.timedelta(1), object()])
def test_a_value_without_plain_text_is_refused_by_field_and_type(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"fields\['name'\]: .* got {type(value).__name__}$"):
        one({"name": value})
    assert one({"name": "Rosa", "other": value}).fields == {"name": "Rosa"}


def test_names_are_compared_without_blanks_and_with_composed_accents() -> None:
    composed, decomposed = "citt\u00e0", "citta\u0300"
    for name in (composed, decomposed, f" {composed}\u00a0"):
        for body in (f"{{{{{composed}}}}}", f"{{{{ {decomposed} }}}}"):
            assert one({name: "Lecce"}, body).fields == {composed: "Lecce"}
            assert field_names({"number": ROSA, "fields": {name: "x"}}) == {composed}


# --- one number twice -------------------------------------------------------------------------------------------------


def child(name: str, number: str = ROSA) -> dict[str, Any]:
    return {"number": number, "fields": {"name": name, "row": name}}


def test_one_number_with_one_text_is_sent_to_once_and_counted() -> None:
    found = read_recipients([child("Lea"), child(" Lea"), child("Ugo", UGO)], body=BODY)
    assert (len(found.valid), found.repeated, found.conflicts) == (2, 1, ())
    found = read_recipients([child("Lea"), child("Ugo")], body="Hello")  # the text is the same, whatever the fields
    assert (len(found.valid), found.repeated, found.conflicts) == (1, 1, ())


@pytest.mark.parametrize("on_invalid", ["fail", "drop"])
def test_one_number_with_two_texts_is_refused_with_both_places(on_invalid: Any) -> None:
    for body in (BODY, None):
        with pytest.raises(ConfigurationError, match=r"^recipients\[2\]: .*\*223 is there already, at recipients\[0\]"):
            read_recipients([child("Lea"), child("Ugo", UGO), child("Max")], body=body, on_invalid=on_invalid)


def test_fields_that_the_text_does_not_use_make_no_other_text() -> None:
    checked = [Recipient(ROSA, {"name": "Rosa"}), Recipient(ROSA, {"name": "Lea"})]
    found = read_recipients([*checked, {"number": ROSA, "fields": {"name": "Ugo"}}], body="Hello")
    assert (len(found.valid), found.repeated) == (1, 2)


def test_on_repeated_first_sends_the_first_text_and_tells_the_others() -> None:
    found = read_recipients([child("Lea"), child("Max"), child("Ugo", UGO)], body=BODY, on_repeated="first")
    assert [(each.number, each.fields["name"]) for each in found] == [(ROSA, "Lea"), (UGO, "Ugo")]
    assert found.repeated == 1
    assert "recipients[1]: +39-*******223 is there already, at recipients[0]" in found.conflicts[0]


# --- a text with recipients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", "; ", "\n", " ,\n"])
def test_a_text_may_hold_several_numbers(separator: str) -> None:
    assert numbers(separator.join((ROSA, LEA, ""))) == [ROSA, LEA]


@pytest.mark.parametrize("write", [repr, json.dumps])
def test_a_text_may_hold_a_list_as_python_or_json_write_it(write: Callable[[Any], str]) -> None:
    written = [ROSA, {"number": LEA, "fields": {"name": "Lea"}}]
    assert read_recipients(write(written)) == read_recipients(written)
    with pytest.raises(ConfigurationError, match=r"^recipients\[0\]: it is a row of 2 value\(s\)"):
        read_recipients(write([[ROSA, "02112345678"]]))
    with pytest.raises(ConfigurationError, match=r"^recipients\[1\]: the number is missing \(None\)"):
        read_recipients(write([ROSA, None]))
    with pytest.raises(ConfigurationError, match=r"^recipients\[1\]: the telephone number is empty"):
        read_recipients(write([ROSA, ""]))


# --- privacy ----------------------------------------------------------------------------------------------------------


def test_no_repr_shows_a_number_or_a_field() -> None:
    found = read_recipients([{"number": ROSA, "fields": {"name": "Ludovica"}}, "+39 12"], on_invalid="drop")
    for value in (found, found.valid[0], list(found)):
        for shown in (repr(value), str(value), pretty_repr(value)):
            assert "3471112223" not in shown
            assert "Ludovica" not in shown
    assert repr(found.valid[0]) == "Recipient('+39-*******223')"


written_numbers = st.sampled_from(
    [ROSA, "+39 347 111 2223", "3471112223", "003471112223", "+39347111222", "+44 3471112223"]
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["number", "fields", "name", ROSA])
    return st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)


mistakes = st.recursive(
    written_numbers | st.none() | st.integers() | st.text(max_size=10) | st.just(3471112223), nested, max_leaves=6
)


@given(mistakes, st.sampled_from(["fail", "drop"]), st.sampled_from([None, "IT"]))
def test_no_mistake_shows_a_number(written: Any, on_invalid: Any, region: str | None) -> None:
    seen = []
    with suppress(ConfigurationError):
        seen.append(repr(read_recipients(written, on_invalid=on_invalid, default_region=region)))
    with pytest.raises(ConfigurationError) as caught:
        read_recipients([written, "", None], default_region=region)
    seen.append(str(caught.value))
    assert not [text for text in seen if "347111222" in text or "111 222" in text]


def test_half_a_character_in_a_field_is_found_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients\[1\].fields\['name'\]: .* half a character"):
        read_recipients([{"number": "+393491234567", "fields": {"name": name}} for name in ("Zoë 🔥", "Zo\udceb")])


def test_dropping_invalid_recipients_hides_no_conflict_of_checked_ones() -> None:
    two = [Recipient("+39-3491234567", {"name": "Anna"}), Recipient("+39-3491234567", {"name": "Ben"})]
    with pytest.raises(ConfigurationError, match=r"recipients\[1\].*with another text"):
        read_recipients(two, body="Dear {{name}}", on_invalid="drop")
