"""
Hold the compiled numbering plans against phonenumbers, on as many numbers as one likes.

``python -m tests.gateway.numbering_agreement 1000000`` compares what both say about so many numbers, prints each on
which they disagree, and exits with 1 if there is one. It takes about a quarter of a millisecond a number; a second
argument is the seed, so that a long comparison can run in pieces. The tests compare a sample.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator

import phonenumbers
from phonenumbers import PhoneNumberType as Kind

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import Validation, to_wire

LINES = {Kind.MOBILE, Kind.FIXED_LINE, Kind.FIXED_LINE_OR_MOBILE, Kind.VOIP}
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_KINDS = [kind for kind in Kind.values() if kind != Kind.UNKNOWN]


def examples() -> list[phonenumbers.PhoneNumber]:
    """Return every example in phonenumbers' data: one for each kind of number of each region and global network."""
    found = [phonenumbers.example_number_for_type(region, kind) for region in REGIONS for kind in _KINDS]
    found += [phonenumbers.example_number_for_non_geo_entity(code) for code in CODES]
    return [number for number in found if number is not None]


EXAMPLES = examples()


def wire(number: phonenumbers.PhoneNumber) -> str:
    """Write a number as the gateway wants it, by phonenumbers alone."""
    return f"+{number.country_code}-{phonenumbers.national_significant_number(number)}"


def e164(number: phonenumbers.PhoneNumber) -> str:
    """Write a number as E.164 does: a plus sign and digits."""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def ours(number: str, validate: Validation = "full", region: str | None = None) -> str | None:
    """Return what this package reads; ``None`` if it refuses."""
    try:
        return to_wire(number, default_region=region, validate=validate)
    except ConfigurationError:
        return None


def by_phonenumbers(number: str, region: str | None = None) -> str | None:
    """Put the question of full validation to phonenumbers alone."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    return wire(parsed) if phonenumbers.number_type(parsed) in LINES else None


def neighbours(draw: random.Random, count: int) -> Iterator[tuple[int, str]]:
    """
    Draw numbers near every kind of every region: some digits changed, one more or one less; and random ones.

    :returns: Country code and national number.
    """
    for _ in range(count):
        if draw.random() < 0.2:
            yield draw.choice(CODES), "".join(draw.choices("0123456789", k=draw.randint(3, 14)))
            continue
        example = draw.choice(EXAMPLES)
        digits = list(phonenumbers.national_significant_number(example))
        for _ in range(draw.randint(0, 4)):
            digits[draw.randrange(len(digits))] = draw.choice("0123456789")
        if draw.random() < 0.2:
            digits.insert(draw.randrange(len(digits) + 1), draw.choice("0123456789"))
        elif draw.random() < 0.2:
            digits.pop(draw.randrange(len(digits)))
        yield example.country_code or 0, "".join(digits)


def written_both_ways(draw: random.Random, count: int) -> Iterator[tuple[str, str | None]]:
    """Draw numbers with their country code, and without it for a region: mostly their own, sometimes another one."""
    for code, national in neighbours(draw, -(-count // 2)):
        region = phonenumbers.region_code_for_country_code(code)
        yield f"+{code}{national}", None
        yield national, region if region in REGIONS and draw.random() < 0.8 else draw.choice(REGIONS)


def main(count: int, seed: int) -> int:
    """Compare, print, and return the exit code."""
    found: Counter[str] = Counter()
    for number, region in written_both_ways(random.Random(seed), count):
        expected = by_phonenumbers(number, region)
        found["lines" if expected else "not lines"] += 1
        if ours(number, region=region) != expected:
            found["disagreements"] += 1
            print(f"{number} in {region}: {ours(number, region=region)} here, {expected} by phonenumbers", flush=True)
    print(
        f"{found.total() - found['disagreements']:,} numbers of seed {seed}: {found['lines']:,} are mobile, fixed or "
        f"VoIP lines, {found['not lines']:,} are not; {found['disagreements']:,} disagreements",
        flush=True,
    )
    return int(bool(found["disagreements"]))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
