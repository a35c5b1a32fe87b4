"""Mapped sends at one moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(
    dag_id="at_a_moment",
    schedule=None,
    catchup=False,
    params={"numbers": Param([], type="array"), "at": Param("2030-01-01T09:00:00+01:00", type="string")},
):

    @task
    def numbers(params: Any = None) -> list[str]:
        """List the numbers, in order."""
        return list(params["numbers"])

    MessaggiSmsSendOperator.partial(
        task_id="send",
        sender="Airflow",
        body="Good morning",
        send_at="{{ params.at }}",
        send_at_grace=timedelta(hours=2),
        retries=20,
        retry_delay=timedelta(seconds=3),
    ).expand(recipients=numbers())
