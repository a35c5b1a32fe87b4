"""
JSON in and out: read the body of a request, up to one limit, and make responses.

msgspec replaces FastAPI's own encoding, because bodies are checked in :mod:`..account.request_bodies` anyway. A long
list is sent in pieces, so that the recipients of a large message do not fill the memory or block other requests.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.http import serialization

MAX_BODY_BYTES = 32 * 1024 * 1024
_PIECE = 500


async def read_body(request: Request) -> bytes:
    """
    Read the body of a request, up to 32 MiB.

    :raises ApiError: It is larger, or the client disconnected before its end.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise api_errors.body_too_large(MAX_BODY_BYTES)
    except ClientDisconnect as error:
        raise api_errors.body_invalid("it is incomplete") from error
    return bytes(body)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON response."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def error_response(error: api_errors.ApiError) -> Response:
    """Make the response for an error."""
    return json_response(serialization.failure(error.code, error.message), error.status, error.headers)


def with_date(app: ASGIApp, now: Callable[[], float]) -> ASGIApp:
    """Wrap an app: give its responses the header ``Date``. A client compares the expiry of a token with it."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["date"] = formatdate(now(), usegmt=True)
            await send(message)

        await app(scope, receive, send_with_date)

    return handle


def list_response(entries: Iterable[Any], count: int, credit: str | float) -> Response:
    """Make the response that shows a list, in one piece if it is short."""
    envelope = serialization.success([], serialization.result_count(count), credit)
    if count <= _PIECE:
        return json_response(envelope | {"data": list(entries)})
    return StreamingResponse(_pieces(iter(entries), envelope), media_type="application/json")


async def _pieces(entries: Iterator[Any], envelope: dict[str, Any]) -> AsyncIterator[bytes]:
    del envelope["data"]
    separator = b'{"data":['
    while piece := list(itertools.islice(entries, _PIECE)):
        yield separator + msgspec.json.encode(piece)[1:-1]
        separator = b","
        await asyncio.sleep(0)  # let other requests run, even if the socket never blocks
    yield b"]," + msgspec.json.encode(envelope)[1:]
