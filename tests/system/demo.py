"""
What ``make demo`` runs: an SMS travels from a DAG through a real Airflow to the emulator, and you see it arrive.

``python -m tests.system.demo`` in the checkout. Ends with 0 when the SMS was delivered, otherwise with 1 and a reason.
On a terminal it first leaves Airflow and the emulator open to look at, until Ctrl-C. Database and logs stay in
``.demo``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import NoSignOfLifeError, wait_until
from tests.system.api import FINISHED, ApiError, DagRun
from tests.system.gateway import running_gateway
from tests.system.home import HomeInUseError
from tests.system.processes import ComponentError
from tests.system.stack import AirflowStack

CHECKOUT = Path(__file__).resolve().parents[2]
DAG_ID = "send_and_wait"


class NotDeliveredError(Exception):
    """The SMS did not arrive. The text says why."""


class Progress:
    """Print each step when it begins, and how long it took when the next one does."""

    def __init__(self) -> None:
        self._began: float | None = None

    def step(self, text: str) -> None:
        """End the step before, and begin this one."""
        self.end()
        print(f"  {text:<62}", end="", flush=True)
        self._began = time.monotonic()

    def end(self) -> None:
        """End the step, if there is one."""
        if self._began is not None:
            print(f"{time.monotonic() - self._began:6.1f} s", flush=True)
            self._began = None


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.demo", description="Send an SMS to the emulator.")
    parser.add_argument("--home", type=Path, default=CHECKOUT / ".demo", help="where to keep database and logs")
    parser.add_argument("--dags", type=Path, default=CHECKOUT / "dags_examples", help=f"where the DAG {DAG_ID} is")
    options = parser.parse_args(arguments)
    progress = Progress()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    print(f"An SMS through Airflow {version('apache-airflow')} to a local gateway. Logs: {options.home / 'logs'}")
    try:
        with running(options.home, options.dags, progress) as (gateway, stack):
            show(gateway, send_and_wait(stack, progress))
            if sys.stdin.isatty() and sys.stdout.isatty():
                stay_open(gateway, stack)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (NotDeliveredError, ComponentError, HomeInUseError, ApiError, OSError) as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def running(home: Path, dags: Path, progress: Progress) -> Iterator[tuple[Gateway, AirflowStack]]:
    """Run the emulator and, with a connection to it, Airflow."""
    with ExitStack() as exits:
        exits.callback(progress.end)
        progress.step("starting the emulator")
        gateway = exits.enter_context(running_gateway(home / "logs" / "emulator.log"))
        connections = {"messaggisms_default": gateway.connection}
        kept = AirflowStack(home, dags, connections=connections, on_step=progress.step)
        could_be_stale = kept.home.has_database()
        try:
            stack = exits.enter_context(kept)
        except ComponentError:
            if not could_be_stale:
                raise
            progress.step("that failed with what an earlier run left; starting anew")
            stack = exits.enter_context(AirflowStack(home, dags, connections=connections, on_step=progress.step))
        exits.callback(progress.step, "stopping")
        exits.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)  # impatience must not interrupt the cleaning up
        yield gateway, stack


def send_and_wait(stack: AirflowStack, progress: Progress, conf: dict[str, Any] | None = None) -> DagRun:
    """
    Run the DAG to its end.

    :param conf: The run's configuration; the DAG's defaults when there is none.
    :raises NotDeliveredError: It failed, or stands still. Shows the logs of the tasks that are to blame.
    """
    progress.step(f"reading the DAG {DAG_ID}")
    stack.wait_for_dag(DAG_ID)
    run = stack.api.trigger(DAG_ID, conf)
    begun: set[str] = set()

    def final_state() -> str | None:
        stack.check()
        for task_id, task_state in run.task_states().items():
            if task_state is not None and task_id not in begun:
                begun.add(task_id)
                progress.step(f"running the task {task_id}")
        state = run.state()
        return state if state in FINISHED else None

    try:
        state = wait_until("the end of the DAG run", final_state, sign=run.task_states, every_seconds=0.3)
    except NoSignOfLifeError as error:
        raise NotDeliveredError(_blame(run, str(error))) from error
    finally:
        progress.end()
    if state != "success":
        raise NotDeliveredError(_blame(run, f"The DAG run {state}"))
    return run


def show(gateway: Gateway, run: DagRun) -> None:
    """
    Print what the phones received of the run's message, and what its tasks returned.

    :raises NotDeliveredError: The DAG succeeded, but not all phones have it, or none.
    """
    inbox = gateway.inbox(message_id=run.xcom("send"))
    for sms in inbox:
        print(f"\nThe phone {sms.number} received from {sms.sender or 'the gateway'}:\n\n    {sms.text}\n")
        print(f"    {sms.state}, {sms.encoding}, parts: {sms.parts}, EUR {sms.price_eur:.3f}")
    if not inbox or not all(sms.delivered for sms in inbox):
        raise NotDeliveredError(f"{sum(sms.delivered for sms in inbox)} of {len(inbox)} SMS were delivered.")
    for task_id in run.task_states():
        print(f"\nThe task {task_id} returned {json.dumps(run.xcom(task_id), indent=2)}")


def stay_open(gateway: Gateway, stack: AirflowStack) -> None:
    """
    Keep everything running until Ctrl-C.

    :raises ComponentError: A part of Airflow ended by itself.
    """
    print(f"\nAirflow:  {stack.api.url}/dags/{DAG_ID}\nEmulator: {gateway.url}\n\nCtrl-C stops them.", flush=True)
    try:
        while True:
            stack.check()
            time.sleep(1)
    except KeyboardInterrupt:
        print()


def _blame(run: DagRun, what: str) -> str:
    states = run.task_states()
    culprits = [task_id for task_id, task_state in states.items() if task_state not in ("success", "upstream_failed")]
    logs = [
        f"--- end of the log of {task_id}\n" + "\n".join(run.log(task_id).splitlines()[-20:]) for task_id in culprits
    ]
    return "\n".join([f"{what}: {states}", *logs])


if __name__ == "__main__":
    sys.exit(main())
