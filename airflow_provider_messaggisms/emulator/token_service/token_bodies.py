"""
The body of a POST or a PATCH to the token service: bytes in, checked values out, or an error. No HTTP, no state.
"""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_messaggisms.emulator.http.environments import Environment
from airflow_provider_messaggisms.emulator.token_service import token_errors
from airflow_provider_messaggisms.emulator.token_service.scopes import Scope, read_scope
from airflow_provider_messaggisms.emulator.token_service.token_errors import CREATING, UPDATING, ScopeCodes

# Assumed: a month, as in the vendor's example, and the maximum in place of more.
DEFAULT_TTL_SECONDS = 30 * 86_400
MAX_TTL_SECONDS = 365 * 86_400


class TokenLimits(msgspec.Struct, omit_defaults=True, rename="camel"):
    """How much a token may be used. Only ``totalRequests`` is enforced."""

    total_requests: int | None = None
    wallet_requests: int | None = None
    subscription_requests: int | None = None
    wallet_amount: float | None = None
    ip: list[str] | None = None


class _Body(msgspec.Struct):
    """The body, typed but not yet checked."""

    scopes: Any = None
    name: str | None = None
    ttl: int | None = None
    limits: TokenLimits | None = None


class TokenRequest(msgspec.Struct):
    """What a token shall have. None means: as it is, or the default for a new one."""

    scopes: tuple[Scope, ...] | None
    name: str | None
    ttl_seconds: int | None
    limits: TokenLimits | None


def read_new_token(raw: bytes, environment: Environment) -> TokenRequest:
    """
    Read the body of a POST.

    :raises ApiError: It has no scopes, or is invalid.
    """
    asked = _read(raw, environment, CREATING)
    if asked.scopes is None:
        raise token_errors.scopes_missing()
    return asked


def read_token_update(raw: bytes, environment: Environment) -> TokenRequest:
    """
    Read the body of a PATCH. It may be empty.

    :raises ApiError: It is invalid.
    """
    return _read(raw or b"{}", environment, UPDATING)


def _read(raw: bytes, environment: Environment, codes: ScopeCodes) -> TokenRequest:
    try:
        body = msgspec.json.decode(raw, type=_Body)
    except (ValueError, RecursionError) as error:
        raise token_errors.value_invalid(codes, str(error)[:200]) from error
    scopes = None if body.scopes is None else _scopes(body.scopes, environment, codes)
    return TokenRequest(scopes, body.name, None if body.ttl is None else _ttl(body.ttl), body.limits)


def _scopes(value: Any, environment: Environment, codes: ScopeCodes) -> tuple[Scope, ...]:
    texts = value if isinstance(value, list) and value else [None]
    scopes = [read_scope(text) if isinstance(text, str) else None for text in texts]
    known = tuple(scope for scope in scopes if scope is not None)
    if len(known) < len(scopes):
        raise token_errors.scopes_malformed(codes)
    if not all(scope.exists_in(environment) for scope in known):
        raise token_errors.scopes_invalid(codes)
    return known


def _ttl(seconds: int) -> int:
    """Documented: at most a year, and the default in place of 0 or less."""
    return min(seconds, MAX_TTL_SECONDS) if seconds > 0 else DEFAULT_TTL_SECONDS
