"""Fifty mapped tasks that fail at once, under one alarm key."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(
    dag_id="storm",
    schedule=None,
    catchup=False,
    max_active_tasks=50,
    default_args={
        "on_failure_callback": MessaggiSmsNotifier(
            recipients="+39 349 555 1199",
            sender="Airflow",
            alarm_key="{{ dag.dag_id }}",
            once_per=timedelta(minutes=15),
            timeout_seconds=300,
        )
    },
):

    @task
    def fails(number: int) -> None:
        """Raise."""
        raise ConnectionError("the source is down")

    fails.expand(number=list(range(50)))
