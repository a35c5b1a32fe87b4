"""AIRFLOW_HOME: one owner at a time. Its database is used again only if the last owner ended normally."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path


class HomeInUseError(Exception):
    """Another process uses this AIRFLOW_HOME."""


class Home:
    """The folder that is AIRFLOW_HOME, with the components' log files in ``logs/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self._database = folder / "airflow.db"
        self._stamp = folder / "database-of"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """
        Own the folder. Delete a database that is damaged, was left by a crash, or belongs to another Airflow.

        :raises HomeInUseError: Another process owns it.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise HomeInUseError(f"Another run is using {self.folder}") from error
            if not self._is_reusable():
                self._discard_database()
            self._stamp.unlink(missing_ok=True)  # until this owner ends normally
            yield
            self._stamp.write_text(version("apache-airflow"))

    def has_database(self) -> bool:
        """Return whether there is a database that can be used again."""
        return self._database.exists()

    def log_file(self, name: str) -> Path:
        """Return the file for what the process called ``name`` prints."""
        return self.logs / f"{name}.log"

    def tail(self, name: str, lines: int = 25) -> str:
        """Return the last lines of that file."""
        return "\n".join(self.log_file(name).read_text(errors="replace").splitlines()[-lines:])

    def _is_reusable(self) -> bool:
        try:
            if self._stamp.read_text() != version("apache-airflow"):
                return False
            with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
                (verdict,) = database.execute("PRAGMA quick_check").fetchone()
                return verdict == "ok" and database.execute("SELECT 1 FROM alembic_version").fetchone() is not None
        except (OSError, UnicodeDecodeError, sqlite3.Error):
            return False

    def _discard_database(self) -> None:
        # Together with airflow.cfg, whose key the database's secrets are encrypted with.
        for file in [self.folder / "airflow.cfg", *self.folder.glob("airflow.db*")]:
            file.unlink(missing_ok=True)
