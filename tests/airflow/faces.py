"""Hooks to test with, on either face, and what they talk to: the emulator, or a puppet that does what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.puppet import Puppet, success

AT_ONCE = RetryPolicy(first_delay_seconds=0.0, refused_delay_seconds=0.0)
TOKEN = "tok-3f9a8b7c6d5e4f"


class Blocking:
    """The methods for workers."""

    def __init__(self, hook: MessaggiSmsHook) -> None:
        self.hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hook, name)

    def end(self) -> None:
        self.hook.close()


class Awaited:
    """The asynchronous methods, run to their end, so that a scenario reads the same on both faces."""

    def __init__(self, hook: MessaggiSmsHook) -> None:
        self.hook = hook
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.hook, f"a{name}")
        return lambda *args, **kwargs: self._runner.run(method(*args, **kwargs))

    def end(self) -> None:
        self.close()
        self._runner.close()


Open = Callable[..., Any]


@pytest.fixture(params=[Blocking, Awaited])
def open_hook(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a hook whose repeats come at once, on either face."""
    opened: list[Any] = []

    def open_it(conn_id: str = "messaggisms_default", *, retry_policy: RetryPolicy = AT_ONCE) -> Any:
        opened.append(request.param(MessaggiSmsHook(conn_id, retry_policy=retry_policy)))
        return opened[-1]

    yield open_it
    for face in opened:
        face.end()


@pytest.fixture
def face(open_hook: Open, messaggisms_gateway: Gateway) -> Any:
    """A hook on the emulator, on either face."""
    return open_hook()


@pytest.fixture
def hook(messaggisms_gateway: Gateway) -> Iterator[MessaggiSmsHook]:
    """A worker's hook on the emulator."""
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        yield hook


@pytest.fixture
def puppet(connect: Open) -> Iterator[Puppet]:
    """A gateway that answers whatever a test wants, which the connection ``messaggisms_default`` leads to."""
    with Puppet() as server:
        server.answers(success([]))
        connect(host=server.url)
        yield server


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Set the connection ``messaggisms_default``."""

    def set_it(password: str | None = TOKEN, **parts: Any) -> None:
        connection = json.dumps({"conn_type": "messaggisms", "password": password, **parts})
        monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", connection)

    return set_it
