"""The contract suite at the emulator: scenarios must pass, probes report what they find."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.contract import live, probes, scenarios  # noqa: F401 - importing them fills the suite
from tests.contract.suite import PROBES, SCENARIOS, ContractBrokenError, Probe, Scenario
from tests.contract.target import SANDBOX_HOST, SANDBOX_TOKEN_SERVICE, Account, Answer, Target, emulator, sandbox

WRONG_TOKEN = "401, error 125.22 (data, error, message, success)"


@pytest.fixture
def gateway(messaggisms_gateway: Any) -> Target:
    return emulator(messaggisms_gateway.url, messaggisms_gateway.token)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_emulator_keeps_the_documented_contract(gateway: Target, scenario: Scenario) -> None:
    scenario.check(gateway)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_reports_what_it_finds(gateway: Target, probe: Probe, record_property: Any) -> None:
    found = probe.find(gateway)
    print(f"{probe.question} {found}")
    record_property("found", found)
    assert found


@pytest.mark.parametrize(
    ("switch", "value", "name", "found"),
    [
        ("empty_put", "accepted", "empty_put", "accepted (200)"),
        ("empty_put", "refused", "empty_put", "refused: 422, error 302"),
        ("repeats", "twice", "repeated_numbers", "in one call: sent twice; later: sent again"),
        ("repeats", "merged", "repeated_numbers", "in one call: merged; later: merged"),
        ("list_order", "newest", "order_of_the_list", "newest first"),
        ("list_order", "oldest", "order_of_the_list", "oldest first"),
        ("put_status", "200", "status_of_put", "200"),
        ("put_status", "201", "status_of_put", "201"),
        ("envelope", "absent", "envelope_of_a_token", "no"),
        ("envelope", "present", "envelope_of_a_token", "yes"),
        ("custom_echo", "object", "custom", "comes back as object; an object is refused: 422, error 302"),
        ("custom_echo", "string", "custom", "comes back as str; an object is refused: 422, error 302"),
        (
            "send_times",
            "accepted",
            "times_and_past_days",
            "time: accepted (201); past day: accepted (201)",
        ),
    ],
)
def test_a_probe_tells_personalities_apart(
    messaggisms_gateway: Any, gateway: Target, switch: str, value: str, name: str, found: str
) -> None:
    messaggisms_gateway.reset(personality={switch: value})
    (probe,) = (probe for probe in PROBES if probe.name == name)
    assert probe.find(gateway) == found


def test_the_cost_of_a_test_is_unknown_without_a_response(gateway: Target) -> None:
    with pytest.raises(ContractBrokenError):
        probes.cost_of_a_test(replace(gateway, token="wrong"))


# --- the suite itself ---------------------------------------------------------------------------------------------


def test_every_scenario_can_fail() -> None:
    """A gateway that returns an empty success to all requests breaks each sentence of the contract."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.dumps({"data": [], "success": True, "message": "", "error": None, "credit": "1"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        target = Target(url, "t", "+39-3491234567", lambda _: None, account=Account(url, "a@example.com", "k"))
        for scenario in SCENARIOS:
            with pytest.raises(ContractBrokenError):
                scenario.check(target)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "https://ws.messaggisms.com",
        "http://test.ws.messaggisms.com",
        "https://test.ws.messaggisms.com:8443",
        "https://test.ws.messaggisms.com@ws.messaggisms.com",
        "http://192.0.2.1",
        "",
    ],
)
def test_the_suite_refuses_hosts_other_than_sandbox_and_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="no other host"):
        Target(url, "token", "+39-3491234567")
    with pytest.raises(ValueError, match="no other host"):
        Account(url.replace("ws.messaggisms", "oauth.openapi"), "a@example.com", "key")


def test_the_sandbox_needs_a_token_and_a_recipient() -> None:
    assert sandbox({}) is None
    assert sandbox({"MESSAGGISMS_SANDBOX_TOKEN": "t"}) is None
    assert sandbox({"MESSAGGISMS_SANDBOX_RECIPIENT": "+39-3491234567"}) is None
    both = {"MESSAGGISMS_SANDBOX_TOKEN": "secret", "MESSAGGISMS_SANDBOX_RECIPIENT": "+39-3491234567"}
    target = sandbox(both)
    assert target is not None
    assert target.url == f"https://{SANDBOX_HOST}"
    assert "secret" not in repr(target)
    assert "349" not in repr(target)
    assert target.account is None


def test_the_sandbox_may_have_an_account() -> None:
    account = {"MESSAGGISMS_SANDBOX_EMAIL": "a@example.com", "MESSAGGISMS_SANDBOX_API_KEY": "secret"}
    assert sandbox(account) is None
    found = sandbox(account | {"MESSAGGISMS_SANDBOX_TOKEN": "t", "MESSAGGISMS_SANDBOX_RECIPIENT": "+39-3491234567"})
    assert found is not None
    assert found.owner == Account(f"https://{SANDBOX_TOKEN_SERVICE}", "a@example.com", "secret")
    assert "secret" not in repr(found.owner)


