"""
Scripted failures: which request goes wrong, and how. Only the script is here; :mod:`.sabotage` carries it out.

A fault waits for the requests that it is meant for (``method``, ``path``), lets the first ``after`` of them pass,
spoils the next ``times`` of them, and is over. Nothing is random unless a fault is given a ``chance`` and a ``seed``.

==================  ================================================================  ===========================
kind                what the client sees                                              was the request handled?
==================  ================================================================  ===========================
``drop_before``     the connection is cut, no answer                                  no
``drop_after``      the connection is cut, no answer                                  yes
``status_before``   ``status`` (default 503) and a proxy's page of HTML               no
``status_after``    ``status`` (default 503) and a proxy's page of HTML               yes
``slow_before``     a good answer, ``seconds`` late                                   yes, late: after the wait,
                                                                                      even if the client gave up
``slow_after``      a good answer, ``seconds`` late                                   yes, at once
``malformed``       the right status and length, but half of the JSON                 yes
``truncated``       half of the body that was announced, then the connection is cut   yes
``rate_limit``      429 with ``Retry-After: retry_after`` (default 1)                 no
``expired_token``   401                                                               no
``no_credit``       402/201                                                           no
==================  ================================================================  ===========================

An outage is a fault without a number: ``drop_before`` with ``times=0`` (always) and ``for_seconds``. ``seconds`` are
real ones, because a client's time-out counts those; ``for_seconds`` are the emulator's own.
"""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_FAULTS = 1_000
MAX_SLOW_SECONDS = 600

Kind = Literal[
    "drop_before",
    "drop_after",
    "status_before",
    "status_after",
    "slow_before",
    "slow_after",
    "malformed",
    "truncated",
    "rate_limit",
    "expired_token",
    "no_credit",
]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    One scripted failure.

    :param method: The HTTP method that it is meant for. Default any.
    :param path: The path, as such or as the pattern that the record of requests shows. Default any.
    :param after: How many such requests pass first. Default 0.
    :param times: How many it spoils then, 0 for all. Default 1.
    :param for_seconds: Over after so many seconds of the emulator's clock. Default never.
    :param chance: The chance to spoil a request, 0 to 1. Anything but 1 (the default) needs a ``seed``.
    """

    kind: Kind
    method: str | None = None
    path: str | None = None
    after: Annotated[int, Meta(ge=0)] = 0
    times: Annotated[int, Meta(ge=0)] = 1
    for_seconds: Annotated[float, Meta(gt=0)] | None = None
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    seconds: Annotated[float, Meta(ge=0, le=MAX_SLOW_SECONDS)] = 1.0
    retry_after: Annotated[int, Meta(ge=0, le=86_400)] = 1
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.chance < 1 and self.seed is None:
            raise ValueError("a chance needs a seed: nothing here is random unless it can be repeated")

    def means(self, method: str, path: str, pattern: str) -> bool:
        """Tell whether a request is one of those that this fault is meant for."""
        return self.method in (None, method) and self.path in (None, path, pattern)


def read_fault(values: dict[str, Any]) -> Fault:
    """
    Read a fault from names and values, numbers also where they are written as text.

    :raises ValueError: An unknown name or kind, or a value out of range.
    """
    fault = msgspec.convert(values, Fault, strict=False)
    if fault.method is not None:
        fault.method = fault.method.upper()
    return fault


def read_command(text: str) -> Fault:
    """
    Read a fault as the command line has it: ``drop_after:method=POST,times=2``.

    :raises ValueError: It cannot be read so.
    """
    kind, _, details = text.partition(":")
    pairs = [pair.partition("=") for pair in details.split(",") if pair]
    return read_fault({"kind": kind} | {name.strip(): value.strip() for name, _, value in pairs})


class _Running:
    """A fault with what it has seen so far."""

    def __init__(self, fault: Fault, now: float) -> None:
        self.fault = fault
        self.over_at = None if fault.for_seconds is None else now + fault.for_seconds
        self.seen = 0
        self.spoiled = 0
        self._random = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose

    def over(self, now: float) -> bool:
        done = 0 < self.fault.times <= self.spoiled
        return done or (self.over_at is not None and now >= self.over_at)

    def wants_next(self) -> bool:
        """Count one more request of the kind that this fault is meant for; tell whether it is to be spoiled."""
        self.seen += 1
        if self.seen <= self.fault.after:
            return False
        return self.fault.chance == 1 or self._random.random() < self.fault.chance


class Script:
    """The faults to come, in the order in which they were given. The first one that wants a request gets it."""

    def __init__(self) -> None:
        self._running: list[_Running] = []

    def add(self, fault: Fault, now: float) -> None:
        """
        Put a fault at the end of the script.

        :raises ValueError: There are a thousand already.
        """
        if len(self._running) >= MAX_FAULTS:
            raise ValueError(f"no more than {MAX_FAULTS} faults")
        self._running.append(_Running(fault, now))

    def clear(self) -> None:
        """Let everything go well again."""
        self._running.clear()

    def choose(self, method: str, path: str, pattern: str, now: float) -> Fault | None:
        """Return what is to go wrong with this request, if anything."""
        if not self._running:
            return None
        self._running = [running for running in self._running if not running.over(now)]
        meant = [running for running in self._running if running.fault.means(method, path, pattern)]
        wanting = [running for running in meant if running.wants_next()]
        if not wanting:
            return None
        wanting[0].spoiled += 1
        return wanting[0].fault

    def shown(self, now: float) -> list[dict[str, Any]]:
        """Return the faults that are not over, with what they have seen and spoiled so far."""
        return [
            msgspec.structs.asdict(running.fault) | {"seen": running.seen, "spoiled": running.spoiled}
            for running in self._running
            if not running.over(now)
        ]
