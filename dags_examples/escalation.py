"""
Alert one person after the other, until one phone has the SMS.

Each step sends to one person and waits a minute for the delivery report, in the triggerer, without a worker slot. With
``trigger_rule="all_failed"`` the next step runs only if that failed. The run fails if all fail.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

with DAG(
    dag_id="escalation",
    doc_md=__doc__,
    schedule=None,
    tags=["messaggisms"],
    params={
        "on_call": Param(["+39 349 123 4567", "+39 349 123 4568", "+39 349 123 4569"], type="array", minItems=3),
        "text": "The night's import has failed. Please look.",
    },
) as dag:
    before = None
    for person in range(3):
        send = MessaggiSmsSendOperator(
            task_id=f"send_{person}",
            sender="Airflow",
            recipients=f"{{{{ params.on_call[{person}] }}}}",
            body="{{ params.text }}",
            trigger_rule="all_failed" if before else "all_success",
        )
        if before:
            before >> send
        before = MessaggiSmsDeliverySensor(
            task_id=f"reached_{person}", message_id=send.output, timeout=timedelta(minutes=1), deferrable=True
        )
