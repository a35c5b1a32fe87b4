"""
Work that has so many seconds and no more, because Airflow waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from airflow_provider_messaggisms.exceptions import OutcomeUnknownError

T = TypeVar("T")


class Deadline:
    """
    The time that an alarm has.

    :param seconds: From now on.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._began = clock()

    def left(self, share: float = 1.0) -> float:
        """Return the seconds that are left of the first *share* of it, which may be negative."""
        return self._began + share * self.seconds - self._clock()

    def until(self, share: float) -> Deadline:
        """Make a deadline of what is left of the first *share* of it."""
        return Deadline(max(self.left(share), 0.0), self._clock)


def bounded(work: Callable[[], T], deadline: Deadline) -> T:
    """
    Do *work* in a thread, and leave it behind when the time is over.

    It bounds itself; but neither a name server that does not answer nor Airflow's own look-up of the connection can be
    told to hurry.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to the caller)
            done.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="messaggisms-alarm", daemon=True).start()
    try:
        return done.result(max(deadline.left(), 0))
    except TimeoutError:
        if done.done():
            raise
        raise _too_late(deadline) from None


async def abounded(work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
    try:
        async with asyncio.timeout(max(deadline.left(), 0)):
            return await work
    except TimeoutError:
        raise _too_late(deadline) from None


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    from asgiref.sync import sync_to_async  # Airflow's own look-ups work in its threads only

    return await sync_to_async(work, thread_sensitive=False)(*args)


def _too_late(deadline: Deadline) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"this alarm may be lost: it was not done within {deadline.seconds:.0f} s")
