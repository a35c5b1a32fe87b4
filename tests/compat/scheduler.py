"""
Sends, waits and alarms on a real scheduler and a real triggerer, of whichever Airflow is installed.

``make test`` leaves this file out, by its name: ``tests/system`` tests more, on the newest Airflow only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.compat.components import Airflow
from tests.progress import longer_and_longer, wait_until

OWN_DAGS = Path(__file__).parent / "dags"
EXAMPLES = Path(__file__).resolve().parents[2] / "dags_examples"
SINCE_3_1 = ("late_run", "approval_by_sms")
NEEDS_3_1 = pytest.mark.skipif(Version(airflow_version) < Version("3.1"), reason="Airflow 3.1 and newer can express it")


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """Give the emulator whose clock stands still; tests tell their SMS apart by the DAG."""
    emulator: Gateway = request.getfixturevalue("_messaggisms_emulator")
    emulator.reset()
    return emulator


@pytest.fixture(scope="module")
def airflow(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Run Airflow for all tests of this file, with our DAGs and the examples that need a scheduler."""
    home = tmp_path_factory.mktemp("airflow")
    shutil.copytree(OWN_DAGS, home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLES / "reminder_to_the_minute.py", home / "dags")
    for name in SINCE_3_1 if Version(airflow_version) >= Version("3.1") else ():
        shutil.copy(EXAMPLES / f"{name}.py", home / "dags")
    stack = Airflow(home, gateway)
    with stack.running():
        yield stack


def test_a_deferrable_wait_defers_and_ends(airflow: Airflow, gateway: Gateway) -> None:
    airflow.trigger("deferred")
    assert state_of(airflow, "deferred", "wait", {"deferred"}) == "deferred"
    gateway.advance(10)
    assert ended(airflow, "deferred") == "success", airflow.log()
    assert texts(gateway, "deferred") == ["Hello"]
    assert [sms.delivered for sms in gateway.inbox()] == [True]


def test_a_send_at_a_moment_defers_until_then(airflow: Airflow, gateway: Gateway) -> None:
    for seconds in longer_and_longer(20.0):  # until the task begins before its moment, on the slowest machine too
        run_id = f"in_{seconds:.0f}_seconds"
        airflow.trigger("reminder_to_the_minute", run_id, minutes=seconds / 60)
        began = state_of(airflow, "reminder_to_the_minute", "remind", {"deferred", "success"}, run_id)
        told = texts(gateway, "reminder_to_the_minute", run_id)
        assert ended(airflow, "reminder_to_the_minute", run_id) == "success", airflow.log()
        assert texts(gateway, "reminder_to_the_minute", run_id) == ["See you in two hours."]
        if (began, told) == ("deferred", []):
            return
    raise AssertionError("this machine never begins a task in time")


def test_a_task_and_its_dag_both_alarm(airflow: Airflow, gateway: Gateway) -> None:
    airflow.trigger("both_alarms")
    assert ended(airflow, "both_alarms") == "failed"
    wait_until("both alarms", lambda: len(texts(gateway, "both_alarms")) == 2 or None, sign=airflow.printed)
    told = {sms.number: sms.text for sms in gateway.inbox() if sms.airflow and sms.airflow["dag_id"] == "both_alarms"}
    assert told == {
        "+39-3491234567": "Failed: both_alarms.fails, try 1/1\nrun first\nConnectionError: the source is down",
        "+39-3491234568": "Failed: both_alarms\nrun first\ntask failure: fails",
    }


@NEEDS_3_1
def test_the_example_of_a_late_run_tells_of_it(airflow: Airflow, gateway: Gateway) -> None:
    airflow.trigger("late_run")
    assert ended(airflow, "late_run") == "success", airflow.log()
    wait_until("the alarm", lambda: texts(gateway, "late_run") or None, sign=airflow.printed)
    assert texts(gateway, "late_run") == ["late_run is late."]


@NEEDS_3_1
def test_the_example_of_an_approval_asks_and_goes_on(airflow: Airflow, gateway: Gateway) -> None:
    airflow.trigger("approval_by_sms")
    state_of(airflow, "approval_by_sms", "approve", {"deferred", "awaiting_input"})
    heard = r"Received executor event with state success for task instance [^\n]*task_id='approve'"
    # To Airflow a task that goes on before its scheduler knows that it paused has failed.
    wait_until("the scheduler", lambda: re.search(heard, airflow.printed()), sign=airflow.printed)
    airflow.answer("approval_by_sms", "approve", "Approve")
    assert ended(airflow, "approval_by_sms") == "success", airflow.log()
    assert airflow.states("approval_by_sms") == {"approve": "success", "deploy": "success"}
    assert texts(gateway, "approval_by_sms") == [
        "Answer needed: approval_by_sms.approve\nDeploy version 2.4 to production?"
    ]


def state_of(airflow: Airflow, dag_id: str, task_id: str, wanted: set[str], run_id: str = "first") -> str:
    """Wait until a task is in one of these states. Fails when the task does."""
    watched = partial(airflow.states, dag_id, run_id)

    def reached() -> str | None:
        state = watched().get(task_id, "")
        assert state != "failed", airflow.log()
        return state if state in wanted else None

    return wait_until(f"{task_id} in {wanted}", reached, sign=watched)


def ended(airflow: Airflow, dag_id: str, run_id: str = "first") -> str:
    """Wait for the end of a run; return its state."""
    watched = partial(airflow.states, dag_id, run_id)
    return wait_until(f"the end of {dag_id}", partial(airflow.state, dag_id, run_id), sign=watched)


def texts(gateway: Gateway, dag_id: str, run_id: str = "first") -> list[str]:
    """Return what the run of a DAG has sent."""
    mine = {"dag_id": dag_id, "run_id": run_id}
    return [sms.text for sms in gateway.inbox() if sms.airflow and sms.airflow.items() >= mine.items()]
