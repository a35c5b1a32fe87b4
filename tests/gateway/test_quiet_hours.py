"""Quiet hours: which instants they hold, on every night of the year."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.quiet_hours import QuietHours, read_quiet_hours

ROME = "Europe/Rome"

# The clocks of Rome: 2026-03-29 02:00 CET becomes 03:00 CEST; 2026-10-25 03:00 CEST becomes 02:00 CET.


def hours(span: str, timezone: str = ROME) -> QuietHours:
    """Read quiet hours that are there."""
    found = read_quiet_hours(span, timezone=timezone)
    assert found is not None
    return found


def at(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("span", "moment", "end"),
    [
        ("21:00-08:00", "2026-06-10T20:59:59+02:00", None),
        ("21:00-08:00", "2026-06-10T21:00:00+02:00", "2026-06-11T08:00:00+02:00"),
        ("21:00-08:00", "2026-06-10T23:59:59+02:00", "2026-06-11T08:00:00+02:00"),
        ("21:00-08:00", "2026-06-11T00:00:00+02:00", "2026-06-11T08:00:00+02:00"),
        ("21:00-08:00", "2026-06-11T07:59:59.999999+02:00", "2026-06-11T08:00:00+02:00"),
        ("21:00-08:00", "2026-06-11T08:00:00+02:00", None),
        ("13:00-15:30", "2026-06-10T12:59:59+02:00", None),
        ("13:00-15:30", "2026-06-10T13:00:00+02:00", "2026-06-10T15:30:00+02:00"),
        ("13:00-15:30", "2026-06-10T15:30:00+02:00", None),
        ("00:00-08:00", "2026-06-10T00:00:00+02:00", "2026-06-10T08:00:00+02:00"),
        ("21:00-00:00", "2026-06-10T23:00:00+02:00", "2026-06-11T00:00:00+02:00"),
        ("21:00-00:00", "2026-06-11T00:00:00+02:00", None),
        ("21:00-08:00", "2026-12-31T22:00:00+01:00", "2027-01-01T08:00:00+01:00"),
    ],
)
def test_the_start_is_quiet_and_the_end_is_not(span: str, moment: str, end: str | None) -> None:
    assert hours(span).end_after(at(moment)) == (end and at(end))


@pytest.mark.parametrize("moment", ["2026-06-10T19:30:00Z", "2026-06-10T15:30:00-04:00", "2026-06-11T04:30:00+09:00"])
def test_the_moment_may_be_written_in_any_zone(moment: str) -> None:
    assert hours("21:00-08:00").end_after(at(moment)) == at("2026-06-11T08:00:00+02:00")


def test_the_zone_says_whose_night_it_is() -> None:
    assert hours("21:00-08:00", "Asia/Tokyo").end_after(at("2026-06-10T13:00:00Z")) == at("2026-06-10T23:00:00Z")
    assert hours("21:00-08:00", "America/New_York").end_after(at("2026-06-10T13:00:00Z")) is None


@pytest.mark.parametrize(
    ("night", "span", "start", "end"),
    [
        ("a night of 10 hours", "21:00-08:00", "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z"),
        ("a night of 12 hours", "21:00-08:00", "2026-10-24T19:00:00Z", "2026-10-25T07:00:00Z"),
        ("the end is skipped", "21:00-02:30", "2026-03-28T20:00:00Z", "2026-03-29T01:00:00Z"),
        ("the start is skipped", "02:30-08:00", "2026-03-29T01:00:00Z", "2026-03-29T06:00:00Z"),
        ("the end comes twice", "21:00-02:30", "2026-10-24T19:00:00Z", "2026-10-25T01:30:00Z"),
        ("the start comes twice", "02:30-08:00", "2026-10-25T00:30:00Z", "2026-10-25T07:00:00Z"),
        ("both come twice", "02:10-02:40", "2026-10-25T00:10:00Z", "2026-10-25T01:40:00Z"),
    ],
)
def test_the_nights_on_which_the_clocks_change(night: str, span: str, start: str, end: str) -> None:
    quiet, step = hours(span), timedelta(minutes=1)
    moment = at(start)
    assert quiet.end_after(moment - step) is None
    while moment < at(end):
        assert quiet.end_after(moment) == at(end)
        moment += step
    assert quiet.end_after(at(end)) is None


def test_quiet_hours_that_the_clocks_skip_altogether_are_none() -> None:
    quiet = hours("02:10-02:40")
    day = [at("2026-03-29T00:00:00Z") + timedelta(minutes=minute) for minute in range(120)]
    assert {quiet.end_after(moment) for moment in day} == {None}


@given(
    start=st.times(),
    length=st.integers(1, 22 * 60),
    timezone=st.sampled_from([ROME, "America/Santiago", "Asia/Tokyo"]),
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_the_end_is_near_ahead_and_not_quiet(start: time, length: int, timezone: str, moment: datetime) -> None:
    begin = datetime(2024, 1, 1, start.hour, start.minute)
    end = (begin + timedelta(minutes=length)).time()
    quiet = QuietHours(begin.time(), end, timezone)
    until = quiet.end_after(moment)
    if until is None:
        return
    assert timedelta(0) < until - moment <= timedelta(minutes=length + 60)
    assert until.astimezone(ZoneInfo(timezone)).time() >= end
    assert quiet.end_after(until) is None


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_not_quiet(moment: datetime) -> None:
    assert hours("21:00-08:00").end_after(moment) is None


@pytest.mark.parametrize("written", ["21:00-08:00", " 21:00 - 8:00 ", "21:00\u201308:00"])
def test_quiet_hours_are_written_as_people_do(written: str) -> None:
    assert hours(written) == QuietHours(time(21), time(8), ROME)
    assert str(hours(written)) == "21:00-08:00 Europe/Rome"


@pytest.mark.parametrize("written", [None, "", "  "])
def test_empty_quiet_hours_are_none(written: str | None) -> None:
    assert read_quiet_hours(written, timezone=ROME) is None


@pytest.mark.parametrize(
    "written",
    ["21-8", "21:00", "21:00-24:00", "21:60-08:00", "9pm-8am", "21:00-08:00-09:00", "always", 2100, True, ["21:00"]],
)
def test_what_is_no_span_is_refused_by_name(written: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^quiet_hours: .* is not a span of the day; write it like"):
        read_quiet_hours(written, timezone=ROME)


def test_a_span_that_ends_where_it_begins_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^quiet_hours: they begin and end at 08:00"):
        read_quiet_hours("8:00-08:00", timezone=ROME)
