"""
A gateway that answers every request at once with the same message: as little as a server can cost.

Runs in a process of its own (see ``measure.serving``), so its cost is in no figure. It keeps connections
open, speaks TLS if given a certificate, and counts nothing; the answer is shaped like the gateway's, and has in it what
the Twilio SDK looks for.

.. code-block:: console

    python -m tests.benchmarks.answering [file with certificate and key]
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

MESSAGE = {
    "id": "665f1c2ab3d4e5f601234567",
    "sender": "Bench",
    "body": "A text",
    "test": False,
    "transaction": False,
    "recipients": {"valid": {"count": 1}, "invalid": {"total": 0, "list": []}},
    "statistics": {"error": 0, "sent": 0, "delivered": 0, "total": 1, "sms_total": 1},
    "options": {"flash": False, "realtime": False},
    "priority": 1,
    "base_price": 0.05,
    "price": 0.05,
    "timestamp": "1760000000000",
    "last_update": "1760000000000",
    "state": 0,
}
BODY = json.dumps(
    {"data": [MESSAGE], "success": True, "message": "", "credit": "99.95", "sid": "SM0", "status": "queued"}
).encode()
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Answering(asyncio.Protocol):
    """Reads requests as far as to know where they end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing read."""
        self._transport = transport
        self._unread = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, rest = self._unread.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            if len(rest) < int(length or 0):
                return
            self._unread = rest[int(length or 0) :]
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(ANSWER)


async def main(certificate: str = "") -> None:
    """Serve until the process is ended."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    print(f"answering on {'https' if context else 'http'}://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
