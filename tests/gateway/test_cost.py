"""The parts of a message are counted recipient by recipient, and its text fits for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway import cost
from airflow_provider_messaggisms.gateway.cost import Cost, PartsCounter
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.sms_text import fill, measure


def count_parts(body: str, people: Iterable[Mapping[str, str]]) -> PartsCounter:
    return cost.count_parts(body, [Recipient("+39-3491234567", fields) for fields in people])


NO_FIELDS: Mapping[str, str] = {}


def test_a_text_without_fields_takes_the_same_for_all() -> None:
    body, cost = count_parts("x" * 161, [NO_FIELDS] * 3).fitted(None, "fail")
    assert body == "x" * 161
    assert cost == Cost(3, 6, ("GSM-7",))


def test_fields_count_with_their_real_lengths() -> None:
    people = [{"name": "Anna"}, {"name": "A" * 20}]
    _, cost = count_parts("{{name}}" + "x" * 150, people).fitted(None, "fail")
    assert cost == Cost(2, 3, ("GSM-7",))


def test_one_name_beyond_gsm7_makes_one_sms_dearer() -> None:
    people = [{"name": "Anna"}, {"name": "Łucja"}]
    _, cost = count_parts("{{name}}" + "x" * 100, people).fitted(None, "fail")
    assert cost == Cost(2, 3, ("GSM-7", "UCS-2"))


def test_a_text_that_is_too_long_fails_and_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"2 SMS parts in GSM-7, max_parts allows 1; .*on_too_long='fit'"):
        count_parts("x" * 161, [NO_FIELDS]).fitted(1, "fail")


def test_a_text_that_is_too_long_for_one_recipient_fails() -> None:
    with pytest.raises(ConfigurationError, match="takes 2 SMS parts"):
        count_parts("{{name}}" + "x" * 150, [{"name": "A"}, {"name": "A" * 11}]).fitted(1, "fail")


def test_it_is_cut_to_fit_and_nothing_is_said_that_is_not_known() -> None:
    body, cost = count_parts("x" * 500, [NO_FIELDS] * 3).fitted(2, "fit")
    assert measure(body).parts == 2
    assert cost == Cost(3, 6, ("GSM-7",), exact=False)


def test_a_text_beyond_gsm7_is_made_plain_where_the_fields_allow_it() -> None:
    body, cost = count_parts("{{name}}’s " + "x" * 200, [{"name": "Anna"}]).fitted(1, "fit")
    assert body.startswith("{{name}}'s xxx")
    assert len(body) > 150
    assert cost.encodings == ("GSM-7",)


def test_what_fits_is_not_touched() -> None:
    body, cost = count_parts("“quoted” " * 5, [NO_FIELDS]).fitted(1, "fit")
    assert body == "“quoted” " * 5
    assert cost == Cost(1, 1, ("UCS-2",))


def test_no_recipients_take_no_parts() -> None:
    assert count_parts("{{name}}", []).fitted(1, "fail")[1] == Cost(0, 0, ())


_VALUES = st.text(st.sampled_from("ab€{}~é’ł🔥中 "), max_size=30)


@given(
    words=st.lists(st.sampled_from(["{{name}}", "{{city}}", "x" * 40, "€" * 15, "’", " ", "ab"]), max_size=14),
    people=st.lists(st.fixed_dictionaries({"name": _VALUES, "city": _VALUES}), min_size=1, max_size=5),
    max_parts=st.integers(1, 4),
)
def test_it_fits_for_all_recipients_whatever_their_names(
    words: list[str], people: list[dict[str, str]], max_parts: int
) -> None:
    text = "".join(words)
    body, cost = count_parts(text, people).fitted(max_parts, "fit")
    sizes = [measure(fill(body, fields)) for fields in people]
    assert all(size.parts <= max_parts for size in sizes)
    if cost.exact:
        assert (body, cost.parts) == (text, sum(size.parts for size in sizes))
        assert set(cost.encodings) == {size.encoding for size in sizes}
    else:
        assert sum(size.parts for size in sizes) <= cost.parts


@pytest.mark.parametrize(
    ("cost", "price", "text"),
    [
        (Cost(3, 6, ("GSM-7",)), 0.05, "3 recipient(s), 6 SMS part(s) in GSM-7, estimated price 0.30 EUR without VAT"),
        (
            Cost(3, 6, ("GSM-7", "UCS-2"), exact=False),
            None,
            "3 recipient(s), at most 6 SMS part(s) in GSM-7 and UCS-2, price unknown before the gateway quotes it",
        ),
    ],
)
def test_it_is_told_in_one_line(cost: Cost, price: float | None, text: str) -> None:
    assert cost.described(price) == text
