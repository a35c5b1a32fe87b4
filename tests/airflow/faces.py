"""
Hooks to test with, on either face, and what they talk to: the emulator, a puppet that does what a test wants, or a
vendor with a token service.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.tokens import IN_THIS_PROCESS, AccountTokens
from tests.airflow.puppet import Puppet, success
from tests.airflow.token_service import API_KEY, LOGIN, Vendor, running_vendor

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
def vendor(connect: Open) -> Iterator[Vendor]:
    """A vendor, which the connection ``messaggisms_default`` leads to with the account's e-mail address and API key."""
    with running_vendor() as vendor:
        connect(API_KEY, login=LOGIN, host=vendor.url, extra={"auth": "account", "token_host": vendor.url})
        tokens_at_once()
        yield vendor


def tokens_at_once(**how: Any) -> None:
    """Let the account of the connection ``messaggisms_default`` get its token without a pause for other processes."""
    account = MessaggiSmsHook().settings.account
    assert account
    IN_THIS_PROCESS[account] = AccountTokens(account, sleep=lambda seconds: None, **how)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Set the connection ``messaggisms_default``."""

    def set_it(password: str | None = TOKEN, **parts: Any) -> None:
        connection = json.dumps({"conn_type": "messaggisms", "password": password, **parts})
        monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", connection)

    return set_it
