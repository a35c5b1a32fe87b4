"""
A task instance over all its tries, without a scheduler: retries, kills and lost answers in milliseconds.

Each try is a process of its own, as in Airflow, so it can be killed with SIGKILL at any point. What Airflow keeps
between tries (its task state, on 3.3) is kept in a file.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import airflow_provider_messaggisms

MAX_TRIES = 8

FAULTS: dict[str, dict[str, Any]] = {
    "lost on the way there": {"kind": "drop_before"},
    "lost on the way back": {"kind": "drop_after"},
    "503 before it was handled": {"kind": "status_before", "status": 503},
    "502 after it was accepted": {"kind": "status_after", "status": 502},
    "an answer beyond the time-out": {"kind": "slow_after", "seconds": 1.3},
    "an answer that is broken": {"kind": "malformed"},
    "an answer that is cut": {"kind": "truncated"},
    "too many requests": {"kind": "rate_limit", "retry_after": 0},
}
"""What can become of a call, as the emulator takes it."""

_PACKAGE = str(Path(airflow_provider_messaggisms.__file__).parent)


@dataclass
class Outcome:
    """How a try ended: ``green`` with a result, ``red`` with an error, or ``killed``."""

    kind: str
    result: Any = None
    error: str = ""
    permanent: bool = False
    lines: int = 0


@dataclass
class Tries:
    """
    All tries of one task instance.

    :param make: Builds the operator, anew for each try, as Airflow does.
    :param with_task_state: Whether Airflow has a task state store (3.3) or not.
    :param installation: The base address of its UI.
    :param life: How often the run was deleted and made anew; what Airflow keeps of it goes with it.
    """

    make: Callable[[], Any]
    home: Path
    with_task_state: bool = True
    retries: int = MAX_TRIES
    number: int = 0
    installation: str = "https://airflow.example"
    life: int = 1
    outcomes: list[Outcome] = field(default_factory=list)

    def attempt(self, *, kill_at_crossing: int | None = None, kill_at_line: int | None = None) -> Outcome:
        """
        Run the next try in a process of its own.

        :param kill_at_crossing: Kill it at the so-many-th border between it and Airflow: right before or right after it
            stores a task state or pushes an XCom.
        :param kill_at_line: Kill it at the so-many-th line of this package that it executes.
        """
        self.number += 1
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=self._run, args=(theirs, kill_at_crossing, kill_at_line)
        )
        process.start()
        theirs.close()
        try:
            outcome: Outcome = ours.recv()
        except EOFError:
            outcome = Outcome("killed")
        process.join()
        self.outcomes.append(outcome)
        return outcome

    def until_the_end(self) -> Outcome:
        """Retry as Airflow does: until green, a permanent error, or no retries left."""
        while self.number <= self.retries:
            outcome = self.attempt()
            if outcome.kind == "green" or outcome.permanent:
                return outcome
        return self.outcomes[-1]

    def _run(self, pipe: Any, kill_at_crossing: int | None, kill_at_line: int | None) -> None:
        from airflow.providers.common.compat.sdk import AirflowFailException

        time.sleep = _briefly(time.sleep)  # type: ignore[assignment]
        crossings = _Crossings(kill_at_crossing)
        ti = SimpleNamespace(
            dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=self.number, max_tries=self.retries
        )
        ti.xcom_push = lambda key, value: crossings.around(lambda: None)
        os.environ["AIRFLOW__API__BASE_URL"] = os.environ["AIRFLOW__WEBSERVER__BASE_URL"] = self.installation
        began = datetime(2020, 1, self.life, tzinfo=UTC)
        run = SimpleNamespace(run_after=datetime(2020, 1, 1, tzinfo=UTC), start_date=began, clear_number=0)
        context: dict[str, Any] = {"ti": ti, "dag_run": run}
        if self.with_task_state:
            kept = f"task state of {self.installation.partition('://')[2]} {self.life}.json"
            context["task_state_store"] = _TaskStateFile(self.home / kept, crossings)
        lines = _Lines(kill_at_line)
        try:
            operator = self.make()
            with lines.counted():
                result = operator.execute(context)
            outcome = Outcome("green", result=result)
        except Exception as error:  # noqa: BLE001 (any error ends a try)
            outcome = Outcome("red", error=f"{type(error).__name__}: {error}")
            outcome.permanent = isinstance(error, AirflowFailException)
        outcome.lines = lines.seen
        pipe.send(outcome)
        pipe.close()
        os._exit(0)


def _briefly(sleep: Callable[[float], None]) -> Callable[[float], None]:
    """Shorten the pauses between repeats: what fails is scripted by number, not by time."""
    return lambda seconds: sleep(min(seconds, 0.05))


class _Crossings:
    def __init__(self, kill_at: int | None) -> None:
        self.seen = 0
        self.kill_at = kill_at

    def around(self, act: Callable[[], None]) -> None:
        self._cross()
        act()
        self._cross()

    def _cross(self) -> None:
        self.seen += 1
        if self.seen == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Lines:
    """Counts the lines of this package that are executed, and kills the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.seen = 0
        self.kill_at = kill_at

    @contextmanager
    def counted(self) -> Iterator[None]:
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(_PACKAGE) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.seen += 1
            if self.seen == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


class _TaskStateFile:
    """Airflow's task state store as a task sees it, in a file that outlives its process."""

    def __init__(self, path: Path, crossings: _Crossings) -> None:
        self._path = path
        self._crossings = crossings

    def get(self, key: str, default: Any = None) -> Any:
        return self._all().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self._crossings.around(lambda: self._write({**self._all(), key: value}))

    def _all(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _write(self, values: dict[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(values))
        fresh.replace(self._path)
