"""
What the emulator's tests share: an account with its own clock, and HTTP requests to a running emulator.

The requests use the standard library, because the provider's client or another HTTP library could correct what is sent
or received.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_messaggisms.emulator.account.clock import Clock
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import SILENCE_SECONDS

# 2026-05-20 12:00 in Rome.
NOON = 1_779_271_200.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


Call = Callable[..., Reply]


@pytest.fixture
def account() -> SmsAccount:
    """An account at noon of an ordinary day, whose clock stands still."""
    clock = Clock(speed=0)
    clock.reset(NOON)
    return SmsAccount(clock)


def login(email: str, api_key: str) -> dict[str, str]:
    """Return the header with which an account asks the token service."""
    return {"Authorization": "Basic " + base64.b64encode(f"{email}:{api_key}".encode()).decode()}


@pytest.fixture
def ask(call: Call, messaggisms_gateway: Gateway) -> Call:
    """Make requests to the token service as the account: ``ask(method, path, body)``."""

    def exchange(method: str, path: str, body: Any = None, *, api_key: str = messaggisms_gateway.api_key) -> Reply:
        return call(method, path, body, headers=login(messaggisms_gateway.email, api_key), token=None)

    return exchange


@pytest.fixture
def call(messaggisms_gateway: Gateway) -> Call:
    """Make requests to the emulator: ``call(method, path, body, headers=..., token=...)``. A dict is sent as JSON."""
    address = urlsplit(messaggisms_gateway.url)

    def exchange(
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = messaggisms_gateway.token,
    ) -> Reply:
        assert address.hostname
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=SILENCE_SECONDS)
        try:
            authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
            data = json.dumps(body) if isinstance(body, dict | list) else body
            connection.request(method, path, data, headers=authorization | (headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    return exchange
