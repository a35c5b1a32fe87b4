"""
What a client may say around its bodies, and for how long: the bound that uvicorn's faster reader of HTTP lacks.

Without it a request line or headers without an end would fill the memory, and need no token for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

MAX_HEAD_BYTES = 256 * 1024  # of one request: its line, its headers, and what stands between the chunks of its body
HEAD_TIMEOUT_SECONDS = 30.0


def bounding_heads(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """Return uvicorn's ``HttpToolsProtocol``, made to end a connection whose heads are too long or too slow."""

    class Protocol(protocol):  # type: ignore[valid-type, misc]
        _beside_body = 0  # bytes of this request so far
        _in_head = False
        _waiting: asyncio.TimerHandle | None = None

        def data_received(self, data: bytes) -> None:
            self._beside_body += len(data)
            super().data_received(data)
            if self._beside_body > MAX_HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large")
            elif self._in_head and self._waiting is None:
                loop = asyncio.get_running_loop()
                self._waiting = loop.call_later(HEAD_TIMEOUT_SECONDS, self._end, b"408 Request Timeout")

        def on_message_begin(self) -> None:
            self._beside_body, self._in_head = 0, True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._wait_no_more()
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._beside_body -= len(body)
            super().on_body(body)

        def connection_lost(self, error: Exception | None) -> None:
            self._wait_no_more()
            super().connection_lost(error)

        def _wait_no_more(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _end(self, status: bytes) -> None:
            transport: Any = self.transport
            if not transport.is_closing():
                transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                transport.close()

    return Protocol
