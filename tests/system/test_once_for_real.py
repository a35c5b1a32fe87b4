"""Never twice, never lost, on a real scheduler: a task killed mid-send, and a worker killed that leaves an orphan."""

from __future__ import annotations

import psutil
import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway, Sms
from tests.progress import SILENCE_SECONDS, wait_until
from tests.system.api import DagRun
from tests.system.stack import AirflowStack

SEND = "send_with_retries"


def received(gateway: Gateway, number: str) -> list[Sms]:
    """Return what the phone of this number has received."""
    return gateway.inbox(number=f"+39-{number}")


def task_process(run: DagRun) -> psutil.Process:
    """Wait for the process of the run's task."""

    def running() -> int | None:
        return run.task_pid("send") if run.task_states().get("send") == "running" else None

    return psutil.Process(wait_until("the task", running, sign=run.task_states))


@pytest.mark.parametrize(
    ("fault", "number"),
    [
        pytest.param("slow_after", "3490000001", id="after the gateway accepted"),
        pytest.param("slow_before", "3490000002", id="before the gateway got to it"),
    ],
)
def test_a_task_killed_in_mid_send_has_sent_once_in_the_end(
    fault: str, number: str, stack: AirflowStack, gateway: Gateway
) -> None:
    asked = len(gateway.requests())
    gateway.fail_next(fault, method="POST", seconds=4)
    run = stack.api.trigger(SEND, {"number": number_as_written(number)})
    process = task_process(run)
    wait_for_post(gateway, asked)
    process.kill()
    assert run.wait() == "success"
    assert len(received(gateway, number)) == 1
    assert run.xcom("send") == received(gateway, number)[0].message_id


def test_an_orphan_in_mid_send_and_its_retry_send_once(stack: AirflowStack, gateway: Gateway) -> None:
    number = "3490000003"
    asked = len(gateway.requests())
    gateway.fail_next("slow_after", method="POST", seconds=4)
    run = stack.api.trigger(SEND, {"number": number_as_written(number)})
    worker = task_process(run).parent()
    wait_for_post(gateway, asked)
    assert worker is not None
    worker.kill()  # the task lives on without a supervisor to report to
    assert run.wait() == "success"
    assert len(received(gateway, number)) == 1
    assert "was sent by an earlier try" in run.log("send", try_number=2)


def test_an_orphan_that_has_not_sent_yet_does_not(stack: AirflowStack, gateway: Gateway) -> None:
    number = "3490000004"
    run = stack.api.trigger(SEND, {"number": number_as_written(number), "dawdle_seconds": 6})
    orphan = task_process(run)
    worker = orphan.parent()
    assert worker is not None
    worker.kill()
    psutil.wait_procs(
        [orphan], timeout=SILENCE_SECONDS
    )  # it wakes up, cannot tell Airflow what it is about to do, and ends
    assert received(gateway, number) == []
    assert run.wait() == "success"
    assert len(received(gateway, number)) == 1


def number_as_written(number: str) -> str:
    """Write a number as people do."""
    return f"+39 {number}"


def wait_for_post(gateway: Gateway, asked: int) -> None:
    """Return when the gateway has seen a POST beyond the first *asked* requests, answered or not."""

    def posted() -> bool | None:
        return any(exchange.method == "POST" for exchange in gateway.requests()[asked:]) or None

    wait_until("the request", posted)
