"""
Alarm when something fails: once, not four hundred times.

Every task has the notifier through ``default_args``. All alarms have one key, the DAG's name, so the first failure
sends an SMS and the others stay silent for a quarter of an hour. Without ``alarm_key`` and ``once_per`` each failure
would send its own. The DAG has the notifier too: if the last try of a task is killed, Airflow runs only the callbacks
of its DAG.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

alarm = MessaggiSmsNotifier(
    recipients="+39 349 123 4567",
    sender="Airflow",
    alarm_key="{{ dag.dag_id }}",
    once_per=timedelta(minutes=15),
)

with DAG(
    dag_id="alarm_on_failure",
    doc_md=__doc__,
    schedule=None,
    default_args={"on_failure_callback": alarm},
    on_failure_callback=alarm,
    tags=["messaggisms"],
) as dag:

    @task
    def load(table: str) -> None:
        """Fail, as all do whose source is down."""
        raise ConnectionError(f"cannot read {table}")

    load.expand(table=["orders", "customers", "invoices"])
