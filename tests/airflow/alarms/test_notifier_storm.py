"""
A storm: sixty callbacks at once, from eight processes of one machine, end in one SMS, however slow the gateway is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.airflow.alarms.notifying import ANNA, alarm, call_back
from tests.airflow.alarms.occasions import task_failed
from tests.airflow.conftest import posts
from tests.progress import SILENCE_SECONDS, longer_and_longer

PROCESSES, CALLBACKS = 8, 60

Storm = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the processes of one machine, and end them."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.airflow.alarms.storming"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("machine")))
        started = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
    for one in started:
        assert said(one) == "ready"
    yield started
    for one in started:
        one.communicate()


def said(process: subprocess.Popen[str]) -> Any:
    """Return the next JSON value of a process; its logs come in between."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            return json.loads(line)
        except ValueError:
            continue
    raise EOFError


@pytest.fixture
def storm(processes: list[subprocess.Popen[str]], gateway: Gateway, tmp_path: Path) -> Storm:
    """Call all back at once; return what became of each callback."""
    connection = json.loads(gateway.connection) | {"extra": {"sender": "Airflow"}}

    def begin(**arguments: Any) -> list[dict[str, Any]]:
        common = {"recipients": ANNA, "alarm_key": str(tmp_path), "connection": json.dumps(connection), **arguments}
        for number, one in enumerate(processes):
            assert one.stdin is not None
            callbacks = CALLBACKS // PROCESSES + (number < CALLBACKS % PROCESSES)
            one.stdin.write(json.dumps({**common, "callbacks": callbacks}) + "\n")
            one.stdin.flush()
        return [result for one in processes for result in said(one)]

    return begin


def told_once_in_time(storm: Storm, gateway: Gateway, get_seconds: float, alarm_key: str) -> bool:
    """
    Storm twice, the second time after the alarm has gone out.

    :return: ``False`` if this machine was too slow: an alarm's time was over before the answer to it had come.
    """
    gateway.reset()
    for number in range(3):  # the account has other messages of this sender
        call_back(alarm(once_per=0), task_failed(task_id=f"other_{number}"))
    gateway.fail_next("slow_before", method="GET", times=0, seconds=get_seconds)
    gateway.fail_next("slow_before", method="POST", times=0, seconds=5)
    for _ in range(2):
        errors = {result["error"] for result in storm(alarm_key=alarm_key)}
        if any("this alarm may be lost" in error for error in errors):
            assert len(gateway.inbox()) <= 4
            return False
        assert errors == {""}
        assert len(gateway.inbox()) == 4
    return True


@pytest.mark.parametrize("get_seconds", [0.4, 3.0, 7.0])
def test_a_storm_is_one_sms_however_slow_the_gateway_is(storm: Storm, gateway: Gateway, get_seconds: float) -> None:
    assert any(told_once_in_time(storm, gateway, get_seconds, f"{get_seconds}, {number}") for number in range(5))


def test_a_gateway_that_never_answers_gets_one_attempt_of_each(storm: Storm, gateway: Gateway) -> None:
    for seconds in longer_and_longer(10.0):
        gateway.reset()
        gateway.fail_next("slow_before", times=0, seconds=6 * seconds)
        results = storm(timeout_seconds=seconds)
        if not any("the time was over before it could be sent" in result["error"] for result in results):
            break  # each had time for its attempt
    assert {result["error"].split(":")[0] for result in results} == {"OutcomeUnknownError"}
    assert all("this alarm may be lost" in result["error"] for result in results)
    assert max(result["seconds"] for result in results) < 6 * seconds  # they end by themselves, on a busy machine too
    assert posts(gateway) <= CALLBACKS


def test_racing_processes_send_one_sms(gateway: Gateway, tmp_path: Path) -> None:
    script = (
        "from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier\n"
        "from tests.airflow.alarms.occasions import task_failed\n"
        f"MessaggiSmsNotifier(recipients={ANNA!r}, alarm_key='etl', timeout_seconds=60)(task_failed())\n"
    )
    racing = [
        subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)}) for _ in range(3)
    ]
    assert [one.wait(SILENCE_SECONDS) for one in racing] == [0, 0, 0]
    assert len(gateway.inbox()) == 1
