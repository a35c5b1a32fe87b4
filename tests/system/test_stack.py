"""The spine on a real Airflow, with all four components: from a DAG to the phone and back, once, leaving no trace."""

from __future__ import annotations

import re

import psutil
import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.conftest import TOKEN
from tests.system.demo import NotDeliveredError, Progress, send_and_wait, show
from tests.system.stack import AirflowStack

NATIONAL_NUMBER = "3478216593"
TEXT = "Kingfishers over the weir at dusk"
UNDELIVERABLE = "+39 347 821 0001"  # the emulator decides by the last digits


@pytest.fixture(scope="module")
def delivered(stack: AirflowStack) -> DagRun:
    """Send one SMS with the example DAG and wait for it, as any user would."""
    run = stack.api.trigger("send_and_wait", {"number": f"+39 {NATIONAL_NUMBER}", "text": TEXT})
    assert run.wait() == "success", run.task_states()
    return run


def test_the_phone_receives_the_sms_exactly_once(delivered: DagRun, gateway: Gateway) -> None:
    received = [sms for sms in gateway.inbox() if sms.text == TEXT]
    assert [re.sub(r"\D", "", sms.number) for sms in received] == ["39" + NATIONAL_NUMBER]
    assert received[0].message_id == delivered.xcom("send")
    assert received[0].delivered


def test_the_sensor_leaves_its_report_as_plain_json(delivered: DagRun) -> None:
    report = delivered.xcom("wait")
    assert report["states"] == {"DELIVERED_TO_HANDSET": 1}
    assert report["failed"] == []


def test_no_log_of_any_component_tells_number_text_or_token(delivered: DagRun, stack: AirflowStack) -> None:
    logs = {path: path.read_text(errors="replace") for path in stack.home.logs.rglob("*") if path.is_file()}
    # The search is worth something: both tasks' own logs are there, and the copy that LocalExecutor prints unmasked.
    naming_the_message = {path.name for path, text in logs.items() if delivered.xcom("send") in text}
    assert naming_the_message >= {"attempt=1.log", "scheduler.log"}
    secrets = [NATIONAL_NUMBER, TEXT, TOKEN]
    found = [(path, secret) for path, text in logs.items() for secret in secrets if _joined(secret) in _joined(text)]
    assert found == []


def test_the_demo_shows_what_the_phone_received(
    stack: AirflowStack, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Shown by the demo"
    show(gateway, send_and_wait(stack, Progress(), {"number": "+39 347 821 1111", "text": text}))
    shown = capsys.readouterr().out
    assert "+39-3478211111 received from Airflow" in shown
    assert text in shown


def test_the_demo_shows_the_log_of_the_task_to_blame(stack: AirflowStack) -> None:
    with pytest.raises(NotDeliveredError, match=r"(?s)'wait': 'failed'.*end of the log of wait\n.*DeliveryError"):
        send_and_wait(stack, Progress(), {"number": UNDELIVERABLE})


def test_an_orphan_task_of_a_killed_worker_is_still_known_to_the_stack(stack: AirflowStack) -> None:
    run = stack.api.trigger("patience")
    # Not earlier: a task that still talks to its supervisor dies with it.
    task = psutil.Process(wait_until("the task", lambda: _pid_of_sleeping(run), sign=run.task_states))
    worker = task.parent()
    assert worker is not None
    worker.kill()
    assert run.wait() == "failed"  # Airflow missed its heartbeats
    assert task in stack.processes()  # and is left alone: the fixture's end has to deal with it


def _pid_of_sleeping(run: DagRun) -> int | None:
    started = run.task_states()["sleep"] == "running" and "asleep" in run.log("sleep")
    return run.task_pid("sleep") if started else None


def _joined(text: str) -> str:
    """Return ``text`` without what people put between the digits of a number."""
    return re.sub(r"[\s-]", "", text)
