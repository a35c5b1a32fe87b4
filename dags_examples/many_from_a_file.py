"""
Write to everybody in a file, as one message.

The file has a column ``number``; each other column can stand in the text, as ``{{name}}`` does here::

    number,name
    +39 349 123 4567,Anna
    +44 7400 123456,Ben

It is checked to its last line before anything is asked for, and handed over in chunks. Until the last chunk the gateway
keeps everything back, so what is found wrong by then reaches nobody; what was handed over is paid for, though, for the
gateway does not refund what is deleted. A task that is killed on the way goes on where it stood.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator

with DAG(
    dag_id="many_from_a_file",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    tags=["messaggisms"],
    params={"path": Param("file:///data/people.csv", type="string", description="Also s3://..., gs://...; or .jsonl")},
) as dag:
    MessaggiSmsSendTransactionOperator(
        task_id="invite",
        sender="Clinic",
        recipients_path="{{ params.path }}",
        body="Dear {{name}}, our doors are open on Saturday.",
        max_price_eur=500,  # deleted before it goes out if it would cost more
    )
