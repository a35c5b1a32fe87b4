"""
The emulator as a process: bind a socket, print its address, serve until it is stopped.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_messaggisms.emulator.control.fault_injection import exposing_transport

GRACE_SECONDS = 2
MAX_CONNECTIONS = 10_000  # if the system permits so many
# As a web server in front of a gateway would wait: an idle client keeps its connection between two polls.
KEEP_ALIVE_SECONDS = 75


def listen(host: str, port: int) -> socket.socket:
    """
    Bind a socket. Port 0 takes any free one.

    :raises OSError: The address is taken, or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listener: socket.socket) -> str:
    """Return the address to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Uvicorn's server. It prints a greeting once it listens, and treats a signal as a normal end."""

    def __init__(self, config: uvicorn.Config, greeting: Sequence[str]) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(*self._greeting, sep="\n", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True


def serve(
    app: ASGIApp, listener: socket.socket, *, greeting: Sequence[str] = (), stop_with_stdin: bool = False
) -> None:
    """
    Serve until SIGINT or SIGTERM.

    :param greeting: What to print once it listens, below the line with the address.
    :param stop_with_stdin: Also stop when standard input ends, so that the emulator ends with its parent process.
    """
    allow_many_connections()
    config = uvicorn.Config(
        app,
        http=exposing_transport(AutoHTTPProtocol),
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        date_header=False,  # the emulator's own clock gives the date
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, [f"messaggisms-emulator listening on {address_of(listener)}", *greeting])
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def allow_many_connections() -> None:
    """Raise the number of open files of this process. The usual 256 or 1,024 are too few for a load test."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit; macOS reports none, but has one
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True
