"""
Production and sandbox in one process: the sandbox is the same emulator under the path ``/sandbox``.

Tokens and API keys are valid in one environment only, as at the vendor. Messages and credit are shared, because the
emulator has one account and one inbox.
"""

from __future__ import annotations

from typing import Any, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

Environment = Literal["production", "sandbox"]
SANDBOX_PATH = "/sandbox"


def with_sandbox(app: ASGIApp) -> ASGIApp:
    """Wrap an app: serve it under ``/sandbox`` too, and let :func:`environment_of` tell the two apart."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if f"{path}/".startswith(f"{SANDBOX_PATH}/"):
            inside = path.removeprefix(SANDBOX_PATH) or "/"
            scope = {**scope, "root_path": SANDBOX_PATH, "path": inside}
        await app(scope, receive, send)

    return handle


def environment_of(scope: dict[str, Any] | Scope) -> Environment:
    """Return the environment that a request is for."""
    return "sandbox" if scope.get("root_path") == SANDBOX_PATH else "production"
