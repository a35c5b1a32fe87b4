"""Airflow's real web UI, as an administrator sees it: the connection form, a task's pages, the way to the message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.browser import start_chromium
from tests.system.airflow_ui import AirflowUi
from tests.system.api import ApiError, DagRun
from tests.system.conftest import TOKEN
from tests.system.stack import AirflowStack

CONNECTION = "sms_of_the_form"
# What a user reads beside each field, and what is in it before the user writes.
FORM = {
    "auth": ("Authentication", "token"),
    "environment": ("Environment", "production"),
    "sender": ("Sender", ""),
    "timeout_seconds": ("Read time-out (seconds)", "30"),
    "token_host": ("Token service", ""),
    "token_ttl_days": ("Life of a token (days)", ""),
    "timezone": ("Time zone", "Europe/Rome"),
    "quiet_hours": ("Quiet hours", ""),
    "default_region": ("Default region", ""),
    "price_per_part_eur": ("Price of one SMS part (EUR)", ""),
    "timestamp_send_format": ("Format of scheduled times", ""),
    "console_url": ("Address of a message's page", ""),
    "installation": ("Installation", ""),
    "max_sockets": ("Sockets", "20"),
}
DEFAULTS = {name: default for name, (_, default) in FORM.items() if default}
NATIONAL_NUMBER = "3478216617"
TEXT = "Herons in the reeds at noon"


@pytest.fixture(scope="module")
def ui(stack: AirflowStack) -> Iterator[AirflowUi]:
    """A browser. The connection that it makes is removed afterwards."""
    driver = start_chromium()
    try:
        yield AirflowUi(driver, stack.api.url)
    finally:
        driver.quit()
        try:
            stack.api.call("DELETE", f"/connections/{CONNECTION}")
        except ApiError as error:
            if error.status != 404:
                raise


@pytest.fixture(scope="module")
def delivered(stack: AirflowStack) -> DagRun:
    """Send one SMS with the example DAG, and wait for it."""
    run = stack.api.trigger("send_and_wait", {"number": f"+39 {NATIONAL_NUMBER}", "text": TEXT})
    assert run.wait() == "success", run.task_states()
    return run


@pytest.fixture(scope="module")
def saved(ui: AirflowUi, gateway: Gateway) -> str:
    """Fill in the form of a connection and save it."""
    address = urlsplit(gateway.url)
    ui.begin_connection(CONNECTION)
    ui.write(host=str(address.hostname), schema="http", port=str(address.port), password=TOKEN)
    ui.click("Extra Fields")
    ui.write(element_sender="Acme", element_quiet_hours="21:00-08:00")
    ui.click("Save")
    ui.shows("Connection has been successfully created.")
    return CONNECTION


def pages_of(task: str, run: DagRun) -> str:
    return f"/dags/{run.dag_id}/runs/{run.run_id}/tasks/{task}"


def test_the_connection_form_has_our_fields_with_labels_and_defaults(ui: AirflowUi) -> None:
    ui.begin_connection("never_saved")
    assert [label for label in ("Account (e-mail)", "Token or API key") if label not in ui.text()] == []
    ui.click("Extra Fields")
    ui.shows("Sender")
    assert [label for label, _ in FORM.values() if label not in ui.text().splitlines()] == []
    assert {name: ui.field(f"element_{name}").get_attribute("value") for name in FORM} == {
        name: default for name, (_, default) in FORM.items()
    }


def test_a_connection_of_the_form_is_saved_and_read_back(ui: AirflowUi, saved: str, stack: AirflowStack) -> None:
    stored = stack.api.call("GET", f"/connections/{saved}")
    extra = {name: value for name, value in json.loads(stored["extra"]).items() if value is not None}
    numbers = {"timeout_seconds": 30, "max_sockets": 20}
    assert extra == {**DEFAULTS, **numbers, "sender": "Acme", "quiet_hours": "21:00-08:00"}
    ui.open("/connections", saved)
    ui.click("Edit Connection", within=ui.row(saved))
    assert ui.field("element_sender").get_attribute("value") == "Acme"
    assert ui.field("password").get_attribute("value") == "***"
    assert TOKEN not in ui.driver.page_source


def test_the_connection_test_answers(ui: AirflowUi, saved: str) -> None:
    ui.open("/connections", saved)
    ui.click("Test Connection", within=ui.row(saved))
    ui.shows("accepts the token")


def test_a_tasks_pages_show_no_number_text_or_token(ui: AirflowUi, delivered: DagRun) -> None:
    masked = f"*******{NATIONAL_NUMBER[-3:]}"
    ui.open(f"{pages_of('send', delivered)}/rendered_templates", masked)
    seen = ui.driver.page_source
    ui.open(pages_of("send", delivered), "1 valid recipient(s)")
    logs = ui.driver.page_source
    assert f"({len(TEXT)} characters)" in seen
    assert [secret for secret in (NATIONAL_NUMBER, TEXT, TOKEN) if secret in seen + logs] == []


def test_the_button_leads_to_the_message_in_the_inbox(ui: AirflowUi, delivered: DagRun) -> None:
    ui.open(f"{pages_of('send', delivered)}/details", "Extra Links")
    before = set(ui.driver.window_handles)
    ui.click("Message")
    (tab,) = ui.until("the new tab", lambda: set(ui.driver.window_handles) - before)
    ui.driver.switch_to.window(tab)
    ui.shows(TEXT)
    assert "1 SMS" in ui.text()
