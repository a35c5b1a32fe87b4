"""
Ask a person by SMS whether a run may go on, and wait for the answer without a worker slot (Airflow 3.1 and newer).

The SMS has the subject of the question and a link to the page of this Airflow that takes the answer. A link needs the
address under which a telephone reaches Airflow, in ``[api] base_url``. Without an answer within an hour, the default
counts: the deployment is rejected, and the tasks after it are skipped.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(dag_id="approval_by_sms", doc_md=__doc__, schedule=None, catchup=False, tags=["messaggisms"]) as dag:
    approve = ApprovalOperator(
        task_id="approve",
        subject="Deploy version 2.4 to production?",
        defaults="Reject",
        response_timeout=timedelta(hours=1),
        notifiers=MessaggiSmsNotifier(recipients="+39 349 123 4567", sender="Airflow"),
    )

    @task
    def deploy() -> None:
        """Run once it is approved."""
        print("deploying version 2.4")

    approve >> deploy()
