"""A task that fails in every run, told by a notifier with the default key."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(dag_id="made_again", schedule=None, catchup=False):

    @task(on_failure_callback=MessaggiSmsNotifier(recipients="+39 349 555 1177", sender="Airflow"))
    def fails() -> None:
        """Raise."""
        raise ValueError("the source is down")

    fails()
