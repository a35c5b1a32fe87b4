"""
A web page of another origin on this machine, which tries to use the emulator through the browser that shows it.

Its title lists the results of its attempts, in order. Until all have ended, the title is "busy".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A browser sends the first two and hides the response, which must be an error. The others it must not complete.
_PAGE = """<!doctype html>
<title>busy</title>
<iframe src="EMULATOR/"></iframe>
<script type="module">
  const simple = { method: "POST", mode: "no-cors" };
  const results = await Promise.allSettled([
    fetch("EMULATOR/_emulator/reset", { ...simple, body: "{}" }),
    fetch("EMULATOR/_emulator/advance", { ...simple, body: '{"seconds": 86400}' }),
    fetch("EMULATOR/_emulator/advance", { method: "POST", body: "{}", headers: { "X-Any": "thing" } }),
    fetch("EMULATOR/_emulator/inbox", { method: "DELETE" }),
    fetch("EMULATOR/_emulator/inbox").then((answer) => answer.text()),
  ]);
  document.title = results.map((result) => result.status).join(" ");
</script>
"""


@contextmanager
def foreign_site(emulator: str) -> Iterator[str]:
    """Serve the page, which attacks the emulator at this address. Yield the address of the page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(_PAGE.replace("EMULATOR", emulator).encode())

        def log_message(self, *_: Any) -> None:
            pass

    # A thread per connection: the browser opens some in advance, and a silent one would block the others.
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
