"""Airflow 3.3's ``retry_policy``: a task that has one decides about our permanent errors, too."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.operators import MessaggiSmsCancelOperator, MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run, posts

if find_spec("airflow.sdk") is None or find_spec("airflow.sdk.definitions.retry_policy") is None:
    pytest.skip("this Airflow has no retry_policy", allow_module_level=True)

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

START: dict[str, Any] = {"schedule": None, "start_date": datetime(2024, 1, 1, tzinfo=UTC)}
RETRIES: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(0)}
HELLO: dict[str, Any] = {"task_id": "task", "sender": "Airflow", "body": "Hello", "recipients": "+39 349 123 4567"}

asked: list[BaseException] = []


class Policy(RetryPolicy):
    """Decides as it is told, and remembers what it was asked."""

    def __init__(self, decision: RetryDecision) -> None:
        self._decision = decision

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        """Decide."""
        asked.append(exception)
        return self._decision

    def serialize(self) -> dict[str, Any]:
        """Say nothing of it in the serialised DAG."""
        return {}


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    asked.clear()


def tries(run: Any) -> tuple[str, int]:
    (ti,) = run.get_task_instances()
    return str(ti.state), ti.try_number


@pytest.mark.parametrize(
    ("decision", "made"),
    [(RetryDecision.retry(), 2), (RetryDecision.default(), 2), (RetryDecision.fail(), 1)],
    ids=["retry", "default", "fail"],
)
def test_a_policy_decides_about_missing_credit(
    run_dag: Run, messaggisms_gateway: Gateway, decision: RetryDecision, made: int
) -> None:
    messaggisms_gateway.reset(credit=0.0)
    with DAG(f"policy_{decision.action.value}", **START) as dag:
        MessaggiSmsSendOperator(**HELLO, **RETRIES, retry_policy=Policy(decision))
    assert tries(run_dag(dag)) == ("failed", made)
    assert posts(messaggisms_gateway) == made
    assert [type(error) for error in asked] == [errors.InsufficientCreditError] * made


@pytest.mark.parametrize(("decision", "made"), [(RetryDecision.retry(), 2), (RetryDecision.fail(), 1)], ids=str)
def test_a_policy_decides_about_a_token_that_is_refused(
    run_dag: Run, messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch, decision: RetryDecision, made: int
) -> None:
    refused = json.loads(messaggisms_gateway.connection) | {"password": "refused"}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(refused))
    with DAG(f"refused_{decision.action.value}", **START) as dag:
        MessaggiSmsSendOperator(**HELLO, **RETRIES, retry_policy=Policy(decision))
    assert tries(run_dag(dag)) == ("failed", made)
    assert [type(error) for error in asked] == [errors.AuthenticationError] * made
    assert not messaggisms_gateway.inbox()


def test_without_a_policy_missing_credit_is_final(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(credit=0.0)
    with DAG("without_a_policy", **START) as dag:
        MessaggiSmsSendOperator(**HELLO, **RETRIES)
    assert tries(run_dag(dag)) == ("failed", 1)
    assert posts(messaggisms_gateway) == 1


@pytest.mark.parametrize("kind", [MessaggiSmsCancelOperator, MessaggiSmsDeliverySensor])
def test_a_policy_decides_about_a_message_that_is_not_there(
    run_dag: Run, messaggisms_gateway: Gateway, kind: Any
) -> None:
    with DAG(f"policy_{kind.__name__}", **START) as dag:
        kind(task_id="task", message_id="0" * 24, **RETRIES, retry_policy=Policy(RetryDecision.retry()))
    assert tries(run_dag(dag)) == ("failed", 2)
    assert [type(error) for error in asked] == [errors.MessageNotFoundError] * 2


def test_an_argument_that_is_wrong_is_final_without_a_policy_only() -> None:
    for policy in (None, Policy(RetryDecision.retry())):
        with pytest.raises(errors.ConfigurationError) as caught:
            MessaggiSmsDeliverySensor(task_id="task", message_id="x", min_delivered=2, retry_policy=policy)
        assert isinstance(caught.value, AirflowFailException) == (policy is None)
