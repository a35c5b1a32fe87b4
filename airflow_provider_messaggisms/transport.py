"""
The two transports: one :class:`Request` in, one :class:`Response` out.

Workers use requests, triggers use aiohttp.

They know nothing of the gateway but its address and the token. Their one judgement is what an absent answer means:
:class:`NotSentError` when the request never left this machine, :class:`OutcomeUnknownError` for everything else.
Both keep one session, so that a TLS handshake is paid once, and share one TLS context per process, which costs 29 ms of
CPU to build. No answer is waited for beyond the connection's time-outs, and the whole exchange has a deadline too.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_messaggisms import __version__
from airflow_provider_messaggisms.exceptions import NotSentError, OutcomeUnknownError, ProtocolError, TransportError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.settings import CONNECT_TIMEOUT_SECONDS, Settings
from airflow_provider_messaggisms.gateway.wire import MAX_ANSWER_BYTES, Request, Response

if TYPE_CHECKING:
    import aiohttp
    import requests

_CHUNK_BYTES = 1024 * 1024

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
    """Give the time-outs to connect and to read; neither is longer than the whole exchange may take."""
    return min(CONNECT_TIMEOUT_SECONDS, total_seconds), min(settings.timeout_seconds, total_seconds)


def _too_large(request: Request, status: int) -> ProtocolError:
    return ProtocolError(
        f"{request}: the answer is larger than {MAX_ANSWER_BYTES} bytes: HTTP {status}; it was not read", status=status
    )


class SyncTransport:
    """
    Exchange over one kept ``requests.Session``.

    Environment proxies and ``REQUESTS_CA_BUNDLE`` are honoured, looked up once; ``.netrc`` is not, for it would replace
    the token. Redirects are not followed. Not for use by several threads at once.

    :param total_seconds: How long one exchange may take as a whole, so that an answer that drips in ends too.
    """

    def __init__(self, settings: Settings, *, total_seconds: float = MAX_EXCHANGE_SECONDS) -> None:
        self._settings = settings
        self._total_seconds = total_seconds
        self._session: requests.Session | None = None

    def send(self, request: Request, within_seconds: float | None = None) -> Response:
        """
        Make one exchange.

        :param within_seconds: How long this one may take, if less than ``total_seconds``.
        :raises NotSentError: The request never left this machine.
        :raises OutcomeUnknownError: It may have reached the gateway, but no whole answer came.
        :raises ProtocolError: The answer is larger than any that makes sense.
        """
        import requests
        from urllib3.exceptions import HTTPError

        session = self._session = self._session or _new_session(self._settings)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        deadline = time.monotonic() + total_seconds
        try:
            answer = session.request(
                request.method,
                self._settings.base_url + request.path,
                data=request.body,
                timeout=_timeouts(self._settings, total_seconds),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = self._body_of(answer, request, deadline)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _absent(request, error, never_left=_never_left(error)) from None
        return Response(answer.status_code, answer.headers, body)

    def _body_of(self, answer: requests.Response, request: Request, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            chunks.append(chunk)
            if size > MAX_ANSWER_BYTES:
                raise _too_large(request, answer.status_code)
            if time.monotonic() > deadline:
                raise OSError("the answer took too long as a whole")
        return b"".join(chunks)

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

    :param settings: The connection.
    :param total_seconds: How long one exchange may take as a whole.
    :param max_sockets: How many connections to the gateway are open at once at most. Default 20.
    """

    def __init__(
        self, settings: Settings, *, total_seconds: float = MAX_EXCHANGE_SECONDS, max_sockets: int = 20
    ) -> None:
        self._settings = settings
        self._total_seconds = total_seconds
        self._max_sockets = max_sockets
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request, within_seconds: float | None = None) -> Response:
        """Make one exchange; raises as :meth:`SyncTransport.send`."""
        import aiohttp
        from yarl import URL

        session = self._session = self._session or _new_client(self._settings, self._total_seconds, self._max_sockets)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        try:
            async with session.request(
                request.method,
                URL(self._settings.base_url + request.path, encoded=True),
                data=request.body,
                allow_redirects=False,
                timeout=_client_timeout(self._settings, total_seconds),
            ) as answer:
                chunks: list[bytes] = []
                size = 0
                async for chunk in answer.content.iter_any():
                    size += len(chunk)
                    chunks.append(chunk)
                    if size > MAX_ANSWER_BYTES:
                        raise _too_large(request, answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _absent(request, error, never_left=_never_left_async(error)) from None
        return Response(answer.status, answer.headers, b"".join(chunks))

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


def _absent(request: Request, error: BaseException, *, never_left: bool) -> TransportError:
    """
    Judge an exchange without a whole answer.

    The library's error is described here and not chained: its text holds the address asked, and with it the number of
    a recipient.
    """
    reason: BaseException = error
    while reason.__cause__ or reason.__context__:
        reason = reason.__cause__ or reason.__context__ or reason
    what = f"{type(error).__name__}, {mask_numbers(str(reason)) or type(reason).__name__}"[:200]
    if never_left:
        return NotSentError(f"{request}: the request never left this machine ({what})")
    return OutcomeUnknownError(f"{request}: no answer, and whether the gateway acted on it is unknown ({what})")


# --- requests ---------------------------------------------------------------------------------------------------------


def _new_session(settings: Settings) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.utils import get_environ_proxies

    class Adapter(HTTPAdapter):
        """Uses the process's TLS context instead of loading the CA bundle for each connection."""

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
            return host, {"ssl_context": tls_context(_ca_bundle())} if host["scheme"] == "https" else {}

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Leave the connection as it is: the context verifies already."""

    session = requests.Session()
    session.headers.update(_headers(settings))
    session.trust_env = False  # looked up once here, not at every request
    session.proxies = get_environ_proxies(settings.base_url)
    session.mount("https://", Adapter())
    logging.getLogger("urllib3.connectionpool").addFilter(_mask_paths)
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
    """Mask the numbers in what urllib3 writes at level DEBUG: the path of a recipient holds one."""
    if isinstance(record.args, tuple) and any("/recipients/" in str(part) for part in record.args):
        record.args = tuple(mask_numbers(part) if isinstance(part, str) else part for part in record.args)
    return True


# --- aiohttp ----------------------------------------------------------------------------------------------------------


def _new_client(settings: Settings, total_seconds: float, max_sockets: int) -> aiohttp.ClientSession:
    import aiohttp

    context: ssl.SSLContext | bool = tls_context(_ca_bundle()) if settings.base_url.startswith("https:") else True
    return aiohttp.ClientSession(
        headers=_headers(settings),
        connector=aiohttp.TCPConnector(limit=max_sockets, ssl=context),
        timeout=_client_timeout(settings, total_seconds),
        proxy=_proxy_for(settings.base_url),
    )


def _client_timeout(settings: Settings, total_seconds: float) -> aiohttp.ClientTimeout:
    import aiohttp

    connect, read = _timeouts(settings, total_seconds)
    return aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect, sock_read=read)


def _proxy_for(url: str) -> str | None:
    """Look a proxy up as requests does; aiohttp's own look-up would read .netrc too."""
    from requests.utils import get_environ_proxies, select_proxy

    proxies: Mapping[str, str] = get_environ_proxies(url)
    return select_proxy(url, proxies)


def _never_left_async(error: BaseException) -> bool:
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL)


# --- TLS --------------------------------------------------------------------------------------------------------------


def _ca_bundle() -> str:
    """Find the CA bundle as requests would: the environment's, else the one that it ships."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH


@cache
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Build the TLS context for a CA bundle (a file or a directory), once per process."""
    if os.path.isdir(ca_bundle):
        return ssl.create_default_context(capath=ca_bundle)
    return ssl.create_default_context(cafile=ca_bundle)
