"""One SMS, and two deferred waits for it: one that gives up after 20 seconds, and one that has time."""

from __future__ import annotations

from typing import cast

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG("waits", schedule=None, catchup=False, params={"number": Param("+39 347 821 0005", type="string")}):
    send = MessaggiSmsSendOperator(task_id="send", sender="Airflow", recipients="{{ params.number }}", body="Wait")
    for task_id, timeout in (("brief", 20), ("patient", 600)):
        MessaggiSmsDeliverySensor(
            task_id=task_id,
            message_id=cast("str", send.output),
            deferrable=True,
            poke_interval=0.5,
            timeout=timeout,
        )
