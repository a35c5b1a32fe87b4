"""What tells one Airflow from another that shares its account."""

from __future__ import annotations

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.installation import installation_of

BASE_URL = "AIRFLOW__WEBSERVER__BASE_URL" if airflow_version.startswith("2.") else "AIRFLOW__API__BASE_URL"


def settings(**extra: str) -> Settings:
    return Settings.from_connection(host=None, schema=None, port=None, password="token", extra=extra)


def test_the_base_address_of_the_ui_names_an_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL, "https://Airflow.example/")
    assert installation_of(settings()) == "https://airflow.example"
    monkeypatch.setenv(BASE_URL, "https://staging.example")
    assert installation_of(settings()) == "https://staging.example"


def test_the_connection_can_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASE_URL, "https://airflow.example")
    assert installation_of(settings(installation="staging")) == "staging"


def test_an_airflow_without_a_base_address_has_a_name_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BASE_URL, raising=False)
    assert isinstance(installation_of(settings()), str)
