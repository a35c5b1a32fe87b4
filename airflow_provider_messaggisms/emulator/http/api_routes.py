"""
The seven calls of the gateway: HTTP in, one call of the account, the envelope out. The rules are in the account.
"""

from __future__ import annotations

import itertools

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account import api_errors, request_bodies
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.http import serialization
from airflow_provider_messaggisms.emulator.http.callbacks import CallbackSender
from airflow_provider_messaggisms.emulator.http.json_io import json_response, list_response, read_body
from airflow_provider_messaggisms.emulator.http.serialization import result_count, success


def api_routes(account: SmsAccount, callbacks: CallbackSender) -> APIRouter:
    """Return the routes of the vendor's API, without closing slashes: see :func:`without_closing_slash`."""
    routes = APIRouter()
    _add_list_routes(routes, account, callbacks)
    _add_message_routes(routes, account)
    _add_recipient_routes(routes, account)
    return routes


def without_closing_slash(app: ASGIApp) -> ASGIApp:
    """Accept paths with and without their closing slash, because the vendor's own file has both."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["path"].removesuffix("/")}, receive, send)

    return handle


def _add_list_routes(routes: APIRouter, account: SmsAccount, callbacks: CallbackSender) -> None:
    @routes.get("/messages")
    async def list_messages() -> Response:
        messages = account.list_messages()
        return list_response(map(serialization.list_entry, messages), len(messages), str(account.credit_eur))

    @routes.post("/messages")
    async def send_message(request: Request) -> Response:
        raw = await read_body(request)
        message = account.create(request_bodies.read_new_message(raw, account.personality))
        callbacks.watch(message)
        shown = serialization.message_object(message, message.created_at, account.personality)
        return json_response(success([shown], "Message Queued", str(account.credit_eur)), 201)

    @routes.delete("/messages")
    async def delete_without_id() -> Response:
        raise api_errors.id_required()


def _add_message_routes(routes: APIRouter, account: SmsAccount) -> None:
    @routes.get("/messages/{id}")
    async def get_message(request: Request) -> Response:
        message = account.message(request.path_params["id"])
        shown = serialization.message_object(message, account.clock.now(), account.personality)
        return json_response(success([shown], result_count(1), str(account.credit_eur)))

    @routes.put("/messages/{id}")
    async def update_message(request: Request) -> Response:
        raw = await read_body(request)
        update = request_bodies.read_message_update(raw, account.personality)
        message = account.update(request.path_params["id"], update)
        shown = serialization.message_object(message, account.clock.now(), account.personality)
        status = int(account.personality.put_status)
        return json_response(success(shown, "Updated", str(account.credit_eur)), status)

    @routes.delete("/messages/{id}")
    async def delete_message(request: Request) -> Response:
        account.delete(request.path_params["id"])
        return json_response(success([], f"{request.path_params['id']} Deleted", None))


def _add_recipient_routes(routes: APIRouter, account: SmsAccount) -> None:
    @routes.get("/messages/{id}/recipients")
    async def get_recipients(request: Request) -> Response:
        message = account.message_with_recipients(request.path_params["id"])
        now, count = account.clock.now(), len(message.recipients)
        recipients = itertools.islice(message.recipients, count)  # more may be added while the list is sent
        shown = (serialization.recipient_object(message, recipient, now) for recipient in recipients)
        return list_response(shown, count, account.credit_eur)

    @routes.get("/messages/{id}/recipients/{number}")
    async def get_recipient(request: Request) -> Response:
        message, recipient = account.recipient(request.path_params["id"], request.path_params["number"])
        shown = serialization.recipient_object(message, recipient, account.clock.now())
        return json_response(success([shown], result_count(1), account.credit_eur))
