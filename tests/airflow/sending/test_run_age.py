"""Old news stays untold: which moment a run is about, and when that is too long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.sending.run_age import check_send_only_within, run_moment, why_too_old

DATA_END = datetime(2026, 6, 10, tzinfo=UTC)
LOGICAL = datetime(2026, 6, 9, tzinfo=UTC)
RUN_AFTER = datetime(2026, 6, 10, 0, 5, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)


def run(**fields: Any) -> dict[str, Any]:
    """Make a task's context with this run."""
    return {"dag_run": SimpleNamespace(**{"run_type": "scheduled", **fields})}


AIRFLOW_3 = {"data_interval_end": DATA_END, "run_after": RUN_AFTER, "logical_date": LOGICAL}
AIRFLOW_2 = {"data_interval_end": DATA_END, "logical_date": LOGICAL, "execution_date": LOGICAL}


@pytest.mark.parametrize(
    ("context", "moment"),
    [
        (run(**AIRFLOW_3), DATA_END),
        (run(**AIRFLOW_2), DATA_END),
        (run(**{**AIRFLOW_3, "data_interval_end": None}), RUN_AFTER),
        (run(**{**AIRFLOW_3, "data_interval_end": None, "logical_date": None}), RUN_AFTER),
        (run(data_interval_end=None, logical_date=LOGICAL), LOGICAL),
        (run(**{**AIRFLOW_3, "run_type": "backfill"}), DATA_END),
        (run(**{**AIRFLOW_3, "run_type": "backfill", "data_interval_end": None}), LOGICAL),
        (run(run_type="backfill", run_after=RUN_AFTER), RUN_AFTER),
        ({"data_interval_end": DATA_END, "dag_run": SimpleNamespace(run_after=RUN_AFTER)}, DATA_END),
        ({"data_interval_end": pendulum.instance(DATA_END)}, DATA_END),
        ({}, None),
    ],
)
def test_the_moment_that_a_run_is_about(context: dict[str, Any], moment: datetime | None) -> None:
    assert run_moment(context) == moment


def test_the_limit_itself_is_in_time() -> None:
    assert why_too_old(run(**AIRFLOW_3), SIX_HOURS, at=DATA_END + SIX_HOURS) is None


def test_later_is_too_old_and_says_by_how_much() -> None:
    why = why_too_old(run(**AIRFLOW_3), SIX_HOURS, at=DATA_END + timedelta(days=100, seconds=1.5))
    assert why == (
        "The run is about 2026-06-10T00:00:00+00:00; the SMS would go out 100 days, 0:00:01 later, "
        "and send_only_within is 6:00:00: nothing is sent"
    )


def test_a_planned_moment_renews_the_news() -> None:
    planned = DATA_END + timedelta(days=2)
    assert why_too_old(run(**AIRFLOW_3), SIX_HOURS, at=planned + SIX_HOURS, planned=planned) is None
    assert why_too_old(run(**AIRFLOW_3), SIX_HOURS, at=planned + timedelta(hours=7), planned=planned) is not None
    before = DATA_END - timedelta(days=1)
    assert why_too_old(run(**AIRFLOW_3), SIX_HOURS, at=DATA_END + SIX_HOURS, planned=before) is None


@pytest.mark.parametrize("context", [run(), run(**AIRFLOW_3)])
def test_without_a_limit_or_a_moment_nothing_is_too_old(context: dict[str, Any]) -> None:
    within = None if hasattr(context["dag_run"], "run_after") else SIX_HOURS
    assert why_too_old(context, within, at=datetime(2030, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("value", [6, "6h", timedelta(0), timedelta(hours=-1)])
def test_a_limit_is_a_positive_timedelta(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^send_only_within: expected a positive timedelta"):
        check_send_only_within(value)
    check_send_only_within(None)
    check_send_only_within(SIX_HOURS)
