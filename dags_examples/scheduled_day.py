"""
Hand an SMS to the gateway now, to be sent on a later day.

The gateway keeps it and sends it on that day; Airflow has nothing more to do. Only days are documented, so a time of
day is refused: see ``reminder_to_the_minute`` for that. A day begins at midnight in Italy, where a late evening in UTC
is already tomorrow.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(
    dag_id="scheduled_day",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["messaggisms"],
    user_defined_macros={"ROME": ZoneInfo("Europe/Rome")},
    params={"days": Param(7, type="integer", minimum=0, description="How many days ahead")},
) as dag:
    MessaggiSmsSendOperator(
        task_id="remind",
        sender="Clinic",
        recipients="+39 349 123 4567",
        body="Your check-up is due. Call us for an appointment.",
        # A date, 2026-12-24, 24-12-2026, or a midnight in the connection's time zone.
        timestamp_send="{{ (dag_run.start_date.astimezone(ROME) + macros.timedelta(days=params.days)) | ds }}",
    )
