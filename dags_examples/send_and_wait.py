"""
Send one SMS and wait until the phone has it.

The first task hands it to the gateway and returns the message's id. The second waits for the delivery report, and fails
if the report is negative. Both use the connection ``messaggisms_default``. A run can be given another number or text.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG(
    dag_id="send_and_wait",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["messaggisms"],
    params={
        "number": Param("+39 349 123 4567", type="string", description="As people write it, with the country's prefix"),
        "text": Param("The nightly import is done.", type="string", minLength=1),
    },
) as dag:
    send = MessaggiSmsSendOperator(
        task_id="send",
        sender="Airflow",
        recipients="{{ params.number }}",
        body="{{ params.text }}",
    )
    MessaggiSmsDeliverySensor(
        task_id="wait",
        message_id=send.output,  # the sensor runs after the send, with the id that it returned
        poke_interval=2,  # seconds between two looks; by default 5 at first, then 15, 60 and 300
        timeout=timedelta(minutes=10),
    )
