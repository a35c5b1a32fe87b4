"""
From "delivered at the gateway" to "task resumed", on a real triggerer: how long people wait for the news.

Eight deferred sensors that poll once a second wait for an SMS each; the emulator delivers them one after the other.
The time is counted until the trigger tells it, and until the resumed task says so. It has no target: most of it is
Airflow's own way from the triggerer through the scheduler to a worker.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.measure import table
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.gateway import running_gateway
from tests.system.stack import AirflowStack

CONN_ID = "messaggisms_default"
SMS = 8
PAUSE_SECONDS = 2.7  # not a multiple of the interval, so that the deliveries meet every phase of it

DAG_FILE = f"""
from airflow.sdk import DAG
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG("resumption", schedule=None, catchup=False):
    numbers = [f"+39 347 55{{number:01d}} 0005" for number in range({SMS})]
    send = MessaggiSmsSendOperator.partial(task_id="send", sender="Airflow", body="Bench").expand(recipients=numbers)
    MessaggiSmsDeliverySensor.partial(
        task_id="wait", deferrable=True, poke_interval=1, timeout=600
    ).expand(message_id=send.output)
"""


def _log(run: DagRun, index: int) -> list[dict[str, Any]]:
    path = f"/dags/resumption/dagRuns/{run.run_id}/taskInstances/wait/logs/1?full_content=true&map_index={index}"
    return [entry for entry in run.api.call("GET", path)["content"] if isinstance(entry, dict)]


def _said_at(entries: list[dict[str, Any]], where: str) -> datetime:
    """Find out when the trigger or the task said that the SMS is delivered."""
    said = next(
        entry
        for entry in entries
        if where in str(entry.get("logger")) and re.search(r"(^|: )delivered to", str(entry.get("event")))
    )
    return datetime.fromisoformat(str(said["timestamp"]).replace("Z", "+00:00"))


def _measure(folder: Path) -> list[tuple[float, float]]:
    """Return, for each SMS, the seconds until the trigger and until the task knew."""
    (folder / "dags").mkdir()
    (folder / "dags" / "resumption.py").write_text(DAG_FILE)
    with (
        running_gateway(folder / "emulator.log") as gateway,
        AirflowStack(
            folder / "home", folder / "dags", connections={"messaggisms_default": gateway.connection}
        ) as stack,
    ):
        stack.wait_for_dag("resumption")
        run = stack.api.trigger("resumption")

        def all_deferred() -> bool | None:
            states = [state for task, state in run.task_states().items() if task.startswith("wait[")]
            return states == ["deferred"] * SMS or None

        wait_until("the deferrals", all_deferred, sign=run.task_states)
        delivered = {}
        for sms in gateway.inbox():
            time.sleep(PAUSE_SECONDS)
            delivered[sms.message_id] = datetime.now(UTC)
            gateway.decide(sms, "DELIVERED_TO_HANDSET")
        run.wait()
        seconds = []
        for index in range(SMS):
            at = delivered[run.xcom("wait", map_index=index)["message_id"]]
            entries = _log(run, index)
            known = [(_said_at(entries, where) - at).total_seconds() for where in (".triggers.", ".sensors.")]
            seconds.append((known[0], known[1]))
        return seconds


def main() -> int:
    """Measure, print, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="messaggisms-bench-") as folder:
        seconds = _measure(Path(folder))
    rows = []
    for what, times in (
        ("the trigger knows (it polls every second)", sorted(trigger for trigger, _ in seconds)),
        ("the task has resumed", sorted(task for _, task in seconds)),
    ):
        rows.append([what, *(f"{figure:.1f}" for figure in (times[0], median(times), times[-2], times[-1]))])
    table(f"Seconds from delivered at the gateway, {SMS} SMS", ["until", "least", "median", "9 of 10", "most"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
