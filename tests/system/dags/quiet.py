"""One SMS through a connection with quiet hours, which a test makes."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG("quiet", schedule=None, catchup=False, params={"number": Param("+39 347 841 0001", type="string")}):
    MessaggiSmsSendOperator(
        task_id="send",
        messaggisms_conn_id="messaggisms_quiet",
        sender="Airflow",
        recipients="{{ params.number }}",
        body="Good morning",
    )
