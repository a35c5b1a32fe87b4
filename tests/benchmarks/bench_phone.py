"""
What reading a number costs: compiled plans beside phonenumbers, CPU per number, medians of one run.

Targets: full validation of a number costs at most a third of ``phonenumbers.parse`` alone, which does not even
validate, also with blanks and hyphens between its groups; and masking takes linear time.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

import phonenumbers

from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers, to_wire
from tests.benchmarks.measure import Targets, cpu_seconds, ratio, table, take_turns

NUMBERS = 5_000
ROUNDS = 7
FAST_TO_PARSE = 1 / 3
TWICE_THE_TEXT = 3.0  # twice the text may take up to this many times as long; quadratic time takes 4
PIECES = ("1", "1-", "123456x", "12345 ", "+39-3491234567 ")


def numbers(count: int) -> list[str]:
    """Draw mobile numbers of five European countries, in E.164."""
    draw = random.Random(7)
    mobiles = (("+39347", 7), ("+4915112", 6), ("+346121", 5), ("+4479111", 5), ("+336121", 5))
    return [
        f"{start}{draw.randrange(10**rest):0{rest}d}" for start, rest in (draw.choice(mobiles) for _ in range(count))
    ]


def _each(run: Callable[[str], object], items: list[str]) -> Callable[[], float]:
    """Make a case: microseconds of CPU for each of these texts."""

    def through() -> None:
        for item in items:
            run(item)

    return lambda: cpu_seconds(through) / len(items) * 1e6


def _reading() -> dict[str, Callable[[], float]]:
    plain = numbers(NUMBERS)
    wire = [to_wire(number, validate="possible") for number in plain]
    spaced = [f"{number[:3]} {number[3:6]} {number[6:]}" for number in plain]
    hyphens = [f"{number[:3]}-{number[3:6]}-{number[6:]}" for number in plain]
    dots = [f"{number[:3]} {number[3:6]}.{number[6:]}" for number in plain]
    national = [f"{number[3:6]} {number[6:]}" for number in plain if number.startswith("+39")]
    possible = partial(to_wire, validate="possible")
    return {
        "phonenumbers.parse alone": _each(phonenumbers.parse, plain),
        "phonenumbers.parse + is_valid_number": _each(
            lambda number: phonenumbers.is_valid_number(phonenumbers.parse(number)), plain
        ),
        "possible, E.164 (fast path)": _each(possible, plain),
        "possible, wire form (fast path)": _each(possible, wire),
        "possible, with blanks": _each(possible, spaced),
        "full, E.164": _each(to_wire, plain),
        "full, wire form": _each(to_wire, wire),
        "full, with blanks": _each(to_wire, spaced),
        "full, with hyphens": _each(to_wire, hyphens),
        "full, with a dot": _each(to_wire, dots),
        "full, national, with a blank": _each(partial(to_wire, default_region="IT"), national),
        "mask": _each(mask, wire),
    }


def main() -> int:
    """Measure, print, and return the exit code."""
    costs = take_turns(_reading(), ROUNDS)
    parse = costs["phonenumbers.parse alone"]
    table(
        f"Reading one of {NUMBERS:,} numbers of five countries, medians of {ROUNDS}",
        ("", "CPU us", "against parse"),
        [(name, f"{median(cost):.2f}", f"{ratio(cost, parse):.2f}") for name, cost in costs.items()],
    )
    masking = take_turns(
        {f"{piece}*{times}": _each(mask_numbers, [piece * times]) for piece in PIECES for times in (100_000, 200_000)},
        ROUNDS,
    )
    worst = max(ratio(masking[f"{piece}*200000"], masking[f"{piece}*100000"]) for piece in PIECES)
    targets = Targets()
    targets.at_most("fast path against parse", ratio(costs["possible, E.164 (fast path)"], parse), FAST_TO_PARSE)
    for form in ("full, E.164", "full, with blanks", "full, with hyphens", "full, national, with a blank"):
        targets.at_most(f"{form} against parse", ratio(costs[form], parse), FAST_TO_PARSE)
    targets.at_most("masking twice the text against once", worst, TWICE_THE_TEXT)
    return targets.exit_code


if __name__ == "__main__":
    sys.exit(main())
