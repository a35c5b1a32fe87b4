"""
What both transports share: headers, timeouts, the limit of an answer, and what a missing answer means.

A missing answer is judged here and nowhere else: :class:`NotSentError` if the request never left this machine,
:class:`OutcomeUnknownError` otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from airflow_provider_messaggisms import __version__
from airflow_provider_messaggisms.exceptions import NotSentError, OutcomeUnknownError, ProtocolError, TransportError
from airflow_provider_messaggisms.gateway.redaction import excerpt, redacted
from airflow_provider_messaggisms.gateway.settings import CONNECT_TIMEOUT_SECONDS
from airflow_provider_messaggisms.gateway.wire import Request, Response, ResponseBody, secrets_of

# How much of an answer is kept to show its first characters if it is too large.
_SHOWN_BYTES = 16 * 1024

#: How long a whole exchange may take where the caller sets no bound: below the 300 s of Airflow's heartbeat time-out.
MAX_EXCHANGE_SECONDS = 240.0


class Endpoint(Protocol):
    """What a transport must know of a service: where it is, how to authenticate, and how long to wait."""

    @property
    def base_url(self) -> str:
        """Scheme, host, port and an optional path, without a slash at the end."""

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log and no error may show."""

    @property
    def timeout_seconds(self) -> float:
        """How long to wait for an answer."""

    @property
    def max_sockets(self) -> int:
        """How many connections may be open at once."""


def headers(endpoint: Endpoint) -> dict[str, str]:
    """Return the headers of every request."""
    return {
        "Authorization": endpoint.authorization,
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"airflow-provider-messaggisms/{__version__}",
    }


def timeouts(answer_seconds: float, total_seconds: float) -> tuple[float, float]:
    """Give the time-outs to connect and to read; both together are no longer than the whole exchange may take."""
    connect = min(CONNECT_TIMEOUT_SECONDS, total_seconds / 4)
    return connect, min(answer_seconds, total_seconds - connect)


class LimitedBody:
    """Lets the body of an answer come in up to a limit."""

    __slots__ = ("_beginning", "_body", "_hidden", "_max_bytes", "_request", "_room", "_status")

    def __init__(
        self, body: ResponseBody, request: Request, status: int, max_bytes: int, hidden: tuple[str, ...]
    ) -> None:
        self._body = body
        self._request = request
        self._status = status
        self._room = self._max_bytes = max_bytes
        self._hidden = hidden
        self._beginning = b""

    def add(self, chunk: bytes) -> None:
        if len(self._beginning) < _SHOWN_BYTES:
            self._beginning += chunk[:_SHOWN_BYTES]
        self._room -= len(chunk)
        if self._room < 0:
            raise ProtocolError(
                f"{self._request}: the answer is larger than {self._max_bytes} bytes and was not read to its end: "
                f"HTTP {self._status}, {excerpt(self._beginning, secrets_of(self._request, *self._hidden))}",
                status=self._status,
            )
        self._body.add(chunk)


def response_of(status: int, headers: Mapping[str, str], body: ResponseBody, endpoint: Endpoint) -> Response:
    """Make the response from what has come in."""
    return Response(status, headers, body.rest(), hidden=endpoint.secrets, taken=body.taken)


def no_answer(request: Request, why: str, *, never_left: bool) -> TransportError:
    """Judge an exchange without a whole answer."""
    if never_left:
        return NotSentError(f"{request}: the request never left this machine ({why})")
    return OutcomeUnknownError(f"{request}: no answer, and whether the gateway acted on it is unknown ({why})")


def why(error: BaseException, outside: BaseException | None, endpoint: Endpoint) -> str:
    """
    Describe a library's error by what it began with.

    It is described and not chained: its text holds the address asked, and with it the number of a recipient.

    :param outside: What the caller was handling already; it has nothing to do with this exchange.
    """
    first = error
    while (earlier := first.__cause__ or first.__context__) is not None and earlier is not outside:
        first = earlier
    text = redacted(str(first), endpoint.secrets) or type(first).__name__
    return f"{type(error).__name__}, {text}"[:200]
