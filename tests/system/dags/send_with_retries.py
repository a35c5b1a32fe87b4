"""A send with two quick retries, which dawdles before it begins as long as its run wants it to."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator


class DawdlingSend(MessaggiSmsSendOperator):
    """Sleeps in its first try before it executes, so that a test can hit it there."""

    def pre_execute(self, context: Any) -> None:
        """Sleep."""
        if context["ti"].try_number == 1:
            time.sleep(context["params"]["dawdle_seconds"])


with DAG(
    dag_id="send_with_retries",
    schedule=None,
    catchup=False,
    params={
        "number": Param("+39 349 000 0000", type="string"),
        "text": Param("Once", type="string"),
        "dawdle_seconds": Param(0, type="number"),
    },
) as dag:
    DawdlingSend(
        task_id="send",
        sender="Airflow",
        recipients="{{ params.number }}",
        body="{{ params.text }}",
        retries=2,
        retry_delay=timedelta(seconds=1),
    )
