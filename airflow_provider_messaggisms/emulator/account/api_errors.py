"""
Each error that the gateway returns, in one place: the HTTP status, the gateway's own code, and the emulator's text.

The vendor documents the status and code of the first group. Those of the second group are assumed. Texts are the
emulator's own, except those that users of the vendor have seen. A client must not depend on either.
"""

from __future__ import annotations


class ApiError(Exception):
    """
    The gateway refuses a request.

    :param status: The HTTP status.
    :param code: What the envelope's ``error`` holds. With None the response has neither ``error`` nor ``data``.
    :param message: What the envelope's ``message`` holds.
    :param headers: Further headers of the response.
    """

    def __init__(self, status: int, code: float | None, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


# --- documented ---------------------------------------------------------------------------------------------------


# Documented are status and code. The texts are those that users of the vendor have seen.
CREDIT_TEXTS = (
    "Insufficient Credit in Wallet: {needed} > {left}",
    "Current User credit is not enough. {needed} needed {left} € available",
    "Insufficient Credit in Wallet: {needed}",
    "Billing error message: Insufficient Credit in Wallet: {needed} > {left} code 810",
)


def credit_too_low(needed_eur: float, left_eur: float, text: int = 1) -> ApiError:
    """The account cannot pay for a send. ``text`` chooses one of the texts, 1 to 4."""
    amounts = {"needed": f"{needed_eur:G}", "left": f"{left_eur:G}"}
    return ApiError(402, 201, CREDIT_TEXTS[text - 1].format(**amounts))


def parameter_missing(name: str) -> ApiError:
    """A body lacks a required parameter."""
    return ApiError(422, 302, f"The parameter '{name}' is missing")


def not_found(code: int) -> ApiError:
    """There is no such thing. The code is 203 for lists and recipients, 211 for a PUT, 219 for a DELETE."""
    return ApiError(404, code, "Nothing found")


def id_invalid(code: int) -> ApiError:
    """This is not a message id. The code is 202 for a GET, 210 for a PUT, 218 for a DELETE."""
    return ApiError(406, code, "This is not a message id")


def transaction_closed() -> ApiError:
    """The message's transaction is closed, so the message cannot change."""
    return ApiError(422, 212, "The transaction is closed")


def id_required() -> ApiError:
    """A DELETE names no message."""
    return ApiError(400, 217, "DELETE needs a message id")


def already_sent() -> ApiError:
    """The message is on its way and cannot be cancelled."""
    return ApiError(422, 221, "The message is already on its way")


# --- assumed ------------------------------------------------------------------------------------------------------


def token_wrong() -> ApiError:
    """The token is unknown, expired, revoked, or of the other environment. Seen by users: the code is a float."""
    return ApiError(401, 125.22, "Wrong Token", {"www-authenticate": "Bearer"})


def token_missing() -> ApiError:
    """The request has no token. Seen by users: the response has neither ``error`` nor ``data``."""
    return ApiError(401, None, "Authorization is not valid or empty", {"www-authenticate": "Bearer"})


def token_used_up(limit: int) -> ApiError:
    """The token has made as many calls as its ``limits`` permit. Assumed: as for a missing scope."""
    return ApiError(403, 403, f"The token is limited to {limit} requests")


def scope_missing(scope: str) -> ApiError:
    """The token is valid but lacks the scope of this call. Assumed: error 403."""
    return ApiError(403, 403, f"The token lacks the scope {scope}")


def parameter_invalid(name: str, reason: str) -> ApiError:
    """A parameter has an invalid value. Assumed: the same as a missing one."""
    return ApiError(422, 302, f"The parameter '{name}' is invalid: {reason}")


def body_invalid(reason: str) -> ApiError:
    """The body is not the JSON object expected. Assumed: the same as if all parameters were missing."""
    return ApiError(422, 302, f"The body is invalid: {reason}")


def realtime_limit(wait_seconds: int) -> ApiError:
    """A second realtime message within a minute. The limit is documented, this response is assumed."""
    return ApiError(429, 429, "Only one realtime message a minute", {"retry-after": str(wait_seconds)})


def rate_limited(retry_after_seconds: int) -> ApiError:
    """Too many requests, as a scripted fault says. Assumed: 429 with Retry-After."""
    return ApiError(429, 429, "Too many requests", {"retry-after": str(retry_after_seconds)})


def body_too_large(limit_bytes: int) -> ApiError:
    """The body exceeds the emulator's own limit."""
    return ApiError(413, 413, f"The body is larger than {limit_bytes} bytes")


def message_too_large(limit: int) -> ApiError:
    """The message alone exceeds what the emulator keeps in memory."""
    return ApiError(413, 413, f"The message has more than the {limit} recipients that the emulator keeps")


def unknown_call(status: int, headers: dict[str, str] | None = None) -> ApiError:
    """The path (404) or the method (405) is unknown."""
    return ApiError(status, status, "Unknown path or method", headers)
