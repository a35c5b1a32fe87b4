"""
What a task that sends one SMS costs over an empty one: CPU of its process, and requests to Airflow's execution API.

Each measurement is a task instance under Airflow's own supervisor, as a worker runs it: the supervisor forks a process,
which reads the DAG file, runs the task and ends. The execution API and the gateway are stand-ins that answer at once;
the gateway speaks TLS, and the list of authorities is as long as in real life. It is a first try of a send that works.
The two tasks take turns, and what a send costs is the difference within a round.
Then all again in a worker that has imported ``airflow_provider_messaggisms.preload``: its tasks are forks of it.

Airflow 3.3 only: the supervisor and its client are Airflow's internals.

Targets: in that worker, CPU over an empty task at most half of what it was before it was first measured, as a share of
the empty task's, for machines differ; sends at 0.8 of the rate of empty tasks, by the CPU of the task and of its
supervisor; and no request without a reason. In a worker without ``preload``, four fifths of the CPU over an empty task
go into imports, most of all requests and urllib3, and into reading the certificates of all authorities. Six requests
have a reason:

- Airflow shows rendered fields, so it stores them. It does so for every operator that has some.
- The connection is read.
- Before the POST it is announced, so that an orphan stops and the next try knows the message's mark.
- After the POST the message's id is written down, so that a message that is cancelled later is not sent again. Airflow
  deletes the XComs of a task that runs again, so they cannot tell it.
- The XComs ``return_value`` and ``message``: both are documented, and Airflow takes one in a request.
"""

from __future__ import annotations

import importlib
import os
import re
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from tests.benchmarks.bench_send import _certificate
from tests.benchmarks.measure import Targets, ratio, serving, table, take_turns

ROUNDS = 11
EMPTY, SEND = "an empty task", "a send"

DAG_FILES = {
    EMPTY: """
from airflow.sdk import DAG, BaseOperator

class Nothing(BaseOperator):
    def execute(self, context):
        pass

with DAG("bench", schedule=None):
    Nothing(task_id="task")
""",
    SEND: """
from airflow.sdk import DAG
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG("bench", schedule=None):
    MessaggiSmsSendOperator(task_id="task", sender="Bench", recipients="+39 347 111 2223", body="Hello {{ run_id }}")
""",
}

#: What a send cost over an empty task before this was first measured: CPU as a share of the empty task's.
CPU_BEFORE = 0.33

#: The requests that have a reason.
REQUESTS = 6

#: Least rate of sends, as a share of that of empty tasks.
RATE = 0.8


class ExecutionApi:
    """Answers what a task asks of Airflow, and counts it."""

    def __init__(self, gateway: str) -> None:
        self.asked: Counter[str] = Counter()
        self._connection: dict[str, Any] = {
            "conn_id": "messaggisms_default",
            "conn_type": "messaggisms",
            "host": gateway,
        }
        self._connection |= {"schema": None, "login": None, "password": "token", "port": None, "extra": None}

    def answer(self, request: Any) -> Any:
        """Answer one request."""
        import httpx

        path = request.url.path
        name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", path)
        if not path.endswith("/heartbeat"):  # comes by the clock
            self.asked[f"{request.method} {name}"] += 1
        if path.endswith("/run"):
            return httpx.Response(200, json=_run_context())
        if path.startswith("/connections/"):
            return httpx.Response(200, json=self._connection)
        if "/store/" in path and request.method == "GET":
            detail = {"reason": "not_found", "message": "no such key"}
            return httpx.Response(404, json={"detail": detail})
        return httpx.Response(200, json={"text": "ok"})


def _run_context() -> dict[str, Any]:
    moment = "2026-01-01T00:00:00Z"
    dates = dict.fromkeys(
        ("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date"), moment
    )
    run = {**dates, "dag_id": "bench", "run_id": "run", "end_date": None, "run_type": "manual", "state": "running"}
    return {"dag_run": {**run, "consumed_asset_events": [], "partition_key": None}, "max_tries": 0}


