"""
Quiet hours: from when to when no SMS goes out, such as ``21:00-08:00``.

They are wall times of one time zone, and nights are not all equally long. So each night becomes two instants, and an
instant lies between them or it does not. Where the clocks are set back and show a time twice, the quiet hours begin at
the first and end at the second. A time that the clocks skip is the first one that they show after it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError

_TIME = r"([01]?\d|2[0-3]):([0-5]\d)"
_SPAN = re.compile(rf"\s*{_TIME}\s*[-\u2013]\s*{_TIME}\s*")


class QuietHours(msgspec.Struct, frozen=True):
    """
    A span of every day, in the wall time of one zone; it may pass midnight.

    :param start: When it begins.
    :param end: When it is over. Not equal to *start*.
    :param timezone: IANA name of the zone.
    """

    start: time
    end: time
    timezone: str

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.timezone}"

    def end_after(self, moment: datetime) -> datetime | None:
        """
        Give the instant at which the quiet hours end that *moment* lies in; ``None`` if it lies in none.

        :param moment: An aware instant.
        :returns: In UTC.
        """
        zone, now = ZoneInfo(self.timezone), moment.astimezone(UTC)
        try:
            today = moment.astimezone(zone).date()
            spans = [self._span(day, zone) for day in (today - timedelta(days=1), today)]
        except OverflowError:  # the first and the last day of the calendar
            return None
        return max((end for start, end in spans if start <= now < end), default=None)

    def _span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Give the two instants of the quiet hours that begin on *day*."""
        last_day = day + timedelta(days=1) if self.end < self.start else day
        return (
            _instant(datetime.combine(day, self.start, zone)),
            _instant(datetime.combine(last_day, self.end, zone).replace(fold=1)),
        )


def read_quiet_hours(value: str | None, *, timezone: str) -> QuietHours | None:
    """
    Read quiet hours.

    :param value: Two times of day, such as ``21:00-08:00``. Empty: there are none.
    :param timezone: IANA name of the zone that they are meant in.
    :raises ConfigurationError: They cannot be read, or begin when they end.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigurationError(
            f"quiet_hours: {str(value)[:40]!r} is not a span of the day; write it like 21:00-08:00, or leave it empty"
        )
    hour, minute, last_hour, last_minute = map(int, found.groups())
    start, end = time(hour, minute), time(last_hour, last_minute)
    if start == end:
        raise ConfigurationError(
            f"quiet_hours: they begin and end at {start:%H:%M}, so no SMS could ever go out; leave them empty for none"
        )
    return QuietHours(start, end, timezone)


def _instant(wall: datetime) -> datetime:
    """Give the instant at which the clocks show *wall*, or, if they skip it, the first time after it."""
    while (instant := wall.astimezone(UTC)).astimezone(wall.tzinfo).replace(tzinfo=None) != wall.replace(tzinfo=None):
        wall += timedelta(minutes=1)
    return instant
