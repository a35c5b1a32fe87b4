"""
One hook, with one client, for all waits of an event loop on one connection.

A triggerer holds thousands of waits. A client for each would cost a thousand sockets and stop the loop for a tenth of a
second; a client for each poll would cost twice the CPU. So the waits share one hook with a bounded number of sockets.
The last wait to leave closes it.

Airflow 3.3 has a sharing of its own (``BaseEventTrigger.shared_stream_key``). It would not be simpler: it shares among
equal triggers only and not the client, it takes a trigger off its triggerer's queue, and Airflow 2.11 lacks it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from math import ceil
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_messaggisms.clients import AwaitedClient, Turn
from airflow_provider_messaggisms.exceptions import RateLimitedError
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import Step, Steps, arun_steps
from airflow_provider_messaggisms.gateway.wire import Call, ResponseBody
from airflow_provider_messaggisms.hooks import MessaggiSmsHook

T = TypeVar("T")

#: Pauses end at a multiple of this, so that all waits that are due wake together. A thousand wakings of the event loop
#: a second, each for one wait, would cost a quarter more CPU.
TICK_SECONDS = 0.01


class SharedHook(MessaggiSmsHook):
    """
    A hook for many waits at once, within one event loop. It repeats no call by itself: the next poll is the repeat.

    - At most as many exchanges at once as the connection allows sockets: a thousand waits may wake together.
    - A ``Retry-After`` that one wait is told holds for all of them.
    - If the token is refused, one wait finds out whether another token is needed, and gets it. The others wait for it.

    :param messaggisms_conn_id: Id of the connection.
    :param retry_policy: Default: no repeats, and a pause of 10 s after a refused token.
    """

    def __init__(self, messaggisms_conn_id: str, *, retry_policy: RetryPolicy | None = None) -> None:
        super().__init__(messaggisms_conn_id, retry_policy=retry_policy or RetryPolicy(attempts=1))
        self.waits = 0
        self._refusal: RateLimitedError | None = None
        self._quiet_until = 0.0  # loop time

    async def arun_steps(self, steps: Steps[T]) -> T:
        """Do what :meth:`MessaggiSmsHook.arun_steps` does; pauses end at the next tick."""
        return await arun_steps(steps, self._perform_in_step)

    async def _new_awaited_client(self) -> AwaitedClient:
        client = await super()._new_awaited_client()
        self.count_wait(0)  # those that came before the connection was read
        return client

    def count_wait(self, change: int) -> None:
        """Count a wait that comes (1) or leaves (-1), in Airflow's metrics too once the connection has been read."""
        self.waits += change
        if self._settings is not None:
            self.metrics().waits(self.waits)

    async def _arun_in_turn(self, call: Call[T], client: AwaitedClient, turn: Turn) -> T:
        self._check_quiet()
        try:
            return await super()._arun_in_turn(call, client, turn)
        except RateLimitedError as error:
            if error.retry_after_seconds:
                self._refusal = error.with_traceback(None)  # kept without its frames
                self._quiet_until = _loop_time() + error.retry_after_seconds
            raise

    def _check_quiet(self) -> None:
        """Refuse a call as the gateway would while a ``Retry-After`` lasts."""
        left = self._quiet_until - _loop_time()
        if self._refusal is not None and left > 0:
            refusal = copy(self._refusal)
            refusal.retry_after_seconds = left
            raise refusal

    async def _perform_in_step(self, step: Step) -> Any:
        if isinstance(step, Call):
            return await self.arun(step)
        return await asyncio.sleep(seconds_until_tick(_loop_time(), step.seconds))

    def _end_of(self, call: Call[Any]) -> float | None:
        """Bound an ordinary exchange by one timer: aiohttp's read timeout sets three, a tenth of what a poll costs."""
        if call.within_seconds is None and call.collect is ResponseBody:
            return time.monotonic() + self.settings.timeout_seconds
        return super()._end_of(call)


_hooks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedHook]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_hook(conn_id: str) -> AsyncIterator[SharedHook]:
    """Use the hook that this event loop's waits on a connection share. The last one to leave closes it."""
    hooks = _hooks.setdefault(asyncio.get_running_loop(), {})
    hook = hooks[conn_id] = hooks.get(conn_id) or SharedHook(conn_id)
    hook.count_wait(1)
    try:
        yield hook
    finally:
        hook.count_wait(-1)
        if not hook.waits:
            del hooks[conn_id]
            await hook.aclose()


def count_shared_hooks() -> int:
    """Count the hooks in use, in all event loops of this process."""
    return sum(len(hooks) for hooks in _hooks.values())


def seconds_until_tick(now: float, pause: float) -> float:
    """Return the seconds from *now* until the first tick after a pause."""
    return ceil((now + pause) / TICK_SECONDS) * TICK_SECONDS - now


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
