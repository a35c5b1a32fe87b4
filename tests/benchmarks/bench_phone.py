"""
What reading a number costs: the fast path beside phonenumbers, CPU per number, medians of one run.

Run it with ``python tests/benchmarks/bench_phone.py``; it exits 1 if the fast path costs more than a third of
``phonenumbers.parse`` alone, or if masking megabytes takes more than linear time.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from statistics import median
from time import process_time

import phonenumbers

from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers, to_wire

FAST_TO_PARSE = 1 / 3
TWICE_THE_TEXT = 3.0  # twice the text may take up to this many times as long; quadratic time takes 4


def numbers(count: int) -> list[str]:
    """Draw mobile numbers of five European countries, in E.164."""
    draw = random.Random(7)
    mobiles = (("+39347", 7), ("+4915112", 6), ("+346121", 5), ("+4479111", 5), ("+336121", 5))
    return [
        f"{start}{draw.randrange(10**rest):0{rest}d}" for start, rest in (draw.choice(mobiles) for _ in range(count))
    ]


def microseconds(run: Callable[[str], object], items: list[str]) -> float:
    run(items[0])  # imports and tables are paid once, not per number
    rounds = []
    for _ in range(7):
        start = process_time()
        for item in items:
            run(item)
        rounds.append((process_time() - start) / len(items) * 1e6)
    return median(rounds)


def main() -> int:
    plain = numbers(5_000)
    wire = [to_wire(number, validate="possible") for number in plain]
    spaced = [f"{number[:3]} {number[3:]}" for number in plain]
    rows = {
        "possible, E.164 (fast path)": microseconds(lambda n: to_wire(n, validate="possible"), plain),
        "possible, wire form (fast path)": microseconds(lambda n: to_wire(n, validate="possible"), wire),
        "possible, with a space (parsed)": microseconds(lambda n: to_wire(n, validate="possible"), spaced),
        "full, E.164": microseconds(to_wire, plain),
        "phonenumbers.parse alone": microseconds(phonenumbers.parse, plain),
        "phonenumbers.parse + is_valid_number": microseconds(
            lambda n: phonenumbers.is_valid_number(phonenumbers.parse(n)), plain
        ),
        "mask": microseconds(mask, wire),
    }
    for name, cost in rows.items():
        print(f"{name:<40}{cost:8.2f} us")
    ratio = rows["possible, E.164 (fast path)"] / rows["phonenumbers.parse alone"]
    worst = max(
        microseconds(mask_numbers, [piece * 200_000]) / microseconds(mask_numbers, [piece * 100_000])
        for piece in ("1", "1-", "123456x", "12345 ", "+39-3491234567 ")
    )
    print(f"fast path / parse: {ratio:.2f} (at most {FAST_TO_PARSE:.2f})")
    print(f"mask_numbers on twice the text: {worst:.2f} times as long (at most {TWICE_THE_TEXT})")
    return int(ratio > FAST_TO_PARSE or worst > TWICE_THE_TEXT)


if __name__ == "__main__":
    sys.exit(main())
