"""
Leave no process behind, even if the one that started it is killed.

Airflow forks: workers, supervisors, task runners, parsers. Tasks have process groups of their own, and one whose
supervisor was killed lives on as an orphan, so neither groups nor parenthood finds them all. Two things do. Whatever is
forked stays in the session of the component that we started; and what a task starts in a session of its own inherits a
marker in its environment (which Airflow's workers and tasks hide from all but root, so it would not do alone).

A guard process waits for the end of its owner and then kills all of these: after a normal stop, an
exception, a closed terminal or a SIGKILL. This module is the guard: ``python -m tests.system.processes MARKER``. Its
owner holds its standard input open, and writes the id of each process that it starts there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import psutil

from tests.progress import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
MARKER_VARIABLE = "MESSAGGISMS_STACK"

# setproctitle, which Airflow uses, writes titles over the environment that other processes see, unless told not to.
_KEEP_ENVIRONMENT_VISIBLE = {"SPT_NOENV": "1"}


class ComponentError(Exception):
    """A process did not start, or ended by itself. The text says which, and ends with the last lines of its log."""


class Family:
    """
    All living processes that come from a few known ones.

    :param marker: What their environment holds under :data:`MARKER_VARIABLE`.
    """

    def __init__(self, marker: str) -> None:
        self.marker = marker
        self._leaders: dict[int, psutil.Process] = {}

    def add(self, leader: int) -> None:
        """Count the session that the process ``leader`` leads to the family, also after the leader's death."""
        try:
            self._leaders[leader] = psutil.Process(leader)
        except psutil.NoSuchProcess:
            return  # it ended before it could fork

    def living(self) -> list[psutil.Process]:
        """Return its processes."""
        return [process for process in psutil.process_iter() if self._belongs(process)]

    def kill(self) -> None:
        """
        Kill all of them, and what they forked while they were being killed.

        :raises NoSignOfLifeError: Something survives SIGKILL.
        """

        def killed() -> bool | None:
            processes = self.living()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            return None if processes else True

        wait_until("the end of all killed processes", killed, every_seconds=0.05)

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return self._has_session_of(process) or process.environ().get(MARKER_VARIABLE) == self.marker
        except (psutil.Error, OSError):
            return False  # gone in the meantime, or of another user

    def _has_session_of(self, process: psutil.Process) -> bool:
        leader = self._leaders.get(os.getsid(process.pid))
        # The id of a session that has ended may be given to another one.
        return leader is not None and (leader.is_running() or not psutil.pid_exists(leader.pid))


class Guard:
    """
    Start processes that all die, with all that comes from them, when the context ends or this process does.

    :param marker: Something that no other guard has.
    """

    def __init__(self, marker: str) -> None:
        self.family = Family(marker)
        self._started: list[subprocess.Popen[bytes]] = []
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "tests.system.processes", marker],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the owner; the guard only watches the owner
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        if self._guard.wait() != 0:
            raise RuntimeError("the guard could not end every process")
        for process in self._started:
            process.wait()

    def start(
        self, command: list[str], *, environment: Mapping[str, str], folder: Path, log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` in ``folder``, with no input and with all output to ``log``."""
        process = subprocess.Popen(
            command,
            env={**environment, **_KEEP_ENVIRONMENT_VISIBLE, MARKER_VARIABLE: self.family.marker},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._started.append(process)
        self.family.add(process.pid)
        self._pipe.write(f"{process.pid}\n".encode())
        self._pipe.flush()
        return process

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._guard.stdin is not None
        return self._guard.stdin


def ask_to_stop(processes: list[subprocess.Popen[bytes]], *, grace_seconds: float) -> None:
    """
    Send SIGTERM to ``processes`` and return when all are gone, at the latest after ``grace_seconds``.

    Not SIGINT: a shell that starts something in the background makes it, and all that it starts, ignore SIGINT.
    """
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + grace_seconds
    while [process for process in processes if process.poll() is None] and time.monotonic() < deadline:
        time.sleep(0.05)


def _be_the_guard(marker: str) -> None:
    family = Family(marker)
    for line in sys.stdin:  # ends when the owner closes the pipe, or dies
        family.add(int(line))
    family.kill()


if __name__ == "__main__":
    _be_the_guard(sys.argv[1])
