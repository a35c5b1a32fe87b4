"""Fixtures of the tests of alarms."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.airflow.alarms.notifying import face, gateway, own_folder

__all__ = ["face", "gateway", "own_folder"]


@pytest.fixture
def slow_secrets(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let each look-up of a connection or a Variable take so many seconds, in a secrets backend of Airflow."""

    def be_slow(seconds: float) -> None:
        for section, name in (("SECRETS", "BACKEND"), ("WORKERS", "SECRETS_BACKEND")):
            monkeypatch.setenv(f"AIRFLOW__{section}__{name}", "tests.airflow.alarms.slow_secrets.SlowSecrets")
            monkeypatch.setenv(f"AIRFLOW__{section}__{name}_KWARGS", json.dumps({"seconds": seconds}))

    return be_slow
