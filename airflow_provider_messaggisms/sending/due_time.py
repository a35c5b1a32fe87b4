"""
When a message goes out: at the moment that the DAG author planned, but not in quiet hours.

:func:`plan` is pure: it is told what time it is. A message is planned for one of three moments:

* ``send_at``: Airflow waits until then;
* ``timestamp_send``: the gateway keeps the message until that day begins;
* none of them: now.

Quiet hours delay each of them to their end. There Airflow waits, for the gateway documents days only; an account whose
gateway takes times (``timestamp_send_format``) gets the new time instead. A moment that the DAG author wrote down and
that is quiet every time is an error.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.quiet_hours import QuietHours

log = logging.getLogger(__name__)


class Wishes(msgspec.Struct, frozen=True):
    """
    What the DAG author and the connection say of the time.

    :param send_at: The moment, aware, if there is one.
    :param timestamp_send: The day or time in the gateway's form, if there is one.
    :param is_literal: Whether that moment is the same in every run.
    :param quiet: The quiet hours, if there are any.
    :param timezone: IANA name of the zone in which the gateway's days begin.
    :param time_format: ``strftime`` form of ``timestamp_send``, for accounts whose gateway takes times.
    """

    send_at: datetime | None = None
    timestamp_send: str | None = None
    is_literal: bool = False
    quiet: QuietHours | None = None
    timezone: str = "UTC"
    time_format: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """
    When to send.

    :param at: When to ask the gateway; not before now.
    :param planned: For when the message is planned, if not for now.
    :param timestamp_send: What to tell the gateway, in its form.
    """

    at: datetime
    planned: datetime | None = None
    timestamp_send: str | None = None

    @property
    def late(self) -> timedelta:
        """How long after the planned moment the message goes out; negative if the gateway keeps it until then."""
        return timedelta(0) if self.planned is None else self.at - self.planned


def plan(wishes: Wishes, now: datetime) -> Plan:
    """
    Say when to send.

    :param now: The present instant, aware.
    :raises ConfigurationError: A literal moment lies in quiet hours, or a day is over before they are.
    """
    if wishes.send_at is not None:
        planned = _not_quiet("send_at", wishes.send_at, wishes)
        return Plan(_delayed(max(planned, now), wishes.quiet), planned)
    if wishes.timestamp_send is not None:
        return _plan_at_gateway(wishes.timestamp_send, wishes, now)
    return Plan(_delayed(now, wishes.quiet))


def _plan_at_gateway(written: str, wishes: Wishes, now: datetime) -> Plan:
    begin, last = _begin_and_last_day(written, wishes)
    if begin <= now:  # today
        at = _delayed(now, wishes.quiet)
        if last is not None and at.astimezone(ZoneInfo(wishes.timezone)).date() > last:
            raise ConfigurationError(f"timestamp_send: {written} is over before the quiet hours are ({wishes.quiet})")
        return Plan(at, begin, written)
    planned = _not_quiet("timestamp_send", begin, wishes)
    if planned == begin:
        return Plan(now, begin, written)
    if wishes.time_format:
        return Plan(now, planned, planned.astimezone(ZoneInfo(wishes.timezone)).strftime(wishes.time_format))
    return Plan(planned, planned, written)


def _begin_and_last_day(written: str, wishes: Wishes) -> tuple[datetime, date | None]:
    """Give the instant at which the gateway sends, and the day after which it does not take that any more."""
    zone = ZoneInfo(wishes.timezone)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
        day = date.fromisoformat(written)
        return datetime.combine(day, time(), zone).astimezone(UTC), day
    moment = datetime.strptime(written, wishes.time_format or "")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC), None


def _not_quiet(name: str, planned: datetime, wishes: Wishes) -> datetime:
    end = wishes.quiet.end_after(planned) if wishes.quiet is not None else None
    if end is None:
        return planned
    if wishes.is_literal:
        raise ConfigurationError(
            f"{name}: {planned.isoformat()} lies in the quiet hours ({wishes.quiet}); write a moment outside of them, "
            "or quiet_hours='' if this message may come then"
        )
    log.warning(
        "%s: %s lies in the quiet hours (%s); the message goes out when they end, at %s",
        name, planned.isoformat(), wishes.quiet, end.isoformat(),
    )  # fmt: skip
    return end


def _delayed(at: datetime, quiet: QuietHours | None) -> datetime:
    return at if quiet is None else quiet.end_after(at) or at
