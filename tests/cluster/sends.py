"""What the scenes of sends share: a run of many sends, and what is done to it in the middle."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.cluster import Cluster, phone_numbers
from tests.cluster.comparison import Comparison, compare
from tests.progress import wait_until
from tests.system.api import DagRun

FIRST = 3491011000


def start_sends(cluster: Cluster, *, conn_id: str = "messaggisms_default") -> DagRun:
    """Start a run of ``many_sends``."""
    wanted = {"first": FIRST, "count": cluster.sends, "conn_id": conn_id}
    return cluster.stack.api.trigger("many_sends", wanted)


def compared(cluster: Cluster, run: DagRun) -> Comparison:
    """Compare such a run with the phones."""
    return compare(cluster.gateway, run, phone_numbers(FIRST, cluster.sends))


def wait_for_tasks(run: DagRun, state: str, count: int) -> None:
    """Return when so many of the tasks ``send`` have this state."""

    def enough() -> bool | None:
        found = [task for task in run.tasks() if (task["task_id"], task["state"]) == ("send", state)]
        return len(found) >= count or None

    wait_until(f"{count} sends that are {state}", enough, sign=run.task_states, every_seconds=0.5)


def sends_while(cluster: Cluster, disturb: Callable[[], object], *, conn_id: str = "messaggisms_default") -> Comparison:
    """Start sends, disturb them after the first tenth, and compare when all have ended."""
    run = start_sends(cluster, conn_id=conn_id)
    wait_for_tasks(run, "success", cluster.sends // 10)
    disturb()
    run.wait()
    return compared(cluster, run)
