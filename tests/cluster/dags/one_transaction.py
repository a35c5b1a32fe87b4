"""One text to all recipients of a file, in one transaction, with quick retries."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator

with DAG("one_transaction", schedule=None, catchup=False, params={"path": Param("file:///none.csv", type="string")}):
    MessaggiSmsSendTransactionOperator(
        task_id="send",
        sender="Airflow",
        recipients_path="{{ params.path }}",
        body="Dear {{name}}, hello",
        chunk_size=500,
        retries=20,
        retry_delay=timedelta(seconds=3),
    )
