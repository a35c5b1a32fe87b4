"""The search in the inbox, as the page and tests use it."""

from __future__ import annotations

import json
from typing import Any

import pytest

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


def search(call: Call, **query: Any) -> dict[str, Any]:
    response = call("POST", "/_emulator/inbox", query, token=None)
    assert response.status == 200, response.raw
    return dict(response.json)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "texts"),
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
def test_the_newest_sms_that_match_are_found(call: Call, query: dict[str, str], texts: list[str]) -> None:
    found = search(call, **query)
    assert [sms["text"] for sms in found["sms"]] == texts
    assert (found["matching"], found["total"]) == (len(texts), 4)


@pytest.mark.usefixtures("three")
def test_the_limit_is_for_the_sms_and_not_for_the_counts(call: Call) -> None:
    found = search(call, limit=3)
    assert [sms["text"] for sms in found["sms"]] == ["LÄRM", "Disk full", "Ciao Böll"]
    assert (found["matching"], found["total"]) == (4, 4)


@pytest.mark.usefixtures("three")
def test_all_senders_and_dags_are_listed(call: Call) -> None:
    found = search(call, text="nothing has this")
    assert (found["senders"], found["dags"]) == (["News", "Ops"], ["nightly"])


@pytest.mark.usefixtures("three")
def test_a_decision_changes_the_outcome(call: Call, messaggisms_gateway: Gateway) -> None:
    (stuck, *_) = messaggisms_gateway.inbox()
    assert stuck.outcome == "stuck"
    messaggisms_gateway.decide(stuck, "EXPIRED_EXPIRED")
    (newest, *_) = search(call)["sms"]
    assert (newest["state"], newest["outcome"]) == ("EXPIRED_EXPIRED", "failed")


@pytest.mark.usefixtures("three")
def test_get_and_post_search_alike(call: Call) -> None:
    query = "?text=disk&outcome=failed&sender=Ops&number=%2B39-3330000001&limit=5"
    found = call("GET", f"/_emulator/inbox{query}", token=None).json
    posted = {"text": "disk", "outcome": "failed", "sender": "Ops", "number": "+39-3330000001", "limit": 5}
    assert found == search(call, **posted)
    assert (found["matching"], len(found["sms"])) == (1, 1)


def test_messages_that_reach_no_phone_are_counted(call: Call) -> None:
    body = {"sender": "Ops", "body": "hello", "recipients": ["+39-3491234567"]}
    assert search(call)["held"] == {"open": 0, "scheduled": 0, "tests": 0}
    call("POST", "/messages/", body | {"transaction": True})
    call("POST", "/messages/", body | {"test": True})
    call("POST", "/messages/", body | {"test": True})
    call("POST", "/messages/", body | {"options": {"timestamp_send": "2099-01-01"}})
    found = search(call)
    assert found["held"] == {"open": 1, "scheduled": 1, "tests": 2}
    assert (found["sms"], found["total"]) == ([], 0)


@pytest.mark.parametrize(
    "query", [{"limit": -1}, {"limit": 10_001}, {"outcome": "lost"}, {"colour": "red"}, {"text": 7}]
)
def test_an_invalid_query_is_refused(call: Call, query: dict[str, Any]) -> None:
    assert call("POST", "/_emulator/inbox", query).status == 422
