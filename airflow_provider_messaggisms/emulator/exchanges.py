"""
The seven calls by name, and a bounded record of who asked what and what it got.

Tests read the record to assert "exactly one POST"; the scripted faults use the same names to choose their victims.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

KEPT = 10_000
_MESSAGE = re.compile(r"/messages/([^/]+)/?")
_RECIPIENTS = re.compile(r"/messages/[^/]+/recipients/?")
_RECIPIENT = re.compile(r"/messages/[^/]+/recipients/[^/]+")


def pattern_of(path: str) -> str:
    """Return the name of the call that a path belongs to, or the beginning of an unknown path."""
    if path in ("/messages/", "/messages"):
        return "/messages/"
    if _MESSAGE.fullmatch(path):
        return "/messages/{id}"
    if _RECIPIENTS.fullmatch(path):
        return "/messages/{id}/recipients/"
    if _RECIPIENT.fullmatch(path):
        return "/messages/{id}/recipients/{number}"
    return path[:100]


@dataclass(slots=True)
class Exchange:
    """One request. ``status`` is None until an answer begins, and stays so where none is given."""

    method: str
    path: str
    status: int | None = None


class Record:
    """The last ten thousand requests, in the order in which they came."""

    def __init__(self) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)

    def begin(self, method: str, path: str) -> Exchange:
        """Note a request that has just come in."""
        exchange = Exchange(method[:20], pattern_of(path))
        self.exchanges.append(exchange)
        return exchange
