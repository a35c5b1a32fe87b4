"""A wait lasts as long as there is progress, and ends with an error when there is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count

import pytest

from tests.progress import NoSignOfLifeError, longer_and_longer, wait_for_exit, wait_until


def after(looks: int) -> Callable[[], str | None]:
    """Make a condition that holds at the so-many-th look."""
    numbers = count(1)
    return lambda: "found" if next(numbers) >= looks else None


def test_a_wait_lasts_as_long_as_its_sign_changes() -> None:
    signs = count()
    assert wait_until("it", after(50), sign=lambda: next(signs), silence_seconds=0.0, every_seconds=0.0) == "found"


def test_a_wait_without_a_sign_of_life_fails_and_shows_the_last() -> None:
    with pytest.raises(NoSignOfLifeError, match=r"^it: no sign of life for 0 s; the last was 'running'$"):
        wait_until("it", lambda: None, sign=lambda: "running", silence_seconds=0.0, every_seconds=0.0)


def test_an_error_of_the_condition_ends_the_wait_at_once() -> None:
    def died() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait_until("it", died)


def test_the_exit_code_of_a_process_is_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    assert wait_for_exit(process) == 3


def test_time_limits_grow_until_they_are_far_more_than_enough() -> None:
    limits = list(longer_and_longer(0.5))
    assert limits[:3] == [0.5, 2.0, 8.0]
    assert 60 < limits[-1] < 300
