"""
A real Airflow: api-server, scheduler, dag-processor and triggerer, for the system tests and for ``make demo``.

Not ``airflow standalone``, whose parts outlive it when it is terminated. The database is migrated first, then the four
start in parallel. See ``processes`` for how they end, ``home`` for what is kept, ``api`` for what can be asked.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import psutil

from tests.environment import without_traces
from tests.progress import NoSignOfLifeError, wait_until
from tests.system.api import AirflowApi
from tests.system.home import Home
from tests.system.processes import ComponentError, Guard, ask_to_stop

#: The arguments of the command ``airflow``, by the component's name.
COMPONENTS: Mapping[str, list[str]] = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],  # logs are read from the disk they were written to
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY = frozenset({"metadatabase", "scheduler", "dag_processor", "triggerer"})

# Airflow's own limits, raised: on a busy machine they would end work that is slow but fine.
UNHURRIED: Mapping[str, str] = {
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "600",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "300",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
}

# Airflow notices a dead worker after 5 minutes and a dead triggerer after 30 seconds; with these after some 15 seconds.
QUICK_HEARTBEATS: Mapping[str, str] = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


#: How often a component may end by itself in one stack.
MAX_RESTARTS = 3


class AirflowStack:
    """
    Run Airflow with the LocalExecutor on SQLite, as a context manager: healthy on entry, no process left on exit.

    :param home: AIRFLOW_HOME, made when missing and kept on exit. The next stack starts faster on the same one.
    :param dags_folder: Where the DAGs are.
    :param connections: Connection id to URI or JSON, handed over in the environment of every component.
    :param settings: More environment variables, such as :data:`QUICK_HEARTBEATS`; they win over those made here.
    :param without: A component that the DAGs do not need, such as ``triggerer``.
    :param components: What to run, as :data:`COMPONENTS` has it, the default.
    :param on_step: Called with a few words when a step begins.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        connections: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        without: str = "",
        components: Mapping[str, list[str]] = COMPONENTS,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.home = Home(home.resolve())
        self.api = AirflowApi(f"http://127.0.0.1:{free_port()}", self.check)
        self.components: dict[str, subprocess.Popen[bytes]] = {}
        self._settings = {
            **_airflow_settings(self.home.folder, dags_folder.resolve(), self.api.url),
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in (connections or {}).items()},
            **(settings or {}),
        }
        self._wanted = {name: arguments for name, arguments in components.items() if name != without}
        self._healthy = HEALTHY - {without}
        self._on_step = on_step
        self._started = datetime.now(UTC)
        self._exits = ExitStack()
        self._guard: Guard | None = None
        self._begun: set[str] = set()  # what has a log file of this stack
        self._restarts = dict.fromkeys(components, 0)

    def __enter__(self) -> AirflowStack:
        with ExitStack() as exits:
            exits.enter_context(self.home.claimed())
            self._guard = exits.enter_context(Guard(f"{self.home.folder} {secrets.token_hex(8)}"))
            exits.callback(self._ask_to_stop)
            self._started = datetime.now(UTC)
            if not self.home.has_database():
                self._on_step("making Airflow's database")
                self._migrate()
            self._on_step(f"starting {', '.join(self._wanted)}")
            self._start_all()
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.__exit__(kind, error, trace)

    def start(self, component: str) -> None:
        """Start a component, once more if it was killed. What it prints is added to its log file."""
        self.components[component] = self._run(component, *self._wanted[component])

    def kill(self, component: str) -> None:
        """End one component with SIGKILL, as the kernel does when memory is short. What it forked lives on."""
        process = self.components.pop(component)
        process.kill()
        process.wait()

    def processes(self) -> list[psutil.Process]:
        """Return all living processes of this stack: components, workers, tasks, orphans. None once it has ended."""
        return self._guard.family.living() if self._guard else []

    def check(self) -> None:
        """
        Look whether all components that were started are still there, and start those again that ended by themselves.

        That is what a service manager does. Airflow's scheduler ends when SQLite stays locked for long, which it does
        on a busy machine.

        :raises ComponentError: One has ended too often.
        """
        for component, process in list(self.components.items()):
            if process.poll() is None:
                continue
            self._restarts[component] += 1
            if self._restarts[component] <= MAX_RESTARTS:
                self.start(component)
            else:
                raise ComponentError(f"{component} ended with {process.returncode}:\n{self.home.tail(component)}")

    def wait_for_dag(self, dag_id: str) -> None:
        """
        Return when the dag-processor has read the DAG's file since this stack started.

        :raises ApiError: A DAG file can't be imported.
        :raises ComponentError: A part of Airflow ended by itself.
        :raises NoSignOfLifeError: There is no such DAG.
        """

        def parsed() -> bool | None:
            return self.api.parsed_since(dag_id, self._started)

        wait_until(f"DAG {dag_id}", parsed, every_seconds=0.3)

    def _run(self, log_name: str, *arguments: str) -> subprocess.Popen[bytes]:
        assert self._guard is not None, "only inside the context"
        mode = "ab" if log_name in self._begun else "wb"
        self._begun.add(log_name)
        with self.home.log_file(log_name).open(mode) as log:
            return self._guard.start(
                [sys.executable, "-m", "airflow", *arguments],
                environment={**_environment(), **self._settings},
                folder=self.home.folder,
                log=log,
            )

    def _migrate(self) -> None:
        if self._run("db-migrate", "db", "migrate").wait() != 0:
            raise ComponentError(f"airflow db migrate failed:\n{self.home.tail('db-migrate')}")

    def _start_all(self) -> None:
        for component in self._wanted:
            self.start(component)
        try:
            wait_until("a healthy Airflow", self._is_healthy, sign=self._healthy_parts, every_seconds=0.3)
        except NoSignOfLifeError as error:
            missing = sorted(self._healthy - self._healthy_parts())
            tails = "\n".join(f"--- {component}\n{self.home.tail(component, 10)}" for component in self._wanted)
            raise ComponentError(f"{error}: {', '.join(missing)}\n{tails}") from error

    def _is_healthy(self) -> bool | None:
        return True if self._healthy_parts() >= self._healthy else None

    def _healthy_parts(self) -> frozenset[str]:
        return self.api.healthy_since(self._started)

    def _ask_to_stop(self) -> None:
        # What takes longer the guard kills: the triggerer at times, and a scheduler whose workers finish their tasks.
        ask_to_stop(list(self.components.values()), grace_seconds=5)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Return what every component gets: this Python first on the path, and no proxy for its own addresses."""
    local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    return without_traces(**local, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _airflow_settings(home: Path, dags_folder: Path, url: str) -> dict[str, str]:
    return {
        **UNHURRIED,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",  # workers that LocalExecutor forks at its start
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # SQLite waits 5 seconds for a lock, unless told otherwise; after that Airflow answers with a 500.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=120",
        # Files that do not change are read once. To read all of them every few seconds would cost half a core.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        # macOS ends a forked process that touches its frameworks, unless told that this is known.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
