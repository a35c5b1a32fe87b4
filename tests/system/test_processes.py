"""The guard: nothing that it started outlives its owner, however that ends."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.progress import wait_until
from tests.system.processes import Guard

# Becomes an orphan in a process group of its own, deaf to SIGTERM, with a child; and harder to find in one of two ways.
ORPHAN = """
import os, sys
if os.fork():
    os._exit(0)
way, stay = sys.argv[1:]
if way == "leaves the session":
    os.setsid()
    exec(stay)
else:
    os.setpgid(0, 0)
    os.execve(sys.executable, [sys.executable, "-c", stay], {})
"""
STAY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print(os.getpid(), flush=True)
time.sleep(600)
"""

OWNER = """
import sys, time
from pathlib import Path
from tests.system.processes import Guard
guard = Guard(sys.argv[1])
with open(sys.argv[2], "wb") as log:
    guard.start([sys.executable, *sys.argv[3:]], environment={}, folder=Path.cwd(), log=log)
time.sleep(600)
"""


@pytest.fixture(params=["leaves the session", "hides the marker"])
def orphan(request: pytest.FixtureRequest) -> list[str]:
    """Return the arguments that make a Python an orphan that is hard to find."""
    return ["-c", ORPHAN, request.param, STAY]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Name the file that orphans write their ids to."""
    return tmp_path / "log"


def start(guard: Guard, arguments: list[str], log: Path) -> set[int]:
    with log.open("wb") as output:
        guard.start([sys.executable, *arguments], environment={}, folder=log.parent, log=output)
    return ids_in(log)


def ids_in(log: Path) -> set[int]:
    def look() -> set[int] | None:
        ids = {int(line) for line in log.read_text().split()} if log.exists() else set()
        return ids if len(ids) == 2 else None

    return wait_until("an orphan and its child", look)


def alive(ids: set[int]) -> set[int]:
    return {pid for pid in ids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}


def test_a_guard_knows_its_orphans(orphan: list[str], log: Path) -> None:
    with Guard(secrets.token_hex(8)) as guard:
        ids = start(guard, orphan, log)
        assert {process.pid for process in guard.family.living()} == ids


def test_orphans_die_when_the_context_ends(orphan: list[str], log: Path) -> None:
    with Guard(secrets.token_hex(8)) as guard:
        ids = start(guard, orphan, log)
        assert alive(ids) == ids
    assert alive(ids) == set()


def test_orphans_die_when_an_exception_ends_the_context(orphan: list[str], log: Path) -> None:
    ids = set()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117 - what is tested is how it leaves the inner context
        with Guard(secrets.token_hex(8)) as guard:
            ids = start(guard, orphan, log)
            raise ZeroDivisionError
    assert len(ids) == 2
    assert alive(ids) == set()


def test_orphans_die_when_their_owner_is_killed(orphan: list[str], log: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, secrets.token_hex(8), log, *orphan]) as owner:
        ids = ids_in(log)
        owner.kill()
    wait_until("the end of the orphans", lambda: None if alive(ids) else True)


def test_the_processes_of_another_guard_live_on(orphan: list[str], log: Path) -> None:
    with Guard(secrets.token_hex(8)) as guard:
        ids = start(guard, orphan, log)
        with Guard(secrets.token_hex(8)):
            pass
        assert alive(ids) == ids
