"""
What two Airflows with one account both send. Only the text says whose it is, and it is no part of a key.

Nothing is retried before a test clears it. It is not the last try that fails: that would leave nothing open behind.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator

RETRIES: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(hours=1)}

with DAG("shared_account", schedule=None, catchup=False, params={"text": Param("", type="string")}):
    MessaggiSmsSendOperator(
        task_id="send",
        sender="Airflow",
        recipients="+39 349 777 0001",
        body="{{ params.text }}",
        **RETRIES,
    )
    MessaggiSmsSendTransactionOperator(
        task_id="send_to_both",
        sender="Airflow",
        recipients=["+39 349 777 0002", "+39 349 777 0003"],
        body="{{ params.text }}",
        **RETRIES,
        chunk_size=1,
    )
