"""
Scripted faults: which request fails, and how. :mod:`.fault_injection` makes it fail.

A fault waits for the requests that it is for (``method``, ``path``), lets the first ``after`` of them pass, hits the
next ``times`` of them, and is over. No fault is random unless it has a ``chance`` and a ``seed``.

==================  ================================================================  ===========================
kind                what the client sees                                              was the request handled?
==================  ================================================================  ===========================
``drop_before``     the connection is closed, no response                             no
``drop_after``      the connection is closed, no response                             yes
``status_before``   ``status`` (default 503) and a proxy's HTML page                  no
``status_after``    ``status`` (default 503) and a proxy's HTML page                  yes
``slow_before``     the right response, ``seconds`` late                              yes, after the wait, even if
                                                                                      the client gave up
``slow_after``      the right response, ``seconds`` late                              yes, at once
``malformed``       the right status and length, but half of the JSON                 yes
``truncated``       half of the announced body, then the connection is closed         yes
``rate_limit``      429 with ``Retry-After: retry_after`` (default 1)                 no
``expired_token``   401, code 125.22: a wrong token, though it is valid               no
``minimal_401``     401 with ``success`` and ``message`` only                         no
``no_credit``       402/201, with the ``text`` 1 to 4 that users have seen            no
``not_enabled``     422/90: the gateway is not enabled for the account                no
``trace``           the right response, with a further key ``trace``                  yes
``sparse``          the right response, but an error lacks ``data`` and a success     yes
                    lacks ``error``
``json_message``    the right response, but the ``message`` of an error is JSON       yes
==================  ================================================================  ===========================

To hit the token service alone, name its path: ``/tokens``, ``/tokens/{token}``, ``/scopes`` or ``/wallet``.

An outage is ``drop_before`` with ``times=0`` (always) and ``for_seconds``. ``seconds`` are real ones, because a
client's timeout counts those. ``for_seconds`` are the emulator's own.
"""

from __future__ import annotations

import math
import random
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

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
    "minimal_401",
    "no_credit",
    "not_enabled",
    "trace",
    "sparse",
    "json_message",
]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    One scripted fault.

    :param method: The HTTP method of the requests that it is for. Default any.
    :param path: Their path, or its pattern as the log of requests shows it. Default any.
    :param after: How many such requests pass first. Default 0.
    :param times: How many it then hits, 0 for all. Default 1.
    :param for_seconds: It is over after so many seconds of the emulator's clock. Default never.
    :param status: The status of ``status_before`` and ``status_after``, 400 to 599. Default 503.
    :param seconds: The delay of ``slow_before`` and ``slow_after``, in real seconds, up to 600. Default 1.
    :param retry_after: The seconds in ``Retry-After`` of ``rate_limit``. Default 1.
    :param text: Which of the known texts ``no_credit`` has, 1 to 4. Default 1.
    :param chance: The chance to hit a request, 0 to 1. A value other than 1 (the default) needs a ``seed``.
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
    text: Annotated[int, Meta(ge=1, le=4)] = 1
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        self.method = self.method and self.method.upper()
        if self.chance < 1 and self.seed is None:
            raise ValueError("chance needs a seed, so that the same requests fail in each run")

    def is_for(self, method: str, path: str, pattern: str) -> bool:
        """Tell whether this fault is for such a request."""
        return self.method in (None, method) and self.path in (None, path, pattern)


def read_fault(values: dict[str, Any]) -> Fault:
    """
    Read a fault from names and values. Numbers may be written as text.

    :raises ValueError: A name or kind is unknown, or a value is out of range.
    """
    return msgspec.convert(values, Fault, strict=False)


def read_fault_option(text: str) -> Fault:
    """
    Read a fault as the command line has it: ``drop_after:method=POST,times=2``.

    :raises ValueError: It cannot be read.
    """
    kind, _, details = text.partition(":")
    pairs = [pair.partition("=") for pair in details.split(",") if pair]
    return read_fault({"kind": kind} | {name.strip(): value.strip() for name, _, value in pairs})


class _ActiveFault:
    """A fault, with how many requests it has seen and hit."""

    def __init__(self, fault: Fault, now: float) -> None:
        self.fault = fault
        self.ends_at = math.inf if fault.for_seconds is None else now + fault.for_seconds
        self.seen = 0
        self.spoiled = 0
        self._random = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose

    def is_over(self, now: float) -> bool:
        return now >= self.ends_at or 0 < self.fault.times <= self.spoiled

    def wants_next(self) -> bool:
        """Count one more request that this fault is for. Tell whether to hit it."""
        self.seen += 1
        if self.seen <= self.fault.after:
            return False
        return self.fault.chance == 1 or self._random.random() < self.fault.chance


class FaultScript:
    """The faults to come, in the order in which they were added. If several want a request, the first one gets it."""

    def __init__(self) -> None:
        self._active: list[_ActiveFault] = []

    def add(self, fault: Fault, now: float) -> None:
        """Put a fault at the end of the script."""
        self._active.append(_ActiveFault(fault, now))

    def clear(self) -> None:
        """Remove all faults."""
        self._active.clear()

    def choose(self, method: str, path: str, pattern: str, now: float) -> Fault | None:
        """Return the fault that hits this request, if any."""
        self._active = [active for active in self._active if not active.is_over(now)]
        candidates = [active for active in self._active if active.fault.is_for(method, path, pattern)]
        wanting = [active for active in candidates if active.wants_next()]
        if not wanting:
            return None
        wanting[0].spoiled += 1
        return wanting[0].fault

    def shown(self, now: float) -> list[dict[str, Any]]:
        """Return the faults that are not over, with how many requests each has seen and hit (``spoiled``)."""
        return [
            msgspec.structs.asdict(active.fault) | {"seen": active.seen, "spoiled": active.spoiled}
            for active in self._active
            if not active.is_over(now)
        ]
