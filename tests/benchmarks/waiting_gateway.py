"""
A gateway for the benchmarks of waiting: bare asyncio, so small that it is never what limits them. Prints its address.

=========================================  ===========================================================
``GET /messages/{id}``                     the summary of a message with one recipient
``GET /messages/{id}/recipients/``         that recipient, under way
``GET /messages/large/recipients/``        100,000 recipients, all delivered: some 94 MB
``GET /missing``                           404
``GET /api/v2/accounts/{n}/runs/{n}/``     a dbt Cloud job that runs
``GET /statistics``                        how many requests came, how many sockets are open, and were at most
=========================================  ===========================================================
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

RECIPIENTS = 100_000
BYTES_AT_ONCE = 256 * 1024


def recipient(index: int, name: str, group_id: int) -> dict[str, Any]:
    """Make a recipient of 940 bytes, as the vendor's own examples have them."""
    group = name.partition("_")[0]
    return {
        "number": f"+39-34{index:08d}",
        "prefix": "+39",
        "send_id": f"66f0000000000000000000aa_{index}",
        "body": f"Good morning, your parcel {index:08d} comes tomorrow, between 9 and 12 o'clock. Be so kind and open.",
        "sms": 1,
        "remaining_chr": 67,
        "state": group,
        "state_description": name,
        "state_detail": "as the phone or the operator reported it",
        "price": 0.05,
        "real_cost": 0.05,
        "fields": [{"parcel": f"{index:08d}"}],
        "message_id": "66f0000000000000000000aa",
        "i": index,
        "id": f"{index:024x}",
        "timestamp_sent": {"$date": {"$numberLong": "1766390400000"}},
        "timestamp_delivery": {"$date": {"$numberLong": "1766390404000"}},
        "report": {
            "price": {"pricePerMessage": 0.05, "currency": "EUR"},
            "status": {"id": 5, "groupId": group_id, "groupName": group, "name": name, "description": "as reported"},
            "error": {"id": 0, "name": "NO_ERROR", "groupId": 0, "groupName": "OK", "permanent": False},
            "messageId": f"{index:024x}",
            "doneAt": "2025-12-22T09:00:04.000+0100",
            "smsCount": 1,
            "sentAt": "2025-12-22T09:00:00.000+0100",
            "to": f"3934{index:08d}",
        },
    }


def envelope(data: Any) -> bytes:
    """Wrap an answer."""
    return json.dumps({"data": data, "success": True, "message": "", "error": None, "credit": 91.2}).encode()


def answer(status: str, body: bytes) -> bytes:
    """Make a whole answer."""
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


_SUMMARY = {
    "id": "66f0000000000000000000aa",
    "recipients": {"valid": {"count": 1}, "invalid": {"total": 0, "list": []}},
    "options": {},
    "transaction": False,
    "statistics": {"error": 0, "sent": 1, "delivered": 0, "total": 1, "sms_total": 1},
    "state": 1,
}
SUMMARY = answer("200 OK", envelope([_SUMMARY]))
UNDER_WAY = answer("200 OK", envelope([recipient(1, "PENDING_ENROUTE", 1)]))
MISSING = answer("404 Not Found", b"{}")
DBT_RUNNING = answer("200 OK", b'{"data": {"id": 1, "status": 3}}')


def large() -> bytes:
    """Make the answer of 94 MB."""
    return answer("200 OK", envelope([recipient(i, "DELIVERED_TO_HANDSET", 3) for i in range(RECIPIENTS)]))


class Gateway(asyncio.Protocol):
    """One connection, one request at a time."""

    requests = open = most_open = 0
    large = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""
        Gateway.open += 1
        Gateway.most_open = max(Gateway.most_open, Gateway.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it off."""
        Gateway.open -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            path = head.split(b" ", 2)[1]
            if path == b"/statistics":
                self.transport.write(self.statistics())
                continue
            Gateway.requests += 1
            self.transport.write(self.answer_to(path))

    @staticmethod
    def statistics() -> bytes:
        """Tell what was counted, and count anew how many sockets are open at most."""
        counted = {"requests": Gateway.requests, "open": Gateway.open, "most_open": Gateway.most_open}
        Gateway.most_open = Gateway.open
        return answer("200 OK", json.dumps(counted).encode())

    @staticmethod
    def answer_to(path: bytes) -> bytes:
        """Choose the answer."""
        if path == b"/messages/large/recipients/":
            Gateway.large = Gateway.large or large()
            return Gateway.large
        if path.endswith(b"/recipients/"):
            return UNDER_WAY
        if path.startswith(b"/messages/"):
            return SUMMARY
        return DBT_RUNNING if path.startswith(b"/api/") else MISSING


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Gateway, "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()
    print(f"listening on http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
