"""Reading and masking telephone numbers: hand-picked spellings, and random ones (countries: test_phone_countries)."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway import numbering_plan, phone
from airflow_provider_messaggisms.gateway.phone import Validation, mask, mask_numbers, to_wire
from tests.gateway.numbering_agreement import (
    CODES,
    EXAMPLES,
    e164,
    ours,
)

unhurried = settings(deadline=None)  # the machine may be busy; speed is for the benchmarks to measure
# The plans of countries grow, and phonenumbers learns of it: 11 digits in Italy at first, 12 by now.
ITALY: Any = phonenumbers.PhoneMetadata.metadata_for_region("IT")
LONGEST_IN_ITALY = max(ITALY.fixed_line.possible_length)
VALIDATIONS: tuple[Validation, ...] = ("full", "possible")


def refusal(number: str, validate: Validation, region: str | None) -> str:
    try:
        to_wire(number, default_region=region, validate=validate)
    except ConfigurationError as error:
        return str(error)
    return ""


def longest_shared_digits(text: str, number: str) -> int:
    """Return how many neighbouring digits of a number can be read in a text."""
    digits = "".join(c for c in number if c.isdigit())
    windows = (digits[i:j] for i in range(len(digits)) for j in range(i + 1, len(digits) + 1))
    return max((len(window) for window in windows if window in text), default=0)


# --- what is read ---


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize(
    "written",
    [
        "+393491234567",
        "+39-3491234567",
        "+39 349 123 4567",
        "0039 349 1234567",
        "+0039 349 1234567",
        "(+39) 349.123.45.67",
        "+39 349/1234567",
        "  +39 349\u00a0123\u202f4567\t",
        "\u202a+39 349\u2011123\u20114567\u202c",  # copied from an address book: direction marks, unbreakable hyphens
        "\u061c+39 349 1234567\u061c",  # an Arabic letter mark
        "+39 349\u2061 1234567\ufe0f",
        "+39 349.123.45.67",
        "+39 3491234.567",
        "\uff0b\uff13\uff19 \uff13\uff14\uff19 1234567",
        "+\u0663\u0669 \u0663\u0664\u0669 1234567",
    ],
)
def test_a_number_is_read_however_people_write_it(written: str, validate: Validation) -> None:
    assert to_wire(written, validate=validate) == "+39-3491234567"


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize(
    "written",
    [
        "'+393491234567",
        " '3491234567",
        "\u2019349 123 4567",
        "'+393491234567'",
        '="+393491234567"',
        ' ="349 123 4567" ',
        "tel:+39-349-123-4567",
        "TEL: 349 1234567",
        "349-123-456-7",
        "-3491234567",
    ],
)
def test_what_spreadsheets_and_links_put_before_a_number_is_taken_off(written: str, validate: Validation) -> None:
    assert to_wire(written, default_region="IT", validate=validate) == "+39-3491234567"


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("349/123 4567", "IT", "+39-3491234567"),
        ("393491234567", "it", "+39-3491234567"),
        ("06 1234567", "IT", "+39-061234567"),
        ("07911 123456", "GB", "+44-7911123456"),
        ("011 39 349 1234567", "US", "+39-3491234567"),
        ("+44 (0)7911 123456", "IT", "+44-7911123456"),
    ],
)
def test_a_national_number_belongs_to_the_default_region(
    written: str, region: str, expected: str, validate: Validation
) -> None:
    assert to_wire(written, default_region=region, validate=validate) == expected


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize("written", ["+390612345678", "+39-0612345678", "+39 06 1234 5678", "+3-90612345678"])
def test_an_italian_fixed_line_keeps_its_zero(written: str, validate: Validation) -> None:
    assert to_wire(written, validate=validate) == "+39-0612345678"


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize("at", range(1, 13))
def test_a_hyphen_at_the_wrong_place_is_corrected(at: int, validate: Validation) -> None:
    assert to_wire("+" + "393491234567"[:at] + "-" + "393491234567"[at:], validate=validate) == "+39-3491234567"


# --- what is refused ---


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize(
    ("written", "region", "why"),
    [
        ("349 123 4567", None, "has no international prefix: write +39... or set default_region in the connection"),
        ("", None, "is empty"),
        ("+39 349 1234567 ext. 3", None, "is not one telephone number"),
        ("+393491234567, +393497654321", None, "is not one telephone number"),
        ("+393491234567 +393497654321", None, "is not one telephone number"),
        ("+393491234567\n3497654321", None, "is not one telephone number"),
        ("+39349123456\u00b2", None, "is not one telephone number"),
        ("06 1234567/8", "IT", "holds more than one number"),
        ("+39 349 1234567 /8", None, "holds more than one number"),
        ("+39 349 1234567/3497654321", None, "holds more than one number"),
        ("02 1234567-8", "IT", "holds more than one number"),
        ("02/1234567 \u2013 8", "IT", "holds more than one number"),
        ("02-1234567-8", "IT", "holds more than one number"),
        ("02 1234567 -   8 ", "IT", "holds more than one number"),
        ("+39021234567-8", None, "holds more than one number"),
        ("+39-021234567-8", None, "holds more than one number"),
        ("+39-021234567 - 8", None, "holds more than one number"),
        ("0039 021234567-8", None, "holds more than one number"),
        ("3491234567 3497654321", "IT", "has too many digits"),
        ("whatsapp:+393491234567", None, "is not one telephone number: write digits only, no letters"),
        ("tel:+393491234567;ext=5", None, "is not one telephone number"),
        ("'+393491234567', '+393497654321'", None, "is not one telephone number"),
        ('="3491234567"&"8"', "IT", "is not one telephone number"),
        ("'3491234567.0", "IT", "is a decimal number"),
        ("'", "IT", "is empty"),
        ("+39 (0)345 1234567", None, "has a (0) that may or may not belong to it"),
        ("+999 123456789", None, "does not begin with the code of a country"),
        ("+39 1", None, "has too few digits"),
        ("112", "IT", f"has 3 digits after +39, where a mobile or fixed line has 6 to {LONGEST_IN_ITALY}"),
        ("+1 415 555 26", None, "has 8 digits after +1, where a mobile or fixed line has 10:"),
        ("+800 1234 5678", None, "no line begins with +800"),
        ("349 123 4567", "Italy", "is not a country: write its two letters"),
    ],
)
def test_a_refusal_says_why(written: str, region: str | None, why: str, validate: Validation) -> None:
    with pytest.raises(ConfigurationError) as caught:
        to_wire(written, default_region=region, validate=validate)
    assert why in str(caught.value)


@pytest.mark.parametrize("validate", VALIDATIONS)
@pytest.mark.parametrize(
    "written",
    [
        "3491112223.0",
        "3491112223.00",
        "3491112223,0",
        "+393491112223.0",
        "+39349111222.0",
        "3,491,112,223.00",
        "333.44.55.000",
        "3491112223.5",
        "3491112223.25",
        "3491112223. 0",
        "3491112223.\uff10",
        " 3491112223.0 ",
        "(3491112223.0)",
    ],
)
def test_a_decimal_number_is_no_telephone_number(written: str, validate: Validation) -> None:
    with pytest.raises(ConfigurationError, match="is a decimal number: the column was numeric"):
        to_wire(written, default_region="IT", validate=validate)


@pytest.mark.parametrize("written", ["3.49111E+09", "3,49111222E+09", "3.9e11", "39E10"])
def test_scientific_notation_is_no_telephone_number(written: str) -> None:
    with pytest.raises(ConfigurationError, match="is in scientific notation: the column was numeric"):
        to_wire(written, default_region="IT")


def test_dots_between_groups_of_digits_are_punctuation() -> None:
    assert to_wire("333.44.55.666", default_region="IT") == "+39-3334455666"
    assert to_wire("06.12345678", default_region="IT") == "+39-0612345678"
    assert to_wire("333.445566.", default_region="IT") == "+39-333445566"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("+39 899 123456", "'premium rate'"),
        ("+39 800 123456", "'toll free'"),
        ("+44 70 1234 5678", "'personal number'"),
        ("+39 200 1234567", "does not exist in the numbering plan of +39"),
    ],
)
def test_full_validation_refuses_what_is_no_line(written: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=r"check|not a mobile") as caught:
        to_wire(written)
    assert why in str(caught.value)


@pytest.mark.parametrize("number", [None, 393491234567, 3.9e11, b"+393491234567", ["+393491234567"]])
def test_a_number_that_is_not_a_string_is_refused_without_showing_it(number: Any) -> None:
    for validate in VALIDATIONS:
        with pytest.raises(ConfigurationError, match="must be a string") as caught:
            to_wire(number, validate=validate)
        assert "349" not in str(caught.value)
    assert mask(number) == "***"


def test_an_unknown_validation_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="validate must be 'full' or 'possible', not 'none'"):
        to_wire("+393491234567", validate="none")  # type: ignore[arg-type]


@unhurried
@given(st.text(alphabet="0123456789+-()/ .x", max_size=30), st.sampled_from([None, "IT", "GB", "US"]))
def test_no_error_shows_more_than_country_code_and_three_digits(written: str, region: str | None) -> None:
    for validate in VALIDATIONS:
        assert longest_shared_digits(refusal(written, validate, region), written) <= 3


def test_numbers_in_plain_form_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(phonenumbers, "parse")
    assert to_wire("+393491234567", validate="possible") == to_wire("+393491234567") == "+39-3491234567"
    assert to_wire("+39 349 1234567") == to_wire("349 1234567", default_region="IT") == "+39-3491234567"
    assert to_wire("0039-349-123-45-67") == to_wire("-349\u00a0123 45-67 ", default_region="it") == "+39-3491234567"
    assert to_wire("+44-7911123456", validate="possible") == "+44-7911123456"
    assert to_wire("+5491123456789", validate="possible") == "+54-91123456789"
    assert to_wire("+34 612-34-56-78") == to_wire("612 345 678", default_region="ES") == "+34-612345678"


def test_many_threads_can_start_at_once() -> None:
    numbering_plan.plan.cache_clear()
    numbers = [e164(number) for number in EXAMPLES]
    expected = [ours(number, "possible") for number in numbers]
    numbering_plan.plan.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: [ours(number, "possible") for number in numbers], range(8)))
    assert results == [expected] * 8


# --- masks ---


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+39-3491234567", "+39-*******567"),
        ("+393491234567", "+39-*******567"),
        ("0039 349 123 4567", "+39-*******567"),
        ("+3-93491234567", "+39-*******567"),
        ("+1 (415) 555-2671", "+1-*******671"),
        ("349 123 4567", "*******567"),
        ("+39-061234", "+39-******"),
        ("112", "***"),
        ("+39", "***"),
        ("00", "***"),
        ("Mario Rossi", "***"),
        ("3491234567 Mario", "***"),
        ("349\n1234567", "***"),
        ("3" * 200, "***"),
        ("+39-*******567", "+39-*******567"),
        ("*******567", "*******567"),
    ],
)
def test_a_mask_shows_country_code_and_last_three_digits_at_most(number: str, masked: str) -> None:
    assert mask(number) == masked


@unhurried
@given(st.one_of(st.text(max_size=60), st.text(alphabet="0123456789+-() /*", max_size=60)))
def test_a_mask_is_short_plain_and_stays_as_it_is(number: str) -> None:
    masked = mask(number)
    assert len(masked) <= 50
    assert set(masked) <= set("+-*0123456789")
    assert mask(masked) == masked
    assert len(masked.rpartition("*")[2]) <= 3


def test_masks_know_every_country_code_without_phonenumbers() -> None:
    assert [mask(f"+{code}1234567") for code in CODES] == [f"+{code}-****567" for code in CODES]


def loads_phonenumbers(*statements: str) -> bool:
    """Tell whether statements load phonenumbers in a new process."""
    begin = "import sys; from airflow_provider_messaggisms.gateway.phone import mask, to_wire"
    program = "\n".join((begin, *statements, "print('phonenumbers' in sys.modules)"))
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout == "True\n"


def test_neither_importing_nor_masking_loads_phonenumbers() -> None:
    assert not loads_phonenumbers("assert mask('+393491234567') == '+39-*******567'")


def test_an_italian_mobile_number_is_read_without_phonenumbers() -> None:
    assert not loads_phonenumbers(
        "assert to_wire('+39 349 123 4567') == to_wire('+393491234567', default_region='IT') == '+39-3491234567'",
        "assert to_wire('349 1234567', default_region='it') == '+39-3491234567'",
    )
    assert loads_phonenumbers("to_wire('+39 06 12345678')")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no number here, code 201, 12.5 s", "no number here, code 201, 12.5 s"),
        ("Invalid recipient +39-3491234567.", "Invalid recipient +39-*******567."),
        ('{"number":"+393491234567","n":3}', '{"number":"+39-*******567","n":3}'),
        ("call 349 123 45 67 or (06) 1234.5678", "call *******567 or (*******678"),
        ("/recipients/%2B39-3491234567", "/recipients/%2B*********567"),
        ("+39-3491234567\n+39-3497654321", "+39-*******567\n+39-*******321"),
        ("123456 and 1234567", "123456 and ****567"),
        ("+39-*******567", "+39-*******567"),
    ],
)
def test_numbers_within_a_text_are_masked(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@unhurried
@given(st.text(alphabet="0123456789+-(). ab\n", max_size=200))
def test_no_run_of_seven_digits_survives(text: str) -> None:
    masked = mask_numbers(text)
    assert re.search(phone._RUN, masked) is None
    assert mask_numbers(masked) == masked


@pytest.mark.parametrize("piece", ["1", "1-", "12345 ", "123456x", "+", "1  ", "+39-3491234567 "])
def test_masking_megabytes_of_anything_ends(piece: str) -> None:
    """With a regular expression that backtracks these would take hours; the benchmarks measure the time."""
    assert re.search(phone._RUN, mask_numbers(piece * (1_000_000 // len(piece)))) is None


@pytest.mark.parametrize("number", ["+39 349 1234567", "349-1234567", "0039/349.123.45.67"])
def test_a_number_is_masked_alike_alone_and_within_a_text(number: str) -> None:
    assert mask_numbers(f"<{number}>") == f"<{mask(number)}>"
