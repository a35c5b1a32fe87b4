"""A task that does nothing for ten minutes, for tests that look at what becomes of its processes."""

from __future__ import annotations

import time

from airflow.sdk import DAG, task

with DAG("patience", schedule=None, catchup=False):

    @task
    def sleep() -> None:
        """Say so, and sleep."""
        print("asleep")
        time.sleep(600)

    sleep()
