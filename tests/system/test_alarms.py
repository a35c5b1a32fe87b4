"""Alarms on a real Airflow: each failure of a task or a run sends one SMS to the right phone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import psutil
import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway, Sms
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.stack import AirflowStack

FAILS, KILLED, LOST, RUN, LATE = (f"+39-34955511{number:02}" for number in range(5))
FIRST, SECOND, THIRD = "+39-3495550005", "+39-3495551234", "+39-3495551235"  # the emulator never delivers to the first

DAGS = ("alarms", "killed_for_good", "storm", "alarm_on_failure", "on_call_rota", "late_run", "escalation")


@dataclass(frozen=True)
class Aftermath:
    """What is left when everything has failed: the runs by DAG, what the phones got, and all logs."""

    runs: dict[str, DagRun]
    sms: list[Sms]
    logs: str

    def texts(self, dag_id: str, number: str | None = None) -> list[str]:
        """Return the texts that the run of a DAG sent, to all or to one number."""
        run_id = self.runs[dag_id].run_id
        mine = [
            sms
            for sms in self.sms
            if sms.airflow and (sms.airflow["dag_id"], sms.airflow["run_id"]) == (dag_id, run_id)
        ]
        return [sms.text for sms in mine if number in (None, sms.number)]


@pytest.fixture(scope="module")
def aftermath(stack: AirflowStack, gateway: Gateway) -> Aftermath:
    """Let everything fail at once, kill a worker, and wait until all alarms are out."""
    connection = json.loads(gateway.connection)
    stack.api.create("connections", {"connection_id": "from_the_database", **connection})
    stack.api.create("variables", {"key": "late_shift", "value": json.dumps([LATE])})
    stack.api.create("variables", {"key": "on_call", "value": json.dumps([SECOND, THIRD])})
    runs = {"alarms": stack.api.trigger("alarms")}
    alarms = runs["alarms"]
    task = psutil.Process(wait_until("the task to lose", lambda: _pid_of_sleeping(alarms), sign=alarms.task_states))
    runs["escalation"] = stack.api.trigger("escalation", {"on_call": [FIRST, SECOND, THIRD]})
    runs |= {dag_id: stack.api.trigger(dag_id) for dag_id in DAGS if dag_id not in runs}
    worker = task.parent()
    assert worker is not None
    worker.kill()
    for run in runs.values():
        run.wait()
    # The dag-processor and the triggerer call back in their own time; their logs tell that they did.
    logs = wait_until("the last callbacks", lambda: _logs_with_all_callbacks(stack))
    return Aftermath(runs, gateway.inbox(), logs)


def test_a_task_that_fails_in_the_worker_is_told_with_its_error(aftermath: Aftermath) -> None:
    assert aftermath.texts("alarms", FAILS) == [
        f"Failed: alarms.fails, try 1/1\nrun {aftermath.runs['alarms'].run_id}\nValueError: the source is down"
    ]


def test_a_task_that_is_killed_is_told_by_the_dag_processor(aftermath: Aftermath) -> None:
    assert aftermath.texts("alarms", KILLED) == [
        f"Will retry: alarms.is_killed, try 1/2\nrun {aftermath.runs['alarms'].run_id}\n"
        "no error known: killed, lost or cleared"
    ]


def test_a_task_that_is_killed_in_its_last_try_is_told_by_its_dag(aftermath: Aftermath) -> None:
    run_id = aftermath.runs["killed_for_good"].run_id
    assert aftermath.texts("killed_for_good") == [f"Failed: killed_for_good\nrun {run_id}\ntask failure: is_killed"]


def test_a_heartbeat_time_out_calls_back_twice_and_is_told_once(aftermath: Aftermath) -> None:
    run_id = aftermath.runs["alarms"].run_id
    assert aftermath.texts("alarms", LOST) == [
        f"Failed: alarms.is_lost, try 1/1\nrun {run_id}\nno error known: killed, lost or cleared"
    ]
    key = re.escape(f"alarms/{run_id}/is_lost/try 1/failed")
    assert re.search(rf"Staying silent: message \w+ told this already .alarm_key '{key}'", aftermath.logs)


def test_a_run_that_fails_is_told_with_the_task_to_blame(aftermath: Aftermath) -> None:
    run_id = aftermath.runs["alarms"].run_id
    (text,) = aftermath.texts("alarms", RUN)
    # The one that failed last, and these two race.
    assert text in [f"Failed: alarms\nrun {run_id}\ntask failure: {task_id}" for task_id in ("is_lost", "is_killed")]


def test_a_missed_deadline_is_told_to_whom_a_variable_names(aftermath: Aftermath) -> None:
    assert aftermath.texts("alarms", LATE) == [f"alarms is late: {aftermath.runs['alarms'].run_id}"]


def test_fifty_tasks_that_fail_at_once_are_one_alarm(aftermath: Aftermath) -> None:
    storm = aftermath.runs["storm"]
    assert [task["state"] for task in storm.tasks()] == ["failed"] * 50
    (text,) = aftermath.texts("storm")
    told = rf"Failed: storm\.fails\[\d+\], try 1/1\nrun {re.escape(storm.run_id)}\nConnectionError: the source is down"
    assert re.fullmatch(told, text)


def test_the_example_of_an_alarm_sends_one(aftermath: Aftermath) -> None:
    (text,) = aftermath.texts("alarm_on_failure")
    assert re.match(r"Failed: alarm_on_failure\.load\[\d\], try 1/1\n", text)


def test_the_example_of_a_rota_alarms_all_who_are_on_it(aftermath: Aftermath) -> None:
    text = "on_call_rota has failed, please look after bill."
    assert aftermath.texts("on_call_rota", SECOND) == aftermath.texts("on_call_rota", THIRD) == [text]
    assert len(aftermath.texts("on_call_rota")) == 2


def test_the_example_of_a_late_run_tells_of_it(aftermath: Aftermath) -> None:
    assert aftermath.texts("late_run") == ["late_run is late."]


def test_the_example_of_an_escalation_goes_on_until_a_phone_has_it(aftermath: Aftermath) -> None:
    run = aftermath.runs["escalation"]
    assert run.task_states() == {
        "send_0": "success",
        "reached_0": "failed",  # not delivered in time
        "send_1": "success",
        "reached_1": "success",
        "send_2": "skipped",
        "reached_2": "skipped",
    }
    assert run.state() == "success"
    assert [len(aftermath.texts("escalation", number)) for number in (FIRST, SECOND, THIRD)] == [1, 1, 0]


def test_no_log_of_any_component_tells_whom_or_what(stack: AirflowStack, aftermath: Aftermath) -> None:
    assert "ALARM NOT SENT: alarms/" in aftermath.logs  # the one deadline whose alarm cannot be sent
    for secret in ("34955511", "is late", "Never sent"):
        assert secret not in re.sub(r"(?<=\d)[ -](?=\d)", "", aftermath.logs)


def _pid_of_sleeping(run: DagRun) -> int | None:
    # Not earlier: a task that still talks to its supervisor dies with it.
    started = run.task_states()["is_lost"] == "running" and "asleep" in run.log("is_lost")
    return run.task_pid("is_lost") if started else None


def _logs_with_all_callbacks(stack: AirflowStack) -> str | None:
    """Return all logs once the callbacks that may come last are in them."""
    logs = "\n".join(path.read_text(errors="replace") for path in stack.home.logs.rglob("*.log"))
    last = (
        "Alarm sent .*alarms/.*/is_killed/try 1/",
        "Alarm sent .*alarms/.*failed 0",
        "Alarm sent .*killed_for_good/.*failed 0",
        "Alarm sent .*alarms/.*/late",
        "Alarm sent .*late_run/.*/late",
        "ALARM NOT SENT: alarms/.*/late",
        "Staying silent: .*is_lost",
    )
    return logs if all(re.search(told, logs) for told in last) else None
