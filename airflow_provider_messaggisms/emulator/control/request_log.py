"""
The log of requests to the gateway and the token service: the method, the path as a pattern, the status.

Tests read it to assert "exactly one POST". Scripted faults use the same patterns to choose their requests.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATTERNS = {
    "/messages/": re.compile(r"/messages/?"),
    "/messages/{id}": re.compile(r"/messages/[^/]+/?"),
    "/messages/{id}/recipients/": re.compile(r"/messages/[^/]+/recipients/?"),
    "/messages/{id}/recipients/{number}": re.compile(r"/messages/[^/]+/recipients/[^/]+/?"),
    "/tokens": re.compile(r"/tokens/?"),
    "/tokens/{token}": re.compile(r"/tokens/[^/]+/?"),
    "/scopes": re.compile(r"/scopes/?"),
    "/scopes/{id}": re.compile(r"/scopes/[^/]+/?"),
    "/wallet": re.compile(r"/wallet/?"),
}


def pattern_of(path: str) -> str:
    """Return the pattern that a path belongs to, or the first 100 characters of an unknown path."""
    return next((pattern for pattern, form in _PATTERNS.items() if form.fullmatch(path)), path[:100])


def log_requests(app: ASGIApp, log: deque[dict[str, Any]]) -> ASGIApp:
    """Wrap an app: log each request. The ``status`` is None until the response begins, and stays None without one."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        entry = {"method": scope["method"][:20], "path": pattern_of(scope["path"]), "status": None}
        log.append(entry)

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        await app(scope, receive, send_and_log)

    return handle
