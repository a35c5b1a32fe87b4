"""
What every request to the gateway passes before it is handled: the record, the script of faults, the token.

Plain ASGI rather than FastAPI's middleware, which would cost more than handling the request does. The control plane
and the inbox page pass by: they are not part of the gateway's API and need no token.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator import refusals
from airflow_provider_messaggisms.emulator.control import ALL_METHODS, Control
from airflow_provider_messaggisms.emulator.responses import refused
from airflow_provider_messaggisms.emulator.sabotage import spoil


class Door:
    """
    Let good requests through to the gateway.

    :param app: The gateway.
    :param control: Holds the record of requests, the script of what is to go wrong, and the tokens.
    """

    def __init__(self, app: ASGIApp, control: Control) -> None:
        self.app = app
        self.control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request as ASGI wants it."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith("/_emulator"):
            await self.app(scope, receive, send)
            return
        exchange = self.control.record.begin(scope["method"], scope["path"])

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            await send(message)

        refusal = self._refusal(scope)
        handler = self.app if refusal is None else refused(refusal)
        now = self.control.store.clock.now()
        fault = self.control.script.choose(scope["method"], scope["path"], exchange.path, now)
        if fault is None:
            await handler(scope, receive, noting_send)
        else:
            resets = self.control.resets
            await spoil(fault, handler, scope, receive, noting_send, lambda: self.control.resets != resets)

    def _refusal(self, scope: Scope) -> refusals.Refusal | None:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        methods = self.control.tokens.get(token.strip()) if kind.lower() == "bearer" else None
        if methods is None:
            return refusals.token_unknown()
        if scope["method"] in ALL_METHODS and scope["method"] not in methods:
            return refusals.scope_missing(f"{scope['method']}:{scope['path'][:100]}")
        return None
