"""
The tokens of the account and their rules: what they allow, when they expire, who may change them. No HTTP.

Each environment has its own tokens and its own API key. The times are those of the emulator's clock.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY, DEFAULT_EMAIL
from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.account.clock import LATEST
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.http.authentication import ALL_METHODS, Methods
from airflow_provider_messaggisms.emulator.http.environments import Environment
from airflow_provider_messaggisms.emulator.token_service import token_errors
from airflow_provider_messaggisms.emulator.token_service.scopes import ANY, ENDPOINT, VENDOR_HOSTS, Scope
from airflow_provider_messaggisms.emulator.token_service.token_bodies import (
    DEFAULT_TTL_SECONDS,
    TokenLimits,
    TokenRequest,
)

MAX_TOKENS = 10_000
SANDBOX_PREFIX = "sandbox-"
_TOKEN = re.compile(r"[0-9a-f]{24}")
_ENVIRONMENTS: tuple[Environment, ...] = ("production", "sandbox")


def secret_in(environment: Environment, secret: str) -> str:
    """Return the token or API key that an environment has where production has *secret*."""
    return secret if environment == "production" else f"{SANDBOX_PREFIX}{secret}"


@dataclass
class Token:
    """
    One token.

    :param expires_at: In seconds since 1970, as all instants here.
    :param requests: How many calls it was used for.
    """

    value: str
    environment: Environment
    name: str
    scopes: tuple[Scope, ...]
    created_at: float
    updated_at: float
    expires_at: float
    refresh_token: str = field(default_factory=lambda: secrets.token_hex(12))
    limits: TokenLimits = field(default_factory=TokenLimits)
    requests: int = 0

    def allows(self, method: str) -> bool:
        """Tell whether it has a scope for calls of this method."""
        return any(scope.method in (method, ANY) for scope in self.scopes)


class TokenStore:
    """
    The tokens of both environments.

    :param account: Tells the time and the order of lists.
    """

    def __init__(self, account: SmsAccount) -> None:
        self._account = account
        self.reset({}, DEFAULT_API_KEY, sms_enabled=True)

    def reset(self, given: Mapping[str, Methods], api_key: str, *, sms_enabled: bool) -> None:
        """
        Forget all tokens and start with some that never expire.

        :param given: Each token with the methods that it may use. The sandbox gets each with ``sandbox-`` before it.
        :param api_key: The API key in production. In the sandbox it has ``sandbox-`` before it.
        :param sms_enabled: Whether the account may make tokens for the gateway.
        """
        self._api_key = api_key
        self.sms_enabled = sms_enabled
        self._tokens: dict[str, Token] = {}
        now = self._account.clock.now()
        for environment in _ENVIRONMENTS:
            for value, methods in given.items():
                scopes = tuple(Scope(method, VENDOR_HOSTS[environment], ENDPOINT) for method in sorted(methods))
                self._keep(Token(secret_in(environment, value), environment, "made by hand", scopes, now, now, LATEST))

    def knows(self, value: str) -> bool:
        """Tell whether there is such a token, expired or not."""
        return value in self._tokens

    # --- at the gateway -------------------------------------------------------------------------------------------

    def authorize(self, environment: Environment, value: str, method: str) -> None:
        """
        Count a call to the gateway, and let it pass.

        :raises ApiError: The token is unknown here, expired or used up, or lacks the scope.
        """
        token = self._tokens.get(value)
        if token is None or token.environment != environment or token.expires_at <= self._account.clock.now():
            raise api_errors.token_wrong()
        if method in ALL_METHODS and not token.allows(method):
            raise api_errors.scope_missing(f"{method}:{VENDOR_HOSTS[environment]}/{ENDPOINT}")
        limit = token.limits.total_requests
        if limit is not None and token.requests >= limit:
            raise api_errors.token_used_up(limit)
        token.requests += 1

    # --- at the token service -------------------------------------------------------------------------------------

    def is_login(self, environment: Environment, email: str, api_key: str) -> bool:
        """Tell whether this is the account's e-mail address and its API key in an environment."""
        return (email, api_key) == (DEFAULT_EMAIL, secret_in(environment, self._api_key))

    def create(self, environment: Environment, asked: TokenRequest) -> Token:
        """
        Make a token.

        :raises ApiError: The gateway is not enabled for the account.
        """
        self._check_enabled(token_errors.CREATING)
        now = self._account.clock.now()
        token = Token(
            value=secrets.token_hex(12),
            environment=environment,
            name=asked.name or "",
            scopes=asked.scopes or (),
            created_at=now,
            updated_at=now,
            expires_at=now + (asked.ttl_seconds or DEFAULT_TTL_SECONDS),
            limits=asked.limits or TokenLimits(),
        )
        self._keep(token)
        return token

    def list_tokens(self, environment: Environment) -> list[Token]:
        """
        Return the tokens of an environment, in the order of the personality.

        Assumed: expired tokens stay in the list, and an empty list is an error.
        """
        found = [token for token in self._tokens.values() if token.environment == environment]
        if not found:
            raise token_errors.token_unknown(120)
        return found[::-1] if self._account.personality.list_order == "newest" else found

    def find(self, environment: Environment, value: str, code: int) -> Token:
        """
        Return a token.

        :param code: The code of the error if there is none.
        """
        token = self._tokens.get(value)
        if token is None or token.environment != environment:
            if code == 120 and not _TOKEN.fullmatch(value):  # documented for a GET only
                raise token_errors.token_malformed()
            raise token_errors.token_unknown(code)
        return token

    def update(self, environment: Environment, value: str, asked: TokenRequest) -> Token:
        """Change a token. A new ``ttl`` counts from now."""
        token = self.find(environment, value, 160)
        if asked.scopes is not None:
            self._check_enabled(token_errors.UPDATING)
            token.scopes = asked.scopes
        token.updated_at = self._account.clock.now()
        token.name = token.name if asked.name is None else asked.name
        token.limits = asked.limits or token.limits
        if asked.ttl_seconds is not None:
            token.expires_at = token.updated_at + asked.ttl_seconds
        return token

    def refresh(self, environment: Environment, value: str, refresh_token: str, asked: TokenRequest) -> Token:
        """
        Replace a token by a new one with the same scopes, and delete the old one.

        :raises ApiError: The refresh token is not that of this token.
        """
        old = self.find(environment, value, 160)
        if old.refresh_token != refresh_token:
            raise token_errors.refresh_refused()
        lifetime = asked.ttl_seconds or round(old.expires_at - old.created_at)
        new = self.create(environment, TokenRequest(old.scopes, asked.name or old.name, lifetime, old.limits))
        self.delete(environment, value)
        return new

    def delete(self, environment: Environment, value: str) -> None:
        """Delete a token. From now on it is a wrong one."""
        del self._tokens[self.find(environment, value, 180).value]

    # --- beyond the API -------------------------------------------------------------------------------------------

    def values(self) -> list[str]:
        """Return all tokens of both environments, the oldest first."""
        return list(self._tokens)

    def revoke_all(self) -> None:
        """Delete all tokens of both environments."""
        self._tokens.clear()

    # --- internal -------------------------------------------------------------------------------------------------

    def _check_enabled(self, codes: token_errors.ScopeCodes) -> None:
        if not self.sms_enabled:
            raise token_errors.scopes_invalid(codes)

    def _keep(self, token: Token) -> None:
        """Store a token. The oldest one is forgotten if there are too many."""
        self._tokens[token.value] = token
        if len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
