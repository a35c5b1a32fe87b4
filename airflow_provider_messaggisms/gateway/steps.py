"""
Steps: several calls and pauses that depend on each other, written once for workers and for event loops.

A search, a poll or an alarm yields the calls to make and the pauses to take. A driver performs each step, sends its
result back in, or throws its error in, and returns what the generator returns. There is one driver per colour:
:func:`run_steps` blocks, :func:`arun_steps` awaits. Neither does I/O itself; the hook passes what performs a step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.wire import Call

T = TypeVar("T")
S = TypeVar("S")


class Pause(RedactedStruct, frozen=True):
    """A step that waits for so many seconds."""

    _shown = ("seconds",)
    seconds: float


Step = Call[Any] | Pause
Steps = Generator[Step, Any, T]


def run_steps(steps: Generator[S, Any, T], perform: Callable[[S], Any]) -> T:
    """
    Perform *steps* one after the other; return what they return.

    :param perform: Performs one step and returns its result. A ``MessaggiSmsError`` that it raises goes to the steps.
    :raises MessaggiSmsError: The steps raised it, or did not handle it.
    """
    with closing(steps):
        resume, value = steps.send, None
        while True:
            try:
                step = resume(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                resume, value = steps.send, perform(step)
            except MessaggiSmsError as error:
                resume, value = steps.throw, error


async def arun_steps(steps: Generator[S, Any, T], perform: Callable[[S], Awaitable[Any]]) -> T:
    """Do what :func:`run_steps` does; *perform* is awaited."""
    with closing(steps):
        resume, value = steps.send, None
        while True:
            try:
                step = resume(value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                resume, value = steps.send, await perform(step)
            except MessaggiSmsError as error:
                resume, value = steps.throw, error
