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
from airflow_provider_messaggisms.gateway.credit import read_shortfall
from airflow_provider_messaggisms.gateway.models import Envelope, number, personal_texts
from airflow_provider_messaggisms.gateway.redaction import (
    EXCERPT_CHARACTERS,
    RedactedStruct,
    excerpt,
    outline,
    redacted,
)

T = TypeVar("T")
V = TypeVar("V")

#: What answers, for the texts of errors.
GATEWAY = "the gateway"

#: An answer larger than this is not read: 100,000 recipients take 94 MB.
MAX_ANSWER_BYTES = 512 * 1024 * 1024


class Request(RedactedStruct, frozen=True):
    """
    What to ask.

    :param method: HTTP method.
    :param path: Path below the host, percent-encoded. May hold a telephone number, so it is not in the ``repr``.
    :param route: The path with its variable parts named, for logs and errors, such as ``/messages/{id}``.
    :param body: JSON, or ``None``.
    :param service: What is asked, for errors. Default: the gateway.
    """

    _shown = ("method", "route")
    method: str
    path: str
    route: str
    body: bytes | None = None
    service: str = GATEWAY

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
        """Return what was not taken out. Only at the end."""
        return b"".join(self._pieces)


class Response(RedactedStruct, frozen=True):
    """
    What came back.

    :param status: HTTP status.
    :param headers: A case-insensitive mapping.
    :param body: The whole body, decompressed, but for what was taken out of it. Not in the ``repr``.
    :param taken: What the call's :class:`ResponseBody` took out of it.
    :param hidden: What no error may show even if the answer does, such as the token. Not in the ``repr``.
    :param credit_eur: The account's credit; :func:`read` fills it in if the answer tells.
    """

    _shown = ("status",)
    status: int
    headers: Mapping[str, str]
    body: bytes
    hidden: tuple[str, ...] = ()
    taken: Any = None
    credit_eur: float | None = None


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
        raise refusal(request, response)
    if not 200 <= response.status < 300:
        raise _outside_contract(request, response, "the gateway does not redirect; is the host right?")
    try:
        envelope = reader.decode(response.body)
    except UNREADABLE as error:
        # A refusal may carry data of another shape; whether it is one counts for more than its shape.
        if _says_no(response.body):
            raise refusal(request, response) from None
        raise _outside_contract(request, response, _why_unreadable(response.body, error)) from None
    if envelope.success is False:
        raise refusal(request, response)
    if not envelope.success:
        raise _outside_contract(request, response, "the answer does not say whether it is a success")
    msgspec.structs.force_setattr(response, "credit_eur", number(envelope.credit))
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


def refusal(request: Request, response: Response) -> errors.MessaggiSmsError:
    """Make the error that a refusal stands for; a 404 that is not the gateway's own is a ``ProtocolError``."""
    secrets = secrets_of(request, *response.hidden)
    try:
        envelope = ANYTHING.decode(response.body)
    except UNREADABLE:
        envelope = Envelope()
        code, words, message = None, "", excerpt(response.body, secrets)
    else:
        code, words = _code(envelope.error, secrets), _words_of(envelope.message)
        message = _shown_words(words, envelope.message, secrets)
    kind = _class_of(response.status, code)
    if kind is errors.MessageNotFoundError and envelope.success is not False:
        # Something on the way does not know the path. Only the gateway itself can tell that there is no such message.
        return _outside_contract(request, response, "this is not the gateway's own answer; is the host right?")
    shortfall = read_shortfall(words) if kind is errors.InsufficientCreditError else None
    error = kind(
        response.status,
        code,
        message,
        route=str(request),
        retry_after_seconds=_retry_after_seconds(response.headers),
        advice=shortfall.advice() if shortfall else _advice(kind, request),
        service=request.service,
    )
    if shortfall and isinstance(error, errors.InsufficientCreditError):
        error.needed_eur, error.available_eur = shortfall
        msgspec.structs.force_setattr(response, "credit_eur", shortfall.available_eur)
    return error


def _advice(kind: type[errors.GatewayError], request: Request) -> str:
    if kind is not errors.AuthenticationError or request.service != GATEWAY:
        return ""
    return (
        "likely causes: a token of the production environment at the sandbox or the reverse, a token that is expired "
        f"or revoked, or one without the scope for {request.method}"
    )


def _words_of(message: Any) -> str:
    """Find the words in a message: a text, or one wrapped in JSON, as an object or as a text that holds one."""
    for _ in range(3):
        if isinstance(message, str) and message.lstrip().startswith("{"):
            try:
                message = msgspec.json.decode(message)
            except UNREADABLE:
                break
        if not isinstance(message, dict):
            break
        message = message.get("message")
    return message if isinstance(message, str) else ""


def _shown_words(words: str, message: Any, secrets: set[str]) -> str:
    """Return the gateway's own words without secrets; of a message without words only its outline."""
    if words or not message:
        shown = redacted(words, secrets)
        return (outline(shown) if shown.lstrip().startswith("{") else shown)[:EXCERPT_CHARACTERS]
    plain = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return outline(redacted(plain, secrets))[:EXCERPT_CHARACTERS]


def secrets_of(request: Request, *hidden: str) -> set[str]:
    """Collect what an error must not show: what is hidden, such as the token, and the personal texts of the request."""
    sent = None if request.body is None else msgspec.json.decode(request.body)
    return {*hidden, *personal_texts(sent)}


def _code(value: Any, secrets: set[str]) -> int | float | str | None:
    """
    Read the envelope's ``error``: a number, whole or not, also as a text; or one word.

    More digits than any code has could be a telephone number, and a word of the request could be personal: both are
    left out.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    if found := re.fullmatch(r"(-?[0-9]{1,5})(\.[0-9]{1,4})?", text, re.ASCII):
        return int(found[1]) if not found[2] or float(found[2]) == 0 else float(text)
    is_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w.:-]{0,39}", text, re.ASCII)
    is_showable = redacted(text, secrets) == text and not any(text in secret for secret in secrets)
    return text if is_word and is_showable else None


def _class_of(status: int, code: int | float | str | None) -> type[errors.GatewayError]:
    by_code = _BY_CODE.get(code) if isinstance(code, int) else None
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
