"""From an Airflow connection to the gateway: every form in which it may be written, and its test in the UI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.faces import AT_ONCE, TOKEN, Open
from tests.airflow.puppet import Puppet, cut, http, refusal

#: Airflow 2.11 itself uses what Flask has deprecated, and warns of an extra that is no JSON object.
OLD_AIRFLOW = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROSA = "+39-3471112223"
HELLO: dict[str, Any] = {"sender": "Depot", "body": "Hello"}


def methods(gateway: Gateway) -> list[str]:
    return [exchange.method for exchange in gateway.requests()]


# --- the connection ---------------------------------------------------------------------------------------------------


def as_json(**parts: Any) -> Callable[[str], str]:
    return lambda address: json.dumps(
        {"conn_type": "messaggisms", "password": TOKEN}
        | {name: part.format(*address.split(":")) if isinstance(part, str) else part for name, part in parts.items()}
        | ({"port": int(address.partition(":")[2])} if "port" in parts else {})
    )


@pytest.mark.parametrize(
    "written",
    [
        as_json(host="http://{}:{}"),
        as_json(host="http://{}", port=True),
        as_json(host="{}", schema="http", port=True),
        as_json(host="{}:{}", schema="http"),
        lambda address: f"messaggisms://:{TOKEN}@{address}/http",
        lambda address: f"messaggisms://http://:{TOKEN}@{address}",
        lambda address: f"messaggisms://:{TOKEN}@http%3A%2F%2F{address}",
        lambda address: f"messaggisms://:{TOKEN}@http%3A%2F%2F{address.replace(':', '%3A')}/",
    ],
)
def test_a_host_is_honoured_in_every_form_that_airflow_knows(
    open_hook: Open, puppet: Puppet, monkeypatch: pytest.MonkeyPatch, written: Callable[[str], str]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", written(puppet.address))
    assert open_hook().list_messages() == []
    assert puppet.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


EXTRA = {"environment": "sandbox", "timeout_seconds": 5, "default_region": "IT", "sender": "Shop 24"}


@pytest.mark.parametrize(
    "written",
    [
        f"messaggisms://:{TOKEN}@/?environment=sandbox&timeout_seconds=5&default_region=it&sender=Shop+24",
        json.dumps({"conn_type": "messaggisms", "password": TOKEN, "extra": EXTRA}),
        json.dumps({"conn_type": "messaggisms", "password": TOKEN, "extra": json.dumps(EXTRA)}),
    ],
)
def test_extra_fields_are_read_in_every_form_that_airflow_knows(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMS", written)
    by_worker = MessaggiSmsHook("sms").settings
    by_trigger = asyncio.run(MessaggiSmsHook("sms").asettings())
    assert by_worker == by_trigger
    assert (by_worker.base_url, by_worker.token) == ("https://test.ws.messaggisms.com", TOKEN)
    assert (by_worker.timeout_seconds, by_worker.default_region, by_worker.sender) == (5.0, "IT", "Shop 24")


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"password": None}, "password"),
        ({"password": ""}, "password"),
        ({"host": "http://sms.example"}, "host"),
        ({"host": "sms.example", "schema": "http"}, "host"),
        ({"extra": {"timezone": "Rome"}}, "timezone"),
        ({"extra": '{"environment": "sandbox",}'}, "extra"),
        ({"extra": "environment=sandbox"}, "extra"),
        ({"extra": "[]"}, "extra"),
        ({"extra": '["sandbox"]'}, "extra"),
    ],
)
@OLD_AIRFLOW
def test_a_bad_connection_is_refused_by_the_name_of_its_field(
    open_hook: Open, connect: Open, parts: dict[str, Any], field: str
) -> None:
    connect(**parts)
    with pytest.raises(errors.ConfigurationError, match=f"connection, field {field}: ") as caught:
        open_hook().list_messages()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("extra", ["", "{}", " { } ", "null", None, {}])
@OLD_AIRFLOW
def test_an_empty_extra_is_none(connect: Open, extra: Any) -> None:
    connect(extra=extra)
    assert MessaggiSmsHook().settings.base_url == "https://ws.messaggisms.com"


def test_an_unknown_extra_field_is_warned_of_by_name(
    open_hook: Open, puppet: Puppet, connect: Open, said: Callable[[], str]
) -> None:
    connect(host=puppet.url, extra={"timeout": 5, "sender": "Depot", "Timezone": "UTC"})
    face = open_hook()
    face.list_messages()
    assert "unknown field(s) in extra, ignored: Timezone, timeout (known: auth, environment, sender" in said()
    face.list_messages()
    assert "unknown field" not in said()


def test_a_hook_reads_nothing_before_its_first_use_and_then_once(
    open_hook: Open, puppet: Puppet, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT")
    face = open_hook()
    connect(host=puppet.url)
    face.list_messages()
    monkeypatch.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT")
    face.list_messages()
    assert len(puppet.asked) == 2


# --- the test of a connection -----------------------------------------------------------------------------------------


def test_a_good_connection_is_good_whether_it_has_messages_or_not(
    hook: MessaggiSmsHook, messaggisms_gateway: Gateway
) -> None:
    for count in range(2):
        good, text = hook.test_connection()
        assert good is True
        assert f"{messaggisms_gateway.url} accepts the token; the account has {count} message(s)" == text
        hook.send_message(**HELLO, recipients=ROSA)
    assert methods(messaggisms_gateway) == ["GET", "POST", "GET", "POST"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(401, 401, f"The token {TOKEN} is not known"), "AuthenticationError"),
        (http(403, f"<pre>Authorization: Bearer {TOKEN}</pre>".encode()), "AuthenticationError"),
        (http(200, f"<p>{TOKEN}</p>".encode()), "ProtocolError"),
        (refusal(500, None, TOKEN), "GatewayUnavailableError"),
        (cut, "OutcomeUnknownError"),
    ],
)
def test_a_bad_connection_is_told_with_its_reason_and_never_with_its_token(
    puppet: Puppet, answer: Any, kind: str
) -> None:
    puppet.answers(answer)
    good, text = MessaggiSmsHook(retry_policy=AT_ONCE).test_connection()
    assert good is False
    assert text.startswith(f"{kind}: ")
    assert TOKEN not in text


def test_a_spoilt_connection_is_told_by_the_name_of_its_field(connect: Open) -> None:
    connect(host="http://sms.example")
    good, text = MessaggiSmsHook().test_connection()
    assert good is False
    assert text.startswith("ConfigurationError: connection, field host: ")


def test_the_test_of_a_connection_leaves_no_session_behind(puppet: Puppet) -> None:
    hook = MessaggiSmsHook()
    hook.test_connection()
    hook.test_connection()
    assert puppet.accepted == 2


@OLD_AIRFLOW
def test_airflow_finds_the_hook_by_the_connections_type(puppet: Puppet) -> None:
    hook = MessaggiSmsHook.get_connection("messaggisms_default").get_hook()  # type: ignore[no-untyped-call]
    assert isinstance(hook, MessaggiSmsHook)
    assert hook.messaggisms_conn_id == "messaggisms_default"
    assert hook.test_connection()[0] is True


def test_a_connection_that_is_not_there_is_airflows_own_error() -> None:
    with pytest.raises(AirflowException, match="no_such_connection"):
        MessaggiSmsHook("no_such_connection").list_messages()
