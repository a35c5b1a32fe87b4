"""
The notifier as Airflow sees it: its arguments, and its calls by Airflow itself.

``alarms/`` has what it sends; ``tests/system/test_alarms.py`` has what only a real Airflow can show.
"""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseNotifier, BaseOperator

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
)
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier, send_messaggisms_notification
from tests.airflow.alarms.notifying import ANNA, BEN, Face, alarm, face, gateway, numbers, own_folder, texts
from tests.airflow.alarms.occasions import task_failed
from tests.airflow.conftest import Run

__all__ = ["face", "gateway", "own_folder"]  # fixtures


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ({"max_parts": 0}, "max_parts"),
        ({"max_parts": "2"}, "max_parts"),
        ({"once_per": -1}, "once_per"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"sender": "much too long a sender"}, "sender"),
        ({"once_per": "15m"}, "once_per"),
        ({"once_per": float("inf")}, "once_per"),
        ({"recipients": []}, "recipients"),
        ({"recipients": None}, "recipients"),
        ({"priority": 0.5}, "priority"),
        ({"flash": "yes"}, "flash"),
        ({"test": "False"}, "test"),
    ],
)
def test_a_wrong_argument_is_an_error_when_the_dag_is_parsed(argument: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        alarm(**argument)


def test_an_unknown_argument_is_an_error() -> None:
    with pytest.raises(TypeError):
        alarm(reciepients=ANNA)


def test_a_missing_connection_is_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(Exception, match="nowhere"):
        face(alarm(messaggisms_conn_id="nowhere"), task_failed())


def test_the_alias_is_the_notifier() -> None:
    assert send_messaggisms_notification is MessaggiSmsNotifier
    assert issubclass(MessaggiSmsNotifier, BaseNotifier)


class Broken(BaseOperator):
    """A task that fails."""

    def execute(self, context: Any) -> None:
        """Fail."""
        raise ValueError(f"{self.task_id} is broken")


class Fine(BaseOperator):
    """A task that does not."""

    def execute(self, context: Any) -> None:
        """Do nothing."""


def test_default_args_serve_every_task_of_a_dag(run_dag: Run, gateway: Gateway) -> None:
    shared: dict[str, Any] = {
        "on_failure_callback": [MessaggiSmsNotifier(recipients=ANNA), lambda context: None],
        "on_success_callback": MessaggiSmsNotifier(recipients=BEN, body="{{ ti.task_id }} is done"),
    }
    with DAG("alarming", schedule=None, default_args=shared) as dag:
        Broken(task_id="one")
        Broken(task_id="two")
        Fine(task_id="three")
    run_dag(dag)
    told = sorted((text.splitlines()[0], text.splitlines()[-1]) for text in texts(gateway))
    assert told == [
        ("Failed: alarming.one, try 1/1", "ValueError: one is broken"),
        ("Failed: alarming.two, try 1/1", "ValueError: two is broken"),
        ("three is done", "three is done"),
    ]


def test_a_dags_own_callback_works_in_a_dag_test_too(run_dag: Run, gateway: Gateway) -> None:
    with DAG("alarming_dag", schedule=None, on_failure_callback=MessaggiSmsNotifier(recipients=ANNA)) as dag:
        Broken(task_id="one")
    run_dag(dag)
    (text,) = texts(gateway)
    assert text.startswith("Failed: alarming_dag\nrun ")


def test_a_notifier_that_fails_fails_nothing_else(run_dag: Run, gateway: Gateway) -> None:
    gateway.fail_next("no_credit", method="POST")
    callbacks: list[Any] = [MessaggiSmsNotifier(recipients=ANNA), MessaggiSmsNotifier(recipients=BEN)]
    with DAG("alarming_twice", schedule=None) as dag:
        Fine(task_id="one", on_success_callback=callbacks)
    assert run_dag(dag).state == "success"
    assert numbers(gateway) == {"+44-7400123456"}
