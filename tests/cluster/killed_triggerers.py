"""The scene of the deferred waits, whose triggerers are killed."""

from __future__ import annotations

from tests.cluster.cluster import TRIGGERERS, Cluster
from tests.cluster.comparison import Comparison, compare
from tests.cluster.load import memory_megabytes
from tests.cluster.sends import wait_for_tasks
from tests.progress import wait_until
from tests.system.api import DagRun, request_json

#: Waits for each send of other scenes: a triggerer holds many.
WAITS_PER_SEND = 3


def triggerers_are_killed(cluster: Cluster) -> Comparison:
    """Deferred waits; one triggerer is killed, then the other one, then both are back. A tenth fails in the end."""
    idle = _triggerers_megabytes(cluster)
    # The emulator keeps an SMS to such a number on its way until the scene decides.
    numbers = [f"+39-349{100 + index}0005" for index in range(WAITS_PER_SEND * cluster.sends)]
    run = cluster.stack.api.trigger("many_waits", {"numbers": numbers})
    wait_for_tasks(run, "deferred", len(numbers))
    wait_for_polls(cluster, len(numbers))
    held = _triggerers_megabytes(cluster)
    kill_one_after_the_other(cluster, len(numbers))
    undelivered = len(numbers) // 10
    for index, number in enumerate(numbers):
        (sms,) = cluster.gateway.inbox(number=number)
        cluster.gateway.decide(sms, "DELIVERED_TO_HANDSET" if index >= undelivered else "UNDELIVERABLE_NOT_DELIVERED")
    run.wait()
    result = compare(cluster.gateway, run, numbers)
    result.complaints += _wrong_verdicts(run, undelivered)
    result.notes.append(
        f"{len(numbers)} waits held at once, by triggerers of {held:.0f} MB in all (before: {idle:.0f})"
    )
    return result


def kill_one_after_the_other(cluster: Cluster, waits: int) -> None:
    """Kill one triggerer; once the other one has taken over, kill that, too; start both."""
    first, second = TRIGGERERS
    cluster.kill(first)
    wait_for_polls(cluster, 2 * waits)
    cluster.kill(second)
    cluster.restart(first, second)
    wait_for_polls(cluster, waits)


def wait_for_polls(cluster: Cluster, more: int) -> None:
    """Return when the gateway was asked so often from now on."""
    # A fault that does no harm counts them: the log of requests is too short for so many.
    cluster.gateway.heal()
    cluster.gateway.fail_next("slow_after", method="GET", times=0, seconds=0)

    def polls() -> int:
        (counter,) = request_json("GET", f"{cluster.gateway.url}/_emulator/faults")["faults"]
        return int(counter["seen"])

    wait_until("the polls", lambda: polls() >= more or None, sign=polls, every_seconds=0.5)


def _triggerers_megabytes(cluster: Cluster) -> float:
    return sum(memory_megabytes(cluster, triggerer) for triggerer in TRIGGERERS)


def _wrong_verdicts(run: DagRun, undelivered: int) -> list[str]:
    """Complain unless exactly the first tasks are red, those whose phone has nothing."""
    red = {task["map_index"] for task in run.tasks() if (task["task_id"], task["state"]) == ("send", "failed")}
    wrong = red ^ set(range(undelivered))
    return [f"{len(wrong)} waits with the wrong verdict, such as {min(wrong)}"] if wrong else []
