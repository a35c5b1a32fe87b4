"""
The day to send on: ``timestamp_send`` as a DAG author writes it becomes what the gateway understands.

The contract documents a date and no time of day, so a day is all that is promised. It begins at midnight in the
connection's time zone: an evening in UTC can be tomorrow in Rome. Where the clocks change at midnight, a day begins
later, at the first instant that has its date.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

import pendulum

from airflow_provider_messaggisms.exceptions import ConfigurationError

_YEAR_FIRST = r"(\d{4})-(\d{2})-(\d{2})"
_DAY_FIRST = r"(\d{2})-(\d{2})-(\d{4})"


def send_day(value: Any, *, timezone: str, now: datetime, time_format: str | None = None) -> str | None:
    """
    Read ``timestamp_send``.

    :param value: A ``date``; ``"2026-12-24"`` or ``"24-12-2026"``; or an aware ``datetime`` or ISO 8601 text that is
        the beginning of a day in *timezone*, mostly midnight. ``None`` and an empty text mean now.
    :param timezone: IANA name of the zone in which the gateway's days begin.
    :param now: The present instant, aware.
    :param time_format: ``strftime`` form for accounts whose gateway takes a time of day; lifts the midnight rule.
        A text in this form is read too; it is local to *timezone* unless the form has an offset.
    :returns: ``"2026-12-24"``, or the instant in *time_format*, or ``None``.
    :raises ConfigurationError: It cannot be read, lies in the past, or has a time of day.
    """
    if value is None or value == "":
        return None
    zone = pendulum.timezone(timezone)
    moment = _in_own_form(value, time_format, zone) or _read(value)
    here = now.astimezone(zone)
    if not isinstance(moment, datetime):
        if moment < here.date():
            raise ConfigurationError(f"timestamp_send: {moment} is past; today is {here.date()} in {timezone}")
        return moment.isoformat()
    if moment.tzinfo is None:
        raise ConfigurationError("timestamp_send: the time has no zone; add its offset, such as +01:00, or give a date")
    try:
        # By way of UTC: of a time that the clocks skip, pendulum makes another instant than its offset says.
        instant = moment.astimezone(UTC)
        there = instant.astimezone(zone)
    except OverflowError:
        raise ConfigurationError("timestamp_send: the end of time is no day to send on") from None
    if time_format:
        if instant < now.astimezone(UTC):  # two times of one zone would compare their clocks
            raise ConfigurationError(f"timestamp_send: {there.isoformat()} is past")
        return there.strftime(time_format)
    if there.time() != time(0) and instant != _beginning_of(there.date(), zone):
        raise ConfigurationError(
            f"timestamp_send: it has a time of day ({there.strftime('%H:%M:%S')} in {timezone}), and the gateway "
            "documents days only; use send_at, which waits in Airflow, or set timestamp_send_format in the connection "
            "if your account's gateway takes times"
        )
    return send_day(there.date(), timezone=timezone, now=now)


def instant_of(name: str, value: Any) -> datetime:
    """
    Read an instant.

    :param name: The name of the parameter, for errors.
    :param value: An aware ``datetime``, or an ISO 8601 text with its offset.
    :raises ConfigurationError: It is neither of these.
    """
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{name}: {str(value)[:40]!r} is no instant; write it with its offset, such as 2026-12-24T08:30:00+01:00"
        )
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{name}: {str(value)[:40]!r} lies beyond the end of time") from None
    return moment


def _beginning_of(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day. If the clocks skip midnight, that is the instant at which they do."""
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)


def _in_own_form(value: Any, time_format: str | None, zone: tzinfo) -> datetime | None:
    """Read a text in the form that the account's gateway takes; ``None`` if it has another form."""
    if not time_format or not isinstance(value, str):
        return None
    try:
        moment = datetime.strptime(value.strip(), time_format)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _read(value: Any) -> date | datetime:
    if isinstance(value, date):  # a datetime is one too
        return value
    text = str(value).strip() if isinstance(value, str) else ""
    try:
        if found := re.fullmatch(_YEAR_FIRST, text):
            return date(*map(int, found.groups()))
        if found := re.fullmatch(_DAY_FIRST, text):
            return date(*map(int, reversed(found.groups())))
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"timestamp_send: {str(value)[:40]!r} is no date; write 2026-12-24, 24-12-2026 or an ISO 8601 midnight"
        ) from None
