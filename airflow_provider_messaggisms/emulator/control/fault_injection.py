"""
How a request fails: closed connections, late responses, broken bodies. :mod:`.fault_script` decides which request does.

To close a connection, the transport is needed, which ASGI does not give to an app. :func:`exposing_transport` makes
uvicorn do so.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from typing import Any

import msgspec
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorState
from airflow_provider_messaggisms.emulator.control.fault_script import Fault
from airflow_provider_messaggisms.emulator.control.request_log import pattern_of
from airflow_provider_messaggisms.emulator.http.json_io import MAX_BODY_BYTES, error_response
from airflow_provider_messaggisms.emulator.http.serialization import parsed_json
from airflow_provider_messaggisms.emulator.token_service import token_errors

_TRANSPORT = "messaggisms_emulator.transport"
_UNHANDLED = ("drop_before", "status_before")


def exposing_transport(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """Return one of uvicorn's protocols, changed to put each connection's transport into the scope of its requests."""

    class ExposingProtocol(protocol):  # type: ignore[valid-type, misc]
        app_state: dict[str, Any]

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.app_state = {**self.app_state, _TRANSPORT: transport}

    return ExposingProtocol


class FaultInjection:
    """
    ASGI middleware that makes requests fail as scripted.

    :param app: Handles the requests.
    :param state: Holds the script and the clock.
    """

    def __init__(self, app: ASGIApp, state: EmulatorState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI defines it."""
        method, path, now = scope["method"], scope["path"], self._state.account.clock.now()
        fault = self._state.faults.choose(method, path, pattern_of(path), now)
        if fault is None:
            await self._app(scope, receive, send)
        elif error := _scripted_error(fault):
            await error_response(error)(scope, receive, send)
        else:
            await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "slow_before":
            resets = self._state.resets
            receive = await _receive_all(receive)
            await asyncio.sleep(fault.seconds)
            if self._state.resets != resets:  # a request from before the reset must not reach the new account
                await _close_connection(scope, receive)
                return
        response = _CapturedResponse()
        if fault.kind not in _UNHANDLED:
            await self._app(scope, receive, response.capture)
        if fault.kind == "slow_after":
            await asyncio.sleep(fault.seconds)
        await _respond(fault, response, scope, receive, send)


async def _receive_all(receive: Receive) -> Receive:
    """Read the whole request first, so that it is handled even if its client gives up."""
    received: deque[Message] = deque()
    size, more = 0, True
    while more and size <= MAX_BODY_BYTES:
        message = await receive()
        received.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)

    async def replay() -> Message:
        return received.popleft() if received else await receive()

    return replay


class _CapturedResponse:
    """The right response, kept back before it is sent."""

    def __init__(self) -> None:
        self.start: dict[str, Any] = {}
        self.body = b""

    async def capture(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)
        else:
            self.body += message.get("body", b"")


async def _respond(fault: Fault, response: _CapturedResponse, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.kind in ("drop_before", "drop_after"):
        await _close_connection(scope, receive)
    elif fault.kind in ("status_before", "status_after"):
        await HTMLResponse(f"<html><h1>{fault.status}</h1></html>", fault.status)(scope, receive, send)
    else:
        whole = _reshaped(fault.kind, response.body)
        half = whole[: len(whole) // 2]
        body = half if fault.kind in ("malformed", "truncated") else whole
        announced = len(whole if fault.kind == "truncated" else body)
        headers = [pair for pair in response.start["headers"] if pair[0].lower() != b"content-length"]
        await send(response.start | {"headers": [*headers, (b"content-length", str(announced).encode())]})
        await send({"type": "http.response.body", "body": body, "more_body": announced > len(body)})
        if announced > len(body):
            await _close_connection(scope, receive)


def _reshaped(kind: str, body: bytes) -> bytes:
    """Change the envelope of a response as users of the vendor have seen it."""
    envelope = parsed_json(body)
    if kind not in ("trace", "sparse", "json_message") or not isinstance(envelope, dict):
        return body
    if kind == "trace":
        envelope["trace"] = base64.b64encode(b"#0 /app/index.php(1): handle()").decode()
    elif kind == "sparse":
        envelope.pop("error" if envelope.get("success", True) else "data", None)
    elif envelope.get("success") is False:
        envelope["message"] = msgspec.json.encode({"message": envelope["message"]}).decode()
    return msgspec.json.encode(envelope)


def _scripted_error(fault: Fault) -> api_errors.ApiError | None:
    match fault.kind:
        case "rate_limit":
            return api_errors.rate_limited(fault.retry_after)
        case "expired_token":
            return api_errors.token_wrong()
        case "minimal_401":
            return api_errors.ApiError(401, None, "Wrong Token")
        case "no_credit":
            return api_errors.credit_too_low(0.05, 1.19e-12, fault.text)
        case "not_enabled":
            return token_errors.scopes_invalid()
    return None


async def _close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection without a response, and wait until uvicorn has noticed."""
    transport: asyncio.Transport = scope["state"][_TRANSPORT]
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
