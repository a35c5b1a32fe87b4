"""
Every answer that says no, in one place: HTTP status, the gateway's own code, and a text of the emulator's.

The first group is documented by the vendor, status and code. The second group is assumed: nobody outside the vendor
knows what these cases get. The texts are ours throughout; a client must not look at them.
"""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """
    The gateway says no.

    :param status: The HTTP status.
    :param code: What the envelope's ``error`` holds.
    :param message: What the envelope's ``message`` holds.
    :param headers: Further headers of the answer.
    """

    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


# --- documented ---------------------------------------------------------------------------------------------------


def credit_too_low(needed: float, left: float) -> Refusal:
    """Refuse a send that the account cannot pay."""
    return Refusal(402, 201, f"Not enough credit: this costs {needed:.4f} EUR, the account holds {left:.4f}")


def parameter_missing(name: str) -> Refusal:
    """Refuse a body without a required parameter."""
    return Refusal(422, 302, f"The parameter '{name}' is missing")


def nothing_found(code: int) -> Refusal:
    """Refuse to show what is not there: 203 for lists and recipients, 211 for a PUT, 219 for a DELETE."""
    return Refusal(404, code, "Nothing found")


def id_invalid(code: int) -> Refusal:
    """Refuse what is not an id: 202 for a GET, 210 for a PUT, 218 for a DELETE."""
    return Refusal(406, code, "Not the id of a message")


def transaction_closed() -> Refusal:
    """Refuse to change a message whose transaction is over."""
    return Refusal(422, 212, "The transaction is closed")


def id_required() -> Refusal:
    """Refuse a DELETE of nothing in particular."""
    return Refusal(400, 217, "DELETE needs the id of a message")


def too_late() -> Refusal:
    """Refuse to cancel what is already on its way."""
    return Refusal(422, 221, "The message is on its way already")


# --- assumed ------------------------------------------------------------------------------------------------------


def token_unknown() -> Refusal:
    """Refuse a caller without a good token. Assumed: error 401."""
    return Refusal(401, 401, "The token is missing, wrong or expired", {"www-authenticate": "Bearer"})


def scope_missing(scope: str) -> Refusal:
    """Refuse a good token that may not do this. Assumed: error 403."""
    return Refusal(403, 403, f"The token lacks the scope {scope}")


def parameter_bad(name: str, why: str) -> Refusal:
    """Refuse a parameter that is there but makes no sense. Assumed: as if it were missing."""
    return Refusal(422, 302, f"The parameter '{name}' is no good: {why}")


def body_unreadable(why: str) -> Refusal:
    """Refuse a body that is not a JSON object. Assumed: as if every parameter were missing."""
    return Refusal(422, 302, f"The body is not the JSON expected: {why}")


def one_realtime_a_minute(wait_seconds: int) -> Refusal:
    """Refuse a second realtime message within a minute. The limit is documented, the answer is assumed."""
    return Refusal(429, 429, "One realtime message a minute", {"retry-after": str(wait_seconds)})


def too_many_requests(retry_after_seconds: int) -> Refusal:
    """Refuse a client that asks too often, for as long as a fault says. Assumed: 429 with Retry-After."""
    return Refusal(429, 429, "Too many requests", {"retry-after": str(retry_after_seconds)})


def body_too_large(limit_bytes: int) -> Refusal:
    """Refuse a body beyond the emulator's own limit."""
    return Refusal(413, 413, f"The body is larger than {limit_bytes} bytes")


def too_busy() -> Refusal:
    """Refuse a body while too many others are being read: the emulator's own limit."""
    return Refusal(503, 503, "Too many large bodies at once", {"retry-after": "1"})


def too_much_to_fill(limit_characters: int) -> Refusal:
    """Refuse a call whose texts would take too long to fill in: the emulator's own limit."""
    return Refusal(
        413, 413, f"The recipients' texts together are longer than {limit_characters} characters; send fewer at a time"
    )


def memory_full(limit_bytes: int) -> Refusal:
    """Refuse a message that alone would fill the emulator's memory."""
    return Refusal(413, 413, f"The message needs more than the {limit_bytes} bytes that the emulator keeps")


def no_such_call(status: int, headers: dict[str, str] | None = None) -> Refusal:
    """Refuse an unknown path (404) or method (405)."""
    return Refusal(status, status, "No such call", headers)
