"""
JSON in and out at the speed that a load test needs, and in bounded memory.

msgspec takes the place of FastAPI's own machinery. A long list leaves in pieces, each encoded when the one before it
is on its way, so that the recipients of a large message neither fill the memory nor hold up everybody else.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from airflow_provider_messaggisms.emulator import answers, refusals

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_HELD_BYTES = 4 * MAX_BODY_BYTES
BODY_TIMEOUT_SECONDS = 30.0
WHOLE_UP_TO = 500
_PIECE = 200
_encode = msgspec.json.Encoder().encode


def answered(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON response."""
    return Response(_encode(content), status, headers, media_type="application/json")


def refused(refusal: refusals.Refusal) -> Response:
    """Make the response that says no."""
    return answered(answers.failure(refusal.code, refusal.message), refusal.status, refusal.headers)


def listed(entries: Iterable[Any], count: int, credit: str | float) -> Response:
    """Make the response that shows a list, in one piece if it is short."""
    if count <= WHOLE_UP_TO:
        return answered(answers.success(list(entries), answers.results(count), credit))
    envelope = answers.success(None, answers.results(count), credit)
    return StreamingResponse(_pieces(iter(entries), envelope), media_type="application/json")


async def _pieces(entries: Iterator[Any], envelope: dict[str, Any]) -> AsyncIterator[bytes]:
    del envelope["data"]
    separator = b'{"data":['
    while piece := list(itertools.islice(entries, _PIECE)):
        yield separator + _encode(piece)[1:-1]
        separator = b","
        await asyncio.sleep(0)  # a socket with room to spare would otherwise never let anybody else in
    yield b"]," + _encode(envelope)[1:]


class Intake:
    """Reads the bodies of requests, of which it holds no more than 128 MiB at a time."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """
        Read a request's body, but no more than 32 MiB and for no longer than 30 s.

        :raises Refusal: It is larger, slower, compressed, or was never completed, or too many others are being read.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise refusals.body_unreadable("compressed bodies are not read here")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > MAX_BODY_BYTES:
                        raise refusals.body_too_large(MAX_BODY_BYTES)
                    if self._held > MAX_HELD_BYTES:
                        raise refusals.too_busy()
        except (TimeoutError, ClientDisconnect) as error:
            raise refusals.body_unreadable("it did not arrive in full") from error
        finally:
            self._held -= len(body)
        return bytes(body)
