"""
Wait for progress, not for a number of seconds.

On a busy machine everything is slow and nothing is wrong. So a wait ends when its condition holds. It fails only when
what it watches shows no sign of life: it is dead, or nothing about it has changed for :data:`SILENCE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

SILENCE_SECONDS = 300.0
"""How long something may stand still before it counts as dead. Far more than the slowest machine needs for one step."""


class NoSignOfLifeError(TimeoutError):
    """What a test waits for stands still. The text says what did not come, and the last sign that was seen."""


def no_sign() -> None:
    """Show nothing: the whole wait may take as long as one step."""


def wait_until(
    what: str,
    look: Callable[[], T | None],
    *,
    sign: Callable[[], Any] = no_sign,
    silence_seconds: float = SILENCE_SECONDS,
    every_seconds: float = 0.1,
) -> T:
    """
    Call ``look`` every ``every_seconds`` until it returns something other than None, and return that; less often if it
    takes long.

    :param what: What is waited for, for the error.
    :param look: May raise to end the wait at once, for example when a process has died.
    :param sign: Returns anything that changes while there is progress: states, the length of a log, CPU time.
    :param silence_seconds: How long ``sign`` may stay the same, default :data:`SILENCE_SECONDS`.
    :raises NoSignOfLifeError: ``sign`` has not changed for that long.
    """
    last = sign()
    since = began = time.monotonic()
    while (found := look()) is None:
        if (now := sign()) != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > silence_seconds:
            raise NoSignOfLifeError(f"{what}: no sign of life for {silence_seconds:.0f} s; the last was {last!r}")
        # To look takes CPU from what is watched: let most of the time pass between two looks.
        time.sleep(max(every_seconds, min(4 * (time.monotonic() - began), 2.0)))
        began = time.monotonic()
    return found


def wait_for_exit(process: subprocess.Popen[Any]) -> int:
    """
    Return the exit code of a process. Its sign of life is the CPU time that it and its children use.

    :raises NoSignOfLifeError: It has used none for :data:`SILENCE_SECONDS`.
    """
    return wait_until(f"the end of {process.args!r}", process.poll, sign=lambda: _cpu_seconds(process.pid))


async def until_or_done(task: asyncio.Task[Any], reached: Callable[[], bool]) -> None:
    """
    Return when ``reached`` holds or ``task`` has ended. The event loop goes on meanwhile.

    :param reached: Asked in a thread.
    """
    while not task.done() and not await asyncio.to_thread(reached):  # noqa: ASYNC110 - it happens outside of this loop
        await asyncio.sleep(0.02)


def longer_and_longer(first_seconds: float) -> Iterator[float]:
    """
    Give ever longer time limits, up to :data:`SILENCE_SECONDS`.

    For a test of a time limit within which something must have begun: it repeats until the machine was quick enough.
    """
    seconds = first_seconds
    while seconds < SILENCE_SECONDS:
        yield seconds
        seconds *= 4


def _cpu_seconds(pid: int) -> float:
    used = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                used += sum(one.cpu_times()[:2])
    return used
