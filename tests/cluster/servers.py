"""PostgreSQL and Redis of the cluster: Debian's programs, run by this test on loopback, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.progress import wait_for_exit, wait_until
from tests.system.processes import ComponentError, Guard
from tests.system.stack import free_port

#: Debian's packages, by a program that each has.
PACKAGES = {"initdb": "postgresql", "redis-server": "redis-server"}

DATABASE = USER = "airflow"


class Server:
    """
    A server that can be restarted on its port.

    :param guard: Ends it at the latest.
    :param folder: Holds its data; belongs to the user that runs it.
    :param command: Runs it in the foreground, on ``port``.
    :param ready: Exits with 0 once it answers.
    :param stop_signal: Makes it end at once; PostgreSQL keeps what was committed, Redis what it was told.
    """

    def __init__(
        self,
        guard: Guard,
        folder: Path,
        *,
        command: Sequence[str | Path],
        ready: Sequence[str | Path],
        stop_signal: signal.Signals,
    ) -> None:
        self._guard = guard
        self._folder = folder
        self._command = [str(part) for part in command]
        self._ready = ready
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start it; return when it answers.

        :raises ComponentError: It ended. The text is what it printed.
        """
        log_file = self._folder.with_suffix(".log")
        with log_file.open("ab") as log:
            process = self._guard.start(
                unprivileged(self._command), environment=dict(os.environ), folder=self._folder, log=log
            )
        self._process = process

        def answers() -> bool | None:
            if process.poll() is not None:
                raise ComponentError(f"{self._command[0]} ended:\n{log_file.read_text(errors='replace')[-2000:]}")
            return subprocess.run(self._ready, capture_output=True).returncode == 0 or None

        wait_until(f"an answer of {self._command[0]}", answers)

    def stop(self) -> None:
        """Make it end, if it runs; return when it has."""
        if self._process is not None:
            self._process.send_signal(self._stop_signal)
            wait_for_exit(self._process)
            self._process = None


class Servers:
    """
    Both servers.

    :param postgresql: Airflow's database.
    :param redis: Celery's broker.
    :param database_url: Address of the database, without the driver.
    :param broker_url: Address of the broker.
    """

    def __init__(self, guard: Guard, folder: Path) -> None:
        programs = _postgresql_programs()
        port, data = free_port(), _owned(folder / "postgresql")
        self._make_database = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, DATABASE]
        _run(unprivileged([programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]))
        # A crash of the process loses nothing without fsync, only one of the machine does.
        settings = ["fsync=off", "max_connections=300", "unix_socket_directories=", "listen_addresses=127.0.0.1"]
        options = [word for setting in settings for word in ("-c", setting)]
        self.postgresql = Server(
            guard,
            data,
            command=[programs / "postgres", "-D", data, "-p", str(port), *options],
            ready=[programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)],
            stop_signal=signal.SIGQUIT,
        )
        self.database_url = f"postgresql{{driver}}://{USER}@127.0.0.1:{port}/{DATABASE}"
        port, data = free_port(), _owned(folder / "redis")
        self.redis = Server(
            guard,
            data,
            command=["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", data, "--appendonly", "yes"],
            ready=["redis-cli", "-h", "127.0.0.1", "-p", str(port), "-e", "ping"],
            stop_signal=signal.SIGTERM,
        )
        self.broker_url = f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        """Start both, and make the database."""
        self.postgresql.start()
        _run(self._make_database)
        self.redis.start()

    def restart(self) -> None:
        """Stop both and start them again: the database as in a crash, the broker in good order."""
        self.stop()
        self.postgresql.start()
        self.redis.start()

    def stop(self) -> None:
        """Stop both."""
        self.postgresql.stop()
        self.redis.stop()


@contextmanager
def running_servers(guard: Guard, folder: Path) -> Iterator[Servers]:
    """Run both servers until the context ends."""
    install_missing()
    servers = Servers(guard, folder)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


def install_missing() -> None:
    """
    Install from Debian what is missing, if this is root.

    :raises ComponentError: It cannot be installed.
    """
    missing = [package for program, package in PACKAGES.items() if not _has(program)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise ComponentError(
            f"Missing: {', '.join(missing)}. On Debian and Ubuntu: apt-get install {' '.join(missing)}"
        )
    print(f"Installing {' '.join(missing)}", flush=True)
    # The packages would start servers of their own; in runlevel 1 they do not.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _run(["apt-get", "update", "-qq"], environment)
    _run(["apt-get", "install", "-y", "-qq", *missing], environment)


def unprivileged(command: Sequence[str | Path]) -> list[str]:
    """Return the command as it is run: PostgreSQL refuses to be root. Its process keeps its id."""
    words = [str(part) for part in command]
    if os.geteuid() != 0:
        return words
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *words]


def _owned(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    return folder


def _has(program: str) -> bool:
    try:
        return bool(_postgresql_programs() if program == "initdb" else shutil.which(program))
    except ComponentError:
        return False


def _postgresql_programs() -> Path:
    """Return the folder with the server's programs. Debian keeps them off the PATH, by version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    if not found:
        raise ComponentError("There is no initdb")
    return Path(found).parent


def _run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )
    if done.returncode:
        raise ComponentError(f"{command[0]} failed:\n{done.stdout[-2000:]}")
