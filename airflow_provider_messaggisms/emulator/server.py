"""
The emulator as a process: bind, say so, serve until told to stop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from airflow_provider_messaggisms.emulator.heads import bounding_heads
from airflow_provider_messaggisms.emulator.sabotage import handing_out_transport

GRACE_SECONDS = 2
MAX_CONNECTIONS = 10_000  # where the system permits so many
# As long as a web server in front of a gateway would wait: an idle client must not lose its connection between polls.
KEEP_ALIVE_SECONDS = 75


def is_loopback(host: str) -> bool:
    """Tell whether a host can only be reached from this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """
    Bind a socket; port 0 takes any free one.

    :raises OSError: The address is taken, or is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listener: socket.socket) -> str:
    """Return the address to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Uvicorn's server, which says when it really listens, and for which a signal is a normal end."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"messaggisms-emulator listening on {self._address}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True


def serve(app: ASGIApp, listener: socket.socket, *, stop_with_stdin: bool = False) -> None:
    """
    Serve until SIGINT or SIGTERM.

    :param stop_with_stdin: Stop also when standard input ends, so that no emulator outlives whoever started it.
    """
    allow_many_connections()
    config = uvicorn.Config(
        app,
        http=handing_out_transport(_protocol()),
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, address_of(listener))
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


def _protocol() -> type[asyncio.Protocol]:
    """Return the faster of uvicorn's two readers of HTTP, where it is installed."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol
    return bounding_heads(HttpToolsProtocol)


def allow_many_connections() -> None:
    """Raise the number of files that this process may have open: most systems begin with as few as 256 or 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS says that there is no limit, and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True
