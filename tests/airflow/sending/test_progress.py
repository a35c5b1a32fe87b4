"""How far long work is: when it is time for a line in the log, and how long the rest will take."""

from __future__ import annotations

import pytest

from airflow_provider_messaggisms.sending.progress import Progress


def test_a_line_is_due_ten_seconds_after_the_begin_or_the_last_line() -> None:
    seconds = iter((100.0, 109.9, 110.0, 119.9, 125.0, 134.9, 135.0))
    progress = Progress(lambda: next(seconds))
    assert [progress.is_due() for _ in range(6)] == [False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("passed", "done", "total", "left"),
    [
        (10.0, 12_000, 60_000, "about 40 s"),
        (10.0, 1_000, 13_000, "about 120 s"),
        (10.0, 1_000, 100_000, "about 16 min"),
        (10.0, 0, 4, "about 40 s"),
        (10.0, 4, 4, "about 0 s"),
    ],
)
def test_the_rest_is_estimated_at_the_pace_so_far(passed: float, done: int, total: int, left: str) -> None:
    seconds = iter((5.0, 5.0 + passed))
    assert Progress(lambda: next(seconds)).left(done, total) == left
