"""What the inbox page asks for, and who may ask: search, filters, and the guard against other web pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.guard import is_private
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call

ORIGIN = {"dag_id": "nightly", "run_id": "manual__1", "task_id": "alarm", "map_index": 2}


@pytest.fixture
def three(call: Call, messaggisms_gateway: Gateway) -> None:
    """Three messages, four SMS: delivered to two, undeliverable, stuck."""
    custom = json.dumps({"airflow": {"key": "k", **ORIGIN}})
    names = {"+39-3491234567": "Ada", "+39-3491234568": "Böll"}
    readers = [{"number": number, "fields": {"name": name}} for number, name in names.items()]
    call("POST", "/messages/", {"sender": "News", "body": "Ciao {{name}}", "recipients": readers})
    messaggisms_gateway.advance(60)
    call("POST", "/messages/", {"sender": "Ops", "body": "Disk full", "recipients": ["+39-3330000001"]})
    messaggisms_gateway.advance(60)
    alarm = {"sender": "Ops", "body": "LÄRM", "recipients": ["+39-3330000004"], "options": {"custom": custom}}
    call("POST", "/messages/", alarm)
    messaggisms_gateway.advance(60)


def look(call: Call, **wish: Any) -> dict[str, Any]:
    answer = call("POST", "/_emulator/look", wish, token=None)
    assert answer.status == 200, answer.raw
    return dict(answer.json)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("wish", "texts"),
    [
        ({}, ["LÄRM", "Disk full", "Ciao Böll", "Ciao Ada"]),
        ({"text": "ciao"}, ["Ciao Böll", "Ciao Ada"]),
        ({"text": "BÖLL"}, ["Ciao Böll"]),
        ({"text": "{{name}}"}, []),
        ({"text": "ops"}, ["LÄRM", "Disk full"]),
        ({"text": "undeliverable"}, ["Disk full"]),
        ({"text": "manual__1"}, ["LÄRM"]),
        ({"text": "349 123 45 68"}, ["Ciao Böll"]),
        ({"text": "+39-333"}, ["LÄRM", "Disk full"]),
        ({"outcome": "failed"}, ["Disk full"]),
        ({"outcome": "stuck"}, ["LÄRM"]),
        ({"outcome": "waiting"}, []),
        ({"outcome": "delivered"}, ["Ciao Böll", "Ciao Ada"]),
        ({"sender": "News"}, ["Ciao Böll", "Ciao Ada"]),
        ({"sender": "New"}, []),
        ({"dag": "nightly"}, ["LÄRM"]),
        ({"number": "+39-3491234567"}, ["Ciao Ada"]),
        ({"sender": "Ops", "outcome": "failed", "text": "disk"}, ["Disk full"]),
    ],
)
def test_the_newest_sms_that_match_are_found(call: Call, wish: dict[str, str], texts: list[str]) -> None:
    found = look(call, **wish)["found"]
    assert [sms["text"] for sms in found["sms"]] == texts
    assert (found["matching"], found["total"]) == (len(texts), 4)


@pytest.mark.usefixtures("three")
def test_the_limit_bounds_what_is_shown_and_not_what_is_counted(call: Call) -> None:
    found = look(call, limit=3)["found"]
    assert [sms["text"] for sms in found["sms"]] == ["LÄRM", "Disk full", "Ciao Böll"]
    assert (found["matching"], found["total"]) == (4, 4)


@pytest.mark.usefixtures("three")
def test_it_says_which_senders_and_dags_there_are(call: Call) -> None:
    found = look(call, text="nothing has this")["found"]
    assert (found["senders"], found["dags"]) == (["News", "Ops"], ["nightly"])


@pytest.mark.usefixtures("three")
def test_the_same_answer_is_not_given_twice_but_the_clock_is(call: Call, messaggisms_gateway: Gateway) -> None:
    first = look(call)
    messaggisms_gateway.advance(1)
    second = look(call, seen=first["revision"])
    assert second["found"] is None
    assert second["now"] > first["now"]
    assert look(call, seen=first["revision"], outcome="failed")["found"]["matching"] == 1


@pytest.mark.usefixtures("three")
def test_a_decision_and_a_new_state_are_news(call: Call, messaggisms_gateway: Gateway) -> None:
    before = look(call)
    (stuck, *_) = messaggisms_gateway.inbox()
    messaggisms_gateway.decide(stuck, "EXPIRED_EXPIRED")
    (newest, *_) = look(call, seen=before["revision"])["found"]["sms"]
    assert (newest["state"], newest["outcome"]) == ("EXPIRED_EXPIRED", "failed")


def test_what_lies_at_the_gateway_and_on_no_phone_is_counted(call: Call) -> None:
    body = {"sender": "Ops", "body": "hello", "recipients": ["+39-3491234567"]}
    assert look(call)["found"]["held"] == {"open": 0, "scheduled": 0, "tests": 0}
    call("POST", "/messages/", body | {"transaction": True})
    call("POST", "/messages/", body | {"test": True})
    call("POST", "/messages/", body | {"test": True})
    call("POST", "/messages/", body | {"options": {"timestamp_send": "2099-01-01"}})
    found = look(call)["found"]
    assert found["held"] == {"open": 1, "scheduled": 1, "tests": 2}
    assert (found["sms"], found["total"]) == ([], 0)


@pytest.mark.parametrize("wish", [{"limit": 0}, {"limit": 1001}, {"outcome": "lost"}, {"colour": "red"}, {"text": 7}])
def test_a_wish_that_makes_no_sense_is_refused(call: Call, wish: dict[str, Any]) -> None:
    assert call("POST", "/_emulator/look", wish).status == 422


def test_the_page_runs_its_own_script_alone_and_is_kept_nowhere(call: Call) -> None:
    for path in ("/", "/_emulator/inbox.css", "/_emulator/inbox.js", "/_emulator/inbox"):
        answer = call("GET", path, token=None)
        policy = answer.headers["content-security-policy"]
        assert answer.status == 200
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("127.0.0.1:8025", True),
        ("localhost:8025", True),
        ("LOCALHOST", True),
        ("[::1]:8025", True),
        ("[::1]", True),
        ("192.168.1.7:8025", True),
        ("emulator:8025", True),
        ("host.docker.internal:8025", True),
        ("sms.test", True),
        ("", True),
        ("evil.example.com:8025", False),
        ("127.0.0.1.example.com", False),
        ("evil.example.com.:8025", False),
        ("notlocalhost.com", False),
        ("evil.com:localhost", False),
    ],
)
def test_only_names_that_no_public_server_gives_away_lead_to_the_emulator(host: str, good: bool) -> None:
    assert is_private(host) is good


@pytest.mark.parametrize("path", ["/", "/_emulator/inbox", "/messages/"])
def test_a_request_for_a_public_name_is_refused(call: Call, path: str) -> None:
    assert call("GET", path, headers={"Host": "evil.example.com:8025"}).status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://elsewhere.example"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/_emulator/reset"), ("DELETE", "/_emulator/inbox")])
def test_a_page_of_another_origin_can_change_nothing(
    call: Call, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert call(method, path, headers=headers).status == status


def test_an_old_browser_is_told_apart_by_its_origin(call: Call, messaggisms_gateway: Gateway) -> None:
    own = {"Origin": messaggisms_gateway.url}
    assert call("POST", "/_emulator/advance", {"seconds": 1}, headers=own).status == 200


def test_the_gateway_itself_asks_for_a_token_and_not_for_an_origin(call: Call) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"}
    assert call("GET", "/messages/", headers=foreign).status == 404
    assert call("GET", "/messages/", headers=foreign, token=None).status == 401
