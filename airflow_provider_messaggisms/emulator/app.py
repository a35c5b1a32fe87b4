"""
The emulator as one ASGI app: the vendor's gateway and token service with their log and faults, and the emulator's own
pages. All of it is there twice: for production, and under ``/sandbox``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.control.control_routes import control_routes
from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorState
from airflow_provider_messaggisms.emulator.control.fault_injection import FaultInjection
from airflow_provider_messaggisms.emulator.control.request_log import log_requests
from airflow_provider_messaggisms.emulator.http.api_routes import api_routes, without_closing_slash
from airflow_provider_messaggisms.emulator.http.authentication import require_token
from airflow_provider_messaggisms.emulator.http.cross_origin import refuse_other_origins, refuse_public_hosts
from airflow_provider_messaggisms.emulator.http.environments import with_sandbox
from airflow_provider_messaggisms.emulator.http.json_io import error_response, with_date
from airflow_provider_messaggisms.emulator.inbox.inbox_routes import inbox_routes
from airflow_provider_messaggisms.emulator.token_service.token_routes import (
    is_token_service,
    require_login,
    token_routes,
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(state: EmulatorState) -> ASGIApp:
    """Put the emulator together."""
    gateway = without_closing_slash(_service(api_routes(state.account, state.callbacks)))
    gateway = require_token(gateway, state.tokens.authorize)
    token_service = without_closing_slash(_service(token_routes(state.tokens, state.account)))
    token_service = require_login(token_service, state.tokens)

    async def vendor(scope: Scope, receive: Receive, send: Send) -> None:
        await (token_service if is_token_service(scope["path"]) else gateway)(scope, receive, send)

    api = with_date(log_requests(FaultInjection(vendor, state), state.request_log), state.account.clock.now)
    own_pages = _service(control_routes(state), inbox_routes(state), lifespan=_sending_callbacks(state))
    own_pages = refuse_other_origins(own_pages)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_own = scope["type"] == "lifespan" or scope["path"] == "/" or scope["path"].startswith("/_emulator")
        await (own_pages if is_own else api)(scope, receive, send)

    return refuse_public_hosts(with_sandbox(app))


def _service(*routers: APIRouter, lifespan: Lifespan | None = None) -> ASGIApp:
    """Make an app of some routes, which returns each error in the gateway's form."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    for router in routers:
        app.include_router(router)

    @app.exception_handler(api_errors.ApiError)
    async def on_error(_: Request, error: api_errors.ApiError) -> Response:
        return error_response(error)

    @app.exception_handler(HTTPException)
    async def on_unknown(request: Request, error: HTTPException) -> Response:
        routes = [route for route in app.routes if route.matches(request.scope)[0] != Match.NONE]
        methods = sorted({method for route in routes for method in getattr(route, "methods", ())})
        headers = {"allow": ", ".join(methods)} if methods else None
        return error_response(api_errors.unknown_call(error.status_code, headers))

    return app


def _sending_callbacks(state: EmulatorState) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sending = asyncio.create_task(state.callbacks.run())
        yield
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending

    return lifespan
