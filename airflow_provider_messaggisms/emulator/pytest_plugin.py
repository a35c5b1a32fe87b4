"""
The fixture ``messaggisms_gateway``: an SMS gateway for a test, on a free port, with its own time.

pytest knows this plugin as ``messaggisms``. It costs nothing while no test uses the fixture: the emulator runs in a
process of its own, which the first test to use it starts. Neither FastAPI nor Airflow is imported here.

A test of a DAG in the DAG folder, with an Airflow whose database is migrated:

.. code-block:: python

    import subprocess

    def test_the_reminder_reaches_the_phone_once_though_the_answer_is_lost(messaggisms_gateway):
        messaggisms_gateway.fail_next("drop_after", method="POST")
        subprocess.run(["airflow", "dags", "test", "reminder"], check=True)
        messaggisms_gateway.advance(10)
        (sms,) = messaggisms_gateway.inbox()
        assert (sms.text, sms.state) == ("The backup is done", "DELIVERED_TO_HANDSET")

``messaggisms_gateway.account_connection`` has the account instead of a token: set it as ``AIRFLOW_CONN_...`` to test
with a token that the hook makes. ``advance(31 * 86_400)`` lets that token expire, ``revoke_tokens()`` revokes it.

``pytest --messaggisms-personality repeats=merged`` runs the same tests against a gateway that differs in an
undocumented behaviour. The switches are those of
:class:`airflow_provider_messaggisms.emulator.account.personality.Personality`.
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

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY, DEFAULT_EMAIL, DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.account.personality import Personality

_STOP_TIMEOUT_SECONDS = 60
_RESPONSE_TIMEOUT_SECONDS = 30


class Exchange(NamedTuple):
    """
    A request to the gateway or the token service.

    :param path: A pattern, such as ``/messages/{id}``.
    :param status: None without a response.
    """

    method: str
    path: str
    status: int | None


@dataclass(frozen=True)
class Sms:
    """
    What a phone received.

    :param text: As the phone shows it, with the recipient's fields filled in.
    :param state: The gateway's name of the state, for example ``DELIVERED_TO_HANDSET``.
    :param history: Each state so far, with the instant in UTC: ``{"state": ..., "at": ...}``.
    :param custom: The message's ``options.custom`` as it was sent.
    :param airflow: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``, if ``custom`` has them.
    :param outcome: ``delivered``, ``failed``, ``waiting``, or ``stuck`` until :meth:`Gateway.decide`.
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
    outcome: str


