"""The lock keeps the processes of one machine apart, never stays behind, and never stands in the way for good."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airflow_provider_messaggisms.alarms.local_lock import LocalLock

HOLD = """
import sys
from airflow_provider_messaggisms.alarms.local_lock import LocalLock
with LocalLock("storm") as lock:
    print(lock.take(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_one_has_it_and_the_other_does_not() -> None:
    with LocalLock("storm") as mine, LocalLock("storm") as other:
        assert mine.take()
        assert not other.take()


def test_it_is_free_again_afterwards() -> None:
    with LocalLock("storm") as mine:
        mine.take()
    with LocalLock("storm") as other:
        assert other.take()


def test_a_note_is_read_by_those_who_wait_and_replaces_the_last_one() -> None:
    with LocalLock("storm") as mine, LocalLock("storm") as other, LocalLock("calm") as apart:
        assert mine.take()
        assert other.note() == ""
        mine.leave("a longer note")
        assert other.note() == "a longer note"
        mine.leave("short")
        assert other.note() == "short"
        assert apart.note() == ""


def test_another_name_is_another_lock() -> None:
    with LocalLock("storm") as mine, LocalLock("calm") as other:
        assert mine.take()
        assert other.take()


def test_a_process_that_is_killed_lets_go() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with LocalLock("storm") as mine:
            assert not mine.take()
            holder.kill()
            holder.wait()
            assert mine.take()


def test_it_is_let_go_of_although_a_fork_has_the_file_open_too() -> None:
    with LocalLock("storm") as mine:
        mine.take()
        assert mine._file is not None
        forks = os.dup(mine._file)
    with LocalLock("storm") as other:
        assert other.take()
    os.close(forks)


def test_its_file_is_private_and_says_nothing(tmp_path: Path) -> None:
    with LocalLock("+39-3491234567") as mine:
        mine.take()
        (folder,) = tmp_path.iterdir()
        (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert file.read_bytes() == b""
    assert len(file.name) == 3


def test_a_folder_that_others_may_write_in_is_not_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LocalLock("storm"):
        (folder,) = tmp_path.iterdir()
    folder.chmod(0o777)
    with LocalLock("storm") as mine, LocalLock("storm") as other:
        assert mine.take()
        assert other.take()
    assert "is not private" in caplog.text


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LocalLock("storm"):
        (folder,) = tmp_path.iterdir()
    (file,) = folder.iterdir()
    file.unlink()
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    with LocalLock("storm") as mine:
        assert mine.take()
    assert list(elsewhere.iterdir()) == []
    assert "is not private" in caplog.text


def test_without_a_folder_there_is_no_lock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with LocalLock("storm") as mine, LocalLock("storm") as other:
        assert mine.take()
        assert other.take()
        mine.leave("a note that is lost")
        assert other.note() == ""
    assert "No lock" in caplog.text
