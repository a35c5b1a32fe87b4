"""
A token service and a gateway behind it, written by hand from the vendor's contract alone.

It shares no code with the client or the emulator. Tokens expire by its own clock, which can be moved; they can be
revoked, and a valid one can be refused. It counts what it was asked, and which SMS it accepted.
"""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

LOGIN = "ops@acme.example"
API_KEY = "key-5c1d9e7f3b2a4860"
BASIC = b64encode(f"{LOGIN}:{API_KEY}".encode()).decode()

Reply = tuple[int, Any]

WRONG_TOKEN: Reply = (401, {"success": False, "message": "Wrong Token", "error": 125.22, "data": None})
UNAUTHORIZED: Reply = (401, {"success": False, "message": "Unauthorized", "error": 140, "data": None})
DOWN: Reply = (503, {"success": False, "message": "Down", "error": None, "data": None})
NO_TOKENS: Reply = (404, {"success": False, "message": "Not Found", "error": 120, "data": None})
NOT_ENABLED: Reply = (
    422,
    {"success": False, "message": "Invalid scopes specified or API not enabled", "error": 90, "data": None},
)


class Asked(NamedTuple):
    """A request, as it came."""

    method: str
    path: str
    authorization: str
    body: Any


class Vendor:
    """The vendor: an account, its tokens, its wallet, and the gateway."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked: list[Asked] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.accepted: list[Any] = []
        self.clock_offset = 0.0
        self.enveloped = True
        self.longest_life = 365 * 86_400.0
        self.refuse_next = 0  # so many calls at the gateway are refused although the token is valid
        self.refused = 0  # how many calls at the gateway were
        self.delivered = True  # else every SMS is under way
        self.before_call: dict[int, Callable[[], None]] = {}  # what happens right before such a call at the gateway
        self.fault: Reply | None = None  # what the token service answers instead
        self.latency = 0.0
        self.url = ""
        self._calls = 0

    # --- the test's side ----------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch, by this service's clock."""
        return time.time() + self.clock_offset

    def add_token(self, value: str, *, name: str = "airflow-messaggisms", life: float = 2_592_000, **more: Any) -> None:
        """Add a token that was made just now."""
        scopes = [f"{method}:127.0.0.1/messages" for method in ("GET", "POST", "PUT", "DELETE")]
        begins = self.now()
        token = {
            "token": value,
            "name": name,
            "scopes": scopes,
            "createdAt": _iso(begins),
            "expireAt": _iso(begins + life),
        }
        self.tokens[value] = token | more

    def revoke_all(self) -> None:
        """Revoke every token."""
        with self.lock:
            self.tokens.clear()

    def asked_gateway(self) -> list[str]:
        """The methods of all calls at the gateway, in order."""
        return [one.method for one in self.asked if one.path.startswith("/messages")]

    def asked_service(self) -> list[str]:
        """The calls at the token service, in order."""
        return [f"{one.method} {one.path}" for one in self.asked if not one.path.startswith("/messages")]

    def made(self) -> int:
        """How many tokens were made."""
        return self.asked_service().count("POST /tokens")

    # --- the vendor's side --------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        if self.latency:
            time.sleep(self.latency)
        with self.lock:
            self.asked.append(asked)
            if not asked.path.startswith("/messages"):
                return self._service(asked)
            self._calls += 1
            self.before_call.get(self._calls, lambda: None)()
            reply = self._gateway(asked)
            self.refused += reply is WRONG_TOKEN
            return reply

    def _service(self, asked: Asked) -> Reply:
        if self.fault is not None:
            return self.fault
        if asked.authorization != f"Basic {BASIC}":
            return UNAUTHORIZED
        url = urlsplit(asked.path)
        match asked.method, url.path:
            case "GET", "/tokens":
                query = parse_qs(url.query)
                skip, limit = int(query["skip"][0]), min(int(query["limit"][0]), 100)
                page = list(self.tokens.values())[skip : skip + limit]
                return (200, {"data": page}) if page else NO_TOKENS
            case "POST", "/tokens":
                return self._make(asked.body)
            case "GET", "/wallet":
                return 200, {"data": {"credit": 125.5, "createdAt": "2025-01-15T10:00:00+00:00"}}
            case "GET", "/scopes":
                return 200, {"data": [{"id": "s1", "scope": "POST:127.0.0.1/messages", "enabled": True}]}
            case "GET", "/scopes/s1":
                return 200, {"data": {"id": "s1", "rateLimit": "60/min", "prices": {"part": 0.0315}}, "success": True}
        return 404, {"success": False, "message": "Not Found", "error": 160, "data": None}

    def _make(self, body: Any) -> Reply:
        value = f"tok{len(self.asked):06d}x{hash(time.perf_counter()) & 0xFFFFFFFF:08x}"
        self.add_token(value, name=body["name"], life=min(body["ttl"], self.longest_life), scopes=body["scopes"])
        token = self.tokens[value] | {"refreshToken": "never-use-this", "unknown": {"x": 1}}
        return 200, {"data": token, "success": True, "message": "", "error": None} if self.enveloped else token

    def _gateway(self, asked: Asked) -> Reply:
        token = self.tokens.get(asked.authorization.removeprefix("Bearer "))
        if token is None or _epoch(token["expireAt"]) <= self.now():
            return WRONG_TOKEN
        if f"{asked.method}:127.0.0.1/messages" not in token["scopes"]:
            return WRONG_TOKEN
        if self.refuse_next:
            self.refuse_next -= 1
            return WRONG_TOKEN
        envelope = {"success": True, "message": "", "error": None, "credit": "91.00299999999986"}
        if asked.method == "POST":
            self.accepted.append(asked.body)
            message = {"id": f"m{len(self.accepted)}", "recipients": {"valid": {"count": 1}, "invalid": {"total": 0}}}
            money = {"base_price": 0.063, "price": 0.063, "statistics": {"sms_total": 2}}
            return 201, {"data": [message | money], **envelope}
        if re.fullmatch("/messages/", asked.path):
            return 200, {"data": [{"id": "m1", "sender": "Acme", "timestamp": "1767225600000"}], **envelope}
        if asked.path.endswith("/recipients/"):
            state = "DELIVERED_TO_HANDSET" if self.delivered else "PENDING_ENROUTE"
            return 200, {"data": [{"number": "+39-3491234567", "state": state}], **envelope}
        return 200, {"data": [{"id": asked.path.split("/")[2]}], **envelope}


@contextmanager
def running_vendor() -> Iterator[Vendor]:
    """Run the vendor on a free port of 127.0.0.1."""
    vendor = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            authorization = self.headers.get("Authorization", "")
            status, content = vendor.answer(
                Asked(self.command, self.path, authorization, json.loads(body) if body else None)
            )
            data = json.dumps(content).encode()
            self.send_response_only(status)
            self.send_header("Date", formatdate(vendor.now(), usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = serve  # noqa: N815 (the library's names)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
