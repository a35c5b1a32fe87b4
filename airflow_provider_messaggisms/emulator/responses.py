"""
JSON in and out at the speed that a load test needs: msgspec instead of FastAPI's own machinery, bodies bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from airflow_provider_messaggisms.emulator import answers, refusals

MAX_BODY_BYTES = 32 * 1024 * 1024
BODY_TIMEOUT_SECONDS = 30.0
_encode = msgspec.json.Encoder().encode


def answered(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON response."""
    return Response(_encode(content), status, headers, media_type="application/json")


def refused(refusal: refusals.Refusal) -> Response:
    """Make the response that says no."""
    return answered(answers.failure(refusal.code, refusal.message), refusal.status, refusal.headers)


async def read_body(request: Request) -> bytes:
    """
    Read a request's body, but no more than 32 MiB and for no longer than 30 s.

    :raises Refusal: It is larger, slower, compressed, or was never completed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refusals.body_unreadable("compressed bodies are not read here")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise refusals.body_too_large(MAX_BODY_BYTES)
    except (TimeoutError, ClientDisconnect) as error:
        raise refusals.body_unreadable("it did not arrive in full") from error
    return bytes(body)
