"""
Write to several people, each by name, in one message.

``{{name}}`` and ``{{time}}`` are fields of the recipients: the gateway fills them in for each one. Everything else
between double braces is Airflow's, as in any templated field. Both work in one text.

An invalid number is left out and reported (``on_invalid="drop"``); the others get their SMS.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG(dag_id="personalised", doc_md=__doc__, schedule=None, catchup=False, tags=["messaggisms"]) as dag:
    MessaggiSmsSendOperator(
        task_id="invite",
        sender="Clinic",
        recipients=[
            {"number": "+39 349 123 4567", "fields": {"name": "Anna", "time": "9:30"}},
            {"number": "+44 7400 123456", "fields": {"name": "Ben", "time": "10:15"}},
            {"number": "+39 12", "fields": {"name": "Carla", "time": "11:00"}},
        ],
        body="Dear {{name}}, see you at {{time}}. Ref. {{ dag.dag_id }}",
        on_invalid="drop",
    )
