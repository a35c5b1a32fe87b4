"""A task whose last try is killed. Airflow 3.3 calls back its DAG, but not the task itself."""

from __future__ import annotations

import os
import signal

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

ALARM = MessaggiSmsNotifier(recipients="+39 349 555 1188", sender="Airflow", timeout_seconds=300)

with DAG(
    dag_id="killed_for_good",
    schedule=None,
    catchup=False,
    on_failure_callback=ALARM,
):

    @task(on_failure_callback=ALARM)
    def is_killed() -> None:
        """End as the kernel ends a task that takes too much memory."""
        os.kill(os.getpid(), signal.SIGKILL)

    is_killed()
