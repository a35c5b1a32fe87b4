"""Sends, waits, alarms and failures of every kind, with secrets that a test looks for everywhere afterwards."""

from __future__ import annotations

from typing import Any, cast

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsCreditSensor, MessaggiSmsDeliverySensor

# Airflow keeps Variables encrypted; the source of this file is in its database, too.
TO_STUCK: dict[str, Any] = {"recipients": "{{ var.value.canary_stuck }}", "body": "{{ var.value.canary_text }}"}
ALARM = MessaggiSmsNotifier(**TO_STUCK, sender="Airflow", messaggisms_conn_id="canary_account", timeout_seconds=300)


def send(task_id: str, **options: Any) -> MessaggiSmsSendOperator:
    """Make a task that sends, unless its connection or its options are at fault."""
    return MessaggiSmsSendOperator(task_id=task_id, sender="Airflow", **TO_STUCK | options)


with DAG(
    dag_id="canaries",
    schedule=None,
    catchup=False,
    params={"path": Param("file:///nowhere.csv", type="string")},
    on_failure_callback=ALARM,
):
    for end in ("token", "wrong_key", "wrong_token"):
        send(end, messaggisms_conn_id=f"canary_{end}")
    send("unreadable", recipients="{{ var.value.canary_stuck }}/8", on_failure_callback=ALARM)
    MessaggiSmsDeliverySensor(
        task_id="wait",
        message_id=cast("str", send("account", messaggisms_conn_id="canary_account").output),
        messaggisms_conn_id="canary_account",
        deferrable=True,
        poke_interval=0.5,
        timeout=600,
    )
    MessaggiSmsSendTransactionOperator(
        task_id="many",
        messaggisms_conn_id="canary_account",
        sender="Airflow",
        recipients_path="{{ params.path }}",
        body="Dear {{name}}",
        wait_for_delivery=True,
        poke_interval=0.5,
    )
    MessaggiSmsCreditSensor(
        task_id="credit",
        messaggisms_conn_id="canary_account",
        min_credit_eur=1_000_000,
        deferrable=True,
        poke_interval=1,
        timeout=20,
    )
