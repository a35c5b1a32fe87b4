"""``make demo`` as people meet it: open on a terminal until Ctrl-C, ended from outside, unable to start."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.progress import wait_for_exit, wait_until
from tests.system.api import request_json
from tests.system.home import Home
from tests.system.processes import MARKER_VARIABLE, Family

CHECKOUT = Path(__file__).resolve().parents[2]


# Tests that run in the background of a script ignore SIGINT, and so would all that they start.
DEMO_THAT_LISTENS = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tests.system.demo", run_name="__main__")
"""


class Terminal:
    """The demo on a terminal of its own, started with the home in which it keeps its files."""

    def __init__(self, home: Path) -> None:
        self.shown = ""
        self._end, terminal = pty.openpty()
        os.set_blocking(self._end, False)
        # A session leader that opens a terminal gets it as its own, and so gets its Ctrl-C.
        open_and_run = ["sh", "-c", 'exec <"$0" >"$0" 2>&1 "$@"', os.ttyname(terminal)]
        demo = [sys.executable, "-c", DEMO_THAT_LISTENS, "--home", str(home)]
        self.demo = subprocess.Popen([*open_and_run, *demo], cwd=CHECKOUT, start_new_session=True)
        self._held_open = terminal

    def wait_until_shown(self, text: str) -> None:
        """Return when the demo has shown ``text``."""
        wait_until(f"{text!r} on the terminal", lambda: self._shows(text), sign=lambda: self.shown)

    def press_control_c(self) -> None:
        """Press it."""
        os.write(self._end, b"\x03")

    def close(self) -> None:
        """Unplug the terminal."""
        os.close(self._held_open)
        os.close(self._end)
        self.demo.wait()

    def _shows(self, text: str) -> bool | None:
        with suppress(BlockingIOError):
            self.shown += os.read(self._end, 65536).decode()
        assert self.demo.poll() is None or text in self.shown, self.shown
        return text in self.shown or None


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Name a folder for the demo."""
    return tmp_path / "demo"


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    """Start the demo on a terminal."""
    with closing(Terminal(home)) as terminal:
        yield terminal


def airflow_of(home: Path) -> Family:
    """Find Airflow's components by the marker that begins with their home."""
    family = Family("none but the sessions of the components")
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARKER_VARIABLE, "").startswith(f"{home} "):
                family.add(process.pid)
    return family


def test_on_a_terminal_it_stays_open_until_control_c(terminal: Terminal, home: Path) -> None:
    terminal.wait_until_shown("Ctrl-C stops them.")
    assert "DELIVERED_TO_HANDSET" in terminal.shown
    airflow, emulator = re.findall(r"(?:Airflow|Emulator): +(http://127\.0\.0\.1:\d+)", terminal.shown)
    assert request_json("GET", f"{airflow}/api/v2/monitor/health")["scheduler"]["status"] == "healthy"
    assert request_json("GET", f"{emulator}/_emulator/inbox")["total"] == 1

    processes = airflow_of(home)
    assert len(processes.living()) >= 4
    terminal.press_control_c()
    assert wait_for_exit(terminal.demo) == 0
    assert processes.living() == []
    with Home(home).claimed():
        assert Home(home).has_database()  # the next run starts from it


def test_ended_from_outside_it_leaves_nothing_running(terminal: Terminal, home: Path) -> None:
    terminal.wait_until_shown("starting api-server")
    processes = wait_until("a component", lambda: _if_any(airflow_of(home)))
    terminal.demo.send_signal(signal.SIGTERM)
    assert wait_for_exit(terminal.demo) == 128 + signal.SIGTERM
    assert processes.living() == []


def test_it_says_why_it_cannot_start(home: Path) -> None:
    command = [sys.executable, "-m", "tests.system.demo", "--home", str(home)]
    with Home(home).claimed():
        demo = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert demo.returncode == 1
    assert f"The demo failed. Another run is using {home}" in demo.stderr


def _if_any(family: Family) -> Family | None:
    return family if family.living() else None
