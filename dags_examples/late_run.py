"""
Alarm when a run is late although nothing has failed (Airflow 3.1 and newer).

The deadline is checked by the scheduler, and the notifier runs in the triggerer. There it knows the run and the
deadline, but no task. Give it an ``AsyncCallback``: a ``SyncCallback`` cannot read connections from Airflow's database.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import DAG, task
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(
    dag_id="late_run",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["messaggisms"],
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=5),
        callback=AsyncCallback(
            MessaggiSmsNotifier,
            kwargs={"sender": "Airflow", "recipients": "+39 349 123 4567", "body": "{{ dag.dag_id }} is late."},
        ),
    ),
) as dag:

    @task
    def dawdle() -> None:
        """Take longer than the run may."""
        time.sleep(15)

    dawdle()
