"""
One exchange with the gateway: a request goes out, an answer becomes a value or an exception.

Every answer of the gateway is the envelope ``{data, success, message, credit, error}``. :func:`read` is the only place
that opens it; it is tolerant of everything in which the gateway contradicts its own contract (see ``models``), and
strict about what must hold before money is spent or an SMS is called sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.phone import mask_numbers

T = TypeVar("T")
V = TypeVar("V")

#: An answer larger than this is not read: 100,000 recipients take 94 MB.
MAX_ANSWER_BYTES = 512 * 1024 * 1024

#: How much of an unreadable answer an error shows.
EXCERPT_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Request:
    """
    What to ask.

    :param method: HTTP method.
    :param path: Path below the host, percent-encoded. May hold a telephone number, so it is not in the ``repr``.
    :param route: The path with its variable parts named, for logs and errors, such as ``/messages/{id}``.
    :param body: JSON, or ``None``.
    """

    method: str
    path: str = field(repr=False)
    route: str
    body: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


@dataclass(frozen=True, slots=True)
class Response:
    """
    What came back.

    :param status: HTTP status.
    :param headers: A case-insensitive mapping.
    :param body: The whole body, decompressed. Not in the ``repr``.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One ability of the gateway: what to ask, how to read the answer, and whether asking twice does harm.

    :param request: What to ask.
    :param parse: Turns the answer into a value, or raises.
    :param repeatable: ``True`` when asking twice has the effect of asking once.
    """

    request: Request
    parse: Callable[[Response], T]
    repeatable: bool


class Envelope(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """What every answer is wrapped in. ``credit`` comes as a string, as a number, or not at all."""

    data: V | None = None
    success: bool | None = None
    message: Any = None
    credit: Any = None
    error: Any = None


_REFUSAL = msgspec.json.Decoder(Envelope[Any], strict=False)

#: The class of an error by HTTP status; what is not listed is an InvalidRequestError (4XX) or unavailable (5XX).
_BY_STATUS: dict[int, type[errors.GatewayError]] = {
    401: errors.AuthenticationError,
    402: errors.InsufficientCreditError,
    403: errors.AuthenticationError,
    404: errors.MessageNotFoundError,
    406: errors.MessageNotFoundError,
    429: errors.RateLimitedError,
}

#: The class by the envelope's code, where it says more than the status: a 422, or a 200 with ``success: false``.
_BY_CODE: dict[int, type[errors.GatewayError]] = {
    201: errors.InsufficientCreditError,
    **dict.fromkeys((202, 203, 210, 211, 218, 219), errors.MessageNotFoundError),
    **dict.fromkeys((212, 221), errors.MessageLockedError),
    **dict.fromkeys((217, 302), errors.InvalidRequestError),
}


def read(request: Request, response: Response, decoder: msgspec.json.Decoder[Envelope[V]]) -> Envelope[V]:
    """
    Open the envelope of *response*.

    :raises GatewayError: The gateway refused; the class says what a caller could do about it.
    :raises ProtocolError: The answer is a redirect, is empty, is not JSON, or is not shaped as the contract says.
    """
    if response.status >= 400:
        raise _refusal(request, response)
    if not 200 <= response.status < 300:
        raise _outside_contract(request, response, "the gateway does not redirect; is the host right?")
    try:
        envelope = decoder.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # A refusal may carry data of another shape; whether it is one counts for more than its shape.
        if _says_no(response.body):
            raise _refusal(request, response) from None
        raise _outside_contract(request, response, _why_unreadable(response.body, error)) from None
    if envelope.success is False:
        raise _refusal(request, response)
    return envelope


def _says_no(body: bytes) -> bool:
    try:
        return _REFUSAL.decode(body).success is False
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _why_unreadable(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the answer is empty"
    if isinstance(error, msgspec.ValidationError):
        return f"the answer is shaped in another way than the contract says ({error})"
    return "the answer is not JSON"


def _outside_contract(request: Request, response: Response, why: str) -> errors.ProtocolError:
    text = f"{request}: {why}: HTTP {response.status}, {excerpt(response.body)}"
    return errors.ProtocolError(text, status=response.status)


def _refusal(request: Request, response: Response) -> errors.GatewayError:
    try:
        envelope = _REFUSAL.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        code, message = None, excerpt(response.body)
    else:
        code = envelope.error if isinstance(envelope.error, int) else _as_int(envelope.error)
        message = mask_numbers(str(envelope.message or ""))[:EXCERPT_CHARACTERS]
    kind = _class_of(response.status, code)
    return kind(
        response.status, code, message, route=str(request), retry_after_seconds=_retry_after_seconds(response.headers)
    )


def _as_int(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _class_of(status: int, code: int | None) -> type[errors.GatewayError]:
    by_code = _BY_CODE.get(code) if code is not None else None
    if status >= 500:
        return errors.GatewayUnavailableError
    if status < 400:
        return by_code or errors.GatewayError
    return _BY_STATUS.get(status) or (by_code if status in (400, 409, 422) and by_code else errors.InvalidRequestError)


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``: seconds, or a date counted from the answer's own ``Date`` (the core has no clock)."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


_JSON_STRING_VALUE = re.compile(r'(:\s*)"(?:[^"\\]|\\.)*"?')


def excerpt(body: bytes) -> str:
    """
    Show the first characters of an unreadable answer without showing anything personal.

    Digits that could be a telephone number are masked. Where the answer looks like JSON its string values are left out,
    because the gateway echoes the text of the SMS.
    """
    if not body.strip():
        return "an empty body"
    text = body[: 4 * EXCERPT_CHARACTERS].decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        text = _JSON_STRING_VALUE.sub(r'\1"…"', text)
    text = " ".join(mask_numbers(text).split())
    return repr(text[:EXCERPT_CHARACTERS] + ("…" if len(text) > EXCERPT_CHARACTERS else ""))
