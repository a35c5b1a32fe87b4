"""
The lookout: all waits of one event loop on one connection look through one client, and waits on one message together.

A triggerer holds thousands of waits. A client each would cost a thousand sockets and stop the loop for a tenth of a
second; a client each time twice the CPU. So there is one client for each connection, with a bounded number of sockets,
which is closed when the last wait leaves. And an answer that somebody has asked for since my last look counts as my
look: two waits on a message cost one request, whatever their intervals, and none ever asks sooner than it may.

Airflow 3.3 has a sharing of its own (``BaseEventTrigger.shared_stream_key``). It would not be simpler: it shares among
equal triggers only and not the client, it takes a trigger off its triggerer's queue, and Airflow 2.11 lacks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_messaggisms.exceptions import AuthenticationError, MessaggiSmsError, RateLimitedError
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.transport import AsyncTransport

T = TypeVar("T")

#: After a refused token the connection is read again, but by all waits together not more often than this.
_RENEWAL_SECONDS = 10.0


class Lookout:
    """
    The client that all waits of one event loop on one connection share.

    :param conn_id: Id of the connection. Read when the first wait asks, and again when the gateway refuses its token:
        tokens expire, and a wait may take days.
    """

    def __init__(self, conn_id: str) -> None:
        self.seats = 0
        self.views: dict[str, View] = {}
        self._conn_id = conn_id
        self._settings: Settings | None = None
        self._transports: list[AsyncTransport] = []  # the last one is in use, others have a token that was refused
        self._opening = asyncio.Lock()
        self._read_at = 0.0
        self._turns = asyncio.Semaphore()
        self._quiet: RateLimitedError | None = None
        self._quiet_until = 0.0

    async def exchange(self, call: Call[Any]) -> Any:
        """Make a call; return its value or its error, for whoever waits for it."""
        try:
            if self._quiet is not None and asyncio.get_running_loop().time() < self._quiet_until:
                return self._quiet
            transport = await self._open(None)
            try:
                return await self._send(transport, call)
            except AuthenticationError:
                renewed = await self._open(transport)
                if renewed is transport:
                    raise
                return await self._send(renewed, call)
        except RateLimitedError as error:
            if error.retry_after_seconds:
                self._quiet_until = asyncio.get_running_loop().time() + error.retry_after_seconds
                self._quiet = error
            return error.with_traceback(None)
        except MessaggiSmsError as error:
            return error.with_traceback(None)

    async def aclose(self) -> None:
        """Close the client."""
        while self._transports:
            await self._transports.pop().aclose()

    async def _send(self, transport: AsyncTransport, call: Call[Any]) -> Any:
        # As many turns as sockets: a thousand waits that wake at once must not all begin a request at once.
        async with self._turns:
            return call.parse(await transport.send(call.request, None, call.collect()))

    async def _open(self, refused: AsyncTransport | None) -> AsyncTransport:
        """Return the client; another one than *refused* if the connection has changed by now."""
        if self._transports and self._transports[-1] is not refused:
            return self._transports[-1]
        async with self._opening:
            now = asyncio.get_running_loop().time()
            known = self._transports[-1] if self._transports else None
            if known is None or (known is refused and now - self._read_at >= _RENEWAL_SECONDS):
                settings = await MessaggiSmsHook(self._conn_id).asettings()
                self._read_at = now
                if settings != self._settings:
                    self._settings = settings
                    self._turns = asyncio.Semaphore(settings.max_sockets)
                    transport = AsyncTransport(settings)
                    await transport.prepare()
                    self._transports.append(transport)
            return self._transports[-1]


class _Answer:
    """What the gateway was last asked about a path, and what it said: ``task`` gives a value or an error."""

    __slots__ = ("asked", "came", "task", "waiting")

    def __init__(self, lookout: Lookout, call: Call[Any]) -> None:
        self.asked = self.came = asyncio.get_running_loop().time()
        self.waiting = 0
        self.task = asyncio.create_task(self._fetch(lookout, call))

    async def _fetch(self, lookout: Lookout, call: Call[Any]) -> Any:
        try:
            return await lookout.exchange(call)
        finally:
            self.came = asyncio.get_running_loop().time()


class View:
    """What a lookout knows of one message: the last answer about each path, for as long as somebody waits."""

    __slots__ = ("answers", "lookout", "seats")

    def __init__(self, lookout: Lookout) -> None:
        self.lookout = lookout
        self.seats = 0
        self.answers: dict[str, _Answer] = {}

    async def ask(self, call: Call[Any], newer_than: float) -> _Answer:
        """Return an answer that was asked for after the time *newer_than*; ask for it if there is none yet."""
        path = call.request.path
        answer = self.answers.get(path)
        if answer is None or answer.asked <= newer_than:
            answer = self.answers[path] = _Answer(self.lookout, call)
        answer.waiting += 1
        try:
            await asyncio.shield(answer.task)
        finally:
            answer.waiting -= 1
            if not answer.waiting and not answer.task.done():
                answer.task.cancel()
                if self.answers.get(path) is answer:
                    del self.answers[path]
        return answer


class Seat:
    """One wait's place at a lookout."""

    __slots__ = ("_view", "looked_at")

    def __init__(self, view: View) -> None:
        self._view = view
        self.looked_at = float("-inf")

    async def follow(self, steps: Generator[Call[Any], Any, T]) -> T:
        """Make the calls of a look, give it their results or errors, and return what it returns."""
        newer_than = self.looked_at
        try:
            call = next(steps)
            while True:
                answer = await self._view.ask(call, newer_than)
                newer_than, self.looked_at = answer.asked, answer.came
                result = answer.task.result()
                call = steps.throw(result) if isinstance(result, MessaggiSmsError) else steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            steps.close()

    async def sleep(self, pause: float) -> None:
        """Sleep until so many seconds after the last look, which somebody else may have made a while ago."""
        await asyncio.sleep(max(0.0, self.looked_at + pause - asyncio.get_running_loop().time()))


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Lookout]] = WeakKeyDictionary()


@asynccontextmanager
async def seat_for(conn_id: str, message_id: str) -> AsyncIterator[Seat]:
    """Take a seat for a wait on a message. Who leaves last closes the client."""
    lookouts = _lookouts.setdefault(asyncio.get_running_loop(), {})
    lookout = lookouts.setdefault(conn_id, Lookout(conn_id))
    view = lookout.views.setdefault(message_id, View(lookout))
    lookout.seats += 1
    view.seats += 1
    try:
        yield Seat(view)
    finally:
        lookout.seats -= 1
        view.seats -= 1
        if not view.seats:
            del lookout.views[message_id]
        if not lookout.seats:
            del lookouts[conn_id]
            await lookout.aclose()
