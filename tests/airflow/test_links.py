"""The link from a task in Airflow's UI to its message: a button if there is a page, none if there is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError, InvalidRequestError
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.links import MessaggiSmsMessageLink, link_to_message
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run
from tests.airflow.faces import Open
from tests.airflow.waiting.waits import NUMBER

CONSOLE = "https://console.example.com/messages/{message_id}?tab=delivery"


def settings(**extra: Any) -> Settings:
    return Settings.from_connection(host="", schema="", port=None, password="secret", extra=extra)


def test_the_vendors_host_has_no_page_of_its_own() -> None:
    assert settings().page_of("m1") is None


def test_a_page_is_where_the_connection_says() -> None:
    assert settings(console_url=CONSOLE).page_of("m1") == "https://console.example.com/messages/m1?tab=delivery"
    assert (
        settings(console_url=CONSOLE).page_of("../?x") == "https://console.example.com/messages/..%2F%3Fx?tab=delivery"
    )


@pytest.mark.parametrize("url", ["console.example.com/{message_id}", "https://console.example.com/", "https:///", 7])
def test_an_address_that_leads_to_no_message_is_refused_by_name(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="console_url"):
        settings(console_url=url)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("console", [None, CONSOLE])
def test_tasks_lead_to_their_message(
    messaggisms_gateway: Gateway, connect: Open, run_dag: Run, deferrable: bool, console: str | None
) -> None:
    gateway = messaggisms_gateway
    connect(host=gateway.url, password=gateway.token, extra={"console_url": console} if console else {})
    with DAG(f"lead_{deferrable}_{bool(console)}", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)) as dag:
        sent = MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hello", recipients=NUMBER)
        waiting = MessaggiSmsDeliverySensor(
            task_id="wait",
            message_id=cast("str", sent.output),
            deferrable=deferrable,
            soft_fail=True,
            poke_interval=0.1,
            timeout=0.3,
        )
        waiting.handover_seconds = 0.0
    tis = {ti.task_id: ti for ti in run_dag(dag).get_task_instances()}
    message_id = tis["send"].xcom_pull(task_ids="send")
    page = console.replace("{message_id}", message_id) if console else f"{gateway.url}/#text={message_id}"
    if airflow_version.startswith("2."):  # Airflow 3 stores it at the end of a task, which dag.test() does not reach
        for task_id, ti in tis.items():
            assert ti.xcom_pull(task_ids=task_id, key="page") == page
            assert MessaggiSmsMessageLink().get_link(object(), ti_key=ti.key) == page


def operator(**arguments: Any) -> Any:
    """Make a send operator."""
    return MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hello", recipients=NUMBER, **arguments)


def links(task: Any) -> list[str]:
    """Give what Airflow 3 stores at the end of a process."""
    return [link.get_link(task, ti_key=None) for link in task.operator_extra_links]


def test_a_task_has_its_link_once_its_message_is_known(context: Any, messaggisms_gateway: Gateway) -> None:
    task = operator()
    task.pre_execute(context)
    assert links(task) == []
    message_id = task.execute(context)
    assert links(task) == [f"{messaggisms_gateway.url}/#text={message_id}"]
    assert {link.xcom_key for link in task.operator_extra_links} == {"page"}


def test_a_task_that_fails_before_its_message_exists_has_no_link(context: Any, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("status_before", method="POST", status=422)
    task = operator()
    task.pre_execute(context)
    with pytest.raises(InvalidRequestError):
        task.execute(context)
    assert links(task) == []


@pytest.mark.parametrize(("console", "shown"), [(CONSOLE, [CONSOLE.replace("{message_id}", "m1")]), (None, [])])
def test_a_message_without_a_page_has_no_link(context: Any, console: str | None, shown: list[str]) -> None:
    task = operator()
    task.pre_execute(context)
    link_to_message(task, context, settings(console_url=console), "m1")
    assert links(task) == shown


def test_a_process_that_goes_on_with_a_wait_leaves_the_link_alone(context: Any, messaggisms_gateway: Gateway) -> None:
    message_id = operator().execute(context)
    task = operator(wait_for_delivery=True)
    task.pre_execute(context)
    report = {"message_id": message_id, "summary": "1 of 1", "states": {}, "failed": []}
    task.execute_complete(context, {"status": "delivered", "report": report})
    assert links(task) == []


def test_the_button_is_called_message() -> None:
    assert operator().operator_extra_links[0].name == "Message"