def test_checks_of_the_token_service_wait_for_an_account(gateway: Target) -> None:
    rows = list(live.table(gateway, replace(gateway, account=None)))
    waiting = sum(one.account for one in SCENARIOS) + sum(one.account for one in PROBES)
    assert waiting > 10
    assert sum("| not tried: it needs MESSAGGISMS_SANDBOX_EMAIL" in row for row in rows) == waiting


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bad_tokens", f"wrong: {WRONG_TOKEN}; none: 401, error null (message, success)"),
        ("forms_of_numbers", "+39347... invalid, accepted (201); 39347... invalid, accepted (201); +39-347... valid"),
        ("is_enabled", "GET: true, POST: true, PUT: true, DELETE: true"),
        ("a_missing_scope", "403, error 403 ("),
        ("a_wrong_key", "401, error 140 ("),
        ("expired_and_deleted_tokens", f"expired: {WRONG_TOKEN}, in the list; deleted: {WRONG_TOKEN}"),
        ("kept_callbacks", "refused: 404, error 404"),
    ],
)
def test_a_probe_describes_the_emulator(gateway: Target, name: str, found: str) -> None:
    (probe,) = (probe for probe in PROBES if probe.name == name)
    assert probe.find(gateway).startswith(found)


def test_a_probe_describes_the_callbacks_that_a_token_service_keeps(gateway: Target) -> None:
    """The emulator keeps none, so an account that has some stands in for it."""
    ours = {"id": "a", "scope": "POST:127.0.0.1/messages"}
    other = {"id": "b", "scope": "POST:sms.openapi.com/send"}
    detail = ours | {"data": {"body": "secretword"}, "attempt": 1, "httpResponseCode": 204}
    answers = {"/callbacks?limit=100": [other, ours], "/callbacks/a": detail}

    class Keeping(Account):
        def ask(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
            return Answer(200, {"data": answers[path]})

    (probe,) = (probe for probe in PROBES if probe.name == "kept_callbacks")
    keeping = replace(gateway, account=Keeping(gateway.url, "a@example.com", "key"))
    found = probe.find(keeping)
    assert found.startswith("1 of 2; one has ['attempt', 'data', 'httpResponseCode', 'id', 'scope'], ")
    assert found.endswith('{"httpResponseCode": 204, "attempt": 1, "retry": null}, data: [\'body\']')
    answers["/callbacks?limit=100"] = [other]
    assert probe.find(keeping) == "nothing of 127.0.0.1 among 1"


def test_the_suite_leaves_no_token_behind(messaggisms_gateway: Any, gateway: Target) -> None:
    before = messaggisms_gateway.tokens
    assert list(live.table(gateway, gateway))
    assert messaggisms_gateway.tokens == before


def test_the_table_has_a_row_for_each_scenario_and_probe(gateway: Target) -> None:
    rows = list(live.table(gateway, gateway))
    assert len(rows) == 3 + len(SCENARIOS) + len(PROBES)
    assert all(row.count(" | ") == 2 for row in rows[3:] if "not documented" not in row)
    assert not any("BROKEN" in row for row in rows)
    assert not any(gateway.recipient in row or gateway.token in row for row in rows)
    assert not any(gateway.owner.api_key in row or gateway.owner.email in row for row in rows)


def test_the_table_uses_an_emulator_of_its_own() -> None:
    with live.run_emulator() as local:
        assert local.ask("GET", "/messages/").status == 404


def test_a_broken_sentence_is_shown_without_personal_data(gateway: Target) -> None:
    url = "http://127.0.0.1:1"
    account = Account(url, "a@example.com", "secret")
    closed = Target(url, "secret", "+39-3491234567", lambda _: None, account=account)
    rows = [row for row in live.table(gateway, closed) if row.startswith("| ")]
    assert sum("BROKEN: ConnectionRefusedError" in row for row in rows) >= len(SCENARIOS)
    assert not any("349" in row or "secret" in row for row in rows)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "Set MESSAGGISMS_SANDBOX_TOKEN"),
        ({"MESSAGGISMS_SANDBOX_TOKEN": "t", "MESSAGGISMS_SANDBOX_RECIPIENT": "349"}, "in the gateway's form"),
        ({"MESSAGGISMS_SANDBOX_TOKEN": "t", "MESSAGGISMS_SANDBOX_RECIPIENT": "+39-3491234567"}, "Nothing was sent"),
    ],
    ids=["no token", "invalid number", "no terminal"],
)
def test_nothing_is_sent_without_a_token_a_number_and_consent(environment: dict[str, str], says: str) -> None:
    command = [sys.executable, "-m", "tests.contract.live"]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert says in done.stdout
