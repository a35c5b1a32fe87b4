"""
The two transports: one :class:`Request` in, one :class:`Response` out.

Workers use requests, triggers use aiohttp.

They know nothing of the gateway but its address and the token. Their one judgement is what an absent answer means:
:class:`NotSentError` when the request never left this machine, :class:`OutcomeUnknownError` for everything else.
Both keep one session, so that a TLS handshake is paid once. No answer is waited for beyond the connection's time-outs,
and the whole exchange has a deadline too.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_messaggisms import __version__
from airflow_provider_messaggisms.environment import proxies, proxy, tls_context
from airflow_provider_messaggisms.exceptions import NotSentError, OutcomeUnknownError, ProtocolError, TransportError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.settings import CONNECT_TIMEOUT_SECONDS, Settings
from airflow_provider_messaggisms.gateway.wire import MAX_ANSWER_BYTES, Body, Request, Response, excerpt

if TYPE_CHECKING:
    import aiohttp
    import requests

_CHUNK_BYTES = 1024 * 1024

# How much of an answer is kept to show its first characters if it is too large.
_SHOWN_BYTES = 16 * 1024

#: How long a whole exchange may take where the caller sets no bound: below the 300 s of Airflow's heartbeat time-out.
MAX_EXCHANGE_SECONDS = 240.0


def _headers(settings: Settings) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {settings.token}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"airflow-provider-messaggisms/{__version__}",
    }


def _timeouts(settings: Settings, total_seconds: float) -> tuple[float, float]:
    """Give the time-outs to connect and to read; both together are no longer than the whole exchange may take."""
    connect = min(CONNECT_TIMEOUT_SECONDS, total_seconds / 4)
    return connect, min(settings.timeout_seconds, total_seconds - connect)


class _Limit:
    """Lets the body of an answer come in up to a limit."""

    __slots__ = ("_beginning", "_body", "_hidden", "_max_bytes", "_request", "_room", "_status")

    def __init__(self, body: Body, request: Request, status: int, max_bytes: int, hidden: str) -> None:
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
            answer = Response(self._status, {}, self._beginning, hidden=(self._hidden,))
            raise ProtocolError(
                f"{self._request}: the answer is larger than {self._max_bytes} bytes and was not read to its end: "
                f"HTTP {self._status}, {excerpt(self._request, answer)}",
                status=self._status,
            )
        self._body.add(chunk)


def _response(status: int, headers: Mapping[str, str], body: Body, settings: Settings) -> Response:
    return Response(status, headers, body.rest(), hidden=(settings.token,), taken=body.taken)


class SyncTransport:
    """
    Exchange over one kept ``requests.Session``.

    Proxies and CA bundles of the environment are honoured, looked up once; ``.netrc`` is not, for it would replace the
    token. Redirects are not followed. Not for use by several threads at once.

    :param settings: The connection.
    :param total_seconds: How long one exchange may take as a whole, so that an answer that drips in ends too. Only
        headers that drip in can take longer: requests lets nobody count there.
    :param max_answer_bytes: A larger answer is not read. Default 512 MiB.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        total_seconds: float = MAX_EXCHANGE_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._settings = settings
        self._total_seconds = total_seconds
        self._max_answer_bytes = max_answer_bytes
        self._session: requests.Session | None = None

    def send(self, request: Request, within_seconds: float | None = None, body: Body | None = None) -> Response:
        """
        Make one exchange.

        :param within_seconds: How long this one may take, if less than ``total_seconds``.
        :param body: What to collect the answer in.
        :raises NotSentError: The request never left this machine.
        :raises OutcomeUnknownError: It may have reached the gateway, but no whole answer came.
        :raises ProtocolError: The answer is larger than any that makes sense.
        :raises ConfigurationError: The environment names a CA bundle that cannot be read.
        """
        import requests
        from urllib3.exceptions import HTTPError

        outside = sys.exception()
        body = body or Body()
        session = self._session = self._session or _new_session(self._settings)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        timeouts = _timeouts(self._settings, total_seconds)
        last_read_from = time.monotonic() + total_seconds - timeouts[1]
        try:
            answer = session.request(
                request.method,
                self._settings.base_url + request.path,
                data=request.body,
                timeout=timeouts,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                incoming = _Limit(body, request, answer.status_code, self._max_answer_bytes, self._settings.token)
                while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
                    incoming.add(chunk)
                    if time.monotonic() > last_read_from:
                        raise TimeoutError("the answer took too long as a whole")
        except (requests.RequestException, HTTPError, OSError) as error:
            why = _why(error, outside, self._settings)
            raise _absent(request, why, never_left=_never_left(error)) from None
        return _response(answer.status_code, answer.headers, body, self._settings)

    def close(self) -> None:
        """Close the session. A later exchange opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTransport:
    """
    Exchange over one kept ``aiohttp.ClientSession``, within one event loop.

    The parameters are those of :class:`SyncTransport`. ``settings.max_sockets`` bounds the open connections.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        total_seconds: float = MAX_EXCHANGE_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._settings = settings
        self._total_seconds = total_seconds
        self._max_answer_bytes = max_answer_bytes
        self._session: aiohttp.ClientSession | None = None

    async def prepare(self) -> None:
        """Do beside the event loop what would stop it for a third of a second: import aiohttp, build a TLS context."""

        def load() -> None:
            import aiohttp  # noqa: F401

            tls_context(self._settings)
            proxy(self._settings)

        await asyncio.to_thread(load)

    async def send(self, request: Request, within_seconds: float | None = None, body: Body | None = None) -> Response:
        """
        Make one exchange; raises as :meth:`SyncTransport.send`.

        :raises NotImplementedError: It is a PUT. That aiohttp does not make one again by itself when the connection is
            cut hangs on an attribute which is not public (see ``_new_client``).
        """
        import aiohttp
        import yarl

        if request.method == "PUT":
            raise NotImplementedError("aiohttp may repeat a PUT by itself; use SyncTransport")
        outside = sys.exception()
        body = body or Body()
        session = self._session = self._session or _new_client(self._settings)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        try:
            async with session.request(
                request.method,
                yarl.URL(self._settings.base_url + request.path, encoded=True),
                data=request.body,
                allow_redirects=False,
                timeout=_client_timeout(self._settings, total_seconds),
            ) as answer:
                incoming = _Limit(body, request, answer.status, self._max_answer_bytes, self._settings.token)
                while chunk := await answer.content.readany():
                    incoming.add(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = _why(error, outside, self._settings)
            raise _absent(request, why, never_left=_never_left_async(error)) from None
        return _response(answer.status, answer.headers, body, self._settings)

    async def aclose(self) -> None:
        """Close the session. A later exchange opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _absent(request: Request, why: str, *, never_left: bool) -> TransportError:
    """Judge an exchange without a whole answer."""
    if never_left:
        return NotSentError(f"{request}: the request never left this machine ({why})")
    return OutcomeUnknownError(f"{request}: no answer, and whether the gateway acted on it is unknown ({why})")


def _why(error: BaseException, outside: BaseException | None, settings: Settings) -> str:
    """
    Describe a library's error by what it began with.

    It is described and not chained: its text holds the address asked, and with it the number of a recipient.

    :param outside: What the caller was handling already; it has nothing to do with this exchange.
    """
    first = error
    while (earlier := first.__cause__ or first.__context__) is not None and earlier is not outside:
        first = earlier
    text = mask_numbers(str(first).replace(settings.token, "…")) or type(first).__name__
    return f"{type(error).__name__}, {text}"[:200]


# --- requests ---------------------------------------------------------------------------------------------------------


def _new_session(settings: Settings) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter

    pool = {"ssl_context": tls_context(settings)}

    class Adapter(HTTPAdapter):
        """Uses the process's TLS context instead of loading the CA bundle for each connection."""

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
            return host, pool

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Leave the connection as it is: the context verifies already."""

    session = requests.Session()
    session.headers.update(_headers(settings))
    session.trust_env = False  # looked up once here, not at every request
    session.proxies = proxies(settings)
    session.mount("https://", Adapter())
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_mask_paths)
    return session


def _never_left(error: BaseException) -> bool:
    """Tell whether no byte of the request can have reached the gateway: no name, no route, no open port."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidProxyURL):
        return True
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    if isinstance(error, requests.exceptions.ProxyError):
        reason = getattr(reason, "original_error", reason)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _mask_paths(record: logging.LogRecord) -> bool:
    """Mask the numbers in what urllib3 writes, most of it at level DEBUG: the path of a recipient holds one."""
    if isinstance(record.args, tuple) and any("/messages/" in str(part) for part in record.args):
        record.args = tuple(map(_showable, record.args))
        record.exc_info = None  # headers that it cannot read, line by line
    return True


def _showable(part: Any) -> Any:
    if isinstance(part, BaseException):
        return type(part).__name__
    return part if isinstance(part, int) else mask_numbers(str(part))


# --- aiohttp ----------------------------------------------------------------------------------------------------------


def _new_client(settings: Settings) -> aiohttp.ClientSession:
    import aiohttp

    client = aiohttp.ClientSession(
        headers=_headers(settings),
        connector=aiohttp.TCPConnector(limit=settings.max_sockets, ssl=tls_context(settings) or True),
        proxy=proxy(settings),
    )
    # It would make a GET again at once when the connection is cut. When to ask again is the caller's to say; aiohttp's
    # own test client switches it off in the same way.
    client._retry_connection = False
    return client


@lru_cache(maxsize=16)
def _client_timeout(settings: Settings, total_seconds: float) -> aiohttp.ClientTimeout:
    import aiohttp

    connect, read = _timeouts(settings, total_seconds)
    if total_seconds <= settings.timeout_seconds:
        # One timer does. aiohttp's read time-out sets three for each answer, a tenth of what a look costs.
        return aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect)
    return aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect, sock_read=read)


def _never_left_async(error: BaseException) -> bool:
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL)
