"""The transport of event loops: one kept ``aiohttp.ClientSession``."""

from __future__ import annotations

import asyncio
import sys
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Self

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
from airflow_provider_messaggisms.transport.network import proxy, tls_context

if TYPE_CHECKING:
    import aiohttp


class AsyncTransport:
    """
    Exchange over one kept ``aiohttp.ClientSession``, within one event loop.

    The parameters are those of :class:`SyncTransport`. ``endpoint.max_sockets`` bounds the open connections.
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
        self._session: aiohttp.ClientSession | None = None

    async def prepare(self) -> None:
        """Do beside the event loop what would stop it for a third of a second: import aiohttp, build a TLS context."""

        def load() -> None:
            import aiohttp  # noqa: F401

            tls_context(self._endpoint)
            proxy(self._endpoint)

        await asyncio.to_thread(load)

    def use(self, endpoint: Endpoint) -> None:
        """Do what :meth:`SyncTransport.use` does; exchanges under way are not changed."""
        self._endpoint = endpoint
        if self._session is not None:
            self._session.headers.update(headers(endpoint))

    async def send(
        self, request: Request, within_seconds: float | None = None, body: ResponseBody | None = None
    ) -> Response:
        """
        Make one exchange; raises as :meth:`SyncTransport.send`.

        :raises NotImplementedError: It is a PUT. That aiohttp does not make one again by itself when the connection is
            cut hangs on an attribute which is not public (see ``_new_client``).
        """
        import aiohttp
        import yarl

        if request.method == "PUT":
            raise NotImplementedError("aiohttp may repeat a PUT by itself; use SyncTransport")
        outside, endpoint = sys.exception(), self._endpoint
        body = body or ResponseBody()
        session = self._session = self._session or _new_client(endpoint)
        total_seconds = self._total_seconds if within_seconds is None else min(self._total_seconds, within_seconds)
        try:
            async with session.request(
                request.method,
                yarl.URL(endpoint.base_url + request.path, encoded=True),
                data=request.body,
                allow_redirects=False,
                timeout=_client_timeout(endpoint.timeout_seconds, round(total_seconds, 2)),
            ) as answer:
                incoming = LimitedBody(body, request, answer.status, self._max_answer_bytes, endpoint.secrets)
                while chunk := await answer.content.readany():
                    incoming.add(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(request, why(error, outside, endpoint), never_left=_never_left_async(error)) from None
        return response_of(answer.status, answer.headers, body, endpoint)

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


def _new_client(endpoint: Endpoint) -> aiohttp.ClientSession:
    import aiohttp

    client = aiohttp.ClientSession(
        headers=headers(endpoint),
        connector=aiohttp.TCPConnector(limit=endpoint.max_sockets, ssl=tls_context(endpoint) or True),
        proxy=proxy(endpoint),
    )
    # It would make a GET again at once when the connection is cut. When to ask again is the caller's to say; aiohttp's
    # own test client switches it off in the same way.
    client._retry_connection = False
    return client


@lru_cache(maxsize=16)
def _client_timeout(answer_seconds: float, total_seconds: float) -> aiohttp.ClientTimeout:
    import aiohttp

    connect, read = timeouts(answer_seconds, total_seconds)
    if total_seconds <= answer_seconds:
        # One timer does. aiohttp's read time-out sets three for each answer, a tenth of what a poll costs.
        return aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect)
    return aiohttp.ClientTimeout(total=total_seconds, sock_connect=connect, sock_read=read)


def _never_left_async(error: BaseException) -> bool:
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL)
