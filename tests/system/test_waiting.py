"""Deferred waits on a real triggerer: they survive its crash, keep their deadline, and end when they are cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway, Sms
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.stack import AirflowStack

BRIEF_TIMEOUT = timedelta(seconds=20)


@pytest.fixture
def deferred(stack: AirflowStack) -> Iterator[Callable[[str], DagRun]]:
    """Send an SMS, and return when the triggerer has both waits for it. Afterwards end them."""
    runs: list[DagRun] = []

    def defer(number: str) -> DagRun:
        run = stack.api.trigger("waits", {"number": number})
        runs.append(run)

        def both() -> bool | None:
            return [run.task_states().get(task) for task in ("brief", "patient")] == ["deferred"] * 2 or None

        wait_until("the deferrals", both, sign=run.task_states)
        return run

    yield defer
    for run in runs:
        stack.api.call("PATCH", f"/dags/waits/dagRuns/{run.run_id}", {"state": "failed"})


def looks(gateway: Gateway) -> int:
    """Count the looks so far."""
    return sum(exchange.method == "GET" for exchange in gateway.requests())


def wait_for_looks(gateway: Gateway, more: int = 3) -> None:
    """Return when the gateway was asked so often from now on."""
    before = looks(gateway)
    wait_until("the looks", lambda: looks(gateway) >= before + more or None)


def wait_for_heartbeats(stack: AirflowStack, more: int) -> None:
    """Return when the triggerer has gone through its loop so often from now on: each time it reads what to wait for."""
    seen = {stack.api.triggerer_heartbeat()}

    def enough() -> bool | None:
        seen.add(stack.api.triggerer_heartbeat())
        return len(seen) > more or None

    wait_until("the triggerer", enough, sign=lambda: len(seen))


def task(run: DagRun, task_id: str) -> dict[str, Any]:
    """Return Airflow's task instance."""
    return next(found for found in run.tasks() if found["task_id"] == task_id)


def instant(text: str) -> datetime:
    """Read an instant of Airflow's."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def fired_at(run: DagRun, task_id: str) -> list[datetime]:
    """Return when the triggerer had an event for the task; never, if Airflow itself ended the deferral."""
    entries = [entry for entry in run.log_entries(task_id) if isinstance(entry, dict)]
    return [instant(entry["timestamp"]) for entry in entries if entry["event"] == "Trigger fired event"]


def sms_of(gateway: Gateway, run: DagRun) -> Sms:
    """Return what the run has sent."""
    return gateway.inbox(message_id=run.xcom("send"))[0]


def kill_with_all_it_started(stack: AirflowStack, component: str) -> None:
    """End a component and its processes, as a loss of power does."""
    started = psutil.Process(stack.components[component].pid).children(recursive=True)
    stack.kill(component)
    for process in started:
        process.kill()
    wait_until("their end", lambda: None if any(process.is_running() for process in started) else True)


def test_waits_outlive_a_killed_triggerer_and_meet_their_deadline(
    stack: AirflowStack, gateway: Gateway, deferred: Callable[[str], DagRun]
) -> None:
    run = deferred("+39 347 822 0005")
    wait_for_looks(gateway)
    kill_with_all_it_started(stack, "triggerer")
    stack.start("triggerer")
    wait_for_looks(gateway)
    taken_up_again = datetime.now(UTC)
    wait_until("the end of the brief wait", lambda: task(run, "brief")["end_date"], sign=run.task_states)
    brief = task(run, "brief")
    assert brief["state"] == "failed"
    assert "AirflowSensorTimeout" in run.log("brief")
    assert instant(brief["start_date"]) + BRIEF_TIMEOUT <= instant(brief["end_date"])
    # Not the end of the task: its worker starts when the machine has time.
    assert all(fired < taken_up_again + BRIEF_TIMEOUT for fired in fired_at(run, "brief"))

    gateway.decide(sms_of(gateway, run), "DELIVERED_TO_HANDSET")
    wait_until("the end of the patient wait", lambda: task(run, "patient")["end_date"], sign=run.task_states)
    assert run.task_states()["patient"] == "success"
    assert run.xcom("patient")["states"] == {"DELIVERED_TO_HANDSET": 1}
    assert run.log("patient").rstrip().count("delivered to +39-*******005") >= 1


def test_a_wait_that_is_marked_failed_looks_no_more_and_cancels_nothing(
    stack: AirflowStack, gateway: Gateway, deferred: Callable[[str], DagRun]
) -> None:
    run = deferred("+39 347 823 0005")
    wait_for_looks(gateway)
    for task_id in ("brief", "patient"):
        path = f"/dags/waits/dagRuns/{run.run_id}/taskInstances/{task_id}"
        stack.api.call("PATCH", path, {"new_state": "failed"})
    wait_for_heartbeats(stack, 4)  # by now the triggerer knows it
    seen = gateway.requests()
    wait_for_heartbeats(stack, 3)  # time for several looks
    assert gateway.requests() == seen
    assert all(exchange.method != "DELETE" for exchange in seen)
    assert sms_of(gateway, run).state == "PENDING_ENROUTE"


def test_airflows_page_of_a_task_leads_to_its_message(
    stack: AirflowStack, gateway: Gateway, deferred: Callable[[str], DagRun]
) -> None:
    run = deferred("+39 347 824 0005")
    gateway.decide(sms_of(gateway, run), "DELIVERED_TO_HANDSET")
    assert run.wait() == "success"
    page = f"{gateway.url}/#text={run.xcom('send')}"
    for task_id in ("send", "brief", "patient"):
        links = stack.api.call("GET", f"/dags/waits/dagRuns/{run.run_id}/taskInstances/{task_id}/links")
        assert links["extra_links"] == {"Message": page}
