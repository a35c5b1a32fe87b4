"""
Airflow with the Celery executor, two workers and two triggerers, beside PostgreSQL, Redis and the emulator.

All of it is on loopback, belongs to this test and ends with it: see ``tests.system.processes``.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psutil

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.cluster.servers import Servers, running_servers
from tests.progress import wait_until
from tests.system.gateway import running_gateway
from tests.system.processes import Family, Guard
from tests.system.stack import COMPONENTS, QUICK_HEARTBEATS, AirflowStack

DAGS = Path(__file__).parent / "dags"

WORKERS = ("worker-1", "worker-2")
TRIGGERERS = ("triggerer-1", "triggerer-2")
SLOTS = 4
"""How many tasks a worker runs at once."""

#: What a crash makes Airflow wait for, brought down from minutes and hours to tens of seconds.
QUICK_RECOVERY: Mapping[str, str] = {
    **QUICK_HEARTBEATS,
    # A message that a dead worker had taken goes back to the queue.
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}

#: What the machine is spared, and what a run of hundreds of tasks needs.
SETTINGS: Mapping[str, str] = {
    "AIRFLOW__API__MAXIMUM_PAGE_LIMIT": "1000",
    "AIRFLOW__API__FALLBACK_PAGE_LIMIT": "1000",
    "AIRFLOW__CELERY__OPERATION_TIMEOUT": "30",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__PARALLELISM": "32",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # the DAG files do not change
}


@dataclass
class Cluster:
    """
    The running cluster, for the scenes.

    :param stack: Airflow.
    :param gateway: The emulator, where the phones are.
    :param servers: PostgreSQL and Redis.
    :param folder: For files that a scene makes.
    :param sends: How many tasks a scene of sends has.
    """

    stack: AirflowStack
    gateway: Gateway
    servers: Servers
    folder: Path
    sends: int

    @property
    def all_components(self) -> tuple[str, ...]:
        """The parts of Airflow by name."""
        return tuple(_components(self.folder))

    def kill(self, component: str) -> None:
        """End a component and all that it started, as a loss of power does."""
        leader = self.stack.components.pop(component)
        family = _session_of(leader.pid)
        family.kill()
        leader.wait()

    def kill_without_tasks(self, worker: str) -> int:
        """End a worker, but not the processes of its tasks: they live on as orphans. Return how many there are."""
        leader = self.stack.components.pop(worker)
        main = psutil.Process(leader.pid)
        main.suspend()  # from now on none of them starts another
        supervisors = main.children()
        for supervisor in supervisors:
            supervisor.suspend()
        tasks = [task for supervisor in supervisors for task in supervisor.children()]
        for process in [main, *supervisors]:
            process.kill()
        leader.wait()
        return sum(task.is_running() for task in tasks)

    def restart(self, *components: str) -> None:
        """Start components that were killed; return when the parts of Airflow are healthy again."""
        since = datetime.now(UTC)
        for component in components:
            self.stack.start(component)
        self.wait_until_healthy(since)

    def recover(self) -> None:
        """After a scene that could not go on: start what it killed and end its runs, lest they meet the next scene."""
        for component in self.all_components:
            if component not in self.stack.components:
                self.stack.start(component)
        for state in ("queued", "running"):
            for run in self.stack.api.call("GET", f"/dags/~/dagRuns?state={state}")["dag_runs"]:
                path = f"/dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'])}"
                self.stack.api.call("PATCH", path, {"state": "failed"})

    def restart_everything(self) -> None:
        """Kill all of Airflow, restart PostgreSQL and Redis, and start Airflow again."""
        for component in self.all_components:
            self.kill(component)
        self.servers.restart()
        self.restart(*self.all_components)

    def wait_until_healthy(self, since: datetime) -> None:
        """Return when each part of Airflow has reported itself healthy after ``since``."""

        def healthy() -> bool | None:
            return True if self._healthy_parts(since) >= _PARTS else None

        wait_until("a healthy Airflow", healthy, sign=lambda: self._healthy_parts(since), every_seconds=0.5)

    def _healthy_parts(self, since: datetime) -> frozenset[str]:
        return self.stack.api.healthy_since(since)


_PARTS = frozenset({"metadatabase", "scheduler", "dag_processor", "triggerer"})


@contextmanager
def running_cluster(folder: Path, *, sends: int) -> Iterator[Cluster]:
    """
    Run it until the context ends.

    :param folder: An empty folder that all users of the machine may enter.
    :param sends: How many tasks a scene of sends has.
    """
    with ExitStack() as exits:
        gateway = exits.enter_context(running_gateway(folder / "emulator.log"))
        guard = exits.enter_context(Guard(f"{folder} {secrets.token_hex(8)}"))
        servers = exits.enter_context(running_servers(guard, folder))
        stack = AirflowStack(
            folder / "airflow",
            DAGS,
            connections=_connections(gateway),
            settings={**QUICK_RECOVERY, **SETTINGS, **_addresses(servers)},
            components=_components(folder),
            on_step=lambda step: print(f"... {step}", flush=True),
        )
        _preload(folder / "airflow")
        exits.enter_context(stack)
        for dag in DAGS.glob("*.py"):
            stack.wait_for_dag(dag.stem)
        yield Cluster(stack, gateway, servers, folder, sends)


def _preload(home: Path) -> None:
    """Let the workers import what sends need once, as ``docs/many.md`` advises for many tasks."""
    settings = home / "config" / "airflow_local_settings.py"
    settings.parent.mkdir(parents=True)
    settings.write_text("import airflow_provider_messaggisms.preload  # noqa: F401\n")


def _connections(gateway: Gateway) -> dict[str, str]:
    return {
        "messaggisms_default": gateway.connection,
        "messaggisms_account": gateway.account_connection,
    }


def _addresses(servers: Servers) -> dict[str, str]:
    return {
        "AIRFLOW__CELERY__BROKER_URL": servers.broker_url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": servers.database_url.format(driver="+psycopg2"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": servers.database_url.format(driver="+asyncpg"),
    }


def _components(folder: Path) -> dict[str, list[str]]:
    """Return what Airflow runs: the usual parts, with two triggerers and two workers."""
    components = {name: command for name, command in COMPONENTS.items() if name != "triggerer"}
    components |= dict.fromkeys(TRIGGERERS, COMPONENTS["triggerer"])
    for worker in WORKERS:
        own = ["--celery-hostname", f"{worker}@%h", "--pid", str(folder / f"{worker}.pid")]
        components[worker] = ["celery", "worker", "--skip-serve-logs", "--without-mingle", "--without-gossip", *own]
    return components


def _session_of(leader: int) -> Family:
    """Return all that was forked by a component and stayed in its session."""
    family = Family(secrets.token_hex(16))
    family.add(leader)
    return family


def write_recipients(path: Path, first: int, count: int) -> list[str]:
    """Write a file of recipients; return their numbers as the gateway has them."""
    numbers = phone_numbers(first, count)
    rows = [f"{number},Name {index}" for index, number in enumerate(numbers)]
    path.write_text("\n".join(["number,name", *rows]))
    return numbers


def phone_numbers(first: int, count: int) -> list[str]:
    """Return Italian numbers as the gateway writes them, without those that the emulator calls invalid."""
    valid = (number for number in itertools.count(first) if number % 10_000 != 9)
    return [f"+39-{number}" for number in itertools.islice(valid, count)]