class Worker:
    """Runs tasks as a worker of Airflow does."""

    def __init__(self, dags: Path, gateway: str) -> None:
        self.api = ExecutionApi(gateway)
        self._files = {name: dags / f"dag_{number}.py" for number, name in enumerate(DAG_FILES)}
        for name, path in self._files.items():
            path.write_text(DAG_FILES[name])

    def run(self, name: str) -> dict[str, float]:
        """Run one task instance to its end; return what it cost."""
        import httpx
        from airflow.executors.workloads.base import BundleInfo
        from airflow.sdk.api.client import Client
        from airflow.sdk.api.datamodels._generated import TaskInstance
        from airflow.sdk.execution_time.supervisor import supervise_task

        self.api.asked.clear()
        client = Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(self.api.answer))
        ti = TaskInstance(
            id=uuid4(), task_id="task", dag_id="bench", run_id="run", try_number=1, dag_version_id=uuid4()
        )
        mine, its = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
        bundle = BundleInfo(name="dags-folder", version=None)
        supervise_task(ti=ti, bundle_info=bundle, dag_rel_path=self._files[name].name, token="", client=client)
        cost = {"task": _cpu(resource.RUSAGE_CHILDREN) - its, "supervisor": _cpu(resource.RUSAGE_SELF) - mine}
        if not self.api.asked["PATCH /task-instances/{id}/state"]:
            raise RuntimeError(f"{name} did not end: {dict(self.api.asked)}")
        return cost


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure, print, and return the exit code."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
        certificate = _certificate(folder)
        _trust_as_many_as_usual(folder / "ca.pem")
        worker = Worker(folder, stack.enter_context(serving("-m", "tests.benchmarks.answering", certificate)))
        cases: dict[str, Callable[[], dict[str, float]]] = {name: partial(worker.run, name) for name in DAG_FILES}
        measured = take_turns(cases, ROUNDS)
        asked = {name: _asked(worker, name) for name in cases}
        importlib.import_module("airflow_provider_messaggisms.preload")
        preloaded = take_turns(cases, ROUNDS)
    _tell("One task instance", measured, asked)
    for request in asked[SEND]:
        print(f"    {request}{'' if request in asked[EMPTY] else '   (the send only)'}")
    _tell("In a worker that has imported preload", preloaded, asked)
    targets = Targets()
    targets.at_most("CPU of a send over an empty task, as a share, with preload", _share(preloaded), CPU_BEFORE / 2)
    rate = ratio(*([one["task"] + one["supervisor"] for one in preloaded[name]] for name in (EMPTY, SEND)))
    targets.holds(f"rate of sends, as a share of empty tasks', with preload: {rate:.2f} (target: 0.8)", rate >= RATE)
    more = asked[SEND].total() - asked[EMPTY].total()
    targets.at_most("requests of a send over an empty task", more, REQUESTS)
    return targets.exit_code


def _share(measured: dict[str, list[dict[str, float]]]) -> float:
    """Return the CPU of a send over an empty task, as a share of that: of the task's own process."""
    over = [sent["task"] - empty["task"] for empty, sent in zip(measured[EMPTY], measured[SEND], strict=True)]
    return median(over) / median(one["task"] for one in measured[EMPTY])


def _asked(worker: Worker, name: str) -> Counter[str]:
    worker.run(name)
    return Counter(worker.api.asked)


def _tell(what: str, measured: dict[str, list[dict[str, float]]], asked: dict[str, Counter[str]]) -> None:
    rows = [
        (
            name,
            *(f"{median(one[part] for one in rounds) * 1e3:,.0f}" for part in ("task", "supervisor")),
            f"{_share(measured):.2f}" if name == SEND else "",
            str(asked[name].total()),
        )
        for name, rounds in measured.items()
    ]
    columns = ("", "CPU ms of its process", "of its supervisor", "over an empty task, as a share", "requests")
    table(f"{what}, medians of {ROUNDS}", columns, rows)


def _trust_as_many_as_usual(authorities: Path) -> None:
    import certifi

    authorities.write_text(Path(certifi.where()).read_text() + authorities.read_text())


if __name__ == "__main__":
    sys.exit(main())
