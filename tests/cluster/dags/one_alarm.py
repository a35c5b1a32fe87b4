"""Sixty mapped tasks that fail at once, under one alarm key."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(
    dag_id="one_alarm",
    schedule=None,
    catchup=False,
    max_active_tasks=64,
    default_args={
        "on_failure_callback": MessaggiSmsNotifier(
            recipients="+39 349 107 0000", sender="Airflow", alarm_key="{{ run_id }}"
        )
    },
):

    @task
    def fails(number: int) -> None:
        """Raise."""
        raise ConnectionError("the source is down")

    fails.expand(number=list(range(60)))
