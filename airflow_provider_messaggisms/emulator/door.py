"""
What every request to the gateway passes before it is handled: the record, then the token.

Plain ASGI rather than FastAPI's middleware, which would cost more than handling the request does. The control plane
and the inbox page pass by: they are not part of the gateway's API and need no token.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator import refusals
from airflow_provider_messaggisms.emulator.exchanges import Record
from airflow_provider_messaggisms.emulator.responses import refused

SCOPES = ("GET", "POST", "PUT", "DELETE")


class Door:
    """
    Let good requests through to the gateway.

    :param app: The gateway.
    :param record: Where requests are noted.
    :param tokens: Each token with the methods that it may use.
    """

    def __init__(self, app: ASGIApp, record: Record, tokens: Mapping[str, frozenset[str]]) -> None:
        self.app = app
        self.record = record
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request as ASGI wants it."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith("/_emulator"):
            await self.app(scope, receive, send)
            return
        exchange = self.record.begin(scope["method"], scope["path"])

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            await send(message)

        refusal = self._refusal(scope)
        await (self.app if refusal is None else refused(refusal))(scope, receive, noting_send)

    def _refusal(self, scope: Scope) -> refusals.Refusal | None:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        methods = self.tokens.get(token.strip()) if kind.lower() == "bearer" else None
        if methods is None:
            return refusals.token_unknown()
        if scope["method"] in SCOPES and scope["method"] not in methods:
            return refusals.scope_missing(f"{scope['method']}:{scope['path'][:100]}")
        return None
