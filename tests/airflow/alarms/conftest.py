"""Fixtures of the tests of alarms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.airflow.alarms.driving import Driver
from tests.airflow.alarms.notifying import face, gateway, own_folder
from tests.airflow.alarms.slow_secrets import SlowSecrets

__all__ = ["face", "gateway", "own_folder"]


@pytest.fixture
def driver(messaggisms_gateway: Gateway) -> Driver:
    """Give a driver of alarms' steps at a fresh gateway."""
    return Driver(messaggisms_gateway)


@pytest.fixture
def slow_secrets(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let each look-up of a connection or a Variable take so many seconds, in a secrets backend of Airflow."""

    def be_slow(seconds: float) -> None:
        for name in ("SECRETS__BACKEND", "WORKERS__SECRETS_BACKEND"):
            monkeypatch.setenv(f"AIRFLOW__{name}", f"{SlowSecrets.__module__}.{SlowSecrets.__qualname__}")
        monkeypatch.setattr(SlowSecrets, "seconds", seconds)

    return be_slow
