"""Scenes in which workers are killed while their tasks send."""

from __future__ import annotations

from collections import Counter

import psutil

from tests.cluster.cluster import Cluster, write_recipients
from tests.cluster.comparison import Comparison, phones, reasonless, strangers, twice
from tests.cluster.sends import sends_while
from tests.progress import wait_until
from tests.system.api import DagRun

#: The file's numbers are in these two ranges of 10,000, less those that the emulator calls invalid.
FIRST_OF_FILE, RANGES, RECIPIENTS = 3492000000, ("349200", "349201", "349202"), 20_000


def a_worker_is_killed_whole(cluster: Cluster) -> Comparison:
    """Many sends; one worker is killed with its tasks, as by a loss of power, and started again."""

    def kill() -> None:
        cluster.kill("worker-1")
        cluster.stack.start("worker-1")

    return sends_while(cluster, kill)


def a_killed_worker_leaves_orphans(cluster: Cluster) -> Comparison:
    """Many sends; one worker is killed and started again; the tasks that it ran live on without a supervisor."""
    orphans: list[int] = []

    def kill() -> None:
        orphans.append(cluster.kill_without_tasks("worker-2"))
        cluster.stack.start("worker-2")

    result = sends_while(cluster, kill)
    result.notes.append(f"{orphans[0]} orphans")
    return result


def a_large_transaction_is_killed_twice(cluster: Cluster) -> Comparison:
    """20,000 recipients from a file in one transaction; its task is killed, and in the next try its worker."""
    path = cluster.folder / "recipients.csv"
    numbers = write_recipients(path, FIRST_OF_FILE, RECIPIENTS)
    cluster.gateway.fail_next("slow_after", method="PUT", times=0, seconds=0.5)  # time to be hit
    run = cluster.stack.api.trigger("one_transaction", {"path": path.as_uri()})
    wait_for_chunks(cluster, 5)
    psutil.Process(running_pid(run)).kill()
    wait_for_chunks(cluster, 5)
    worker = worker_of(cluster, running_pid(run))
    cluster.kill(worker)
    cluster.stack.start(worker)
    run.wait()
    received, (task,) = phones(cluster.gateway, *RANGES), run.tasks()
    result = Comparison(Counter([str(task["state"])]), notes=[f"{len(received)} phones, try {task['try_number']}"])
    if task["state"] == "success" and set(received) != set(numbers):
        result.complaints.append(f"green, but {len(set(numbers) - set(received))} phones have nothing")
    result.complaints += twice(received) + strangers(received, numbers) + reasonless(run, [task])
    return result


def wait_for_chunks(cluster: Cluster, more: int) -> None:
    """Return when the gateway has got so many chunks of recipients from now on."""

    def chunks() -> int:
        return sum(exchange.method == "PUT" for exchange in cluster.gateway.requests())

    wanted = chunks() + more
    wait_until("the chunks", lambda: chunks() >= wanted or None, sign=chunks, every_seconds=0.05)


def running_pid(run: DagRun) -> int:
    """Return the process of the task that runs."""

    def pid() -> int | None:
        return run.task_pid("send") if run.task_states().get("send") == "running" else None

    return wait_until("the task", pid, sign=run.task_states)


def worker_of(cluster: Cluster, pid: int) -> str:
    """Return the worker that started a process."""
    parents = {parent.pid for parent in psutil.Process(pid).parents()}
    return next(name for name, process in cluster.stack.components.items() if process.pid in parents)
