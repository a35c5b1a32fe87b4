"""A connection that Airflow exports and imports means the same afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.models import Connection

from airflow_provider_messaggisms.gateway.settings import Settings
from tests.conftest import only_our_warnings

EXTRA = {
    "environment": "sandbox", "sender": "Acme", "timeout_seconds": 12.5, "timezone": "Europe/Paris",
    "quiet_hours": "21:00-08:00", "default_region": "IT", "price_per_part_eur": 0.05, "max_sockets": 20,
    "console_url": "https://console.example/{message_id}",
}  # fmt: skip


def settings_of(connection: Any) -> Settings:
    """Read a connection as the hook does."""
    parts = {name: getattr(connection, name) for name in ("host", "schema", "port", "password")}
    return Settings.from_connection(**parts, extra=connection.extra_dejson)


@only_our_warnings()
def airflow(*arguments: str) -> None:
    """Run a command of Airflow's, in this process, on the database of the tests."""
    from airflow.cli.cli_parser import get_parser

    command = get_parser().parse_args(arguments)
    command.func(command)


@pytest.mark.parametrize("form", ["json", "yaml", "env"])
def test_a_connection_survives_export_and_import(form: str, tmp_path: Path, airflow_db: None) -> None:
    written = Connection(conn_id="exported", conn_type="messaggisms", password="a-token", extra=json.dumps(EXTRA))
    first, second = tmp_path / f"first.{form}", tmp_path / f"second.{form}"
    airflow("connections", "add", "exported", "--conn-json", written.as_json())
    try:
        airflow("connections", "export", str(first), "--file-format", form)
        airflow("connections", "delete", "exported")
        airflow("connections", "import", str(first))
        airflow("connections", "export", str(second), "--file-format", "json")
    finally:
        airflow("connections", "delete", "exported")
    parts = json.loads(second.read_text())["exported"]
    read_back = Connection(
        **{name: parts[name] for name in ("conn_type", "host", "login", "password", "schema", "port")},
        extra=parts["extra"],
    )
    assert settings_of(read_back) == settings_of(written)
    assert settings_of(read_back).quiet_hours is not None


@pytest.mark.parametrize("sockets", [20, 20.0, "20", "20.0", " 20 "])
def test_a_connections_uri_reads_numbers_alike(sockets: Any) -> None:
    written = Connection(
        conn_id="c", conn_type="messaggisms", password="a-token", extra=json.dumps({"max_sockets": sockets})
    )
    assert settings_of(Connection(uri=written.get_uri())).max_sockets == 20
    assert settings_of(written).max_sockets == 20
