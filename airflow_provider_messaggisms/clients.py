"""
The two clients of a hook: what performs the attempts of a call, with a token that is good.

``gateway.attempts`` decides what happens, one step after the other. The classes here do it: one for callers that block,
one for an event loop. Both take the token from the connection, or from the account's tokens (see ``tokens``). A token
in hand costs no request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from airflow_provider_messaggisms.exceptions import NotSentError
from airflow_provider_messaggisms.gateway.attempts import Attempt, Attempts, Authorize, Doubt, Refusals
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.steps import Pause, arun_steps, run_steps
from airflow_provider_messaggisms.gateway.wire import Call, Response
from airflow_provider_messaggisms.threads import in_thread
from airflow_provider_messaggisms.tokens import AccountTokens, tokens_of
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

log = logging.getLogger(__name__)

T = TypeVar("T")

Step = Authorize | Attempt | Doubt | Pause

#: Takes a response that has been read, and the value that was in it; ``None`` for a refusal.
Heard = Callable[[Response, Any], None]


class ReadConnection(RedactedStruct, frozen=True):
    """A step that reads the connection again; its result is its settings, ``None`` if it cannot be read."""


class FindToken(RedactedStruct, frozen=True):
    """A step that finds or makes a token of the account; its result is the token."""

    tokens: AccountTokens
    refused: str | None
    within_seconds: float | None


class TokenInUse:
    """
    The connection with the token that a client's calls carry, and how it is replaced.

    :param transport: Carries the requests, with that token.
    :param settings: The connection.
    """

    def __init__(self, transport: SyncTransport | AsyncTransport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings
        self._tokens = _tokens_of(settings)

    def authorize(self, wanted: Authorize) -> Generator[ReadConnection | FindToken, Any, Settings | None]:
        """Make sure of a token, as *wanted* says; return the settings with it. A token in hand asks for nothing."""
        settings = self._settings
        if wanted.refused is not None and wanted.refused is not settings:
            return settings  # another call has replaced it
        if settings.account is None:
            if wanted.refused is None:
                return settings
            settings = yield ReadConnection()
            if settings is None:
                return None
            self._tokens = _tokens_of(settings)
        token = settings.token
        if self._tokens is not None:
            refused = None if wanted.refused is None else wanted.refused.token
            found = self._tokens.kept(refused) or (yield FindToken(self._tokens, refused, wanted.within_seconds))
            token = found.value
        return self._use(settings, token, wanted.refused)

    def _use(self, settings: Settings, token: str, refused: Settings | None) -> Settings | None:
        """Let all calls carry a token; return ``None`` if it is the refused one."""
        if token != self._settings.token:
            self._settings = msgspec.structs.replace(settings, token=token)
            self._transport.use(self._settings)
        return None if self._settings is refused else self._settings


class BlockingClient:
    """
    Make calls in one thread.

    :param transport: Carries the requests.
    :param settings: The connection.
    :param read_again: Reads the connection again: its token may have been replaced since.
    :param heard: Called with each response once it has been read.
    """

    def __init__(
        self,
        transport: SyncTransport,
        settings: Settings,
        *,
        read_again: Callable[[], Settings],
        heard: Heard,
    ) -> None:
        self.refusals = Refusals()
        self.transport = transport
        self._token = TokenInUse(transport, settings)
        self._read_again = read_again
        self._read = partial(_read, heard)

    def run(self, attempts: Attempts[T]) -> T:
        """Perform the attempts of a call; return its value."""
        return run_steps(attempts, self._perform)

    def close(self) -> None:
        """Close the kept session. A later call opens a new one."""
        self.transport.close()

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Attempt):
            response = self.transport.send(step.call.request, step.within_seconds, step.call.collect())
            return self._read(step.call, response)
        if isinstance(step, Authorize):
            return run_steps(self._token.authorize(step), self._obtain)
        return time.sleep(step.seconds)

    def _obtain(self, step: ReadConnection | FindToken) -> Any:
        if isinstance(step, FindToken):
            return step.tokens.get(step.refused, step.within_seconds)
        try:
            return self._read_again()
        except Exception as error:  # noqa: BLE001 (reading may fail in any way; the refusal says more)
            _warn_unread(error)


class AwaitedClient:
    """
    Make calls in one event loop, as many at once as they come.

    The parameters are those of :class:`BlockingClient`; ``read_again`` is awaited.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        settings: Settings,
        *,
        read_again: Callable[[], Awaitable[Settings]],
        heard: Heard,
    ) -> None:
        self.refusals = Refusals()
        self.transport = transport
        self._token = TokenInUse(transport, settings)
        self._read_again = read_again
        self._read = partial(_read, heard)
        self._sockets = asyncio.Semaphore(settings.max_sockets)
        self._turns = _Turns()

    def turn(self) -> Turn:
        """
        Return a turn to wait for, with ``async with``: as many at once as the connection allows sockets.

        A call that waits for a socket must not have decided on its token yet: the token may be refused meanwhile.
        """
        return Turn(self._sockets, self._turns)

    async def run(self, attempts: Attempts[T], turn: Turn) -> T:
        """Perform the attempts of a call; return its value."""
        return await arun_steps(attempts, partial(self._perform, turn))

    async def aclose(self) -> None:
        """Close the kept session. A later call opens a new one."""
        await self.transport.aclose()

    async def _perform(self, turn: Turn, step: Step) -> Any:
        if isinstance(step, Attempt):
            response = await self.transport.send(step.call.request, step.within_seconds, step.call.collect())
            return self._read(step.call, response)
        if isinstance(step, Authorize):
            if self._turns.alone is not None:
                await turn.others(step.within_seconds)
            if self.refusals.in_a_row:
                turn.be_alone()
            return await arun_steps(self._token.authorize(step), self._obtain)
        if isinstance(step, Doubt):
            if await turn.others(step.within_seconds):
                return None
            turn.be_alone()
        return await asyncio.sleep(step.seconds)

    async def _obtain(self, step: ReadConnection | FindToken) -> Any:
        if isinstance(step, FindToken):
            return await in_thread(step.tokens.get, step.refused, step.within_seconds)
        try:
            return await self._read_again()
        except Exception as error:  # noqa: BLE001 (reading may fail in any way; the refusal says more)
            _warn_unread(error)