class Gateway:
    """
    A running emulator.

    :param url: The address of the gateway and of the token service.
    :param token: A token that never expires.
    :param api_key: The API key of the account. Its e-mail address is ``email``.
    """

    email = DEFAULT_EMAIL

    def __init__(self, url: str, token: str, api_key: str = DEFAULT_API_KEY) -> None:
        self.url = url
        self.token = token
        self.api_key = api_key

    @property
    def sandbox(self) -> Gateway:
        """The same gateway as its own sandbox, which has another address, token and API key."""
        return Gateway(f"{self.url}/sandbox", f"sandbox-{self.token}", f"sandbox-{self.api_key}")

    @property
    def connection(self) -> str:
        """The Airflow connection to it, as the JSON that ``AIRFLOW_CONN_...`` takes."""
        return json.dumps({"conn_type": "messaggisms", "password": self.token, "host": self.url})

    @property
    def account_connection(self) -> str:
        """The same with the account, so that the hook makes its own token. It lives 30 days of the gateway's clock."""
        login = {"conn_type": "messaggisms", "login": self.email, "password": self.api_key, "host": self.url}
        return json.dumps(login | {"extra": {"auth": "account", "token_host": self.url}})

    @property
    def tokens(self) -> list[str]:
        """All tokens that there are, expired ones too, the oldest first: for a search that finds none in a log."""
        return list(self._ask("GET", "/_emulator/tokens")["tokens"])

    def revoke_tokens(self) -> None:
        """Make all tokens invalid, also :attr:`token`, until the next reset."""
        self._ask("DELETE", "/_emulator/tokens")

    @property
    def credit(self) -> float:
        """The credit of the account, in EUR."""
        return float(self._ask("GET", "/_emulator/")["credit"])

    def reset(self, **settings: Any) -> None:
        """
        Forget everything: messages, credit, requests, faults, tokens. The clock shows the computer's time again. Hooks
        that this process makes from now on begin without a token, as after a restart.

        :param settings: ``credit`` in EUR, ``now`` (ISO 8601, in Rome unless it names a zone), ``personality`` (a dict
            of switches), ``tokens`` (further ones, each with a list of the methods that it may use), ``api_key``,
            ``sms_enabled`` (false: the account cannot make tokens for the gateway).
        :raises ValueError: A setting is unknown or out of range. This and all other methods give the emulator's reason.
        """
        self._ask("POST", "/_emulator/reset", settings)
        _forget_tokens()

    def advance(self, seconds: float) -> None:
        """
        Move the gateway's clock forward by so many seconds.

        Ten are enough for every delivery to end. A token that the hook made ends after its lifetime.
        """
        self._ask("POST", "/_emulator/advance", {"seconds": seconds})

    def inbox(self, *, number: str | None = None, message_id: str | None = None, limit: int = 10_000) -> list[Sms]:
        """Return what the phones received, newest first: one entry for each SMS really sent, at most 10,000."""
        wanted = {"number": number, "message_id": message_id, "limit": limit}
        query = urllib.parse.urlencode({name: value for name, value in wanted.items() if value is not None})
        return [Sms(**sms) for sms in self._ask("GET", f"/_emulator/inbox?{query}")["sms"]]

    def requests(self) -> list[Exchange]:
        """Return the requests to the gateway since the last reset, in order. The last 10,000 are kept."""
        return [Exchange(**request) for request in self._ask("GET", "/_emulator/requests")["requests"]]

    def fail_next(
        self, kind: str, *, method: str | None = None, path: str | None = None, times: int = 1, **details: Any
    ) -> None:
        """
        Make the next request fail, or the next of a method or path.

        :param kind: What happens, for example ``drop_after`` (handled, but without a response) or ``rate_limit``. See
            :mod:`airflow_provider_messaggisms.emulator.control.fault_script` for all of them.
        :param method: An HTTP method. Default any.
        :param path: A path, or its pattern as :meth:`requests` shows it. Default any.
        :param times: How many requests fail, 0 for all from now on. Default 1.
        :param details: ``after`` (requests that pass first), ``for_seconds`` (of the gateway's clock), ``status``,
            ``seconds`` (real ones, for the slow kinds), ``retry_after``, ``text``, ``chance`` with ``seed``.
        """
        fault = {"kind": kind, "method": method, "path": path, "times": times}
        self._ask("POST", "/_emulator/faults", fault | details)

    def outage(self, seconds: float) -> None:
        """Close each connection at once, for so many seconds of the gateway's clock."""
        self.fail_next("drop_before", times=0, for_seconds=seconds)

    def heal(self) -> None:
        """Remove the failures to come."""
        self._ask("DELETE", "/_emulator/faults")

    def decide(self, sms: Sms, state: str) -> None:
        """Put an SMS whose state is not final into another state, for example ``DELIVERED_TO_HANDSET``."""
        decision = {"message_id": sms.message_id, "number": sms.number, "state": state}
        self._ask("POST", "/_emulator/decide", decision)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - the emulator's own address
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_RESPONSE_TIMEOUT_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise ValueError(f"refused by the emulator: {json.load(error)['message']}") from None


def _forget_tokens() -> None:
    """Drop the tokens that this process's hooks share: none of them is valid any more."""
    client = sys.modules.get("airflow_provider_messaggisms.tokens")  # not imported: the emulator does without it
    if client is not None:
        client.IN_THIS_PROCESS.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the gateway's undocumented behaviour."""
    parser.getgroup("messaggisms").addoption(
        "--messaggisms-personality",
        action="append",
        default=[],
        metavar="SWITCH=VALUE",
        help="an undocumented behaviour of the gateway emulator; may be repeated",
    )


@pytest.fixture(scope="session")
def _messaggisms_emulator(pytestconfig: pytest.Config) -> Iterator[Gateway]:
    """Start one emulator for the whole test session. It also ends if the session is killed."""
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator"]
    command += ["--port", "0", "--clock", "manual", "--stop-with-stdin"]
    for switch in pytestconfig.getoption("messaggisms_personality"):
        name, _, value = switch.partition("=")
        if value not in Personality.choices().get(name, ()):
            pytest.fail(f"--messaggisms-personality {switch}: use one of {Personality.choices()}", pytrace=False)
        command += [f"--{name.replace('_', '-')}", value]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            url = line.rpartition(" ")[2].strip()
            if not url:
                errors.seek(0)
                pytest.fail(f"The emulator did not start: {errors.read().strip()}", pytrace=False)
            yield Gateway(url, DEFAULT_TOKEN)
        finally:
            process.terminate()
            process.communicate(timeout=_STOP_TIMEOUT_SECONDS)


@pytest.fixture
def messaggisms_gateway(_messaggisms_emulator: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """
    Give a test an empty SMS gateway, and the connection ``messaggisms_default`` to it.

    Its clock stands still until the test calls ``advance``.
    """
    _messaggisms_emulator.reset()
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", _messaggisms_emulator.connection)
    return _messaggisms_emulator
