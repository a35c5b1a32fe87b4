"""Send an SMS and wait for its delivery in the triggerer."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG("deferred", schedule=None):
    send = MessaggiSmsSendOperator(task_id="send", sender="Airflow", recipients="+39 349 123 4567", body="Hello")
    MessaggiSmsDeliverySensor(
        task_id="wait",
        message_id=send.output,  # type: ignore[arg-type]
        poke_interval=1,
        timeout=timedelta(minutes=10),
        deferrable=True,
    )
