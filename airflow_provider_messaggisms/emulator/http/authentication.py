"""
The check of the token. It stands before the gateway's API, and only there: the emulator's own pages need no token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.http.json_io import error_response

Methods = frozenset[Literal["GET", "POST", "PUT", "DELETE"]]
ALL_METHODS: Methods = frozenset(("GET", "POST", "PUT", "DELETE"))


def require_token(app: ASGIApp, tokens: Mapping[str, Methods]) -> ASGIApp:
    """
    Wrap an app: refuse requests without a valid token.

    :param tokens: Each token with the methods that it may use. It may change.
    """

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        methods = tokens.get(token.strip()) if kind.lower() == "bearer" else None
        method, handler = scope["method"], app
        if methods is None:
            handler = error_response(api_errors.token_invalid())
        elif method in ALL_METHODS and method not in methods:
            handler = error_response(api_errors.scope_missing(f"{method}:{scope['path'][:100]}"))
        await handler(scope, receive, send)

    return handle
