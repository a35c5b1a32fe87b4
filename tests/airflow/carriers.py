"""Transports to test with, on either face."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.wire import Request, Response
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

TOKEN = "tok-3f9a8b7c6d5e4f"
NUMBER = "3471112223"
READ = Request("GET", f"/messages/abc/recipients/%2B39-{NUMBER}", "/messages/{id}/recipients/{number}")
SEND = Request("POST", "/messages/", "/messages/", b'{"body": "Dear Rosa"}')


class Awaited:
    """An :class:`AsyncTransport` whose methods are run to their end, so that a test reads the same on both faces."""

    def __init__(self, settings: Settings, **limits: Any) -> None:
        self._runner = asyncio.Runner()
        self._transport = AsyncTransport(settings, **limits)

    def send(self, request: Request) -> Response:
        return self._runner.run(self._transport.send(request))

    def idle(self) -> None:
        """Let the event loop see what has happened to its connections; in a triggerer it always runs."""
        for _ in range(3):
            self._runner.run(asyncio.sleep(0))

    def close(self) -> None:
        self._runner.run(self._transport.aclose())

    def end(self) -> None:
        self.close()
        self._runner.close()


class Blocking(SyncTransport):
    """A :class:`SyncTransport`."""

    def idle(self) -> None:
        """Do nothing: a connection is looked at before it is used."""

    def end(self) -> None:
        self.close()


Open = Callable[..., Any]


@pytest.fixture(params=[Blocking, Awaited])
def open_transport(request: pytest.FixtureRequest, bare_environment: None) -> Iterator[Open]:
    """Open a transport of either face to an address."""
    opened: list[Any] = []

    def open_it(base_url: str, *, timeout_seconds: float = 20.0, **limits: Any) -> Any:
        settings = Settings(base_url, TOKEN, timeout_seconds=timeout_seconds)
        opened.append(request.param(settings, **limits))
        return opened[-1]

    yield open_it
    for transport in opened:
        transport.end()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the environment says of proxies and certificates."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def closed_port() -> str:
    """Find an address on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"
