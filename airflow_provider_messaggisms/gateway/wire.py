"""
One exchange with the gateway: a request goes out, an answer becomes a value or an exception.

Every answer of the gateway is the envelope ``{data, success, message, credit, error}``. :func:`read` is the only place
that opens it; it is tolerant of everything in which the gateway contradicts its own contract (see ``models``), and
strict about what must hold before money is spent or an SMS is called sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.value import Reader, Value

T = TypeVar("T")
V = TypeVar("V")

#: An answer larger than this is not read: 100,000 recipients take 94 MB.
MAX_ANSWER_BYTES = 512 * 1024 * 1024

#: How much of an unreadable answer an error shows.
EXCERPT_CHARACTERS = 120


class Request(Value, frozen=True):
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


class Body:
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


class Response(Value, frozen=True):
    """
    What came back.

    :param status: HTTP status.
    :param headers: A case-insensitive mapping.
    :param body: The whole body, decompressed, but for what was taken out of it. Not in the ``repr``.
    :param taken: What the call's :class:`Body` took out of it.
    :param hidden: What no error may show even if the answer does, such as the token. Not in the ``repr``.
    """

    _shown = ("status",)
    status: int
    headers: Mapping[str, str]
    body: bytes
    hidden: tuple[str, ...] = ()
    taken: Any = None


class Call(Value, Generic[T], frozen=True):
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
    collect: Callable[[], Body] = Body


class Pause(Value, frozen=True):
    """What steps that depend on each other may yield between two calls: wait for so many seconds."""

    _shown = ("seconds",)
    seconds: float


class Envelope(Value, Generic[V], frozen=True, kw_only=True):
    """What every answer is wrapped in. ``credit`` comes as a string, as a number, or not at all."""

    _shown = ("success",)
    data: V | None = None
    success: bool | None = None
    message: Any = None
    credit: Any = None
    error: Any = None


#: Reads any envelope at all.
ANYTHING = Reader(Envelope[Any])

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


def read(request: Request, response: Response, reader: Reader[Envelope[V]]) -> Envelope[V]:
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
    text = f"{request}: {why}: HTTP {response.status}, {excerpt(request, response)}"
    return errors.ProtocolError(text, status=response.status)


def _refusal(request: Request, response: Response) -> errors.MessaggiSmsError:
    try:
        envelope = ANYTHING.decode(response.body)
    except UNREADABLE:
        envelope = Envelope()
        code, message = None, excerpt(request, response)
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
    """Give the gateway's own words; of a message that is no text only its outline."""
    if message is None or isinstance(message, str):
        return _showable((message or "")[:_SEARCHED], request, response)
    return _outline(_showable(msgspec.json.encode(message).decode()[:_SEARCHED], request, response))


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


# Every text between double quotes, closed or not; the group is there where it is the name of a JSON member.
_QUOTED = r'(?s)("[A-Za-z_$][\w$]{0,30}"\s*:)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)'

# Texts of a request that an error may show: they are no personal data, or `mask_numbers` takes care of them.
_SHOWABLE = frozenset({"sender", "recipients", "number", "timestamp_send"})

_SHORT = 4  # characters; of what is shorter only whole words are taken out

_SEARCHED = 64 * 1024  # how much of an answer is searched for the request's texts; an SMS that is cut off is not found


def excerpt(request: Request, response: Response) -> str:
    """
    Show the first characters of an unreadable answer without showing anything personal.

    Digits that could be a telephone number are masked. What stands in double quotes is left out, except names of JSON
    members, because the gateway echoes the text of the SMS.
    """
    if not response.body.strip():
        return "an empty body"
    text = response.body[:_SEARCHED].decode("utf-8", errors="replace").replace("\0", "")
    text = _showable(text.lstrip("\ufeff"), request, response)
    text = " ".join(_outline(text).split())
    return repr(text[:EXCERPT_CHARACTERS] + ("…" if len(text) > EXCERPT_CHARACTERS else ""))


def _outline(text: str) -> str:
    return re.sub(_QUOTED, lambda quoted: quoted[0] if quoted[1] else '"…"', text)


def _showable(text: str, request: Request, response: Response) -> str:
    """Take out of an answer's text what the request said, what is hidden, and whatever could be a number."""
    secrets = sorted({*response.hidden, *_personal(_decoded(request.body))}, key=len, reverse=True)
    for secret in filter(None, secrets):
        short = len(secret) < _SHORT
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text) if short else text.replace(secret, "…")
    return mask_numbers(text)


def _decoded(body: bytes | None) -> Any:
    return None if body is None else msgspec.json.decode(body)


def _personal(value: Any) -> Iterator[str]:
    """Find the text of the SMS, the recipients' fields and the like in a request."""
    if isinstance(value, list):
        for part in value:
            yield from _personal(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name == "fields":
                yield from part.values()
            elif isinstance(part, str) and name not in _SHOWABLE:
                yield part
            else:
                yield from _personal(part)
