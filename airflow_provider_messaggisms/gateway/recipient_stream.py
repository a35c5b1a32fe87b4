"""
Counting the recipients of a message, or collecting their numbers, while the response is still coming in.

The list of 100,000 recipients is a response of 94 MB. Decoding it whole takes two to three times its size in memory and
stops an event loop for a third of a second. A thread does not help, because the decoder holds Python's lock throughout.
So the objects of ``data`` are decoded and counted in slices as they arrive, and dropped. A slice takes some two
milliseconds, and all slices together cost less than decoding the whole.

The end of a slice is guessed, and the decoder is the proof. An object ends at ``},{``, unless that is part of a text or
of a nested list. If everything from the beginning of an object up to there decodes as a list of objects, the objects of
the whole response end there too: JSON reads the same from left to right whatever follows. What no guess splits is kept
and decoded with the envelope, as a small response is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from airflow_provider_messaggisms.gateway.models import Delivery
from airflow_provider_messaggisms.gateway.wire import UNREADABLE, JsonReader, ResponseBody

#: Least number of bytes worth cutting a slice off.
SLICE_BYTES = 128 * 1024

# In JSON a quotation mark inside a text has a backslash before it, so this cannot be part of one.
_LIST_BEGINS = re.compile(rb'"data"\s*:\s*\[\s*(?=\{)')
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*(?=\{)")
_GUESSED_BYTES = 8 * 1024
_MAX_GUESSES = 16

_SLICE = JsonReader(list[Delivery])


class Collector(Protocol):
    """Takes recipients, slice by slice."""

    @property
    def total(self) -> int:
        """The number of recipients taken."""

    def add(self, deliveries: Iterable[Delivery]) -> Any:
        """Take some more."""


class Numbers:
    """Keeps the numbers of recipients, and nothing else."""

    def __init__(self) -> None:
        self.numbers: set[str] = set()

    @property
    def total(self) -> int:
        """The number of different numbers."""
        return len(self.numbers)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Take some more."""
        self.numbers.update(one.number for one in deliveries if one.number)


class SlicedResponseBody(ResponseBody):
    """
    Takes the recipients out of a response as it comes in.

    :param taken: Takes them.
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
            # Without success try again only with twice as much, so that the work stays linear.
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
