"""
Write an e-mail to those that the SMS did not reach.

The wait ends green once every report is final, however many failed (``min_delivered=0``). Its report masks the numbers,
so the failed recipients are found by their index in the list that was sent to. The e-mails go through the connection
``smtp_default``; any other operator that can be mapped does as well.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.smtp.operators.smtp import EmailOperator

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

PEOPLE = [("+39 349 123 4567", "anna@example.com"), ("+39 349 123 0001", "ben@example.com")]  # 0001: undeliverable
TEXT = "The market is closed today."

with DAG(dag_id="fall_back", doc_md=__doc__, schedule=None, catchup=False, tags=["messaggisms"]) as dag:
    send = MessaggiSmsSendOperator(
        task_id="send", sender="Market", recipients=[number for number, _ in PEOPLE], body=TEXT
    )
    wait = MessaggiSmsDeliverySensor(task_id="wait", message_id=send.output, min_delivered=0, poke_interval=2)

    @task
    def not_reached(failed: list[dict]) -> list[str]:
        return [PEOPLE[one["index"]][1] for one in failed]

    EmailOperator.partial(
        task_id="email",
        from_email="market@example.com",
        subject=TEXT,
        html_content=wait.output["summary"],
    ).expand(to=not_reached(wait.output["failed"]))
