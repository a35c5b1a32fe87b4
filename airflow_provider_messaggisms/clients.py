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
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from airflow_provider_messaggisms.exceptions import NotSentError
from airflow_provider_messaggisms.gateway.attempts import Attempt, Attempts, Authorize, Doubt, Refusals
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.steps import Pause, arun_steps, run_steps
from airflow_provider_messaggisms.gateway.wire import Call, Response
from airflow_provider_messaggisms.tokens import AccountTokens, tokens_of
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

log = logging.getLogger(__name__)

T = TypeVar("T")

Step = Authorize | Attempt | Doubt | Pause

#: Takes a response that has been read, and the value that was in it; ``None`` for a refusal.
Heard = Callable[[Response, Any], None]


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
        self._using = settings  # with the token in use
        self._tokens = _tokens_of(settings)
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
            return self._authorize(step)
        return time.sleep(step.seconds)

    def _authorize(self, step: Authorize) -> Settings | None:
        using, settings = self._using, self._using
        if using.account is None:
            if step.refused is None:
                return using
            try:
                settings = self._read_again()
            except Exception as error:  # noqa: BLE001 (reading may fail in any way; the refusal says more)
                _warn_unread(error)
                return None
            self._tokens = _tokens_of(settings)
        token = settings.token
        if self._tokens is not None:
            token = self._tokens.get(using.token if step.refused else None, step.within_seconds).value
        if token == using.token:
            return None if step.refused else using
        self._using = msgspec.structs.replace(settings, token=token)
        self.transport.use(self._using)
        return self._using


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
        self._using = settings
        self._tokens = _tokens_of(settings)
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
            return await self._authorize(step)
        if isinstance(step, Doubt):
            if await turn.others(step.within_seconds):
                return None
            turn.be_alone()
        return await asyncio.sleep(step.seconds)

    async def _authorize(self, step: Authorize) -> Settings | None:
        using, settings = self._using, self._using
        if step.refused is not None and step.refused is not using:
            return using  # another call has renewed it
        if using.account is None:
            if step.refused is None:
                return using
            try:
                settings = await self._read_again()
            except Exception as error:  # noqa: BLE001 (reading may fail in any way; the refusal says more)
                _warn_unread(error)
                return None
            self._tokens = _tokens_of(settings)
        token = settings.token
        if self._tokens is not None:
            refused = using.token if step.refused else None
            found = self._tokens.kept(refused)
            if found is None:
                found = await in_thread(self._tokens.get, refused, step.within_seconds)
            token = found.value
        if token == using.token:
            return None if step.refused else using
        self._using = msgspec.structs.replace(settings, token=token)
        self.transport.use(self._using)
        return self._using


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


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Do *work* beside the event loop."""
    from asgiref.sync import sync_to_async  # Airflow's masking works in its threads only

    return await sync_to_async(work, thread_sensitive=False)(*args)
