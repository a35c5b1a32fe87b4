"""
A scripted gateway: a server on 127.0.0.1 that answers each request with exactly the bytes that a test wants.

For what the emulator never does: broken HTTP, cut and silent connections, untrusted certificates. It counts the
connections that it accepts and keeps what it was asked.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.progress import SILENCE_SECONDS

Answer = bytes | Callable[["Connection"], None]


class Asked(NamedTuple):
    """A request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Write an answer with its length."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + body


def success(data: Any, status: int = 200) -> bytes:
    """Write the gateway's envelope around something."""
    return http(status, json.dumps({"data": data, "success": True, "message": "", "error": None}).encode())


def refusal(status: int, code: int | None = None, message: str = "No", **headers: str) -> bytes:
    """Write the gateway's refusal."""
    envelope = {"data": None, "success": False, "message": message, "error": code}
    return http(status, json.dumps(envelope).encode(), **headers)


class Connection:
    """One accepted connection."""

    def __init__(self, raw: socket.socket, over: threading.Event) -> None:
        self.raw = raw
        self.over = over

    def send(self, data: bytes) -> None:
        self.raw.sendall(data)

    def close(self) -> None:
        """End the connection normally."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)
        self.raw.close()

    def reset(self) -> None:
        """End the connection as a crashed machine does."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def wait(self, seconds: float = SILENCE_SECONDS) -> None:
        """Be silent, until the test is over."""
        self.over.wait(seconds)


def cut(connection: Connection) -> None:
    """Answer nothing and hang up."""
    connection.close()


def reset(connection: Connection) -> None:
    """Answer nothing and crash."""
    connection.reset()


def silence(connection: Connection) -> None:
    """Answer nothing and keep the connection open."""
    connection.wait()


def then(data: bytes, end: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """Answer these bytes, then do something else."""

    def play(connection: Connection) -> None:
        connection.send(data)
        end(connection)

    return play


def dripping(head: bytes, seconds: float) -> Callable[[Connection], None]:
    """Answer a head, then 150 blanks with a pause before each, so that nothing hangs for ever."""

    def play(connection: Connection) -> None:
        connection.send(head)
        for _ in range(150):
            connection.send(b" ")
            connection.wait(seconds)

    return play


class Server:
    """Accepts connections and gives each a thread of its own."""

    def __init__(self) -> None:
        self.accepted = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(SILENCE_SECONDS)
            self.accepted += 1
            self._open.append(raw)
            thread = threading.Thread(target=self._guarded, args=(raw,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, raw: socket.socket) -> None:
        with raw, suppress(OSError):
            self.serve(raw)

    def serve(self, raw: socket.socket) -> None:
        """Speak with one client."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(SILENCE_SECONDS)
        for raw in self._open:
            with suppress(OSError):
                socket.socket.shutdown(raw, socket.SHUT_RDWR)  # without TLS's own farewell, which would wait for one
        for thread in self._threads:
            thread.join(SILENCE_SECONDS)


class Puppet(Server):
    """
    The scripted gateway.

    :param context: Makes it speak TLS.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.refused_token: str | None = None  # any request with it gets a 401, and uses up no scripted answer
        self.came = threading.Event()
        self._context = context
        self._answers: list[Answer] = []
        self._lock = threading.Lock()
        super().__init__()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._context else 'http'}://{self.address}"

    def answers(self, *answers: Answer) -> None:
        """Say how to answer the next requests, in order; the last answer is for all that follow."""
        self._answers = list(answers)

    def serve(self, raw: socket.socket) -> None:
        spoken = self._context.wrap_socket(raw, server_side=True) if self._context else raw
        self._open.append(spoken)
        with spoken, spoken.makefile("rb") as lines:
            while asked := _read(lines):
                with self._lock:
                    self.asked.append(asked)
                    self.came.set()
                    answer = self._next_answer(asked)
                if callable(answer):
                    answer(Connection(spoken, self._over))
                    return
                spoken.sendall(answer)

    def _next_answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") == f"Bearer {self.refused_token}":
            return refusal(401)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Tunnel(Server):
    """A proxy for https: connects a client with the host that it names, and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        super().__init__()

    def serve(self, raw: socket.socket) -> None:
        with raw.makefile("rb", buffering=0) as lines:
            asked = _read(lines)
        if asked is None:
            return
        self.asked.append(asked)
        if asked.method != "CONNECT":
            raw.sendall(http(400))
            return
        host, _, port = asked.path.rpartition(":")
        with socket.create_connection((host, int(port)), SILENCE_SECONDS) as target:
            self._open.append(target)
            raw.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, raw), daemon=True)
            back.start()
            _pump(raw, target)
            back.join(SILENCE_SECONDS)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _read(lines: Any) -> Asked | None:
    first = lines.readline().decode("latin-1").split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while line := lines.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Asked(first[0], first[1], headers, lines.read(int(headers.get("content-length", 0))))
