"""A send that fails before its message exists, and a task that looks for an XCom which is not there."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG("fails_early", schedule=None, catchup=False):
    MessaggiSmsSendOperator(task_id="send", sender="Airflow", recipients="+39 06 12", body="Not sent")

    @task
    def look(ti: Any = None) -> None:
        """Let Airflow say that an XCom is missing: a test must see such a line to tell that there is no other."""
        assert ti.xcom_pull(task_ids="look", key="absent", map_indexes=-1) is None

    look()
