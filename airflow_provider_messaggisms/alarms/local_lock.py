"""
A lock between the processes of one user on one machine, with a note for the processes that wait. It may fail safely.

It is a file in the system's temporary folder, locked with ``flock``. The kernel releases it when its process ends, so a
crash leaves nothing locked. A file holds one short note. There are at most 4,096 files for all names; two names may
share one, which costs a wait and a note. The files are private to their user, so another user cannot block an alarm,
and processes of different users (``run_as_user``) do not see each other's locks. Where there is no safe place for such
a file, or no locking on it, there is no lock and :meth:`LocalLock.take` always succeeds.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

_MAX_NOTE_BYTES = 400


class LocalLock:
    """
    One lock, as a context manager that releases it at the end.

    :param name: Processes that use the same name exclude each other. It is not written anywhere.
    """

    def __init__(self, name: str) -> None:
        self._file_name = hashlib.sha256(name.encode()).hexdigest()[:3]
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            self._file = _opened(self._file_name)
        except OSError as error:
            log.warning("No lock between the processes of this machine: %s", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)  # closing is not enough where a fork has the file open too
            os.close(self._file)
            self._file = None

    def take(self) -> bool:
        """Try to take the lock, without waiting; ``False`` if another process, or another object, holds it."""
        if self._file is None:
            return True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks
            log.warning("No lock between the processes of this machine: %s", error)
        return True

    def note(self) -> str:
        """Read the last note, which may belong to another name; empty where there is none or it cannot be read."""
        try:
            note = b"" if self._file is None else os.pread(self._file, _MAX_NOTE_BYTES, 0)
        except OSError:
            return ""
        return note.decode(errors="replace")

    def leave(self, note: str) -> None:
        """Replace the note, if possible. At most 400 bytes are kept."""
        if self._file is not None:
            with suppress(OSError):
                written = note.encode(errors="replace")[:_MAX_NOTE_BYTES]
                os.pwrite(self._file, written, 0)
                os.ftruncate(self._file, len(written))


def _opened(name: str) -> int:
    folder = Path(tempfile.gettempdir()) / f"messaggisms-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # The temporary folder is open to all users, so another one may have made this folder.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not private to this user")
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
