"""
The components of whichever Airflow is installed, on a fresh database.

``tests/system/stack.py`` asks Airflow's API, which differs from version to version. Here a few commands and a look into
the database do: both are alike since 2.11.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from airflow import __version__ as airflow_version

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import request_json
from tests.system.processes import Guard, ask_to_stop
from tests.system.stack import UNHURRIED

IS_AIRFLOW_2 = airflow_version.startswith("2.")
COMPONENTS = ["scheduler", "triggerer"] + ([] if IS_AIRFLOW_2 else ["api-server", "dag-processor"])


class Airflow:
    """
    A running Airflow.

    :param port: Of the api-server, which Airflow 2.11 lacks.
    """

    def __init__(self, home: Path, gateway: Gateway) -> None:
        self.home = home
        self.port = _free_port()
        self._environment = _environment(home, self.port, gateway)
        self._log = home / "components.log"
        self._started: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make the database, run the components, and leave no process behind."""
        migrated = self._airflow("db", "migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        with Guard(f"{self.home} {secrets.token_hex(8)}") as guard, self._log.open("wb") as log:
            for name in COMPONENTS:
                command = [sys.executable, "-m", "airflow", name]
                self._started.append(guard.start(command, environment=self._environment, folder=self.home, log=log))
            yield
            ask_to_stop(self._started, grace_seconds=5)

    def trigger(self, dag_id: str, run_id: str = "first", **conf: object) -> None:
        """Start a run as soon as the DAG is known."""
        command = ["dags", "trigger", dag_id, "--run-id", run_id, "--conf", json.dumps(conf)]

        def triggered() -> bool | None:
            if not self._is_ready_for(dag_id):
                return None
            return self._airflow(*command).returncode == 0 or None

        wait_until(f"the DAG {dag_id}", triggered, every_seconds=1)

    def states(self, dag_id: str, run_id: str = "first") -> Mapping[str, str]:
        """Return the states of a run's tasks. Fails when a component has ended."""
        assert all(process.poll() is None for process in self._started), self.log()
        found = "select task_id, coalesce(state, '') from task_instance where dag_id = ? and run_id = ?"
        return dict(self._rows(found, dag_id, run_id))

    def state(self, dag_id: str, run_id: str = "first") -> str | None:
        """Return the state of a run once it has ended."""
        self.states(dag_id, run_id)
        rows = self._rows("select state, '' from dag_run where dag_id = ? and run_id = ?", dag_id, run_id)
        return next((state for state, _ in rows if state in ("success", "failed")), None)

    def answer(self, dag_id: str, task_id: str, choice: str) -> None:
        """Answer the question of a task, as its page does. Before Airflow 3.3 even an administrator needs a token."""
        url = f"http://127.0.0.1:{self.port}"
        token = request_json("GET", f"{url}/auth/token")["access_token"]
        asked = f"{url}/api/v2/dags/{dag_id}/dagRuns/first/taskInstances/{task_id}/-1/hitlDetails"
        request_json("PATCH", asked, {"chosen_options": [choice]}, token=token)

    def log(self) -> str:
        """Return the end of what the components have printed, and of what the tasks have logged."""
        logs = [self._log, *sorted((self.home / "logs").rglob("*.log"))]
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    def printed(self) -> str:
        """Return all that the components have printed."""
        return self._log.read_text(errors="replace")

    def _is_ready_for(self, dag_id: str) -> bool:
        """Tell whether a run can begin. Airflow 3.0 fails a task that begins before its api-server listens."""
        self.states(dag_id)
        known = self._rows("select dag_id, '' from serialized_dag where dag_id = ?", dag_id)
        return bool(known) and (IS_AIRFLOW_2 or _answers(self.port))

    def _rows(self, query: str, *values: str) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.home / "airflow.db", timeout=120)) as database:
            return database.execute(query, values).fetchall()

    def _airflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "airflow", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)


def _environment(home: Path, port: int, gateway: Gateway) -> dict[str, str]:
    settings = {
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__EXECUTOR": "SequentialExecutor" if IS_AIRFLOW_2 else "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "2",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=120",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **kept, **UNHURRIED, **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "AIRFLOW_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        "AIRFLOW_CONN_MESSAGGISMS_DEFAULT": gateway.connection,
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
