"""
The inbox page at ``/`` with its three files, and the search at ``/_emulator/inbox`` that the page and tests use.

================================  ==================================================================================
``GET /_emulator/inbox``          what the phones received, newest first; the parameters are those of
                                  :class:`.inbox_search.InboxQuery`
``POST /_emulator/inbox``         the same with a JSON body, for the page: a number that a user searches for is
                                  personal, and addresses end in histories and logs
``DELETE /_emulator/inbox``       clear the inbox; the gateway still has its messages
================================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.control.control_routes import invalid_as_api_error, read_json
from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorState
from airflow_provider_messaggisms.emulator.http.json_io import json_response, read_body
from airflow_provider_messaggisms.emulator.inbox.inbox_search import InboxQuery, search_inbox

_FILES = {
    "/": ("inbox.html", "text/html"),
    "/_emulator/inbox.css": ("inbox.css", "text/css"),
    "/_emulator/inbox.js": ("inbox.js", "text/javascript"),
}


def inbox_routes(state: EmulatorState) -> APIRouter:
    """Return the routes of the inbox and its page."""
    routes = APIRouter()
    for path, (name, media_type) in _FILES.items():
        routes.add_api_route(path, _file(name, media_type), methods=["GET", "HEAD"])

    def found(query: InboxQuery) -> Response:
        # Only the default token is shown: another one is a secret.
        token = DEFAULT_TOKEN if state.tokens.knows(DEFAULT_TOKEN) else None
        return json_response(state.overview() | {"token": token} | search_inbox(state.account, query))

    @routes.get("/_emulator/inbox")
    async def inbox(request: Request) -> Response:
        with invalid_as_api_error("inbox"):
            return found(msgspec.convert(dict(request.query_params), InboxQuery, strict=False))

    @routes.post("/_emulator/inbox")
    async def search(request: Request) -> Response:
        raw = await read_body(request)
        with invalid_as_api_error("inbox"):
            return found(read_json(raw or b"{}", InboxQuery))

    @routes.delete("/_emulator/inbox")
    async def clear() -> Response:
        state.account.clear_inbox()
        return json_response({})

    return routes


def _file(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    content = Path(__file__).with_name(name).read_bytes()

    async def file() -> Response:
        return Response(content, media_type=media_type)

    return file
