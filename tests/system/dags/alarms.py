"""Everything that can fail in one run, with a phone number of its own for each alarm."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

FAILS, KILLED, LOST, RUN, LATE, UNREACHED = (f"+39 349 555 11{number:02}" for number in range(6))

# A connection in Airflow's database: every component reads it in its own way. On a busy machine that alone may take
# longer than an alarm has by default.
USUAL: dict[str, Any] = {"sender": "Airflow", "messaggisms_conn_id": "from_the_database", "timeout_seconds": 300}


def too_late(**kwargs: Any) -> DeadlineAlert:
    """Tell of a run that takes longer than two seconds."""
    callback = AsyncCallback(MessaggiSmsNotifier, kwargs={**USUAL, **kwargs})
    return DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=2), callback=callback)


with DAG(
    dag_id="alarms",
    schedule=None,
    catchup=False,
    on_failure_callback=MessaggiSmsNotifier(recipients=RUN, **USUAL),
    deadline=[
        too_late(
            recipients="{{ var.value.late_shift }}",
            body="{{ dag_run.dag_id }} is late: {{ run_id }}",
            once_per=timedelta(minutes=30),
        ),
        too_late(recipients=[UNREACHED], body="Never sent", messaggisms_conn_id="nowhere"),
    ],
):

    @task(on_failure_callback=MessaggiSmsNotifier(recipients=FAILS, **USUAL))
    def fails() -> None:
        """Raise."""
        raise ValueError("the source is down\nsince yesterday")

    @task(
        retries=1,
        retry_delay=timedelta(seconds=1),
        on_retry_callback=MessaggiSmsNotifier(recipients=KILLED, **USUAL),
        on_failure_callback=MessaggiSmsNotifier(recipients=KILLED, **USUAL),
    )
    def is_killed() -> None:
        """End as the kernel ends a task that takes too much memory, in each try."""
        os.kill(os.getpid(), signal.SIGKILL)

    @task(on_failure_callback=MessaggiSmsNotifier(recipients=LOST, **USUAL))
    def is_lost() -> None:
        """Wait for a test that kills the worker."""
        print("asleep")
        time.sleep(600)

    is_lost()
    fails()
    is_killed()
