"""
Warn when the account's credit falls below a limit.

The sensor looks once, because its ``timeout`` is zero: it succeeds if there is enough credit, and fails if there is
not. The callback then warns, here by SMS while there is still some credit; any other notifier does as well. Give the
DAG a daily ``schedule``.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.sensors import MessaggiSmsCreditSensor

with DAG(
    dag_id="low_credit",
    doc_md=__doc__,
    schedule=None,
    tags=["messaggisms"],
    params={"least": Param(20.0, type="number", description="EUR")},
) as dag:
    MessaggiSmsCreditSensor(
        task_id="enough_credit",
        min_credit_eur="{{ params.least }}",
        timeout=0,
        on_failure_callback=MessaggiSmsNotifier(
            recipients="+39 349 123 4567",
            sender="Airflow",
            body="The SMS credit is below {{ params.least }} EUR. Please recharge the wallet.",
        ),
    )
