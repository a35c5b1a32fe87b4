"""
Protection against other web pages.

A browser on this machine can reach the emulator, so any page that the browser shows could try to. Such a page must not
read SMS or move the clock:

* A request for a host name that public DNS could resolve is refused, because a page can give its own name the
  emulator's address (DNS rebinding). Addresses, names without a dot and names of a private network are accepted.
* A change requested by a page of another origin is refused. Programs send neither ``Sec-Fetch-Site`` nor ``Origin``.
* The inbox page runs its own script and nothing else, is shown in no frame, and is not cached.

Only the first rule holds for the gateway's own API: it needs a token.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.account.api_errors import ApiError
from airflow_provider_messaggisms.emulator.http.json_io import error_response

# Names that no public DNS server resolves: RFC 6761, RFC 6762, RFC 8375, and ICANN's "internal".
_PRIVATE_ENDINGS = (".localhost", ".test", ".local", ".home.arpa", ".internal")
_READING = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def refuse_public_hosts(app: ASGIApp) -> ASGIApp:
    """Wrap an app: refuse requests for a host name that public DNS could resolve."""
    error = ApiError(421, 421, "Use the emulator's address, a name without a dot, or a name of a private network")

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and not is_private_host(Headers(scope=scope).get("host", ""))
        await (error_response(error) if refused else app)(scope, receive, send)

    return handle


def refuse_other_origins(app: ASGIApp) -> ASGIApp:
    """Wrap an app for the emulator's own page: refuse changes from other pages, and add the security headers."""
    error = ApiError(403, 403, "A page of another origin must not do this")

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if scope["type"] == "http" and scope["method"] not in _READING and _is_foreign(Headers(scope=scope)):
            await error_response(error)(scope, receive, send)
        else:
            await app(scope, receive, send_with_headers)

    return handle


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_host(host: str) -> bool:
    """Tell whether a ``Host`` header is an address, or a name that only this machine or its network knows."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    name = name.rstrip(".").lower()
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_ENDINGS)
    return True


def _is_foreign(headers: Headers) -> bool:
    """Tell whether a page of another origin made a request."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")
