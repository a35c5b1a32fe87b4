"""
How a request goes wrong: cut connections, late answers, broken bodies. Which one does, :mod:`.faults` decides.

To cut a connection at will one needs the transport, which ASGI does not hand out; :func:`handing_out_transport` makes
uvicorn do so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator import refusals
from airflow_provider_messaggisms.emulator.faults import Fault
from airflow_provider_messaggisms.emulator.responses import MAX_BODY_BYTES, refused

_TRANSPORT = "messaggisms_emulator.transport"
_UNHANDLED = ("drop_before", "status_before")


def handing_out_transport(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """Return one of uvicorn's protocols, made to put each connection's transport into the scope of its requests."""

    class Protocol(protocol):  # type: ignore[valid-type, misc]
        app_state: dict[str, Any]

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.app_state = {**self.app_state, _TRANSPORT: transport}

    return Protocol


async def spoil(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send, is_forgotten: Callable[[], bool]
) -> None:
    """
    Let a request to ``app`` go wrong as the fault says.

    :param is_forgotten: Tells whether there was a reset meanwhile: what comes late from before is not handled then.
    """
    refusal = _refusal(fault)
    if refusal is not None:
        await refused(refusal)(scope, receive, send)
        return
    if fault.kind == "slow_before":
        receive = await _received(receive)
        await asyncio.sleep(fault.seconds)
        if is_forgotten():
            await _cut(scope, receive)
            return
    answer = _Answer()
    if fault.kind not in _UNHANDLED:
        await app(scope, receive, answer.note)
    if fault.kind == "slow_after":
        await asyncio.sleep(fault.seconds)
    await _answer_badly(fault, answer, scope, receive, send)


async def _received(receive: Receive) -> Receive:
    """Take a request in, as far as it is of a permitted size, so that it is handled even if its client gives up."""
    taken: deque[Message] = deque()
    held, more = 0, True
    while more and held <= MAX_BODY_BYTES:
        message = await receive()
        taken.append(message)
        held += len(message.get("body", b""))
        more = message.get("more_body", False)

    async def replay() -> Message:
        return taken.popleft() if taken else await receive()

    return replay


class _Answer:
    """A good answer, caught before it leaves."""

    def __init__(self) -> None:
        self.start: dict[str, Any] = {}
        self.body = bytearray()

    async def note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)
        else:
            self.body += message.get("body", b"")


async def _answer_badly(fault: Fault, answer: _Answer, scope: Scope, receive: Receive, send: Send) -> None:
    body = bytes(answer.body)
    half = body[: len(body) // 2]
    match fault.kind:
        case "drop_before" | "drop_after":
            await _cut(scope, receive)
        case "status_before" | "status_after":
            await HTMLResponse(f"<html><h1>{fault.status}</h1></html>", fault.status)(scope, receive, send)
        case "truncated":
            await send(answer.start | {"headers": _with_length(answer, len(body))})
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _cut(scope, receive)
        case "malformed":
            await send(answer.start | {"headers": _with_length(answer, len(half))})
            await send({"type": "http.response.body", "body": half})
        case _:
            await send(answer.start | {"headers": _with_length(answer, len(body))})
            await send({"type": "http.response.body", "body": body})


def _refusal(fault: Fault) -> refusals.Refusal | None:
    match fault.kind:
        case "rate_limit":
            return refusals.too_many_requests(fault.retry_after)
        case "expired_token":
            return refusals.token_unknown()
        case "no_credit":
            return refusals.credit_too_low(0.05, 0.0)
    return None


def _with_length(answer: _Answer, length: int) -> list[tuple[bytes, bytes]]:
    """Announce a body's length, in place of whatever the good answer announced."""
    kept = [(name, value) for name, value in answer.start.get("headers", []) if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]


async def _cut(scope: Scope, receive: Receive) -> None:
    """Close the connection in the client's face, and wait until uvicorn has noticed."""
    transport: asyncio.Transport = scope["state"][_TRANSPORT]
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
