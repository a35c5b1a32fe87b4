"""
One exchange with the gateway: a request goes out, an answer becomes a value or an exception.

Every answer of the gateway is the envelope ``{data, success, message, credit, error}``. :func:`read` is the only place
that opens it; it is tolerant of everything in which the gateway contradicts its own contract (see ``models``), and
strict about what must hold before money is spent or an SMS is called sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.models import Envelope, personal_texts
from airflow_provider_messaggisms.gateway.redaction import (
    EXCERPT_CHARACTERS,
    RedactedStruct,
    excerpt,
    outline,
    redacted,
)

T = TypeVar("T")
V = TypeVar("V")

#: An answer larger than this is not read: 100,000 recipients take 94 MB.
MAX_ANSWER_BYTES = 512 * 1024 * 1024


class Request(RedactedStruct, frozen=True):
    """
    What to ask.

    :param method: HTTP method.
    :param path: Path below the host, percent-encoded. May hold a telephone number, so it is not in the ``repr``.
    :param route: The path with its variable parts named, for logs and errors, such as ``/messages/{id}``.
    :param body: JSON, or ``None``.
    """

    _shown = ("method", "route")
    method: str
    path: str
    route: str
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


class ResponseBody:
    """
    The body of an answer as it comes in, piece by piece. This one keeps all of it.

    ``taken`` is what another kind took out of it on the way (see ``stream``).
    """

    taken: Any = None

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Take the next piece, decompressed."""
        self._pieces.append(piece)

    def rest(self) -> bytes:
        """Return what nobody took out. Only at the end."""
        return b"".join(self._pieces)


class Response(RedactedStruct, frozen=True):
    """
    What came back.

    :param status: HTTP status.
    :param headers: A case-insensitive mapping.
    :param body: The whole body, decompressed, but for what was taken out of it. Not in the ``repr``.
    :param taken: What the call's :class:`ResponseBody` took out of it.
    :param hidden: What no error may show even if the answer does, such as the token. Not in the ``repr``.
    """

    _shown = ("status",)
    status: int
    headers: Mapping[str, str]
    body: bytes
    hidden: tuple[str, ...] = ()
    taken: Any = None


class Call(RedactedStruct, Generic[T], frozen=True):
    """
    One ability of the gateway: what to ask, how to read the answer, and whether asking twice does harm.

    :param request: What to ask.
    :param parse: Turns the answer into a value, or raises.
    :param repeatable: ``True`` when asking twice has the effect of asking once.
    :param within_seconds: How long it may take, repeats included. Default: as long as the connection says.
    :param collect: Makes what the answer is collected in while it comes in. Default: all of it is kept.
    """

    _shown = ("request", "repeatable", "within_seconds")
    request: Request
    parse: Callable[[Response], T]
    repeatable: bool
    within_seconds: float | None = None
    collect: Callable[[], ResponseBody] = ResponseBody


class JsonReader(Generic[T]):
    """
    Decodes JSON into one kind of value; leniently, for the gateway sends some numbers as strings.

    The decoder is built at the first answer, not at import.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    @cached_property
    def decode(self) -> Callable[[bytes], T]:
        """
        Decode a text in UTF-8.

        :raises msgspec.DecodeError: It is not JSON, or not of this kind.
        """
        return msgspec.json.Decoder(self._kind, strict=False).decode


#: Reads any envelope at all.
ANYTHING = JsonReader(Envelope[Any])

#: What a decoder raises for an answer that it cannot read; the last one is for thousands of nested brackets.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

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


def read(request: Request, response: Response, reader: JsonReader[Envelope[V]]) -> Envelope[V]:
    """
    Open the envelope of *response*.

    Only an envelope that says ``success`` is a success: a proxy's ``{"status": "ok"}`` must not pass for a list without
    messages, or for a cancelled one.

    :raises GatewayError: The gateway refused; the class says what a caller could do about it.
    :raises ProtocolError: The answer is a redirect, is empty, is not JSON, or is not shaped as the contract says.
    """
    if response.status >= 400:
        raise _refusal(request, response)
    if not 200 <= response.status < 300:
        raise _outside_contract(request, response, "the gateway does not redirect; is the host right?")
    try:
        envelope = reader.decode(response.body)
    except UNREADABLE as error:
        # A refusal may carry data of another shape; whether it is one counts for more than its shape.
        if _says_no(response.body):
            raise _refusal(request, response) from None
        raise _outside_contract(request, response, _why_unreadable(response.body, error)) from None
    if envelope.success is False:
        raise _refusal(request, response)
    if not envelope.success:
        raise _outside_contract(request, response, "the answer does not say whether it is a success")
    return envelope


def _says_no(body: bytes) -> bool:
    try:
        return ANYTHING.decode(body).success is False
    except UNREADABLE:
        return False


def _why_unreadable(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the answer is empty"
    if isinstance(error, msgspec.ValidationError):
        return f"the answer is shaped in another way than the contract says ({error})"
    return "the answer is not JSON"


def _outside_contract(request: Request, response: Response, why: str) -> errors.ProtocolError:
    text = f"{request}: {why}: HTTP {response.status}, {excerpt(response.body, secrets_of(request, *response.hidden))}"
    return errors.ProtocolError(text, status=response.status)


def _refusal(request: Request, response: Response) -> errors.MessaggiSmsError:
    try:
        envelope = ANYTHING.decode(response.body)
    except UNREADABLE:
        envelope = Envelope()
        code, message = None, excerpt(response.body, secrets_of(request, *response.hidden))
    else:
        code = _code(envelope.error)
        message = _words(envelope.message, request, response)[:EXCERPT_CHARACTERS]
    kind = _class_of(response.status, code)
    if kind is errors.MessageNotFoundError and envelope.success is not False:
        # Somebody on the way does not know the path. Whether there is such a message, only the gateway can tell.
        return _outside_contract(request, response, "this is not the gateway's own answer; is the host right?")
    return kind(
        response.status, code, message, route=str(request), retry_after_seconds=_retry_after_seconds(response.headers)
    )


def _words(message: Any, request: Request, response: Response) -> str:
    """Return the gateway's own words; of a message that is not a text only its outline."""
    secrets = secrets_of(request, *response.hidden)
    if message is None or isinstance(message, str):
        return redacted(message or "", secrets)
    return outline(redacted(msgspec.json.encode(message).decode(), secrets))


def secrets_of(request: Request, *hidden: str) -> set[str]:
    """Collect what an error must not show: what is hidden, such as the token, and the personal texts of the request."""
    sent = None if request.body is None else msgspec.json.decode(request.body)
    return {*hidden, *personal_texts(sent)}


def _code(value: Any) -> int | None:
    """Read the envelope's ``error``. A longer number than any code could be somebody's telephone number."""
    found = re.fullmatch(r"([0-9]{1,5})(?:\.0)?", str(value).strip(), re.ASCII)
    return int(found[1]) if found else None


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
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())
