"""
Change your mind about an SMS that is not on its way yet.

It is handed over for a day to come, moved to another one, and cancelled. The gateway refunds nothing.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.operators import (
    MessaggiSmsCancelOperator,
    MessaggiSmsRescheduleOperator,
    MessaggiSmsSendOperator,
)

DAY = "{{ (dag_run.start_date.astimezone(ROME) + macros.timedelta(days=%d)) | ds }}"

with DAG(
    dag_id="send_reschedule_cancel",
    doc_md=__doc__,
    schedule=None,
    tags=["messaggisms"],
    user_defined_macros={"ROME": ZoneInfo("Europe/Rome")},  # the gateway's days begin at midnight there
) as dag:
    send = MessaggiSmsSendOperator(
        task_id="send",
        sender="Clinic",
        recipients="+39 349 123 4567",
        body="See you tomorrow at 9:30.",
        timestamp_send=DAY % 7,
    )
    # Every operator returns the message's id, so the next one can take it from there.
    move = MessaggiSmsRescheduleOperator(task_id="move", message_id=send.output, timestamp_send=DAY % 14)
    MessaggiSmsCancelOperator(task_id="cancel", message_id=move.output, if_too_late="skip")  # "fail" is the default
