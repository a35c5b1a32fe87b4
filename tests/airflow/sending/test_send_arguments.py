"""What is wrong however a task runs fails when the DAG is parsed; in a mapped task, which knows it later, for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.conftest import Run

NUMBER = "+39 349 123 4567"
START: dict[str, Any] = {"schedule": None, "start_date": datetime(2024, 1, 1, tzinfo=UTC)}


def send(**arguments: Any) -> MessaggiSmsSendOperator:
    """Make a send that is right but for what a test adds."""
    usual = {"task_id": "send", "body": "Hello", "recipients": NUMBER}
    return MessaggiSmsSendOperator(**usual | arguments)


def send_many(**arguments: Any) -> MessaggiSmsSendTransactionOperator:
    """Make a transaction that is right but for what a test adds."""
    return MessaggiSmsSendTransactionOperator(**{"task_id": "send", "body": "Hello"} | arguments)


def test_recipients_that_compare_one_by_one_are_not_compared() -> None:
    class Array:
        """Behaves like numpy's array: a comparison has no truth value."""

        def __eq__(self, other: object) -> Any:
            return self

        def __bool__(self) -> bool:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    array = Array()
    assert send(recipients=array).recipients is array


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"on_invalid": "maybe"}, "on_invalid: expected 'fail' or 'drop', got 'maybe'"),
        ({"validate": "no"}, "validate: expected 'full' or 'possible', got 'no'"),
        ({"on_too_long": "shorten"}, "on_too_long: expected 'fail' or 'fit', got 'shorten'"),
        ({"max_parts": 0}, "max_parts: '0' is not a whole number of 1 or more"),
        ({"send_at_grace": 3600}, "send_at_grace: expected a timedelta, got int"),
        ({"recipients": None}, "recipients: at least one is required"),
        ({"recipients": []}, "recipients: at least one is required"),
        ({"body": ""}, "body: the text of the SMS is empty"),
        ({"body": None}, "body: the text of the SMS is not a text but NoneType"),
        ({"sender": "x"}, "sender: it has 1 characters"),
        ({"test": "maybe"}, "test: expected True or False"),
        ({"priority": 0.5}, "priority: '0.5' is not a number of 1.0 or more"),
        ({"flash": "maybe"}, "flash: expected True or False"),
        ({"realtime": 7}, "realtime: expected True or False"),
        ({"callback_url": "example.com"}, "callback_url: expected an absolute http(s) address"),
        ({"callback_field": "report"}, "callback_field: it names a form field of the call to callback_url"),
    ],
    ids=str,
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(argument: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        send(**argument)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({}, "recipients: give either recipients or recipients_path"),
        ({"recipients": NUMBER, "recipients_path": "x.csv"}, "recipients: give either recipients or recipients_path"),
        ({"recipients": NUMBER, "chunk_size": 0}, "chunk_size: '0' is not a whole number of 1 or more"),
        ({"recipients": NUMBER, "max_price_eur": "cheap"}, "max_price_eur: expected a number, got 'cheap'"),
        ({"recipients_path": "x.csv", "on_invalid": "maybe"}, "on_invalid: expected 'fail' or 'drop'"),
    ],
    ids=str,
)
def test_so_does_a_wrong_argument_of_a_transaction(argument: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        send_many(**argument)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    "argument",
    [
        {"recipients": "{{ params.people }}"},
        {"recipients": lambda context, jinja_env: [NUMBER]},
        {"body": "{{ params.text }}"},
        {"body": lambda context, jinja_env: "Hello"},
        {"body": 42},
        {"sender": "{{ params.sender }}"},
        {"priority": "{{ params.priority }}"},
        {"flash": "True"},
        {"callback_url": "https://{{ params.host }}", "callback_field": "report"},
        {"timestamp_send": "2020-01-01"},  # was right when the DAG was written
    ],
    ids=lambda arguments: next(iter(arguments)) if callable(next(iter(arguments.values()))) else str(arguments),
)
def test_what_a_template_or_the_time_decides_is_left_to_the_run(argument: dict[str, Any]) -> None:
    send(**argument)


def test_a_mapped_task_needs_no_recipients_before_it_is_mapped(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("mapped_recipients", **START) as dag:
        MessaggiSmsSendOperator.partial(task_id="send", sender="Airflow", body="Hello").expand(recipients=[NUMBER])
        MessaggiSmsSendTransactionOperator.partial(task_id="many", sender="Airflow", body="Hello").expand(
            recipients=[["+39 349 123 4568", "+39 349 123 4569"]]
        )
    run = run_dag(dag)
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    assert len(messaggisms_gateway.inbox()) == 3


def test_a_wrong_argument_of_a_mapped_task_fails_it_for_good(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("mapped_arguments", **START) as dag:
        MessaggiSmsSendOperator.partial(
            task_id="send", sender="Airflow", body="Hello", recipients=NUMBER, retries=3, retry_delay=timedelta(0)
        ).expand(on_invalid=["maybe"])
    (ti,) = run_dag(dag).get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 1)
    assert messaggisms_gateway.requests() == []


def test_the_error_is_one_that_airflow_does_not_retry() -> None:
    with pytest.raises(AirflowFailException):
        send(on_invalid="maybe")
