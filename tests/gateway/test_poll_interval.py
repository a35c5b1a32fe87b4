"""The pace of a wait: how far apart its looks are, and that nothing ever brings them closer together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.poll_interval import (
    LATER_SECONDS,
    MAX_BACK_OFF_SECONDS,
    MIN_PAUSE_SECONDS,
    SPREAD_SECONDS,
    Pace,
    checked_seconds,
)

chances = st.floats(0, 1, exclude_max=True)
ages = st.floats(0, 1e6)
intervals = st.none() | st.floats(0, 1e5)


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(0, 5), (59.9, 5), (60, 15), (599, 15), (600, 60), (3_599, 60), (3_600, LATER_SECONDS), (1e9, LATER_SECONDS)],
)
def test_looks_grow_apart_with_the_age_of_the_wait(age: float, seconds: float) -> None:
    assert Pace().interval(age) == seconds
    assert Pace().pause(age, 0.0) == seconds


@given(ages, chances)
def test_a_fixed_interval_is_kept_to_the_letter(age: float, chance: float) -> None:
    assert Pace(7.5).pause(age, chance) == 7.5


@given(intervals, ages, chances, st.integers(0, 1000), st.floats(0, 1e6))
def test_neither_failures_nor_what_the_gateway_asks_make_a_pause_shorter(
    interval: float | None, age: float, chance: float, failures: int, retry_after: float
) -> None:
    pace = Pace(interval)
    pause = pace.pause(age, chance, failures=failures, retry_after=retry_after)
    assert pause >= pace.interval(age) >= MIN_PAUSE_SECONDS
    if failures:
        assert pause >= retry_after


def test_pauses_after_failures_double_up_to_a_limit() -> None:
    pauses = [Pace(10.0).pause(0.0, 0.0, failures=failures) for failures in range(1, 8)]
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, MAX_BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS]
    assert Pace(3_600.0).pause(0.0, 0.0, failures=5) == 3_600.0


@given(intervals, st.floats(-1e7, -1e-3), chances)
def test_before_its_day_a_scheduled_message_is_left_alone_and_then_looked_at_within_a_minute(
    interval: float | None, age: float, chance: float
) -> None:
    for pause in (Pace(interval).pause(age, chance, failures=3), Pace(interval).first_pause(age, chance)):
        assert -age <= pause <= -age + SPREAD_SECONDS


@given(st.floats(0.1, 1e4), ages)
def test_a_wait_that_is_taken_up_again_stays_on_its_grid(interval: float, age: float) -> None:
    pause = Pace(interval).first_pause(age, 0.5)
    assert 0 < pause <= interval
    steps = (age + pause) / interval
    assert steps == pytest.approx(round(steps))


def test_the_first_look_of_the_trigger_keeps_its_distance_from_that_of_the_worker() -> None:
    assert Pace(60.0).first_pause(1.5, 0.9) == 58.5
    assert Pace().first_pause(1.5, 0.9) == 3.5


def test_waits_that_began_together_drift_apart_when_nobody_has_fixed_their_interval() -> None:
    assert len({Pace().pause(0.0, chance / 10) for chance in range(10)}) == 10


@pytest.mark.parametrize(("age", "failures"), [(0.0, 1), (0.0, 9), (-60.0, 0)], ids=["failing", "long", "midnight"])
def test_nor_do_waits_march_in_step_after_a_failure_or_into_a_day(age: float, failures: int) -> None:
    for pace in (Pace(), Pace(5.0)):
        pauses = {pace.pause(age, chance / 10, failures=failures, retry_after=400.0) for chance in range(10)}
        assert len(pauses) == 10


@pytest.mark.parametrize("value", [-1, -0.001, "5", None, True, float("nan"), float("inf"), [], b"1"])
def test_what_is_no_duration_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="poke_interval"):
        checked_seconds("poke_interval", value)
    if value is not None:
        with pytest.raises(ConfigurationError, match="poke_interval"):
            Pace(value)
