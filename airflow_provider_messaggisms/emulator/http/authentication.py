"""
The check of the token that a call carries. It stands before the gateway's API, and only there: the emulator's own
pages need no token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.http.environments import Environment, environment_of
from airflow_provider_messaggisms.emulator.http.json_io import error_response

Methods = frozenset[Literal["GET", "POST", "PUT", "DELETE"]]
ALL_METHODS: Methods = frozenset(("GET", "POST", "PUT", "DELETE"))


#: Lets a call pass, or raises an :class:`.api_errors.ApiError`: environment, token, HTTP method.
Authorize = Callable[[Environment, str, str], None]


def require_token(app: ASGIApp, authorize: Authorize) -> ASGIApp:
    """Wrap an app: refuse requests without a token, or with one that does not allow them."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        handler = app
        try:
            if kind.lower() != "bearer" or not token.strip():
                raise api_errors.token_missing()
            authorize(environment_of(scope), token.strip(), scope["method"])
        except api_errors.ApiError as error:
            handler = error_response(error)
        await handler(scope, receive, send)

    return handle
