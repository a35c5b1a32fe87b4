"""
The vendor's account behind a connection: who asks the token service, and for which token.

The API key goes to the token service only, and the token to the gateway only. Nothing here shows either.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.addresses import HOSTS, TOKEN_HOSTS, read_address
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct

#: The name of our tokens. All workers find a token by it.
TOKEN_NAME = "airflow-messaggisms"  # noqa: S105 (a name, no secret)

DEFAULT_TTL_DAYS = 30
MAX_TTL_DAYS = 365

_METHODS = ("GET", "POST", "PUT", "DELETE")


class Account(RedactedStruct, frozen=True, kw_only=True):
    """
    An account at the token service.

    :param base_url: Address of the token service, without a slash at the end.
    :param login: The account's e-mail address. Not in the ``repr``.
    :param api_key: Not in the ``repr``.
    :param scopes: What a token has to allow.
    :param ttl_seconds: How long a new token lives.
    :param timeout_seconds: How long to wait for an answer.
    """

    _shown = ("base_url", "scopes", "ttl_seconds")
    base_url: str
    login: str
    api_key: str
    scopes: tuple[str, ...]
    ttl_seconds: int
    timeout_seconds: float
    max_sockets: int = 1

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``."""
        return f"Basic {self._credentials()}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no log and no error may show."""
        return (self.api_key, self._credentials())

    def _credentials(self) -> str:
        return b64encode(f"{self.login}:{self.api_key}".encode()).decode()


def read_account(
    *,
    gateway: str,
    login: str | None,
    password: str | None,
    token_host: Any,
    ttl_days: int,
    timeout_seconds: float,
) -> Account:
    """
    Check what a connection with ``auth: "account"`` says.

    :param gateway: The gateway's address. Its host is part of the scopes.
    :param token_host: Address of the token service. Default: the vendor's, if the gateway is the vendor's too.
    :raises ConfigurationError: A part is missing or invalid; the text names it.
    """
    return Account(
        base_url=_token_address(gateway, token_host),
        login=_login(login),
        api_key=read_secret(password, "the account's API key"),
        scopes=scopes_for(gateway),
        ttl_seconds=ttl_days * 86_400,
        timeout_seconds=timeout_seconds,
    )


def scopes_for(gateway: str) -> tuple[str, ...]:
    """Name the scopes of all calls at a gateway, such as ``POST:ws.messaggisms.com/messages``."""
    return tuple(f"{method}:{urlsplit(gateway).hostname}/messages" for method in _METHODS)


def missing_scopes(wanted: Iterable[str], granted: Iterable[str]) -> list[str]:
    """Name the scopes that a token lacks. ``*`` stands for every method or path, as older tokens have it."""
    patterns = [scope.strip().rstrip("/").lower() for scope in granted]
    return [scope for scope in wanted if not any(fnmatchcase(scope.lower(), pattern) for pattern in patterns)]


def read_secret(password: str | None, what: str) -> str:
    """
    Check the field password of a connection.

    :raises ConfigurationError: It is empty, or not one word of plain ASCII characters.
    """
    secret = (password or "").strip()
    if not secret:
        raise ConfigurationError(f"connection, field password: it is empty; put {what} there")
    if not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise ConfigurationError(f"connection, field password: {what} is one word of plain ASCII characters")
    return secret


def _login(login: str | None) -> str:
    text = (login or "").strip()
    if not re.fullmatch(r"[^\s:@]+@[^\s:@]+", text):
        raise ConfigurationError(
            "connection, field login: expected the e-mail address of the account, because auth is 'account'"
        )
    return text


def _token_address(gateway: str, token_host: Any) -> str:
    if token_host is not None:
        return read_address("token_host", str(token_host).strip())
    of_vendor = {HOSTS[name]: address for name, address in TOKEN_HOSTS.items()}
    if gateway in of_vendor:
        return of_vendor[gateway]
    raise ConfigurationError(
        "connection, field token_host: missing; the API key goes to the vendor's token service only for the vendor's "
        "own gateway. With another host, name the token service too, such as http://127.0.0.1:8025"
    )
