"""A daily SMS that is worth sending for six hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG("old_news", schedule="@daily", catchup=False, start_date=datetime(2024, 1, 1, tzinfo=UTC)):
    MessaggiSmsSendOperator(
        task_id="send",
        sender="Airflow",
        recipients="+39 347 842 1111",
        body="News of {{ ds }}",
        send_only_within=timedelta(hours=6),
    )
