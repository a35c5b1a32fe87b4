"""
The gateway that the contract suite talks to, over HTTP and without this project's client: the emulator, or the
vendor's sandbox.

Any other host is refused here, so that no mistake elsewhere can reach the vendor's production.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

SANDBOX_HOST = "test.ws.messaggisms.com"
TOKEN_VARIABLE = "MESSAGGISMS_SANDBOX_TOKEN"
RECIPIENT_VARIABLE = "MESSAGGISMS_SANDBOX_RECIPIENT"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """An HTTP response. ``envelope`` is None if the body is not a JSON object."""

    status: int
    envelope: dict[str, Any] | None

    @property
    def data(self) -> Any:
        return (self.envelope or {}).get("data")

    @property
    def error(self) -> Any:
        return (self.envelope or {}).get("error")

    @property
    def seen(self) -> str:
        """The response in a few words, without personal data."""
        if self.envelope is None:
            return f"{self.status}, no JSON object"
        return f"{self.status}, error {json.dumps(self.error)}"


@dataclass(frozen=True)
class Target:
    """
    A gateway.

    :param url: Its address.
    :param token: A token with all scopes.
    :param recipient: The number that SMS go to, as ``+39-3491234567``.
    :param pause: Waits so many seconds, or moves the gateway's clock.
    :param is_local: Whether the gateway can reach this machine.
    """

    url: str
    token: str
    recipient: str
    pause: Callable[[float], None] = time.sleep
    is_local: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        loopback = parts.scheme == "http" and _is_loopback(parts.hostname or "")
        if not (loopback or (parts.scheme, parts.netloc) == ("https", SANDBOX_HOST)):
            raise ValueError(f"The contract suite talks to {SANDBOX_HOST} and to this machine, to no other host")

    def __repr__(self) -> str:
        return f"Target({self.url})"

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = "") -> Answer:
        """Make one call. A body that is not bytes is sent as JSON, ``token=None`` without a token."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(parts.netloc, timeout=_TIMEOUT_SECONDS)
        headers = {} if token is None else {"Authorization": f"Bearer {token or self.token}"}
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, raw, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return Answer(answer.status, _object(answer.read()))
        finally:
            connection.close()

    def send(self, **changes: Any) -> Answer:
        """Send an SMS that is simulated, unless the changes have ``test=False``."""
        body = {"sender": "contract", "body": "contract test", "recipients": [self.recipient], "test": True}
        return self.ask("POST", "/messages/", body | changes)

    def put(self, message_id: str, *recipients: Any, **changes: Any) -> Answer:
        """Add recipients to a message, or change it."""
        return self.ask("PUT", f"/messages/{message_id}", {"recipients": list(recipients), **changes})

    def recipient_path(self, message_id: str, number: str = "") -> str:
        """The path of one recipient of a message."""
        return f"/messages/{message_id}/recipients/{quote(number or self.recipient, safe='')}"


def sandbox(environment: Mapping[str, str] = os.environ) -> Target | None:
    """Return the vendor's sandbox, if the environment has a token and a recipient for it."""
    token, recipient = environment.get(TOKEN_VARIABLE), environment.get(RECIPIENT_VARIABLE)
    return Target(f"https://{SANDBOX_HOST}", token, recipient) if token and recipient else None


def emulator(url: str, token: str) -> Target:
    """Return an emulator with a manual clock."""

    def pause(seconds: float) -> None:
        target.ask("POST", "/_emulator/advance", {"seconds": seconds})

    target = Target(url, token, "+39-3491234567", pause, is_local=True)
    return target


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(raw)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
