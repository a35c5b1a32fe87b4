"""
The inbox page at ``/``: three files as they are, and the one question that they ask once a second.

The question is a POST although it changes nothing: what somebody looks for, a telephone number perhaps, is personal
data, and an address ends in histories and logs where a body does not.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN, refusals
from airflow_provider_messaggisms.emulator.control import Control
from airflow_provider_messaggisms.emulator.responses import answered
from airflow_provider_messaggisms.emulator.search import Search, Wish

_FILES = {
    "/": ("inbox.html", "text/html"),
    "/_emulator/inbox.css": ("inbox.css", "text/css"),
    "/_emulator/inbox.js": ("inbox.js", "text/javascript"),
}


class Question(Wish):
    """
    What the page wants to know.

    :param seen: The ``revision`` of the answer that it shows already; the same one is not given twice.
    """

    seen: str = ""


def page_routes(control: Control) -> APIRouter:
    """Return the routes of the inbox page."""
    routes = APIRouter(include_in_schema=False)
    search = Search(control.store)
    for path, (name, media_type) in _FILES.items():
        routes.add_api_route(path, _file(name, media_type), methods=["GET", "HEAD"])

    @routes.post("/_emulator/look")
    async def look(request: Request) -> Response:
        raw = await control.intake.read(request)
        try:
            question = msgspec.json.decode(raw or b"{}", type=Question)
        except (ValueError, RecursionError) as error:
            raise refusals.parameter_bad("look", str(error)[:200]) from error
        return answered(_answer(control, question, search.find(question)))

    return routes


def _answer(control: Control, question: Question, found: dict[str, Any]) -> dict[str, Any]:
    """Tell how the emulator is, and what is in the inbox if that is news. A token that somebody chose is not told."""
    revision = hashlib.sha256(msgspec.json.encode(found)).hexdigest()[:16]
    return control.overview() | {
        "token": DEFAULT_TOKEN if DEFAULT_TOKEN in control.tokens else None,
        "revision": revision,
        "found": None if revision == question.seen else found,
    }


def _file(name: str, media_type: str) -> Any:
    content = Path(__file__).with_name(name).read_bytes()

    async def file() -> Response:
        return Response(content, media_type=media_type)

    return file
