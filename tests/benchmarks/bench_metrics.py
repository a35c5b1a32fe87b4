"""
What it costs to count a send in Airflow's metrics, for a deployment without StatsD and OpenTelemetry: CPU per send.

Target: at most 20 microseconds, a hundredth of what the send itself takes. The floor is one of Airflow's own counters.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_messaggisms.metrics import Metrics
from tests.benchmarks.measure import Targets, cpu_seconds, ratio, table, take_turns

TIMES, ROUNDS = 2_000, 7
MAX_MICROSECONDS = 20


def _message() -> Any:
    """Make what the gateway answers, as far as it is counted."""
    recipients = SimpleNamespace(valid=SimpleNamespace(count=1))
    return SimpleNamespace(recipients=recipients, statistics=SimpleNamespace(sms_total=1), price=0.05, test=False)


def main() -> int:
    counts, message = Metrics.of("sms", "production", dag_id="dag", task_id="task"), _message()
    cases = {
        "one of Airflow's counters": lambda: Stats.incr("messages", tags={"dag_id": "dag"}),
        "a send, with all its counters": lambda: counts.sent(message),
    }
    measured = take_turns({name: partial(cpu_seconds, run, TIMES) for name, run in cases.items()}, ROUNDS)
    floor, ours = measured.values()
    rows = [(name, f"{median(m) * 1e6:.1f}", f"{ratio(m, floor):.2f}") for name, m in measured.items()]
    table(f"Counting, without metrics: medians of {ROUNDS}", ("", "CPU us", "against one counter"), rows)
    targets = Targets()
    targets.at_most("a send", median(ours) * 1e6, MAX_MICROSECONDS, " us")
    return targets.exit_code


if __name__ == "__main__":
    sys.exit(main())
