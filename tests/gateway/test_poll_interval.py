"""How far apart the polls of a wait are, and that nothing ever brings them closer together."""

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
    PollInterval,
    checked_seconds,
)

chances = st.floats(0, 1, exclude_max=True)
ages = st.floats(0, 1e6)
intervals = st.none() | st.floats(0, 1e5)


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(0, 5), (59.9, 5), (60, 15), (599, 15), (600, 60), (3_599, 60), (3_600, LATER_SECONDS), (1e9, LATER_SECONDS)],
)
def test_polls_grow_apart_with_the_age_of_the_wait(age: float, seconds: float) -> None:
    assert PollInterval().seconds(age) == seconds
    assert PollInterval().pause(age, 0.0) == seconds


@given(ages, chances)
def test_a_fixed_interval_is_kept_to_the_letter(age: float, chance: float) -> None:
    assert PollInterval(7.5).pause(age, chance) == 7.5


@given(intervals, ages, chances, st.integers(0, 1000), st.floats(0, 1e6))
def test_neither_failures_nor_retry_after_make_a_pause_shorter(
    interval: float | None, age: float, chance: float, failures: int, retry_after: float
) -> None:
    poll_interval = PollInterval(interval)
    pause = poll_interval.pause(age, chance, failures=failures, retry_after=retry_after)
    assert pause >= poll_interval.seconds(age) >= MIN_PAUSE_SECONDS
    if failures:
        assert pause >= retry_after


def test_pauses_after_failures_double_up_to_a_limit() -> None:
    pauses = [PollInterval(10.0).pause(0.0, 0.0, failures=failures) for failures in range(1, 8)]
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, MAX_BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS]
    assert PollInterval(3_600.0).pause(0.0, 0.0, failures=5) == 3_600.0


@given(intervals, st.floats(-1e7, -1e-3), chances)
def test_a_scheduled_message_is_polled_in_the_first_minute_of_its_day(
    interval: float | None, age: float, chance: float
) -> None:
    for pause in (
        PollInterval(interval).pause(age, chance, failures=3),
        PollInterval(interval).first_pause(age, chance),
    ):
        assert -age <= pause <= -age + SPREAD_SECONDS


@given(st.floats(0.1, 1e4), ages)
def test_a_wait_that_is_resumed_stays_on_its_grid(interval: float, age: float) -> None:
    pause = PollInterval(interval).first_pause(age, 0.5)
    assert 0 < pause <= interval
    steps = (age + pause) / interval
    assert steps == pytest.approx(round(steps))


def test_the_triggers_first_poll_keeps_its_distance_from_the_workers() -> None:
    assert PollInterval(60.0).first_pause(1.5, 0.9) == 58.5
    assert PollInterval().first_pause(1.5, 0.9) == 3.5


def test_waits_that_began_together_drift_apart_without_poke_interval() -> None:
    assert len({PollInterval().pause(0.0, chance / 10) for chance in range(10)}) == 10


@pytest.mark.parametrize(("age", "failures"), [(0.0, 1), (0.0, 9), (-60.0, 0)], ids=["failing", "long", "midnight"])
def test_waits_spread_after_a_failure_and_at_the_beginning_of_a_day(age: float, failures: int) -> None:
    for poll_interval in (PollInterval(), PollInterval(5.0)):
        pauses = {poll_interval.pause(age, chance / 10, failures=failures, retry_after=400.0) for chance in range(10)}
        assert len(pauses) == 10


@pytest.mark.parametrize("value", [-1, -0.001, "5", None, True, float("nan"), float("inf"), [], b"1"])
def test_what_is_no_duration_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="poke_interval"):
        checked_seconds("poke_interval", value)
    if value is not None:
        with pytest.raises(ConfigurationError, match="poke_interval"):
            PollInterval(value)
