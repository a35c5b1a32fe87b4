"""
Send one message to all recipients in a file.

The file has a column ``number``; each other column can stand in the text, as ``{{name}}`` does here::

    number,name
    +39 349 123 4567,Anna
    +44 7400 123456,Ben

The whole file is checked before the first call, then sent in chunks. Until the last chunk the gateway sends nothing, so
an error found by then stops the whole message. Chunks that were accepted are paid for: the gateway does not refund a
deleted message. A task that is killed on the way resumes where it was.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

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
