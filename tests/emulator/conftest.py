"""
What the emulator's tests share: a store with its own time, and a way to speak HTTP to a running emulator.

HTTP is spoken with the standard library, so that neither the client under test nor a clever HTTP library tidies up
what is sent or received.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_messaggisms.emulator.clock import Clock
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.emulator.store import Store

# 2026-05-20 12:00 in Rome.
NOON = 1_779_271_200.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


Call = Callable[..., Answer]


@pytest.fixture
def store() -> Store:
    """A store at noon of an ordinary day, whose clock stands still."""
    clock = Clock(speed=0)
    clock.reset(NOON)
    return Store(clock)


@pytest.fixture
def call(messaggisms_gateway: Gateway) -> Call:
    """Speak to the emulator: ``call(method, path, body, headers=..., token=...)``. A dict is sent as JSON."""
    address = urlsplit(messaggisms_gateway.url)

    def exchange(
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = messaggisms_gateway.token,
    ) -> Answer:
        assert address.hostname
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        try:
            authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
            data = json.dumps(body) if isinstance(body, dict | list) else body
            connection.request(method, path, data, headers=authorization | (headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    return exchange
