"""
Work that has so many seconds and no more, because Airflow waits for it.

A :class:`Deadline` says how much is left. Each phase of an alarm gets the first share of one; there is no other clock.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Deadline:
    """
    A number of seconds, from now on.

    :param seconds: 0 or more; a negative number counts as 0.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = max(seconds, 0.0)
        self._clock = clock
        self._began = clock()

    def left(self) -> float:
        """Return the seconds that are left; 0 when it is over."""
        return max(self._began + self.seconds - self._clock(), 0.0)

    def first(self, share: float) -> Deadline:
        """Make a deadline from now to the end of the first *share* (0 to 1) of this one."""
        return Deadline(self.left() - (1 - share) * self.seconds, self._clock)


def bounded(work: Callable[[], T], deadline: Deadline, late: Exception) -> T:
    """
    Do *work* in a thread and abandon that thread when the time is over.

    The work bounds itself where it can. It cannot bound a name server that does not answer, nor Airflow's look-up of a
    connection.

    :raises Exception: *late*, when the time is over.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is raised again in the caller's thread)
            done.set_exception(error)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="messaggisms-alarm", daemon=True).start()
    try:
        return done.result(deadline.left())
    except TimeoutError:
        if done.done():  # the work's own
            return done.result()
        raise late from None


async def abounded(work: Coroutine[Any, Any, T], deadline: Deadline, late: Exception) -> T:
    """Do what :func:`bounded` does without blocking the event loop; *work* is cancelled when the time is over."""
    try:
        async with asyncio.timeout(deadline.left()):
            return await work
    except TimeoutError:
        raise late from None
