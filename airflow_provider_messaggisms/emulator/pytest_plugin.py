"""
The fixture ``messaggisms_gateway``: an SMS gateway for a test, on a free port, with its own time.

Registered for pytest under the name ``messaggisms``. Costs nothing while no test asks for it: the emulator runs in a
process of its own, started for the first test that wants it, and neither FastAPI nor Airflow is imported here.

A test of a DAG in the DAG folder, with an Airflow whose database is migrated:

.. code-block:: python

    import subprocess

    def test_the_reminder_reaches_the_phone_once_though_the_answer_is_lost(messaggisms_gateway):
        messaggisms_gateway.fail_next("drop_after", method="POST")
        subprocess.run(["airflow", "dags", "test", "reminder"], check=True)
        messaggisms_gateway.advance(10)
        (sms,) = messaggisms_gateway.inbox()
        assert (sms.text, sms.state) == ("The backup is done", "DELIVERED_TO_HANDSET")

``pytest --messaggisms-personality repeats=merged`` runs the same tests against a gateway that differs in what nobody
documents; the switches are those of :class:`airflow_provider_messaggisms.emulator.personality.Personality`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.personality import Personality

_END_TIMEOUT_SECONDS = 60
_ANSWER_TIMEOUT_SECONDS = 30


class Exchange(NamedTuple):
    """A request that the gateway saw. ``path`` is a pattern (``/messages/{id}``), ``status`` None if unanswered."""

    method: str
    path: str
    status: int | None


@dataclass(frozen=True)
class Sms:
    """
    What a phone received.

    :param text: As the phone shows it, with the recipient's fields filled in.
    :param state: The gateway's name for it, for example ``DELIVERED_TO_HANDSET``.
    :param history: Each state so far, with the instant in UTC: ``{"state": ..., "at": ...}``.
    :param custom: The message's ``options.custom`` as it was sent.
    :param airflow: ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` where ``custom`` tells them.
    """

    number: str
    sender: str
    text: str
    parts: int
    encoding: str
    flash: bool
    state: str
    final: bool
    delivered: bool
    history: list[dict[str, str]]
    price_eur: float
    message_id: str
    index: int
    custom: str | None
    airflow: dict[str, Any] | None


class Gateway:
    """
    A running emulator.

    :param url: Its address.
    :param token: The token that it accepts.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    @property
    def connection(self) -> str:
        """The Airflow connection to it, as the JSON that ``AIRFLOW_CONN_...`` takes."""
        return json.dumps({"conn_type": "messaggisms", "password": self.token, "host": self.url})

    @property
    def credit(self) -> float:
        """What the account holds, in EUR."""
        return float(self._ask("GET", "/_emulator/")["credit"])

    def reset(self, **settings: Any) -> None:
        """
        Forget everything: messages, credit, requests, faults; the clock shows the computer's time again.

        :param settings: ``credit`` in EUR, ``now`` (ISO 8601, in Rome where it names no zone), ``personality`` (a dict
            of switches), ``tokens`` (further ones, each with a list of the methods that it may use).
        :raises ValueError: A setting is unknown or out of range; this and all other methods say what the emulator says.
        """
        self._ask("POST", "/_emulator/reset", settings)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at the gateway. Ten are enough for every delivery to end."""
        self._ask("POST", "/_emulator/advance", {"seconds": seconds})

    def inbox(self, *, number: str | None = None, message_id: str | None = None, limit: int = 10_000) -> list[Sms]:
        """Return what the phones received, newest first: one entry for each SMS really sent, 10,000 at most."""
        wanted = {"number": number, "message_id": message_id, "limit": limit}
        query = urllib.parse.urlencode({name: value for name, value in wanted.items() if value is not None})
        return [Sms(**sms) for sms in self._ask("GET", f"/_emulator/inbox?{query}")["sms"]]

    def requests(self) -> list[Exchange]:
        """Return the requests that the gateway saw since the last reset, in order."""
        return [Exchange(**request) for request in self._ask("GET", "/_emulator/requests")["requests"]]

    def fail_next(
        self, kind: str, *, method: str | None = None, path: str | None = None, times: int = 1, **details: Any
    ) -> None:
        """
        Let the next request go wrong, or the next of a method or path.

        :param kind: What happens, for example ``drop_after`` (handled, but never answered) or ``rate_limit``. The
            docstring of :mod:`airflow_provider_messaggisms.emulator.faults` has them all.
        :param path: A path, or its pattern as :meth:`requests` shows it. Default any.
        :param times: How many requests go wrong, 0 for all from now on. Default 1.
        :param details: ``after`` (requests that pass first), ``for_seconds`` (of the gateway's clock), ``status``,
            ``seconds`` (real ones, for the slow kinds), ``retry_after``, ``chance`` with ``seed``.
        """
        fault = {"kind": kind, "method": method, "path": path, "times": times}
        self._ask("POST", "/_emulator/faults", fault | details)

    def outage(self, seconds: float) -> None:
        """Refuse everything for so many seconds of the gateway's clock: every connection is cut at once."""
        self.fail_next("drop_before", times=0, for_seconds=seconds)

    def heal(self) -> None:
        """Forget the failures to come."""
        self._ask("DELETE", "/_emulator/faults")

    def decide(self, sms: Sms, state: str) -> None:
        """Settle what becomes of an SMS whose state is not final, for example ``DELIVERED_TO_HANDSET``."""
        settled = {"message_id": sms.message_id, "number": sms.number, "state": state}
        self._ask("POST", "/_emulator/decide", settled)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - the emulator's own address
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_ANSWER_TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"the emulator refuses this: {json.load(error)['message']}") from None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line choose what the gateway is like."""
    parser.getgroup("messaggisms").addoption(
        "--messaggisms-personality",
        action="append",
        default=[],
        metavar="SWITCH=VALUE",
        help="what the gateway emulator does where nothing is documented; may be given several times",
    )


@pytest.fixture(scope="session")
def _messaggisms_emulator(pytestconfig: pytest.Config) -> Iterator[Gateway]:
    """Start one emulator for the whole test session; it ends with the session, whatever becomes of that."""
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator"]
    command += ["--port", "0", "--clock", "manual", "--stop-with-stdin"]
    for switch in pytestconfig.getoption("messaggisms_personality"):
        name, _, value = switch.partition("=")
        if value not in Personality.choices().get(name, ()):
            pytest.fail(f"--messaggisms-personality {switch}: there are {Personality.choices()}", pytrace=False)
        command += [f"--{name.replace('_', '-')}", value]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            url = line.rpartition(" ")[2].strip()
            if not url:
                complaints.seek(0)
                pytest.fail(f"The emulator did not start: {complaints.read().strip()}", pytrace=False)
            yield Gateway(url, DEFAULT_TOKEN)
        finally:
            process.terminate()
            process.communicate(timeout=_END_TIMEOUT_SECONDS)


@pytest.fixture
def messaggisms_gateway(_messaggisms_emulator: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """
    Give a test an SMS gateway with an empty memory, which the connection ``messaggisms_default`` leads to.

    Its clock stands still until the test calls ``advance``.
    """
    _messaggisms_emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", _messaggisms_emulator.connection)
    return _messaggisms_emulator
