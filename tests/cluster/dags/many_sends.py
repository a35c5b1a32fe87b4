"""As many mapped sends as a run asks for, each to a number of its own, with quick retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(
    dag_id="many_sends",
    schedule=None,
    catchup=False,
    max_active_tasks=64,
    params={
        "first": Param(3490000000, type="integer"),
        "count": Param(100, type="integer"),
        "conn_id": Param("messaggisms_default", type="string"),
    },
):

    @task
    def numbers(params: Any = None) -> list[str]:
        """List the numbers, in order."""
        return [f"+39 {params['first'] + index}" for index in range(params["count"])]

    MessaggiSmsSendOperator.partial(
        task_id="send",
        messaggisms_conn_id="{{ params.conn_id }}",
        sender="Airflow",
        body="Hello",
        retries=20,
        retry_delay=timedelta(seconds=3),
    ).expand(recipients=numbers())
