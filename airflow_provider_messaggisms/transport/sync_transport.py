"""The transport of workers: one kept ``requests.Session``."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_messaggisms.gateway.calls import MESSAGES_PATH
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.wire import MAX_ANSWER_BYTES, Request, Response, ResponseBody
from airflow_provider_messaggisms.transport.exchange import (
    MAX_EXCHANGE_SECONDS,
    Endpoint,
    LimitedBody,
    headers,
    no_answer,
    response_of,
    timeouts,
    why,
)
from airflow_provider_messaggisms.transport.network import proxies, tls_context

if TYPE_CHECKING:
    import requests

_CHUNK_BYTES = 1024 * 1024


class SyncTransport:
    """
    Exchange over one kept ``requests.Session``.

    Proxies and CA bundles of the environment are honoured, looked up once; ``.netrc`` is not, for it would replace the
    token. Redirects are not followed. Not for use by several threads at once.

    :param endpoint: The service: a connection's ``Settings``, or an ``Account`` at the token service.
    :param total_seconds: How long one exchange may take as a whole, so that an answer that drips in ends too. Only
        headers that drip in can take longer, for requests does not return before they are complete.
    :param max_answer_bytes: A larger answer is not read. Default 512 MiB.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        total_seconds: float = MAX_EXCHANGE_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._endpoint = endpoint
        self._total_seconds = total_seconds
        self._max_answer_bytes = max_answer_bytes
        self._session: requests.Session | None = None

    def use(self, endpoint: Endpoint) -> None:
        """Authenticate as *endpoint* does from the next exchange on. Its address is that of before."""
        self._endpoint = endpoint
        if self._session is not None:
            self._session.headers.update(headers(endpoint))

    def send(self, request: Request, within_seconds: float | None = None, body: ResponseBody | None = None) -> Response:
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
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        outside, endpoint = sys.exception(), self._endpoint
        body = body or ResponseBody()
        session = self._session = self._session or _new_session(endpoint)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        connect_seconds, _ = timeouts(endpoint.timeout_seconds, total_seconds)
        read_seconds = min(endpoint.timeout_seconds, total_seconds)
        ends = time.monotonic() + total_seconds
        try:
            answer = session.request(
                request.method,
                endpoint.base_url + request.path,
                data=request.body,
                timeout=Timeout(total_seconds, connect=connect_seconds, read=read_seconds),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            )
            with answer:
                incoming = LimitedBody(body, request, answer.status_code, self._max_answer_bytes, endpoint.secrets)
                _bound_rest(answer.raw, ends, read_seconds)
                while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
                    incoming.add(chunk)
                    _bound_rest(answer.raw, ends, read_seconds)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise no_answer(request, why(error, outside, endpoint), never_left=_never_left(error)) from None
        return response_of(answer.status_code, answer.headers, body, endpoint)

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


def _new_session(endpoint: Endpoint) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter

    pool = {"ssl_context": tls_context(endpoint)}

    class Adapter(HTTPAdapter):
        """Uses the process's TLS context instead of loading the CA bundle for each connection."""

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
            return host, pool

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Leave the connection as it is: the context verifies already."""

    session = requests.Session()
    session.headers.update(headers(endpoint))
    session.trust_env = False  # looked up once here, not at every request
    session.proxies = proxies(endpoint)
    session.mount("https://", Adapter())
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_mask_paths)
    return session


def _bound_rest(raw: Any, ends: float, read_seconds: float) -> None:
    """
    Let the rest of an answer take until *ends*. An answer that is complete counts, however late it came.

    :param raw: The answer, of urllib3.
    :raises TimeoutError: The time is over, and the answer is not complete.
    """
    if raw.length_remaining == 0:
        return
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer took too long as a whole")
    # A connection that the server closes after the answer has no socket here: its last read may take longer.
    if (sock := getattr(raw.connection, "sock", None)) is not None:
        sock.settimeout(min(left, read_seconds))


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
    if isinstance(record.args, tuple) and any(MESSAGES_PATH in str(part) for part in record.args):
        record.args = tuple(map(_showable, record.args))
        record.exc_info = None  # headers that it cannot read, line by line
    return True


def _showable(part: Any) -> Any:
    if isinstance(part, BaseException):
        return type(part).__name__
    return part if isinstance(part, int) else mask_numbers(str(part))
