"""
Send an SMS at a moment, to the second.

The task checks everything at once, then waits in the triggerer without holding a worker slot, and sends when the moment
has come. Restarts of the triggerer or the scheduler in between do no harm: the SMS is sent once.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(
    dag_id="reminder_to_the_minute",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["messaggisms"],
    params={"minutes": Param(1, type="number", minimum=0, description="How many minutes from now")},
) as dag:
    MessaggiSmsSendOperator(
        task_id="remind",
        sender="Clinic",
        recipients="+39 349 123 4567",
        body="See you in two hours.",
        # A datetime or an ISO 8601 text, with its time zone.
        send_at="{{ (dag_run.start_date + macros.timedelta(minutes=params.minutes)).isoformat() }}",
        # If Airflow was down at that moment, the SMS may still be sent this much later; after that the task fails.
        send_at_grace=timedelta(minutes=30),
    )
