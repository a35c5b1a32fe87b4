"""Alarms on a real Airflow: whatever happens to a task or a run, the right telephone gets one SMS that says it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import psutil
import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.system.api import ApiError, DagRun, wait_for
from tests.system.stack import AirflowStack

FAILS, KILLED, LOST, RUN, LATE, NOBODY = (f"+39-34955511{number:02}" for number in range(6))
STORM, KILLED_FOR_GOOD = "+39-3495551199", "+39-3495551188"


@dataclass(frozen=True)
class Aftermath:
    """What is left when everything has gone wrong: the runs, and what each telephone got."""

    alarms: DagRun
    storm: DagRun
    killed: DagRun
    inbox: dict[str, list[str]]
    logs: str


@pytest.fixture(scope="module")
def aftermath(stack: AirflowStack, gateway: Gateway) -> Aftermath:
    """Let all of it go wrong at once, kill a worker, and wait until no telephone can ring any more."""
    _set_variable(stack, "late_shift", json.dumps([LATE]))
    alarms = stack.api.trigger("alarms")
    task = psutil.Process(wait_for("the task to lose", lambda: _pid_of_sleeping(alarms), timeout_seconds=120))
    killed, storm = stack.api.trigger("killed_for_good"), stack.api.trigger("storm")
    worker = task.parent()
    assert worker is not None
    worker.kill()
    for run in (alarms, killed, storm):
        assert run.wait(timeout_seconds=180) == "failed", run.task_states()
    # The dag-processor and the triggerer call back in their own time; their logs tell that they did.
    logs = wait_for("the last callbacks", lambda: _logs_with_all_callbacks(stack), timeout_seconds=60)
    inbox: dict[str, list[str]] = {}
    for sms in gateway.inbox():
        inbox.setdefault(sms.number, []).append(sms.text)
    return Aftermath(alarms, storm, killed, inbox, logs)


def test_a_task_that_fails_in_the_worker_is_told_with_its_error(aftermath: Aftermath) -> None:
    assert aftermath.inbox[FAILS] == [
        f"Failed: alarms.fails, try 1/1\nrun {aftermath.alarms.run_id}\nValueError: the source is down"
    ]


def test_a_task_that_is_killed_is_told_by_the_dag_processor(aftermath: Aftermath) -> None:
    assert aftermath.inbox[KILLED] == [
        f"Will retry: alarms.is_killed, try 1/2\nrun {aftermath.alarms.run_id}\nno error known: killed, lost or cleared"
    ]


def test_a_task_that_is_killed_in_its_last_try_is_told_by_its_dag(aftermath: Aftermath) -> None:
    assert aftermath.inbox[KILLED_FOR_GOOD] == [
        f"Failed: killed_for_good\nrun {aftermath.killed.run_id}\ntask failure: is_killed"
    ]


def test_a_heartbeat_time_out_calls_back_twice_and_is_told_once(aftermath: Aftermath) -> None:
    assert aftermath.inbox[LOST] == [
        f"Failed: alarms.is_lost, try 1/1\nrun {aftermath.alarms.run_id}\nno error known: killed, lost or cleared"
    ]
    silent = rf"Staying silent: message \w+ told this already .alarm_key '{re.escape(_lost(aftermath.alarms))}'"
    assert re.search(silent, aftermath.logs)


def test_a_run_that_fails_is_told_with_the_task_to_blame(aftermath: Aftermath) -> None:
    assert aftermath.inbox[RUN] == [f"Failed: alarms\nrun {aftermath.alarms.run_id}\ntask failure: is_lost"]


def test_a_missed_deadline_is_told_to_whom_a_variable_names(aftermath: Aftermath) -> None:
    assert aftermath.inbox[LATE] == [f"alarms is late: {aftermath.alarms.run_id}"]


def test_fifty_tasks_that_fail_at_once_are_one_alarm(aftermath: Aftermath) -> None:
    assert len(aftermath.storm.tasks()) == 50
    (text,) = aftermath.inbox[STORM]
    assert re.fullmatch(
        rf"Failed: storm\.fails\[\d+\], try 1/1\nrun {re.escape(aftermath.storm.run_id)}\n"
        "ConnectionError: the source is down",
        text,
    )


def test_no_log_of_any_component_tells_whom_or_what(stack: AirflowStack, aftermath: Aftermath) -> None:
    assert "ALARM NOT SENT: alarms/" in aftermath.logs  # the one deadline that nobody is told of
    for secret in ("34955511", "is late", "Nobody will read this"):
        assert secret not in re.sub(r"(?<=\d)[ -](?=\d)", "", aftermath.logs)


def _set_variable(stack: AirflowStack, key: str, value: str) -> None:
    try:
        stack.api.call("POST", "/variables", {"key": key, "value": value})
    except ApiError as error:
        if error.status != 409:
            raise


def _pid_of_sleeping(run: DagRun) -> int | None:
    # Not earlier: a task that still talks to its supervisor dies with it.
    started = run.task_states()["is_lost"] == "running" and "asleep" in run.log("is_lost")
    return run.task_pid("is_lost") if started else None


def _lost(run: DagRun) -> str:
    return f"alarms/{run.run_id}/is_lost/try 1/failed"


def _logs_with_all_callbacks(stack: AirflowStack) -> str | None:
    """Return all logs once the callbacks that may come last are in them."""
    logs = "\n".join(path.read_text(errors="replace") for path in stack.home.logs.rglob("*.log"))
    last = (
        "Alarm sent .*alarms/.*failed 0",
        "Alarm sent .*killed_for_good/.*failed 0",
        "Alarm sent .*alarms/.*/late",
        "ALARM NOT SENT: alarms/.*/late",
        "Staying silent: .*is_lost",
    )
    return logs if all(re.search(told, logs) for told in last) else None
