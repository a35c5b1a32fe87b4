"""A real Airflow: a run that is deleted and made again alarms again, and a question by SMS is answered to the end."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.stack import AirflowStack

RUN_ID = "nightly__2026-12-24"


def texts(gateway: Gateway, dag_id: str) -> list[str]:
    """Return what the phones got of a DAG, oldest first."""
    sent = [sms for sms in reversed(gateway.inbox()) if sms.airflow and sms.airflow["dag_id"] == dag_id]
    return [sms.text for sms in sent]


def run_again(stack: AirflowStack, dag_id: str) -> DagRun:
    """Start a run under the id that it always has, as scheduled runs do."""
    stack.api.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
    payload: dict[str, Any] = {"dag_run_id": RUN_ID, "logical_date": None}
    stack.api.call("POST", f"/dags/{dag_id}/dagRuns", payload)
    return DagRun(stack.api, dag_id, RUN_ID)


def wait_for_alarms(gateway: Gateway, number: int) -> None:
    """Return when so many are there: callbacks run after their task has ended."""
    wait_until("the alarm", lambda: len(texts(gateway, "made_again")) >= number or None)


def test_a_run_that_is_deleted_and_made_again_alarms_again(stack: AirflowStack, gateway: Gateway) -> None:
    told = f"Failed: made_again.fails, try 1/1\nrun {RUN_ID}\nValueError: the source is down"
    for expected in ([told], [told] * 2):
        run = run_again(stack, "made_again")
        assert run.wait() == "failed"
        wait_for_alarms(gateway, len(expected))
        assert texts(gateway, "made_again") == expected, run.log("fails")
        stack.api.call("DELETE", f"/dags/made_again/dagRuns/{RUN_ID}")


def test_an_approval_by_sms_is_answered_to_the_end(stack: AirflowStack, gateway: Gateway) -> None:
    run = stack.api.trigger("approval_by_sms")
    (question,) = wait_until("the question", lambda: texts(gateway, "approval_by_sms") or None, sign=run.task_states)
    assert question == "Answer needed: approval_by_sms.approve\nDeploy version 2.4 to production?"
    wait_until("the wait", lambda: run.task_states()["approve"] == "awaiting_input" or None, sign=run.task_states)
    answer = f"/dags/approval_by_sms/dagRuns/{quote(run.run_id)}/taskInstances/approve/-1/hitlDetails"
    stack.api.call("PATCH", answer, {"chosen_options": ["Approve"]})
    assert run.wait() == "success"
    assert run.task_states() == {"approve": "success", "deploy": "success"}
    assert texts(gateway, "approval_by_sms") == [question]
