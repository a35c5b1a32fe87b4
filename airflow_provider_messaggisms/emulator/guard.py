"""
What keeps other web pages away from the emulator.

A browser on this machine reaches the emulator, and so does, through it, any page that it shows. Such a page must not
read SMS or move the clock:

* A request for a host name that public DNS could answer is refused, for a page can give its own name the emulator's
  address (DNS rebinding) and would then count as the emulator's own. Addresses, names without a dot, and names that
  only a private network knows are good.
* A request that changes something, made by a page of another origin, is refused. Programs, which send neither
  ``Sec-Fetch-Site`` nor ``Origin``, are not concerned.
* The inbox page runs its own script and nothing else, is shown in no frame, and is kept in no cache.

The gateway's own calls are only held to the first rule: they need a token, and are answered as the gateway answers.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_messaggisms.emulator.refusals import Refusal
from airflow_provider_messaggisms.emulator.responses import refused

# Names that no public DNS server answers: RFC 6761, RFC 6762, RFC 8375, and ICANN's "internal".
_PRIVATE_ENDINGS = (".localhost", ".test", ".local", ".home.arpa", ".internal")
_HARMLESS_METHODS = ("GET", "HEAD", "OPTIONS")
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


class Guard:
    """
    Stand before everything else.

    :param app: What is guarded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request as ASGI wants it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_private(host):
            await refused(_host_refused())(scope, receive, send)
        elif not (scope["path"] == "/" or scope["path"].startswith("/_emulator")):
            await self.app(scope, receive, send)
        elif scope["method"] not in _HARMLESS_METHODS and _is_foreign(headers, host):
            await refused(_page_refused())(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))


@lru_cache(maxsize=256)
def is_private(host: str) -> bool:
    """Tell whether a ``Host`` header is an address or a name that only this machine or its network knows."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    name = name.rstrip(".").lower()
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_ENDINGS)
    return True


def _is_foreign(headers: Headers, host: str) -> bool:
    """Tell whether a request was made by a page that is not the emulator's own."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != host


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending


def _host_refused() -> Refusal:
    return Refusal(421, 421, "Name the emulator by its address, by a name without a dot, or by a private one")


def _page_refused() -> Refusal:
    return Refusal(403, 403, "A page of another site may not do this")
