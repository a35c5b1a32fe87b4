"""Fail with a notifier on the task and another one on the DAG."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

OF_TASK = MessaggiSmsNotifier(sender="Airflow", recipients="+39 349 123 4567")
OF_DAG = MessaggiSmsNotifier(sender="Airflow", recipients="+39 349 123 4568")

with DAG("both_alarms", schedule=None, on_failure_callback=OF_DAG):

    @task(on_failure_callback=OF_TASK)
    def fails() -> None:
        """Fail, so that both are called."""
        raise ConnectionError("the source is down")

    fails()
