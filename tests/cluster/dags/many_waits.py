"""As many mapped sends as a run asks for, each of which waits, deferred, until its SMS is delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(
    dag_id="many_waits",
    schedule=None,
    catchup=False,
    max_active_tasks=1000,
    params={"numbers": Param([], type="array")},
):

    @task
    def numbers(params: Any = None) -> list[str]:
        """List the numbers, in order."""
        return list(params["numbers"])

    MessaggiSmsSendOperator.partial(
        task_id="send",
        sender="Airflow",
        body="Hello",
        wait_for_delivery=True,
        deferrable=True,
        poke_interval=15,
        timeout=timedelta(hours=2),
        retries=20,
        retry_delay=timedelta(seconds=3),
    ).expand(recipients=numbers())
