"""When a send operator sends, on a real scheduler: not in quiet hours, and not what a backfill tells too late."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psutil

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import longer_and_longer, wait_until
from tests.system.api import ApiError, DagRun
from tests.system.stack import AirflowStack

NUMBER, WIRE = "+39 347 841 1111", "+39-3478411111"
NEWS = "+39-3478421111"


def texts(gateway: Gateway, number: str) -> list[str]:
    """Give what a phone got."""
    return [sms.text for sms in gateway.inbox(number=number)]


def make_quiet_connection(stack: AirflowStack, gateway: Gateway, until: datetime) -> None:
    """Make a connection, or change it: its quiet hours began an hour ago and end at a full minute."""
    began = datetime.now(UTC) - timedelta(hours=1)
    parts: dict[str, Any] = json.loads(gateway.connection)
    extra = {"timezone": "UTC", "quiet_hours": f"{began:%H:%M}-{until:%H:%M}"}
    connection = {"connection_id": "messaggisms_quiet", **parts, "extra": json.dumps(extra)}
    with suppress(ApiError):
        stack.api.call("DELETE", "/connections/messaggisms_quiet")
    stack.api.call("POST", "/connections", connection)


def deferred_send(stack: AirflowStack, gateway: Gateway) -> tuple[DagRun, datetime]:
    """Start a send in quiet hours that end in a minute, or later if it takes longer to begin; return when they end."""
    for seconds in longer_and_longer(60.0):
        until = (datetime.now(UTC) + timedelta(seconds=seconds + 60)).replace(second=0, microsecond=0)
        make_quiet_connection(stack, gateway, until)
        run = stack.api.trigger("quiet", {"number": NUMBER})
        state = wait_until("the task", partial(_begun, run), sign=run.task_states)
        if state == "deferred" and datetime.now(UTC) < until - timedelta(seconds=20):
            return run, until
        run.wait()
    raise AssertionError("this machine never begins a task in time")


def _begun(run: DagRun) -> str | None:
    state = run.task_states().get("send")
    return state if state in ("deferred", "success", "failed") else None


def restart_triggerer(stack: AirflowStack) -> None:
    """End the triggerer as a loss of power does, and start it again."""
    started = psutil.Process(stack.components["triggerer"].pid).children(recursive=True)
    stack.kill("triggerer")
    for process in started:
        process.kill()
    stack.start("triggerer")


def test_a_send_waits_for_quiet_hours_over_a_triggerers_restart(stack: AirflowStack, gateway: Gateway) -> None:
    run, until = deferred_send(stack, gateway)
    told_before = texts(gateway, WIRE)
    restart_triggerer(stack)
    # Nothing changes before the end, so the clock is the sign of life.
    wait_until("the end of the quiet hours", lambda: datetime.now(UTC) >= until or None, sign=lambda: datetime.now(UTC))
    assert run.wait() == "success"
    assert texts(gateway, WIRE) == [*told_before, "Good morning"]
    assert "Waiting until" in run.log("send")


def test_a_backfill_tells_no_old_news(stack: AirflowStack, gateway: Gateway) -> None:
    days = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-04T00:00:00Z"}
    stack.api.call("PATCH", "/dags/old_news", {"is_paused": False})
    stack.api.call("POST", "/backfills", {"dag_id": "old_news", "max_active_runs": 2, **days})

    def backfilled() -> list[DagRun]:
        answer = stack.api.call("GET", "/dags/old_news/dagRuns?run_type=backfill")
        return [DagRun(stack.api, "old_news", run["dag_run_id"]) for run in answer["dag_runs"]]

    runs = wait_until("the backfill's runs", lambda: backfilled() if len(backfilled()) == 4 else None, sign=backfilled)
    for run in runs:
        assert run.wait() == "success"
        assert run.task_states() == {"send": "skipped"}
        assert "send_only_within is 6:00:00: nothing is sent" in run.log("send")
    assert not [text for text in texts(gateway, NEWS) if "2026-01-0" in text]
