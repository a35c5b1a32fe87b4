"""
What the tests of the notifier share: how Airflow calls it, and what the phones receive.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

ANNA = "+39 349 123 4567"
BEN = "+44 7400 123456"

Face = Callable[[MessaggiSmsNotifier, Any], None]


def call_back(notifier: MessaggiSmsNotifier, context: Any) -> None:
    """Do what Airflow does in a worker or a dag-processor."""
    notifier(context)


def call_back_awaited(notifier: MessaggiSmsNotifier, context: Any) -> None:
    """Do what Airflow does in the triggerer."""

    async def wait() -> None:
        notifier.context = context
        await notifier

    asyncio.run(wait())


@pytest.fixture(params=[call_back, call_back_awaited])
def face(request: pytest.FixtureRequest) -> Face:
    """Each scenario is written once, and run on both faces."""
    called: Face = request.param
    return called


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the locks and notes of each test apart, as on a machine of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def new_machine() -> None:
    """Go on where no process has left a lock or a note."""
    tempfile.tempdir = tempfile.mkdtemp()


@pytest.fixture
def gateway(messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Give a gateway with a connection that has a sender."""
    connect(messaggisms_gateway, monkeypatch)
    return messaggisms_gateway


def connect(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    connection = json.loads(gateway.connection) | {"extra": {"sender": "Airflow", "default_region": "IT", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))


def alarm(**kwargs: Any) -> MessaggiSmsNotifier:
    return MessaggiSmsNotifier(**({"recipients": ANNA} | kwargs))


def texts(gateway: Gateway) -> list[str]:
    """Return what the phones received, oldest first."""
    return [sms.text for sms in reversed(gateway.inbox())]


def numbers(gateway: Gateway) -> set[str]:
    return {sms.number for sms in gateway.inbox()}
