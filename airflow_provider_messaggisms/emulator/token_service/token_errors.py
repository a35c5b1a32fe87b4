"""
Each error of the token service, in one place. The statuses and codes are documented, except where it says "assumed".
The documented codes differ by call, so that the same cause has several.
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_messaggisms.emulator.account.api_errors import ApiError


class ScopeCodes(NamedTuple):
    """The codes with which a call refuses scopes: in a wrong form, and unknown or not enabled."""

    form: int
    invalid: int


CREATING = ScopeCodes(80, 90)
UPDATING = ScopeCodes(100, 110)


def login_refused() -> ApiError:
    """The e-mail address or the API key is missing, wrong, or of the other environment. Assumed: as for a PATCH."""
    return ApiError(401, 140, "Unauthorized", {"www-authenticate": "Basic"})


def refresh_refused() -> ApiError:
    """The refresh token of a PATCH does not belong to the token."""
    return ApiError(401, 130, "Unauthorized")


def scopes_missing() -> ApiError:
    """A new token has no list of scopes."""
    return ApiError(422, 70, "missing scopes array")


def scopes_malformed(codes: ScopeCodes) -> ApiError:
    """The scopes are not a list of texts like ``GET:host/path``."""
    return ApiError(422, codes.form, "invalid scopes format")


def scopes_invalid(codes: ScopeCodes = CREATING) -> ApiError:
    """A scope is unknown in this environment, or its API is not enabled for the account."""
    return ApiError(422, codes.invalid, "Invalid scopes specified or API not enabled")


def value_invalid(codes: ScopeCodes, reason: str) -> ApiError:
    """The body is no JSON object, or a value has a wrong type. Assumed: as for scopes in a wrong form."""
    return ApiError(422, codes.form, f"The body is invalid: {reason}")


def token_malformed() -> ApiError:
    """This does not look like a token."""
    return ApiError(422, 60, "Invalid Token Format")


def token_unknown(code: int) -> ApiError:
    """There is no such token. The code is 120 for a GET (also of an empty list), 160 for a PATCH, 180 for a DELETE."""
    return ApiError(404, code, "Not Found")


def token_required(code: int) -> ApiError:
    """The path names no token. The code is 150 for a PATCH, 170 for a DELETE."""
    return ApiError(400, code, "Token ID is required")


def scope_unknown() -> ApiError:
    """There is no scope with this id."""
    return ApiError(404, 10, "Scope not found")
