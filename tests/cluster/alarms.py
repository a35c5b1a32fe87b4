"""Scenes of sixty failures under one alarm key: one SMS, however slow the gateway is."""

from __future__ import annotations

import re
from collections import Counter

from tests.cluster.cluster import Cluster
from tests.cluster.comparison import Comparison, phones, reasonless
from tests.progress import wait_until

FAILURES = 60


def sixty_failures_are_one_alarm(cluster: Cluster) -> Comparison:
    """60 tasks fail at once under one alarm key."""
    return _alarmed(cluster)


def sixty_failures_are_one_alarm_of_a_slow_gateway(cluster: Cluster) -> Comparison:
    """The same, while each GET takes 3 s."""
    cluster.gateway.fail_next("slow_before", method="GET", times=0, seconds=3)
    return _alarmed(cluster)


def _alarmed(cluster: Cluster) -> Comparison:
    run = cluster.stack.api.trigger("one_alarm")
    run.wait()
    said = wait_until("the callbacks", lambda: _said(cluster, run.run_id), sign=lambda: _count(cluster, run.run_id))
    tasks, received = run.tasks(), phones(cluster.gateway)
    result = Comparison(
        Counter(str(task["state"]) for task in tasks), notes=[f"{received.total()} SMS", str(dict(said))]
    )
    if received.total() != 1:
        result.complaints.append(f"{received.total()} SMS for one alarm key")
    if result.states != {"failed": FAILURES}:
        result.complaints.append("not all tasks failed")
    result.complaints += reasonless(run, tasks)
    return result


def _said(cluster: Cluster, run_id: str) -> Counter[str] | None:
    """Return what the callbacks of all tasks say, once all have said it."""
    said = _count(cluster, run_id)
    return said if said.total() >= FAILURES else None


def _count(cluster: Cluster, run_id: str) -> Counter[str]:
    """Count what the callbacks of a run have said so far."""
    logs = (cluster.stack.home.logs / "dag_id=one_alarm" / f"run_id={run_id}").rglob("*.log")
    texts = "\n".join(path.read_text(errors="replace") for path in logs)
    return Counter(re.findall("Alarm sent|Staying silent|ALARM NOT SENT", texts))
