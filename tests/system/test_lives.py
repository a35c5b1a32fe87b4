"""A real Airflow: runs that are made again or cleared, and a question by SMS that is answered to the end."""

from __future__ import annotations

import re
from urllib.parse import quote

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.stack import AirflowStack

RUN_ID = "nightly__2026-12-24"
SEND, NUMBER, WIRE = "send_with_retries", "+39 349 000 0011", "+39-3490000011"


def texts(gateway: Gateway, dag_id: str, run_id: str | None = None) -> list[str]:
    """Return what the phones got of a DAG, or of one run, oldest first."""
    sent = [sms for sms in reversed(gateway.inbox()) if sms.airflow and sms.airflow["dag_id"] == dag_id]
    return [sms.text for sms in sent if sms.airflow and run_id in (None, sms.airflow["run_id"])]


def wait_for_alarms(gateway: Gateway, number: int) -> None:
    """Return when so many are there: callbacks run after their task has ended."""
    wait_until("the alarm", lambda: len(texts(gateway, "made_again", RUN_ID)) >= number or None)


def test_a_run_that_is_deleted_and_made_again_alarms_again(stack: AirflowStack, gateway: Gateway) -> None:
    told = f"Failed: made_again.fails, try 1/1\nrun {RUN_ID}\nValueError: the source is down"
    for expected in ([told], [told] * 2):
        run = stack.api.trigger("made_again", run_id=RUN_ID)
        assert run.wait() == "failed"
        wait_for_alarms(gateway, len(expected))
        assert texts(gateway, "made_again", RUN_ID) == expected, run.log("fails")
        run.delete()


def test_a_run_that_is_deleted_and_made_again_sends_its_own_text(stack: AirflowStack, gateway: Gateway) -> None:
    first = stack.api.trigger(SEND, {"number": NUMBER, "text": "the first life"}, run_id=RUN_ID)
    assert first.wait() == "success"
    first.delete()
    gateway.fail_next("status_before", method="POST", status=503)
    second = stack.api.trigger(SEND, {"number": NUMBER, "text": "the second life"}, run_id=RUN_ID)
    assert second.wait() == "success"
    assert texts(gateway, SEND, RUN_ID) == ["the first life", "the second life"]
    (latest, _) = gateway.inbox(number=WIRE)
    assert second.xcom("send") == latest.message_id


def test_a_run_that_is_cleared_sends_nothing_again(stack: AirflowStack, gateway: Gateway) -> None:
    run = stack.api.trigger(SEND, {"number": NUMBER, "text": "only once"}, run_id="cleared")
    assert run.wait() == "success"
    sent = run.xcom("send")
    for _ in range(2):
        run.clear(only_failed=False)
        assert run.wait() == "success"
        assert run.xcom("send") == sent
    assert "was sent by an earlier try" in run.log("send")
    assert texts(gateway, SEND, "cleared") == ["only once"]


def pause_is_known(stack: AirflowStack, run: DagRun) -> bool:
    """Tell whether the scheduler has heard that the process of the asking task has ended."""
    log = stack.home.log_file("scheduler").read_text(errors="replace")
    heard = r"Received executor event with state success for task instance [^\n]*task_id='approve', run_id='(.*?)'"
    return run.run_id in re.findall(heard, log)


def test_an_approval_by_sms_is_answered_to_the_end(stack: AirflowStack, gateway: Gateway) -> None:
    run = stack.api.trigger("approval_by_sms")
    (question,) = wait_until("the question", lambda: texts(gateway, "approval_by_sms") or None, sign=run.task_states)
    assert question == "Answer needed: approval_by_sms.approve\nDeploy version 2.4 to production?"
    wait_until("the wait", lambda: run.task_states()["approve"] == "awaiting_input" or None, sign=run.task_states)
    # No person answers sooner. To Airflow a task that goes on before its scheduler knows that it paused has failed.
    wait_until("the scheduler", lambda: pause_is_known(stack, run) or None, sign=stack.home.log_file("scheduler").stat)
    answer = f"/dags/approval_by_sms/dagRuns/{quote(run.run_id)}/taskInstances/approve/-1/hitlDetails"
    stack.api.call("PATCH", answer, {"chosen_options": ["Approve"]})
    assert run.wait() == "success", f"{run.task_states()}\n{run.log('approve')}\n{run.log('deploy')}"
    assert run.task_states() == {"approve": "success", "deploy": "success"}
    assert texts(gateway, "approval_by_sms") == [question]