class _Turns:
    """
    Lets one call of an event loop find out whether a refused token is still good, while all others wait for that.

    Otherwise ten thousand waits would be refused, pause, and renew the token each for itself.
    """

    __slots__ = ("alone", "over")

    def __init__(self) -> None:
        self.alone: Turn | None = None
        self.over = asyncio.Event()


class Turn:
    """The turn of one call, as a context manager: a class, because a poll has one and a generator costs more."""

    __slots__ = ("_sockets", "_turns")

    def __init__(self, sockets: asyncio.Semaphore, turns: _Turns) -> None:
        self._sockets = sockets
        self._turns = turns

    async def __aenter__(self) -> Self:
        await self._sockets.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the socket back. If the call was alone, the others go on after it."""
        self._sockets.release()
        if self._turns.alone is self:
            self._turns.alone = None
            self._turns.over.set()

    async def others(self, within_seconds: float | None) -> bool:
        """
        Wait while another call is alone; return whether there was one.

        :raises NotSentError: It took longer than *within_seconds*.
        """
        if self._turns.alone in (None, self):
            return False
        try:
            async with asyncio.timeout(within_seconds):
                while self._turns.alone not in (None, self):
                    await self._turns.over.wait()
        except TimeoutError:
            text = "nothing was sent: the gateway has refused the token, and another call is still asking again"
            raise NotSentError(text) from None
        return True

    def be_alone(self) -> None:
        """Let all other calls wait from now on."""
        if self._turns.alone is None:
            self._turns.alone = self
            self._turns.over = asyncio.Event()


def _read(heard: Heard, call: Call[T], response: Response) -> T:
    value = None
    try:
        value = call.parse(response)
        return value
    finally:
        heard(response, value)


def _warn_unread(error: Exception) -> None:
    log.warning("The connection cannot be read again for another token: %s", type(error).__name__)


def _tokens_of(settings: Settings) -> AccountTokens | None:
    return None if settings.account is None else tokens_of(settings.account)
