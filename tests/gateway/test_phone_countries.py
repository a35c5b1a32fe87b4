"""Reading numbers of all countries: what full and plain validation take is what phonenumbers takes."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.numbering_agreement import (
    CODES,
    EXAMPLES,
    LINES,
    REGIONS,
    by_phonenumbers,
    e164,
    neighbours,
    ours,
    wire,
    written_both_ways,
)

unhurried = settings(deadline=None)  # the machine may be busy; speed is for the benchmarks to measure


def test_full_validation_takes_the_lines_of_every_country_and_nothing_else() -> None:
    for number in EXAMPLES:
        expected = wire(number) if phonenumbers.number_type(number) in LINES else None
        assert ours(e164(number), "full") == expected, number


def test_full_validation_and_phonenumbers_agree_near_every_kind_of_number() -> None:
    for number, region in written_both_ways(random.Random(11), 20_000):
        assert ours(number, region=region) == by_phonenumbers(number, region), (number, region)


def test_a_code_without_plus_is_read_as_phonenumbers_reads_it() -> None:
    for code, national in neighbours(random.Random(12), 5_000):
        number, region = f"{code}{national}", phonenumbers.region_code_for_country_code(code)
        region = region if region in REGIONS else "IT"
        assert ours(number, region=region) == by_phonenumbers(number, region), (number, region)


def test_whatever_passes_in_full_passes_as_possible() -> None:
    lines = [number for number in EXAMPLES if phonenumbers.number_type(number) in LINES]
    assert [ours(e164(number), "possible") for number in lines] == [wire(number) for number in lines]


def test_a_wrong_split_never_passes_for_any_country() -> None:
    for number in EXAMPLES:
        digits = e164(number)[1:]
        outcomes = {ours(f"+{digits[:at]}-{digits[at:]}", "possible") for at in range(1, 6)}
        assert outcomes <= {wire(number), None}, number
        assert len(outcomes) == 1, number


@unhurried
@given(st.sampled_from(CODES), st.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_fast_path_and_phonenumbers_agree(code: int, rest: str) -> None:
    plain = f"+{code}{rest}"
    spaced = f"+{code} {rest}"  # a space is enough to leave the fast path
    assert ours(plain, "possible") == ours(f"+{code}-{rest}", "possible") == ours(spaced, "possible")
    assert ours(plain, "possible") == possible_by_phonenumbers(plain)


def test_fast_path_and_phonenumbers_agree_on_all_codes_and_lengths() -> None:
    """Where a national prefix is left in (+44 07911...), phonenumbers drops it, so counting digits is not enough."""
    for code in CODES:
        for rest in (f"{first}{'2345678912345'[:more]}" for first in range(10) for more in range(3, 14)):
            assert ours(f"+{code}{rest}", "possible") == possible_by_phonenumbers(f"+{code}{rest}"), (code, rest)


def test_fast_path_and_phonenumbers_agree_on_every_example() -> None:
    for number in EXAMPLES:
        assert ours(e164(number), "possible") == possible_by_phonenumbers(e164(number)), number


@pytest.mark.parametrize("written", ["+44 07911 123456", "+44-07911123456", "+4407911123456"])
def test_a_national_prefix_after_the_country_code_is_dropped(written: str) -> None:
    assert {ours(written, "full"), ours(written, "possible")} == {"+44-7911123456"}


def possible_by_phonenumbers(number: str) -> str | None:
    """The same question put to phonenumbers alone."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    reasons = {phonenumbers.is_possible_number_for_type_with_reason(parsed, kind) for kind in LINES}
    return wire(parsed) if phonenumbers.ValidationResult.IS_POSSIBLE in reasons else None


def test_phonenumbers_agrees_on_every_beginning_of_an_italian_mobile() -> None:
    draw = random.Random(13)
    for beginning in range(3000, 4000):
        national = f"{beginning}{draw.randrange(1_000_000):06}"
        assert ours(f"+39{national}") == by_phonenumbers(f"+39{national}"), national
        assert ours(national, region="IT") == by_phonenumbers(national, "IT"), national
