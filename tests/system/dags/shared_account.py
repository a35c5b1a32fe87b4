"""What two Airflows with one account both send. Only the text says whose it is, and it is no part of a key."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator

with DAG("shared_account", schedule=None, catchup=False, params={"text": Param("", type="string")}):
    MessaggiSmsSendOperator(
        task_id="send",
        sender="Airflow",
        recipients="+39 349 777 0001",
        body="{{ params.text }}",
    )
    MessaggiSmsSendTransactionOperator(
        task_id="send_to_both",
        sender="Airflow",
        recipients=["+39 349 777 0002", "+39 349 777 0003"],
        body="{{ params.text }}",
        chunk_size=1,
    )
