"""
Two real Airflows with one account of the gateway: neither adopts, silences or deletes what the other sends.

They run the same DAGs for the same run ids and recipients. They differ in their address alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.stack import QUICK_HEARTBEATS, AirflowStack

SEND, ALARM = "shared_account", "shared_alarm"
RUN_ID = "nightly__2026-12-25"

PHONES = [f"+39-349777000{number}" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway) -> Iterator[AirflowStack]:
    """Run a second Airflow, with those DAGs only, because they are all that it needs."""
    dags = tmp_path_factory.mktemp("staging_dags")
    for dag_id in (SEND, ALARM):
        shutil.copy(Path(__file__).parent / "dags" / f"{dag_id}.py", dags)
    with AirflowStack(
        tmp_path_factory.mktemp("staging"),
        dags,
        connections={"messaggisms_default": gateway.connection},
        settings=QUICK_HEARTBEATS,
        without="triggerer",
    ) as running:
        for dag_id in (SEND, ALARM):
            running.wait_for_dag(dag_id)
        yield running


def received(gateway: Gateway, text: str) -> list[str]:
    """Return which phones have got a text, once for each SMS."""
    return sorted(sms.number for number in PHONES for sms in gateway.inbox(number=number) if sms.text == text)


def wait_for(run: DagRun, states: dict[str, str]) -> None:
    """Return when the tasks of a run have these states."""
    wait_until(f"{states}", lambda: run.task_states() == states or None, sign=run.task_states)


def test_neither_silences_the_alarm_of_the_other(stack: AirflowStack, staging: AirflowStack, gateway: Gateway) -> None:
    def alarms() -> int:
        carried = [sms.airflow or {} for sms in gateway.inbox()]
        return sum((one.get("dag_id"), one.get("run_id")) == (ALARM, RUN_ID) for one in carried)

    for number, airflow in enumerate((staging, stack), 1):
        run = airflow.api.trigger(ALARM, run_id=RUN_ID)
        assert run.wait() == "failed"
        wait_until("its alarm", lambda number=number: alarms() == number or None)  # type: ignore[misc]


def test_neither_adopts_nor_deletes_what_the_other_sends(
    stack: AirflowStack, staging: AirflowStack, gateway: Gateway
) -> None:
    before = len(gateway.requests())
    gateway.fail_next("status_before", method="PUT", status=503)
    theirs = staging.api.trigger(SEND, {"text": "staging"}, run_id=RUN_ID)
    wait_for(theirs, {"send": "success", "send_to_both": "up_for_retry"})  # its transaction is open
    gateway.fail_next("status_before", method="POST", status=503, times=2)
    ours = stack.api.trigger(SEND, {"text": "production"}, run_id=RUN_ID)
    wait_for(ours, {"send": "up_for_retry", "send_to_both": "up_for_retry"})
    for run in (ours, theirs):
        run.clear(only_failed=False)
        assert run.wait() == "success"
    assert received(gateway, "staging") == received(gateway, "production") == PHONES
    assert [one.method for one in gateway.requests()[before:] if one.method in ("POST", "DELETE")] == ["POST"] * 6
