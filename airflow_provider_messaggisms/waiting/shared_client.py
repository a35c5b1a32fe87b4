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
from collections.abc import Generator
from copy import copy
from math import ceil
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_messaggisms.exceptions import AuthenticationError, MessaggiSmsError, RateLimitedError
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.wire import Call, ResponseBody
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport

T = TypeVar("T")

#: Waits look on the stroke of such a step, so that all that are due wake together. A thousand wakings of the event loop
#: a second, each for one wait, would cost a quarter more.
STEP_SECONDS = 0.01

#: After a refused token the connection is read again, but by all waits together not more often than this.
_RENEWAL_SECONDS = 10.0


class _Client(NamedTuple):
    settings: Settings
    transport: AsyncTransport
    turns: asyncio.Semaphore

    async def send(self, call: Call[Any]) -> Any:
        # As many turns as sockets: a thousand waits that wake at once must not all begin a request at once.
        async with self.turns:
            body = call.collect()
            within_seconds = self.settings.timeout_seconds if type(body) is ResponseBody else None
            return call.parse(await self.transport.send(call.request, within_seconds, body))


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
        self._clients: list[_Client] = []  # the last one is in use; the token of the others was refused
        self._opening = asyncio.Lock()
        self._read_at = 0.0
        self._quiet: RateLimitedError | None = None
        self._quiet_until = 0.0

    async def exchange(self, call: Call[Any]) -> Any:
        """Make a call; return its value or its error, for whoever waits for it."""
        clock = asyncio.get_running_loop().time
        if self._quiet is not None and (left := self._quiet_until - clock()) > 0:
            quiet = copy(self._quiet)
            quiet.retry_after_seconds = left
            return quiet
        try:
            client = self._clients[-1] if self._clients else await self._open(None)
            try:
                return await client.send(call)
            except AuthenticationError:
                renewed = await self._open(client)
                if renewed is client:
                    raise
                return await renewed.send(call)
        except MessaggiSmsError as error:
            if isinstance(error, RateLimitedError) and error.retry_after_seconds:
                self._quiet, self._quiet_until = error, clock() + error.retry_after_seconds
            return error.with_traceback(None)

    async def aclose(self) -> None:
        """Close the client."""
        while self._clients:
            await self._clients.pop().transport.aclose()

    async def _open(self, refused: _Client | None) -> _Client:
        """Make the client; or another one, if *refused* is the last one and the connection has changed since."""
        async with self._opening:
            last = self._clients[-1] if self._clients else None
            now = asyncio.get_running_loop().time()
            if last is not None and (last is not refused or now - self._read_at < _RENEWAL_SECONDS):
                return last
            settings = await MessaggiSmsHook(self._conn_id).asettings()
            self._read_at = now
            if last is not None and last.settings == settings:
                return last
            transport = AsyncTransport(settings)
            await transport.prepare()
            client = _Client(settings, transport, asyncio.Semaphore(settings.max_sockets))
            self._clients.append(client)
            return client


class _Answer:
    """What the gateway was last asked about a path, and its answer once that has come: a value or an error."""

    __slots__ = ("arrival", "asked", "came", "result")

    def __init__(self, asked: float) -> None:
        self.asked = asked
        self.came: float | None = None
        self.result: Any = None
        self.arrival: asyncio.Event | None = None  # made by the first who has not asked himself


class View:
    """What a lookout knows of one message: the last answer about each path, for as long as somebody waits."""

    __slots__ = ("_answers", "_lookout", "seats")

    def __init__(self, lookout: Lookout) -> None:
        self.seats = 0
        self._lookout = lookout
        self._answers: dict[str, _Answer] = {}

    async def ask(self, call: Call[Any], newer_than: float) -> _Answer:
        """Return an answer that was asked for after the time *newer_than*; ask for it if there is none yet."""
        while True:
            answer = self._answers.get(call.request.path)
            if answer is None or answer.asked <= newer_than:
                return await self._fetch(call)
            if answer.came is None:
                answer.arrival = answer.arrival or asyncio.Event()
                await answer.arrival.wait()
            if answer.came is not None:
                return answer  # otherwise who asked has left amid it; ask in his place

    async def _fetch(self, call: Call[Any]) -> _Answer:
        clock = asyncio.get_running_loop().time
        answer = self._answers[call.request.path] = _Answer(clock())
        try:
            answer.result = await self._lookout.exchange(call)
            answer.came = clock()
        finally:
            if answer.came is None or self.seats == 1:
                del self._answers[call.request.path]  # of no use to anybody else
            if answer.arrival is not None:
                answer.arrival.set()
        return answer


class Seat:
    """
    The place of one wait at the lookout of its connection, as a context manager. Who leaves last closes the client.

    :param conn_id: Id of the connection.
    :param message_id: What the wait looks at.
    """

    __slots__ = ("_conn_id", "_lookout", "_message_id", "_view", "looked_at")

    def __init__(self, conn_id: str, message_id: str) -> None:
        self._conn_id = conn_id
        self._message_id = message_id
        self.looked_at = 0.0  # in the time of the loop

    async def __aenter__(self) -> Self:
        lookouts = _lookouts.setdefault(asyncio.get_running_loop(), {})
        self._lookout = lookouts.get(self._conn_id) or lookouts.setdefault(self._conn_id, Lookout(self._conn_id))
        self._view = self._lookout.views.get(self._message_id) or View(self._lookout)
        self._lookout.views[self._message_id] = self._view
        self._lookout.seats += 1
        self._view.seats += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lookout.seats -= 1
        self._view.seats -= 1
        if not self._view.seats:
            del self._lookout.views[self._message_id]
        if not self._lookout.seats:
            del _lookouts[asyncio.get_running_loop()][self._conn_id]
            await self._lookout.aclose()

    async def follow(self, steps: Generator[Call[Any], Any, T]) -> T:
        """Make the calls of a look, give it their results or errors, and return what it returns."""
        newer_than = self.looked_at
        try:
            call = next(steps)
            while True:
                answer = await self._view.ask(call, newer_than)
                newer_than, self.looked_at = answer.asked, answer.came or answer.asked
                result = answer.result
                call = steps.throw(result) if isinstance(result, MessaggiSmsError) else steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            steps.close()

    def left(self, pause: float) -> float:
        """Say how much is left of a pause that began with the last look, be it somebody else's; never less."""
        due = ceil((self.looked_at + pause) / STEP_SECONDS) * STEP_SECONDS
        return max(0.0, due - asyncio.get_running_loop().time())


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Lookout]] = WeakKeyDictionary()
