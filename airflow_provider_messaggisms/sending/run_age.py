"""
Which moment a run is about, and whether that is too long ago for a message.

A backfill and a catch-up run now, but what they tell is old. Most runs say by their data interval which moment they are
about; a run without one is about the time for which it was scheduled (``run_after``, Airflow 3) or its logical date. A
backfill counts by its data only: its ``run_after`` is the day on which it was started.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError

_DATES = ("data_interval_end", "run_after", "logical_date")
_DATES_OF_A_BACKFILL = ("data_interval_end", "logical_date", "run_after")


def run_moment(context: Mapping[str, Any]) -> datetime | None:
    """Give the moment that a task's run is about; ``None`` if the run does not tell."""
    dag_run = context.get("dag_run")
    is_backfill = getattr(dag_run, "run_type", None) == "backfill"
    for name in _DATES_OF_A_BACKFILL if is_backfill else _DATES:
        moment = getattr(dag_run, name, None) or context.get(name)
        if isinstance(moment, datetime):
            return moment
    return None


def check_send_only_within(value: Any) -> None:
    """
    Check ``send_only_within``.

    :raises ConfigurationError: It is neither ``None`` nor a positive ``timedelta``.
    """
    if value is not None and (not isinstance(value, timedelta) or value <= timedelta(0)):
        raise ConfigurationError(f"send_only_within: expected a positive timedelta, got {str(value)[:40]!r}")


def why_too_old(
    context: Mapping[str, Any], within: timedelta | None, *, at: datetime, planned: datetime | None = None
) -> str | None:
    """
    Say why a run's message is too old to be sent; ``None`` if it is not.

    :param within: How long after the run's moment it may be sent. ``None``: always.
    :param at: When it would be sent, aware.
    :param planned: For when the DAG author planned it. The age counts from there if that is later.
    """
    moment = run_moment(context)
    if within is None or moment is None:
        return None
    moment = moment if planned is None else max(moment, planned)
    age = at - moment
    if age <= within:
        return None
    return (
        f"The run is about {moment.isoformat()}; the SMS would go out {timedelta(seconds=int(age.total_seconds()))} "
        f"later, and send_only_within is {within}: nothing is sent"
    )
