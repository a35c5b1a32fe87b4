"""
The emulator as a process: bind, say so, serve until told to stop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import threading
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS = 2


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
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, address_of(listener))
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    asyncio.run(server.serve(sockets=[listener]))


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True
