"""
The seven calls: HTTP in, one call of the store, the envelope out. No rules in here.

Paths are answered with and without their closing slash, because the vendor's own file writes them both ways.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from airflow_provider_messaggisms.emulator import answers, payload, refusals, schema
from airflow_provider_messaggisms.emulator.control import Control
from airflow_provider_messaggisms.emulator.control_plane import control_routes
from airflow_provider_messaggisms.emulator.door import Door
from airflow_provider_messaggisms.emulator.exchanges import pattern_of
from airflow_provider_messaggisms.emulator.guard import Guard
from airflow_provider_messaggisms.emulator.page import page_routes
from airflow_provider_messaggisms.emulator.responses import answered, listed, refused
from airflow_provider_messaggisms.emulator.store import Store

# Starlette names only the methods of the first route that has the path; a 405 must name all.
METHODS = {
    "/messages/": "GET, POST, DELETE",
    "/messages/{id}": "GET, PUT, DELETE",
    "/messages/{id}/recipients/": "GET",
    "/messages/{id}/recipients/{number}": "GET",
}


def gateway_routes(control: Control) -> APIRouter:
    """Return the routes of the vendor's API."""
    routes = APIRouter()
    _add_account_calls(routes, control)
    _add_message_calls(routes, control)
    _add_recipient_calls(routes, control.store)
    return routes


def _add_account_calls(routes: APIRouter, control: Control) -> None:
    store = control.store

    @routes.get("/messages", include_in_schema=False)
    @routes.get("/messages/", **schema.LIST)
    async def list_messages() -> Response:
        messages = store.messages()
        return listed(map(answers.list_entry, messages), len(messages), str(store.credit_eur))

    @routes.post("/messages", include_in_schema=False)
    @routes.post("/messages/", **schema.SEND)
    async def send_message(request: Request) -> Response:
        raw = await control.intake.read(request)
        message = store.create(payload.read_order(raw, store.personality), len(raw))
        control.callbacks.watch(message)
        shown = answers.message_object(message, message.created_at, store.personality)
        return answered(answers.success([shown], "Message Queued", str(store.credit_eur)), 201)

    @routes.delete("/messages", include_in_schema=False)
    @routes.delete("/messages/", **schema.DELETE_NOTHING)
    async def delete_nothing() -> Response:
        raise refusals.id_required()


def _add_message_calls(routes: APIRouter, control: Control) -> None:
    store = control.store

    @routes.get("/messages/{id}/", include_in_schema=False)
    @routes.get("/messages/{id}", **schema.GET)
    async def get_message(request: Request) -> Response:
        message = store.message(request.path_params["id"])
        shown = answers.message_object(message, store.clock.now(), store.personality)
        return answered(answers.success([shown], answers.results(1), str(store.credit_eur)))

    @routes.put("/messages/{id}/", include_in_schema=False)
    @routes.put("/messages/{id}", **schema.UPDATE)
    async def update_message(request: Request) -> Response:
        raw = await control.intake.read(request)
        amendment = payload.read_amendment(raw, store.personality)
        message = store.amend(request.path_params["id"], amendment, len(raw))
        shown = answers.message_object(message, store.clock.now(), store.personality)
        status = int(store.personality.put_status)
        return answered(answers.success(shown, "Updated", str(store.credit_eur)), status)

    @routes.delete("/messages/{id}/", include_in_schema=False)
    @routes.delete("/messages/{id}", **schema.DELETE)
    async def delete_message(request: Request) -> Response:
        store.delete(request.path_params["id"])
        return answered(answers.success([], f"{request.path_params['id']} Deleted", None))


def _add_recipient_calls(routes: APIRouter, store: Store) -> None:
    @routes.get("/messages/{id}/recipients", include_in_schema=False)
    @routes.get("/messages/{id}/recipients/", **schema.RECIPIENTS)
    async def get_recipients(request: Request) -> Response:
        message = store.message_with_recipients(request.path_params["id"])
        now, count = store.clock.now(), len(message.recipients)
        recipients = itertools.islice(message.recipients, count)
        shown = (answers.recipient_object(message, recipient, now) for recipient in recipients)
        return listed(shown, count, store.credit_eur)

    @routes.get("/messages/{id}/recipients/{number}", **schema.RECIPIENT)
    async def get_recipient(request: Request) -> Response:
        message, recipient = store.recipient(request.path_params["id"], request.path_params["number"])
        shown = answers.recipient_object(message, recipient, store.clock.now())
        return answered(answers.success([shown], answers.results(1), store.credit_eur))


def create_app(control: Control) -> ASGIApp:
    """Put the gateway behind its door, and a guard before that."""
    return Guard(Door(create_gateway(control), control))


def create_gateway(control: Control) -> FastAPI:
    """Put the gateway together: its calls, its control plane, its description."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telling = asyncio.create_task(control.callbacks.run())
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling

    app = FastAPI(
        title="MessaggiSMS gateway emulator",
        docs_url=None,
        redoc_url=None,
        openapi_url="/_emulator/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.openapi = _described(app.openapi)  # type: ignore[method-assign]
    app.include_router(gateway_routes(control))
    app.include_router(control_routes(control))
    app.include_router(page_routes(control))

    @app.exception_handler(refusals.Refusal)
    async def on_refusal(_: Request, refusal: refusals.Refusal) -> Response:
        return refused(refusal)

    @app.exception_handler(HTTPException)
    async def on_unknown(request: Request, error: HTTPException) -> Response:
        methods = METHODS.get(pattern_of(request.url.path)) if error.status_code == 405 else None
        return refused(refusals.no_such_call(error.status_code, {"allow": methods} if methods else None))

    return app


def _described(generate: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Add to the generated OpenAPI what the token is, which FastAPI would only know from its own machinery."""

    def described() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {})["securitySchemes"] = schema.SECURITY_SCHEMES
        return document

    return described
