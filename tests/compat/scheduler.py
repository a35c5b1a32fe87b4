"""
A deferrable wait on a real scheduler and a real triggerer, of whichever Airflow is installed.

The system tests ask Airflow's API, which differs from version to version. Here a few commands and a look into the
database do: both are alike since 2.11. ``make test`` leaves this file out, by its name: ``tests/system`` tests more.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.processes import Guard, ask_to_stop

IS_AIRFLOW_2 = airflow_version.startswith("2.")
COMPONENTS = ["scheduler", "triggerer"] + ([] if IS_AIRFLOW_2 else ["api-server", "dag-processor"])
DAG = """
from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG("deferred", schedule=None, is_paused_upon_creation=False):
    send = MessaggiSmsSendOperator(task_id="send", sender="Airflow", recipients="+39 349 123 4567", body="Hello")
    MessaggiSmsDeliverySensor(
        task_id="wait", message_id=send.output, poke_interval=1, timeout=timedelta(minutes=10), deferrable=True
    )
"""

Look = Callable[[], dict[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "deferred.py").write_text(DAG)
    return tmp_path


@pytest.fixture
def environment(home: Path, messaggisms_gateway: Gateway) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings = {
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__SECRET_KEY": secrets.token_hex(32),
        "API_AUTH__JWT_SECRET": secrets.token_hex(64),
        "CORE__DAGS_FOLDER": str(home / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__EXECUTOR": "SequentialExecutor" if IS_AIRFLOW_2 else "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "2",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=120",
    }
    named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    return {
        **kept, **named, "AIRFLOW_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        "AIRFLOW_CONN_MESSAGGISMS_DEFAULT": messaggisms_gateway.connection,
    }  # fmt: skip


def airflow(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def states(home: Path, environment: dict[str, str]) -> Iterator[Look]:
    """Run Airflow's components on a fresh database; give a look at the states of the DAG's tasks."""
    migrated = airflow(environment, "db", "migrate")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    with Guard(f"{home} {secrets.token_hex(8)}") as guard, (home / "components.log").open("wb") as log:
        started = [
            guard.start([sys.executable, "-m", "airflow", one], environment=environment, folder=home, log=log)
            for one in COMPONENTS
        ]

        def look() -> dict[str, str]:
            assert all(process.poll() is None for process in started), (home / "components.log").read_text()[-3000:]
            with closing(sqlite3.connect(home / "airflow.db", timeout=120)) as database:
                return dict(database.execute("select task_id, coalesce(state, '') from task_instance").fetchall())

        yield look
        ask_to_stop(started, grace_seconds=5)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_deferrable_wait_defers_and_ends(
    states: Look, environment: dict[str, str], messaggisms_gateway: Gateway
) -> None:
    def triggered() -> bool | None:
        if not IS_AIRFLOW_2 and not answers(int(environment["AIRFLOW__API__PORT"])):
            return None  # Airflow 3.0 fails a task that begins before its api-server listens
        return airflow(environment, "dags", "trigger", "deferred").returncode == 0 or None

    wait_until("the DAG", triggered, every_seconds=2)

    def deferred() -> bool | None:
        assert "failed" not in states().values()
        return states().get("wait") == "deferred" or None

    wait_until("the deferral", deferred, sign=states)
    assert len(messaggisms_gateway.inbox()) <= 1
    messaggisms_gateway.advance(10)
    ended = wait_until(
        "the end", lambda: states()["wait"] if states()["wait"] in ("success", "failed") else None, sign=states
    )
    assert ended == "success"
    assert [sms.delivered for sms in messaggisms_gateway.inbox()] == [True]
