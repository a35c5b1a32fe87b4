"""
What the phones have against what the runs say: the end of each scene.

No phone has an SMS twice, no SMS is missing behind a green task, no red task is without a reason in its log.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.system.api import FINISHED, DagRun, request_json

#: The most that the emulator's inbox shows at once.
PAGE = 10_000

_REASON = re.compile(r"error|exception|fail|timeout|killed", re.IGNORECASE)


@dataclass
class Comparison:
    """
    The result for one run.

    :param states: How many tasks ended in which state.
    :param notes: What else the table shows.
    :param complaints: What does not hold; empty if all does.
    """

    states: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether all that is promised holds."""
        return not self.complaints

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return "; ".join([states, *self.notes, *self.complaints[:3]])


def phones(gateway: Gateway, *parts: str) -> Counter[str]:
    """
    Count what each phone has.

    :param parts: Texts of which each number has exactly one, for more SMS than the inbox shows at once.
    :raises ValueError: The inbox does not show all SMS.
    """
    answers = [_inbox(gateway, part) for part in parts or ("",)]
    found = Counter(str(sms["number"]) for answer in answers for sms in answer["sms"])
    if found.total() != answers[-1]["total"]:
        raise ValueError(f"{found.total()} SMS of {answers[-1]['total']} are shown for {parts}")
    return found


def compare(gateway: Gateway, run: DagRun, numbers: list[str]) -> Comparison:
    """Compare the phones with the mapped task ``send`` of a run; its map index is the place in ``numbers``."""
    received, result = phones(gateway), Comparison()
    tasks = {task["map_index"]: task for task in run.tasks() if task["task_id"] == "send"}
    if set(tasks) != set(range(len(numbers))):
        result.complaints.append(f"{len(tasks)} tasks for {len(numbers)} numbers")
    for index, task in sorted(tasks.items()):
        result.states[str(task["state"])] += 1
        result.complaints += _complaints(run, task, received[numbers[index]])
    result.complaints += twice(received) + strangers(received, numbers)
    return result


def strangers(received: Counter[str], numbers: Iterable[str]) -> list[str]:
    """Complain of phones that no run names."""
    more = set(received) - set(numbers)
    return [f"{len(more)} phones that no task names, such as {min(more)}"] if more else []


def twice(received: Counter[str]) -> list[str]:
    """Complain of phones that have more than one SMS."""
    more = [number for number, count in received.items() if count > 1]
    return [f"{len(more)} phones have it more than once, such as {more[0]}"] if more else []


def reasonless(run: DagRun, tasks: Iterable[dict[str, object]]) -> list[str]:
    """Complain of failed tasks whose log tells no reason."""
    return [
        f"{task['task_id']}[{task['map_index']}] is red without a reason in its log"
        for task in tasks
        if task["state"] == "failed" and not _REASON.search(_log(run, task))
    ]


def _complaints(run: DagRun, task: dict[str, object], received: int) -> list[str]:
    label = f"{task['task_id']}[{task['map_index']}]"
    if task["state"] not in FINISHED:
        return [f"{label} ended as {task['state']}"]
    if task["state"] == "success" and received == 0:
        return [f"{label} is green, but its phone has nothing"]
    return reasonless(run, [task])


def _log(run: DagRun, task: dict[str, object]) -> str:
    return run.log(str(task["task_id"]), map_index=int(str(task["map_index"])))


def _inbox(gateway: Gateway, part: str) -> Any:
    return request_json("GET", f"{gateway.url}/_emulator/inbox?{urlencode({'text': part, 'limit': PAGE})}")
