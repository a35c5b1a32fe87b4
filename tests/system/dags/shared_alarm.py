"""A task that fails in every run, told under a key that two Airflows with one account both use."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(dag_id="shared_alarm", schedule=None, catchup=False):

    @task(
        on_failure_callback=MessaggiSmsNotifier(
            recipients="+39 349 555 1188", sender="Airflow", alarm_key="nightly load"
        )
    )
    def fails() -> None:
        """Raise."""
        raise ValueError("the source is down")

    fails()
