"""
The calls of the token service: HTTP in, one call of the store, JSON out. The rules are in the store.

``GET /callbacks``, ``/errors``, ``/stats`` and ``/subscriptions`` are not emulated.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.account.stored_message import PRICE_PER_PART_EUR
from airflow_provider_messaggisms.emulator.http.environments import environment_of
from airflow_provider_messaggisms.emulator.http.json_io import error_response, json_response, read_body
from airflow_provider_messaggisms.emulator.http.serialization import Json, success
from airflow_provider_messaggisms.emulator.token_service import scopes, token_errors
from airflow_provider_messaggisms.emulator.token_service.token_bodies import read_new_token, read_token_update
from airflow_provider_messaggisms.emulator.token_service.token_store import Token, TokenStore

# The last four are the token service's too, and get 404.
FIRST_PARTS = ("tokens", "scopes", "wallet", "callbacks", "errors", "stats", "subscriptions")
MAX_PAGE = 100


def is_token_service(path: str) -> bool:
    """Tell whether a path belongs to the token service, and not to the gateway."""
    return path.removeprefix("/").partition("/")[0] in FIRST_PARTS


def token_routes(store: TokenStore, account: SmsAccount) -> APIRouter:
    """Return the routes of the token service, without closing slashes."""
    routes = APIRouter()
    _add_list_routes(routes, store, account)
    _add_token_routes(routes, store, account)
    _add_account_routes(routes, store, account)
    return routes


def require_login(app: ASGIApp, store: TokenStore) -> ASGIApp:
    """Wrap an app: refuse requests without the account's e-mail address and API key, or a PATCH's refresh token."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        kind, _, credentials = Headers(scope=scope).get("authorization", "").partition(" ")
        refreshing = kind.lower() == "bearer" and scope["method"] == "PATCH"
        welcome = refreshing or (
            kind.lower() == "basic" and store.is_login(environment_of(scope), *_email_and_key(credentials))
        )
        await (app if welcome else error_response(token_errors.login_refused()))(scope, receive, send)

    return handle


def _email_and_key(credentials: str) -> tuple[str, str]:
    try:
        email, _, api_key = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return email, api_key


def _add_list_routes(routes: APIRouter, store: TokenStore, account: SmsAccount) -> None:
    @routes.get("/tokens")
    async def list_tokens(request: Request) -> Response:
        skip, limit = _number(request, "skip", 0), min(_number(request, "limit", MAX_PAGE), MAX_PAGE)
        page = store.list_tokens(environment_of(request.scope))[skip : skip + limit]
        return json_response(success([_token_object(token) for token in page], "", None))

    @routes.post("/tokens")
    async def make_token(request: Request) -> Response:
        environment = environment_of(request.scope)
        token = store.create(environment, read_new_token(await read_body(request), environment))
        return _detail(token, account)

    @routes.patch("/tokens")
    async def update_without_token() -> Response:
        raise token_errors.token_required(150)

    @routes.delete("/tokens")
    async def delete_without_token() -> Response:
        raise token_errors.token_required(170)


def _add_token_routes(routes: APIRouter, store: TokenStore, account: SmsAccount) -> None:
    @routes.get("/tokens/{token}")
    async def get_token(request: Request) -> Response:
        return _detail(store.find(environment_of(request.scope), request.path_params["token"], 120), account)

    @routes.patch("/tokens/{token}")
    async def update_token(request: Request) -> Response:
        environment, value = environment_of(request.scope), request.path_params["token"]
        asked = read_token_update(await read_body(request), environment)
        kind, _, refresh_token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return _detail(store.refresh(environment, value, refresh_token.strip(), asked), account)
        return _detail(store.update(environment, value, asked), account)

    @routes.delete("/tokens/{token}")
    async def delete_token(request: Request) -> Response:
        store.delete(environment_of(request.scope), request.path_params["token"])
        return json_response(success(None, "Deleted", None))


def _add_account_routes(routes: APIRouter, store: TokenStore, account: SmsAccount) -> None:
    def known(request: Request) -> list[scopes.Scope]:
        """The gateway's scopes at the vendor's host, and at the one that this request names."""
        hosts = [scopes.VENDOR_HOSTS[environment_of(request.scope)], request.url.hostname or "localhost"]
        return scopes.scopes_of(hosts)

    @routes.get("/scopes")
    async def list_scopes(request: Request) -> Response:
        shown = [_scope_object(scope, enabled=store.sms_enabled) for scope in known(request)]
        return json_response(success(shown, "", None))

    @routes.get("/scopes/{id}")
    async def get_scope(request: Request) -> Response:
        scope = next((one for one in known(request) if one.id == request.path_params["id"]), None)
        if scope is None:
            raise token_errors.scope_unknown()
        return json_response(success(_scope_object(scope, enabled=store.sms_enabled) | _SCOPE_DETAILS, "", None))

    @routes.get("/wallet")
    async def wallet() -> Response:
        now = _instant(account.clock.now())
        shown = {"credit": account.credit_eur, "createdAt": now, "updatedAt": now}
        return json_response(success(shown, "", None))


def _number(request: Request, name: str, default: int) -> int:
    """Read a number of the query. Assumed: what is none means the default."""
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else default


def _detail(token: Token, account: SmsAccount) -> Response:
    """Show one token. The vendor's file shows it without the envelope, users have seen both."""
    shown = _token_object(token)
    return json_response(shown if account.personality.envelope == "absent" else success(shown, "", None))


def _token_object(token: Token) -> Json:
    return {
        "token": token.value,
        "name": token.name,
        "createdAt": _instant(token.created_at),
        "expireAt": _instant(token.expires_at),
        "updatedAt": _instant(token.updated_at),
        "scopes": [str(scope) for scope in token.scopes],
        "refreshToken": token.refresh_token,
        "limits": msgspec.to_builtins(token.limits),
        "stats": {"totalRequests": token.requests},
    }


def _scope_object(scope: scopes.Scope, *, enabled: bool) -> Json:
    return {
        "id": scope.id,
        "scope": str(scope),
        "method": scope.method,
        "endpoint": scope.endpoint,
        "domain": scope.host,
        "enabled": enabled,
    }


# Assumed: the gateway's own values and the name of its price. The emulator has no limits.
_SCOPE_DETAILS: dict[str, Any] = {
    "rateLimit": False,
    "freeLimits": {"dayLimit": False, "monthLimit": False, "yearLimit": False, "totalLimit": False},
    "requirements": {},
    "prices": {scopes.ENDPOINT: PRICE_PER_PART_EUR},
}


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
