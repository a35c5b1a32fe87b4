"""
A run that is deleted and made anew under its id is another run, on Airflow 2.11.

There ``dag.test()`` deletes the run of the same date and makes it anew. What Airflow 3 does is in
``tests/system/test_lives.py``: its ``dag.test()`` gives each run another id.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.airflow.conftest import Run, posts
from tests.airflow.sending.impatient import MessaggiSmsSendOperator

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not airflow_version.startswith("2."), reason="see tests/system/test_lives.py")


def sending(text: str) -> DAG:
    """Make the DAG: its run of midnight always has the same id."""
    retries: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(0)}
    with DAG("nightly", schedule=None, start_date=MIDNIGHT) as dag:
        MessaggiSmsSendOperator(task_id="send", sender="Airflow", recipients="+39 349 123 4567", body=text, **retries)
    return dag


def test_a_later_try_of_a_run_made_anew_sends_its_own_text(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    first = run_dag(sending("the first life"), execution_date=MIDNIGHT)
    run_dag(sending("the next night"), execution_date=MIDNIGHT + timedelta(days=1))
    messaggisms_gateway.fail_next("status_before", method="POST", status=503)
    second = run_dag(sending("the second life"), execution_date=MIDNIGHT)  # this deletes the first
    (send,) = second.get_task_instances()
    assert (second.run_id, str(second.state), send.try_number) == (first.run_id, "success", 2)
    texts = [sms.text for sms in reversed(messaggisms_gateway.inbox())]
    assert texts == ["the first life", "the next night", "the second life"]
    assert posts(messaggisms_gateway) == 4
