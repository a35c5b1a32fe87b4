"""
What sending costs: CPU per send through the hook, beside a bare ``requests.Session`` that posts the same body.

One connection each, kept open, plain and over TLS, against a server in another process that answers at once. Beside it
a session that does not look for proxies at each request (ours looks once); our hook made anew for each send, as a task
does; and what else a DAG author could take, pointed to the same server: Airflow's HttpHook, and the Twilio SDK.

Target: at most 1.3 times the bare session, and one TLS context per process.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.measure import Targets, cpu_seconds, ratio, serving, table, take_turns

SENDS = 50
ROUNDS = 15
OURS_TO_BARE = 1.3
TOKEN = "token-of-the-benchmark"
TEXT = "Backup failed on db-1"
TO = "+39 347 111 2223"

BARE, OURS = "requests.Session", "MessaggiSmsHook"


def _body_and_headers() -> tuple[bytes, dict[str, str]]:
    """Build what the hook sends, for all others to send."""
    from airflow_provider_messaggisms.gateway import calls
    from airflow_provider_messaggisms.gateway.content import MessageContent
    from airflow_provider_messaggisms.gateway.recipients import read_recipients

    request = calls.send_message(MessageContent(sender="Bench", body=TEXT), read_recipients(TO).valid).request
    return request.body or b"", {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def _bare(url: str, *, trust_env: bool = True) -> Callable[[], object]:
    import requests

    session = requests.Session()
    session.trust_env = trust_env
    session.verify = os.environ["REQUESTS_CA_BUNDLE"]
    body, headers = _body_and_headers()

    def send() -> object:
        answer = session.post(f"{url}/messages/", data=body, headers=headers)
        answer.raise_for_status()
        return answer.json()["data"][0]["id"]

    return send


def _ours(url: str) -> Callable[[], object]:
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

    connection = _connection(url, "messaggisms", {"sender": "Bench"})
    hook = MessaggiSmsHook(connection)
    return lambda: hook.send_message(body=TEXT, recipients=TO).id


def _ours_anew(url: str) -> Callable[[], object]:
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

    connection = _connection(url, "messaggisms", {"sender": "Bench"})

    def send() -> object:
        with MessaggiSmsHook(connection) as hook:
            return hook.send_message(body=TEXT, recipients=TO).id

    return send


def _http_hook(url: str) -> Callable[[], object]:
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method="POST", http_conn_id=_connection(url, "http", {}))
    body, headers = _body_and_headers()
    return lambda: hook.run("/messages/", data=body, headers=headers).json()["data"][0]["id"]


def _twilio(url: str) -> Callable[[], object]:
    from twilio.rest import Client

    client = Client("AC" + "0" * 32, "token")
    client.api.base_url = url
    return lambda: client.messages.create(to="+393471112223", from_="+393470000000", body=TEXT).sid


CASES: dict[str, Callable[[str], Callable[[], object]]] = {
    BARE: _bare,
    "requests.Session, trust_env=False": partial(_bare, trust_env=False),
    OURS: _ours,
    "MessaggiSmsHook, new each time": _ours_anew,
    "Airflow's HttpHook": _http_hook,
    "Twilio SDK": _twilio,
}


def _connection(url: str, kind: str, extra: dict[str, Any]) -> str:
    """Make an Airflow connection to *url*; return its id."""
    scheme, _, address = url.partition("://")
    host, _, port = address.partition(":")
    connection = {"conn_type": kind, "host": f"{scheme}://{host}", "port": int(port), "password": TOKEN, "extra": extra}
    os.environ[f"AIRFLOW_CONN_{kind}_{scheme}".upper()] = json.dumps(connection)
    return f"{kind}_{scheme}"


def _certificate(folder: Path) -> str:
    """Make a certificate for 127.0.0.1, and a CA that all clients here trust; return the certificate's file."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    os.environ["REQUESTS_CA_BUNDLE"] = str(folder / "ca.pem")
    return str(folder / "server.pem")


def _measure(name: str, url: str) -> float:
    """Let all cases send to *url*; print their costs and return ours against the bare session's."""
    cases = {case: make(url) for case, make in CASES.items()}
    costs = take_turns({case: partial(cpu_seconds, send, SENDS) for case, send in cases.items()}, ROUNDS)
    table(
        f"One send, {name}: medians of {ROUNDS} times {SENDS}",
        ("", "CPU us", "against bare"),
        [(case, f"{median(cost) * 1e6:,.0f}", f"{ratio(cost, costs[BARE]):.2f}") for case, cost in costs.items()],
    )
    return ratio(costs[OURS], costs[BARE])


def _contexts_built(url: str) -> int:
    """Count how often a CA bundle is loaded while ten hooks send one message each."""
    loaded = 0
    load = ssl.SSLContext.load_verify_locations

    def counting(*args: Any, **kwargs: Any) -> None:
        nonlocal loaded
        loaded += 1
        load(*args, **kwargs)

    send = _ours_anew(url)
    ssl.SSLContext.load_verify_locations = counting  # type: ignore[method-assign]
    try:
        for _ in range(10):
            send()
    finally:
        ssl.SSLContext.load_verify_locations = load  # type: ignore[method-assign]
    return loaded


def main() -> int:
    """Measure, print, and return the exit code."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate = _certificate(folder)
        plain = stack.enter_context(serving("-m", "tests.benchmarks.answering"))
        over_tls = stack.enter_context(serving("-m", "tests.benchmarks.answering", certificate))
        contexts = _contexts_built(over_tls)
        ratios = {name: _measure(name, url) for name, url in (("plain", plain), ("over TLS", over_tls))}
    targets = Targets()
    for name, figure in ratios.items():
        targets.at_most(f"{name}, ours against the bare session", figure, OURS_TO_BARE)
    targets.at_most("TLS contexts that a process builds for ten hooks", contexts, 1)
    return targets.exit_code


if __name__ == "__main__":
    sys.exit(main())
