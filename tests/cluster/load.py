"""The load figures: what a send costs beside an empty task, and what the parts of Airflow take of memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil

from tests.cluster.cluster import WORKERS, Cluster
from tests.cluster.comparison import Comparison
from tests.cluster.sends import compared, start_sends
from tests.system.api import DagRun


@dataclass(frozen=True)
class Figures:
    """
    What mapped tasks took.

    :param tasks: How many there were.
    :param seconds: From the start of the first to the end of the last.
    :param worker_cpu: CPU seconds of both workers, a task.
    :param api_cpu: CPU seconds of the api-server, a task.
    """

    tasks: int
    seconds: float
    worker_cpu: float
    api_cpu: float

    def __str__(self) -> str:
        per_minute = 60 * self.tasks / self.seconds
        return f"{per_minute:.0f} a minute, worker {self.worker_cpu:.2f} + api-server {self.api_cpu:.2f} CPU s each"


def a_send_beside_an_empty_task(cluster: Cluster) -> Comparison:
    """Empty tasks, then as many sends, on two workers of four slots each."""
    empty = _measured(cluster, "empty", lambda: cluster.stack.api.trigger("empty_tasks", {"count": cluster.sends}))
    runs: list[DagRun] = []

    def send() -> DagRun:
        runs.append(start_sends(cluster))
        return runs[0]

    sends = _measured(cluster, "send", send)
    result = compared(cluster, runs[0])
    megabytes = {name: memory_megabytes(cluster, name) for name in cluster.stack.components}
    result.notes += [
        f"empty: {empty}",
        f"send: {sends}",
        f"rate of an empty task's: {empty.seconds / sends.seconds:.2f}",
    ]
    result.notes.append("PSS " + ", ".join(f"{name} {size:.0f} MB" for name, size in megabytes.items()))
    return result


def memory_megabytes(cluster: Cluster, component: str) -> float:
    """Return the memory of a component and all that it started: what they share counts once (PSS)."""
    sizes = _of_each(cluster, component, lambda process: float(process.memory_full_info().pss))
    return sum(sizes) / 1e6


def _measured(cluster: Cluster, task_id: str, start: Callable[[], DagRun]) -> Figures:
    workers, api = _cpu_seconds(cluster, *WORKERS), _cpu_seconds(cluster, "api-server")
    run = start()
    run.wait()
    tasks = [task for task in run.tasks() if task["task_id"] == task_id]
    return Figures(
        len(tasks),
        (_last(tasks, "end_date") - _first(tasks, "start_date")).total_seconds(),
        (_cpu_seconds(cluster, *WORKERS) - workers) / len(tasks),
        (_cpu_seconds(cluster, "api-server") - api) / len(tasks),
    )


def _cpu_seconds(cluster: Cluster, *components: str) -> float:
    """Return the CPU time of components and of all that they started, also of what has ended."""
    return sum(
        seconds
        for name in components
        for seconds in _of_each(cluster, name, lambda process: sum(process.cpu_times()[:4]))
    )


def _of_each(cluster: Cluster, component: str, look: Callable[[psutil.Process], float]) -> list[float]:
    leader = psutil.Process(cluster.stack.components[component].pid)
    found = []
    for process in [leader, *leader.children(recursive=True)]:
        with suppress(psutil.Error):
            found.append(look(process))
    return found


def _first(tasks: list[dict[str, Any]], name: str) -> datetime:
    return min(datetime.fromisoformat(task[name].replace("Z", "+00:00")) for task in tasks)


def _last(tasks: list[dict[str, Any]], name: str) -> datetime:
    return max(datetime.fromisoformat(task[name].replace("Z", "+00:00")) for task in tasks)
