"""
The gateway that the contract suite talks to, over HTTP and without this project's client: the emulator, or the
vendor's sandbox. With an account it also talks to the token service of the same environment.

Any other host is refused here, so that no mistake elsewhere can reach the vendor's production.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY, DEFAULT_EMAIL

SANDBOX_HOST = "test.ws.messaggisms.com"
SANDBOX_TOKEN_SERVICE = "test.oauth.openapi.com"
TOKEN_VARIABLE = "MESSAGGISMS_SANDBOX_TOKEN"
RECIPIENT_VARIABLE = "MESSAGGISMS_SANDBOX_RECIPIENT"
EMAIL_VARIABLE = "MESSAGGISMS_SANDBOX_EMAIL"
API_KEY_VARIABLE = "MESSAGGISMS_SANDBOX_API_KEY"
NEEDS_ACCOUNT = f"not tried: it needs {EMAIL_VARIABLE} and {API_KEY_VARIABLE}"
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

    @property
    def shape(self) -> str:
        """The same with the names of what the response has."""
        return f"{self.seen} ({', '.join(sorted(self.envelope or {})) or 'nothing'})"

    @property
    def detail(self) -> dict[str, Any]:
        """The object in the response, in an envelope or without. Empty if there is none."""
        found = self.data if "data" in (self.envelope or {}) else self.envelope
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Account:
    """
    An account at a token service.

    :param url: The address of the token service.
    """

    url: str
    email: str
    api_key: str

    def __post_init__(self) -> None:
        _check_host(self.url, SANDBOX_TOKEN_SERVICE)

    def __repr__(self) -> str:
        return f"Account({self.url})"

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", api_key: str = "") -> Answer:
        """Make one call, with another API key, or with a (refresh) token in place of the account."""
        login = base64.b64encode(f"{self.email}:{api_key or self.api_key}".encode()).decode()
        return _exchange(self.url, method, path, body, f"Bearer {token}" if token else f"Basic {login}")


@dataclass(frozen=True)
class Target:
    """
    A gateway.

    :param url: Its address.
    :param token: A token with all scopes.
    :param recipient: The number that SMS go to, as ``+39-3491234567``.
    :param pause: Waits so many seconds, or moves the gateway's clock.
    :param is_local: Whether the gateway can reach this machine.
    :param account: The account that the token belongs to, if it is known.
    """

    url: str
    token: str
    recipient: str
    pause: Callable[[float], None] = time.sleep
    is_local: bool = False
    account: Account | None = None

    def __post_init__(self) -> None:
        _check_host(self.url, SANDBOX_HOST)

    def __repr__(self) -> str:
        return f"Target({self.url})"

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = "") -> Answer:
        """Make one call. A body that is not bytes is sent as JSON, ``token=None`` without a token."""
        return _exchange(self.url, method, path, body, None if token is None else f"Bearer {token or self.token}")

    def send(self, **changes: Any) -> Answer:
        """Send an SMS that is simulated, unless the changes have ``test=False``."""
        body = {"sender": "contract", "body": "contract test", "recipients": [self.recipient], "test": True}
        return self.ask("POST", "/messages/", body | changes)

    def put(self, message_id: str, *recipients: Any, **changes: Any) -> Answer:
        """Add recipients to a message, or change it."""
        return self.ask("PUT", f"/messages/{message_id}", {"recipients": list(recipients), **changes})

    @property
    def owner(self) -> Account:
        """The account, for checks that need it."""
        if self.account is None:
            raise ValueError(NEEDS_ACCOUNT)
        return self.account

    def scope(self, method: str) -> str:
        """The scope of the gateway's calls of a method."""
        return f"{method}:{urlsplit(self.url).hostname}/messages"

    def recipient_path(self, message_id: str, number: str = "") -> str:
        """The path of one recipient of a message."""
        return f"/messages/{message_id}/recipients/{quote(number or self.recipient, safe='')}"


def sandbox(environment: Mapping[str, str] = os.environ) -> Target | None:
    """Return the vendor's sandbox, if there are a token and a recipient for it. The account may be missing."""
    token, recipient = environment.get(TOKEN_VARIABLE), environment.get(RECIPIENT_VARIABLE)
    email, api_key = environment.get(EMAIL_VARIABLE), environment.get(API_KEY_VARIABLE)
    account = Account(f"https://{SANDBOX_TOKEN_SERVICE}", email, api_key) if email and api_key else None
    return Target(f"https://{SANDBOX_HOST}", token, recipient, account=account) if token and recipient else None


def emulator(url: str, token: str) -> Target:
    """Return an emulator with a manual clock."""

    def pause(seconds: float) -> None:
        target.ask("POST", "/_emulator/advance", {"seconds": seconds})

    account = Account(url, DEFAULT_EMAIL, DEFAULT_API_KEY)
    target = Target(url, token, "+39-3491234567", pause, is_local=True, account=account)
    return target


def _exchange(url: str, method: str, path: str, body: Any, authorization: str | None) -> Answer:
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=_TIMEOUT_SECONDS)
    headers = {} if authorization is None else {"Authorization": authorization}
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, raw, headers | {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return Answer(answer.status, _object(answer.read()))
    finally:
        connection.close()


def _check_host(url: str, permitted: str) -> None:
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if not (loopback or (parts.scheme, parts.netloc) == ("https", permitted)):
        raise ValueError(f"The contract suite talks to {permitted} and to this machine, to no other host")


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
