"""README and docs tell of every parameter and field there is, and their connections are right."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import Connection

from airflow_provider_messaggisms.gateway.settings import FIELDS, Settings
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import (
    MessaggiSmsCancelOperator,
    MessaggiSmsRescheduleOperator,
    MessaggiSmsSendOperator,
    MessaggiSmsSendTransactionOperator,
)
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

CHECKOUT = Path(__file__).parent.parent
TEXT = "\n".join(page.read_text() for page in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))])
CONNECTION = (CHECKOUT / "docs" / "connection.md").read_text()
OURS = (
    MessaggiSmsSendOperator,
    MessaggiSmsSendTransactionOperator,
    MessaggiSmsCancelOperator,
    MessaggiSmsRescheduleOperator,
    MessaggiSmsDeliverySensor,
    MessaggiSmsNotifier,
)


def parameters(kind: type[Any]) -> set[str]:
    """Name what our own classes take, and leave out what Airflow's do."""
    mine = [one for one in kind.__mro__ if one.__module__.startswith("airflow_provider_messaggisms")]
    taken = {
        name for one in mine if "__init__" in vars(one) for name in inspect.signature(vars(one)["__init__"]).parameters
    }
    return taken - {"self", "kwargs"}


@pytest.mark.parametrize("kind", OURS)
def test_every_parameter_is_in_it(kind: type[Any]) -> None:
    assert len(parameters(kind)) > 2
    assert {name for name in parameters(kind) if not re.search(rf"`[^`]*\b{name}\b[^`]*`", TEXT)} == set()


def test_every_field_of_the_connection_is_in_it_with_its_default() -> None:
    rows = dict(re.findall(r"^\| extra `(\w+)` \|.*\| (.*?) \|$", CONNECTION, re.MULTILINE))
    assert rows.keys() == FIELDS.keys()
    for name, field in FIELDS.items():
        if (default := field["schema"].get("default")) is not None:
            assert rows[name].strip("`") == (f"{default:g}" if isinstance(default, float) else str(default))


def test_its_connections_are_good_ones() -> None:
    written = re.findall(r"^export AIRFLOW_CONN_\w+='(.*?)'$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(written) >= 4
    for one in written:
        connection = (Connection.from_json if one.startswith("{") else Connection.from_uri)(one, conn_id="it")
        assert connection.conn_type == "messaggisms"
        settings = Settings.from_connection(
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson or {},
        )
        assert settings.unknown_fields == ()
        assert urlsplit(settings.base_url).hostname in ("ws.messaggisms.com", "127.0.0.1")
