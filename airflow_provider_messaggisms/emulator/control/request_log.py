"""
The log of requests to the API: the method, the path as a pattern, the status.

Tests read it to assert "exactly one POST". Scripted faults use the same patterns to choose their requests.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG_LENGTH = 10_000
_PATTERNS = {
    "/messages/": re.compile(r"/messages/?"),
    "/messages/{id}": re.compile(r"/messages/[^/]+/?"),
    "/messages/{id}/recipients/": re.compile(r"/messages/[^/]+/recipients/?"),
    "/messages/{id}/recipients/{number}": re.compile(r"/messages/[^/]+/recipients/[^/]+/?"),
}


def pattern_of(path: str) -> str:
    """Return the pattern that a path belongs to, or the first 100 characters of an unknown path."""
    return next((pattern for pattern, form in _PATTERNS.items() if form.fullmatch(path)), path[:100])


@dataclass(slots=True)
class LoggedRequest:
    """One request. ``status`` is None until the response begins, and stays None if there is none."""

    method: str
    path: str
    status: int | None = None


class RequestLog:
    """The last 10,000 requests, in the order in which they came."""

    def __init__(self) -> None:
        self.requests: deque[LoggedRequest] = deque(maxlen=LOG_LENGTH)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wrap an app, so that its requests are logged."""

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            request = LoggedRequest(scope["method"][:20], pattern_of(scope["path"]))
            self.requests.append(request)

            async def send_and_log(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.status = message["status"]
                await send(message)

            await app(scope, receive, send_and_log)

        return handle
