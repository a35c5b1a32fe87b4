"""
Counting the recipients of a message, or collecting their numbers, while their answer still comes in.

The list of 100,000 recipients is an answer of 94 MB. Kept whole and decoded at once it would need two to three times
its size, and stop an event loop for a third of a second: no thread helps, because the decoder holds Python's lock
throughout. So the objects of ``data`` are decoded and counted in slices as they arrive, and forgotten. A slice takes
some two milliseconds, and altogether this costs less than decoding the whole.

Where a slice may end is guessed, and the decoder is the proof. An object ends where ``},{`` stands, unless that stands
inside a text or a nested list; but if everything from the beginning of an object to there decodes as a list of objects,
then the objects of the whole answer end there too, for JSON reads the same from left to right whatever follows.
What no guess splits is kept and decoded with the envelope, as any small answer is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from airflow_provider_messaggisms.gateway.models import Delivery
from airflow_provider_messaggisms.gateway.wire import UNREADABLE, JsonReader, ResponseBody

#: How much comes in before it is worth cutting a slice off.
SLICE_BYTES = 128 * 1024

# In JSON a quotation mark inside a text has a backslash before it, so this cannot stand in one.
_LIST_BEGINS = re.compile(rb'"data"\s*:\s*\[\s*(?=\{)')
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*(?=\{)")
_GUESSED_BYTES = 8 * 1024
_MAX_GUESSES = 16

_SLICE = JsonReader(list[Delivery])


class Collector(Protocol):
    """What takes recipients in, slice by slice."""

    @property
    def total(self) -> int:
        """How many it has taken."""

    def add(self, deliveries: Iterable[Delivery]) -> Any:
        """Take some more."""


class Numbers:
    """Keeps the numbers of recipients, and nothing else."""

    def __init__(self) -> None:
        self.numbers: set[str] = set()

    @property
    def total(self) -> int:
        """How many it has."""
        return len(self.numbers)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Take some more."""
        self.numbers.update(one.number for one in deliveries if one.number)


class SlicedResponseBody(ResponseBody):
    """
    Takes the recipients out of an answer as it comes in.

    :param taken: Where they go.
    """

    taken: Collector

    def __init__(self, taken: Collector) -> None:
        super().__init__()
        self.taken = taken
        self._buffer = bytearray()
        self._enough = SLICE_BYTES
        self._in_list = False

    def add(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._buffer += piece
        if len(self._buffer) >= self._enough:
            self._enter_list()
            taken = self._take_slice() if self._in_list else False
            # Without success look again only when twice as much is there, so that the work stays linear.
            self._enough = SLICE_BYTES if taken else 2 * len(self._buffer)

    def rest(self) -> bytes:
        """Return the body without the recipients that were taken out of it."""
        super().add(bytes(self._buffer))
        self._buffer.clear()
        return super().rest()

    def _enter_list(self) -> None:
        if not self._in_list and (begins := _LIST_BEGINS.search(self._buffer)):
            super().add(bytes(self._buffer[: begins.end()]))
            del self._buffer[: begins.end()]
            self._in_list = True

    def _take_slice(self) -> bool:
        guesses = list(_BETWEEN_OBJECTS.finditer(self._buffer, max(0, len(self._buffer) - _GUESSED_BYTES)))
        for guess in reversed(guesses[-_MAX_GUESSES:]):
            try:
                deliveries = _SLICE.decode(b"[" + self._buffer[: guess.start() + 1] + b"]")
            except UNREADABLE:
                continue
            self.taken.add(deliveries)
            del self._buffer[: guess.end()]
            return True
        return False
