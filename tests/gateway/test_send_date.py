"""On which day: dates in every form, in the connection's zone, and no time of day unless the account takes one."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.send_date import instant_of, send_day

ROME = "Europe/Rome"
# 2026-05-20 12:00 in Rome.
NOON = dt.datetime(2026, 5, 20, 10, tzinfo=dt.UTC)


def day(value: Any, *, timezone: str = ROME, now: dt.datetime = NOON, time_format: str | None = None) -> str | None:
    return send_day(value, timezone=timezone, now=now, time_format=time_format)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_means_now(value: Any) -> None:
    assert day(value) is None


@pytest.mark.parametrize(
    "value",
    [
        dt.date(2026, 12, 24),
        pendulum.date(2026, 12, 24),
        "2026-12-24",
        "24-12-2026",
        " 24-12-2026 ",
        "2026-12-24T00:00:00+01:00",
        "2026-12-23T23:00:00Z",
        "2026-12-23T18:00-05:00",
        dt.datetime(2026, 12, 23, 23, tzinfo=dt.UTC),
        pendulum.datetime(2026, 12, 24, tz=ROME),
    ],
)
def test_a_day_is_read_in_every_form(value: Any) -> None:
    assert day(value) == "2026-12-24"


def test_an_evening_in_utc_is_tomorrow_in_rome() -> None:
    assert day("2026-07-01T22:00:00Z") == "2026-07-02"
    assert day("2026-07-02T00:00:00+02:00") == "2026-07-02"


def test_the_zone_decides_where_a_day_begins() -> None:
    assert day("2026-07-01T04:00:00Z", timezone="America/New_York") == "2026-07-01"
    with pytest.raises(ConfigurationError, match="time of day"):
        day("2026-07-01T04:00:00Z", timezone=ROME)


@pytest.mark.parametrize("value", ["2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00"])
def test_the_days_on_which_the_clocks_change_begin_at_midnight_too(value: str) -> None:
    assert day(value, now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) == value[:10]


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (dt.datetime(2026, 5, 20, 21, 59, tzinfo=dt.UTC), "2026-05-20"),
        (dt.datetime(2026, 5, 20, 22, 0, tzinfo=dt.UTC), "2026-05-21"),
    ],
)
def test_today_is_allowed_and_yesterday_is_past(now: dt.datetime, today: str) -> None:
    assert day(today, now=now) == today
    yesterday = (dt.date.fromisoformat(today) - dt.timedelta(days=1)).isoformat()
    for value in (yesterday, dt.date.fromisoformat(yesterday), f"{yesterday}T00:00:00+02:00"):
        with pytest.raises(ConfigurationError, match=f"{yesterday} is past; today is {today} in {ROME}"):
            day(value, now=now)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-24T08:30:00+01:00",
        "2026-12-24T00:00:01+01:00",
        "2026-12-24T00:00:00.001+01:00",
        "2026-12-24T00:00:00Z",
        dt.datetime(2026, 12, 24, tzinfo=dt.UTC),
    ],
)
def test_a_time_of_day_is_refused_with_the_two_ways_out(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"send_at.*timestamp_send_format"):
        day(value)


@pytest.mark.parametrize("value", [dt.datetime(2026, 12, 24), "2026-12-24T00:00:00", "20261224", "2026-W52-4"])
def test_a_time_without_a_zone_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no zone"):
        day(value)


@pytest.mark.parametrize(
    "value",
    ["tomorrow", "12/24/2026", "2026-02-30", "30-02-2026", "24-12-26", "2026/12/24", 20261224, 1.5, True, [], b"x"],
)
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^timestamp_send: .* is no date"):
        day(value)


@pytest.mark.parametrize("time_format", [None, "%H:%M"])
def test_the_end_of_time_is_no_day(time_format: str | None) -> None:
    with pytest.raises(ConfigurationError, match="the end of time"):
        day(dt.datetime.max.replace(tzinfo=dt.UTC), time_format=time_format)


def test_an_account_that_takes_times_gets_them_in_its_own_form_and_zone() -> None:
    assert day("2026-12-24T07:30:00Z", time_format="%d-%m-%Y %H:%M") == "24-12-2026 08:30"
    assert day("2026-12-24", time_format="%d-%m-%Y %H:%M") == "2026-12-24"
    assert day(NOON, time_format="%H:%M") == "12:00"
    with pytest.raises(ConfigurationError, match="is past"):
        day(NOON - dt.timedelta(seconds=1), time_format="%H:%M")


@given(
    st.datetimes(timezones=st.timezones()) | st.dates() | st.text(max_size=30) | st.integers() | st.none(),
    st.sampled_from([ROME, "Pacific/Kiritimati", "America/St_Johns", "UTC"]),
    st.sampled_from([None, "%Y-%m-%d %H:%M"]),
)
def test_any_value_is_a_day_from_today_on_or_is_refused(value: Any, timezone: str, time_format: str | None) -> None:
    earliest = NOON.astimezone(dt.timezone(-dt.timedelta(hours=12))).date().isoformat()
    with suppress(ConfigurationError):
        found = day(value, timezone=timezone, time_format=time_format)
        assert found is None or found[:10] >= earliest


@pytest.mark.parametrize(
    "value", [NOON, "2026-05-20T10:00:00Z", " 2026-05-20T12:00+02:00 ", pendulum.datetime(2026, 5, 20, 12, tz=ROME)]
)
def test_an_instant_is_read_with_its_offset(value: Any) -> None:
    assert instant_of("send_at", value) == NOON


@pytest.mark.parametrize(
    "value", [None, "", "soon", "2026-05-20", "2026-05-20T12:00", dt.datetime(2026, 5, 20), dt.date(2026, 5, 20), 5]
)
def test_what_is_no_instant_is_refused_by_the_name_of_its_parameter(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^send_at: .* is no instant"):
        instant_of("send_at", value)


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_the_end_of_time_is_no_instant(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^send_at: .* beyond the end of time"):
        instant_of("send_at", value)


def test_a_text_in_the_accounts_own_form_is_read_and_must_not_be_past() -> None:
    form = "%d.%m.%Y %H:%M"
    assert day("24.12.2026 08:30", time_format=form) == "24.12.2026 08:30"
    with pytest.raises(ConfigurationError, match="past"):
        day("20.05.2026 11:59", time_format=form)
    with pytest.raises(ConfigurationError, match="no date"):
        day("24.12.2026 08:30", time_format=None)


SPRING = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
#: On 29 March 2026 the clocks in Rome go from 02:00 to 03:00.
SKIPPED = dt.datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo(ROME))


def test_a_time_that_the_clocks_skip_is_the_instant_that_send_at_reads() -> None:
    form = "%Y-%m-%d %H:%M %z"
    assert day(SKIPPED, now=SPRING, time_format=form) == "2026-03-29 03:30 +0200"
    assert dt.datetime.strptime("2026-03-29 03:30 +0200", form) == instant_of("send_at", SKIPPED).astimezone(dt.UTC)
    assert day("29.03.2026 02:30", now=SPRING, time_format="%d.%m.%Y %H:%M") == "29.03.2026 03:30"


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_stays_the_one_that_is_meant(fold: int) -> None:
    twice = dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(ROME), fold=fold)
    assert day(twice, time_format="%H:%M %z") == ("02:30 +0200", "02:30 +0100")[fold]
    with pytest.raises(ConfigurationError, match="is past"):
        day(twice, time_format="%H:%M", now=twice.astimezone(dt.UTC) + dt.timedelta(seconds=1))
    first, second = (twice.replace(fold=which).astimezone(dt.UTC) for which in (0, 1))
    with pytest.raises(ConfigurationError, match="is past"):
        day(first, time_format="%H:%M", now=second - dt.timedelta(minutes=20))


@pytest.mark.parametrize(
    ("timezone", "beginning"),
    [
        ("Africa/Cairo", "2026-04-24T01:00:00+03:00"),
        ("Asia/Beirut", "2026-03-29T01:00:00+03:00"),
        ("America/Havana", "2026-03-08T01:00:00-04:00"),
    ],
)
def test_a_day_without_a_midnight_is_reached_by_its_first_instant(timezone: str, beginning: str) -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    moment = dt.datetime.fromisoformat(beginning)
    skipped = moment.astimezone(ZoneInfo(timezone)).replace(hour=0)
    for value in (beginning, moment, moment.astimezone(dt.UTC), skipped, moment.date()):
        assert day(value, timezone=timezone, now=now) == beginning[:10]
    for off in (-1, 1):
        with pytest.raises(ConfigurationError, match="time of day"):
            day(moment + dt.timedelta(seconds=off), timezone=timezone, now=now)
