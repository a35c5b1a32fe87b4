"""The scene of the deferred waits, whose triggerers are killed."""

from __future__ import annotations

from collections import Counter

from tests.cluster.cluster import TRIGGERERS, Cluster
from tests.cluster.comparison import Comparison, compare
from tests.cluster.load import memory_megabytes
from tests.cluster.sends import wait_for_tasks
from tests.progress import wait_until
from tests.system.api import DagRun

WAITS, UNDELIVERED = 300, 30

#: The emulator keeps an SMS to such a number on its way until the scene decides.
NUMBERS = [f"+39-349{100 + index}0005" for index in range(WAITS)]


def triggerers_are_killed(cluster: Cluster) -> Comparison:
    """300 deferred waits; one triggerer is killed, then the other one, then both are back. 30 SMS fail in the end."""
    idle = sum(memory_megabytes(cluster, triggerer) for triggerer in TRIGGERERS)
    run = cluster.stack.api.trigger("many_waits", {"numbers": NUMBERS})
    wait_for_tasks(run, "deferred", WAITS)
    wait_for_polls(cluster, WAITS)
    held = sum(memory_megabytes(cluster, triggerer) for triggerer in TRIGGERERS)
    first, second = TRIGGERERS
    cluster.kill(first)
    wait_for_polls(cluster, WAITS)  # by the other one, at half the pace until it has taken over
    cluster.kill(second)
    cluster.restart(first, second)
    wait_for_polls(cluster, WAITS)
    for index, number in enumerate(NUMBERS):
        (sms,) = cluster.gateway.inbox(number=number)
        cluster.gateway.decide(sms, "UNDELIVERABLE_NOT_DELIVERED" if index < UNDELIVERED else "DELIVERED_TO_HANDSET")
    run.wait()
    result = compare(cluster.gateway, run, NUMBERS)
    result.complaints += _wrong_verdicts(run)
    result.notes.append(f"{WAITS} waits held at once, by triggerers of {held:.0f} MB in all (before: {idle:.0f})")
    return result


def wait_for_polls(cluster: Cluster, more: int) -> None:
    """Return when the gateway was asked so often from now on."""

    def polls() -> int:
        return sum(exchange.method == "GET" for exchange in cluster.gateway.requests())

    wanted = polls() + more
    wait_until("the polls", lambda: polls() >= wanted or None, sign=polls, every_seconds=0.5)


def _wrong_verdicts(run: DagRun) -> list[str]:
    """Complain of tasks that are not red exactly where the phone has nothing."""
    red = {task["map_index"] for task in run.tasks() if (task["task_id"], task["state"]) == ("send", "failed")}
    wrong = red ^ set(range(UNDELIVERED))
    return [f"{len(wrong)} waits with the wrong verdict: {sorted(Counter(wrong))[:5]}"] if wrong else []
