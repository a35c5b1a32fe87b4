"""Scripted faults: first the script alone, then what a client sees of each fault."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_messaggisms.emulator.control.fault_script import (
    Fault,
    FaultScript,
    read_fault,
    read_fault_option,
)
from airflow_provider_messaggisms.emulator.pytest_plugin import Exchange, Gateway
from tests.emulator.conftest import Call, Reply

SEND = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}
LOST = (http.client.RemoteDisconnected, ConnectionResetError)


def chosen(script: FaultScript, requests: str, now: float = 0.0) -> list[str]:
    """Name the fault of each request in a series like ``GET POST GET``."""
    faults = [script.choose(method, "/messages/", "/messages/", now) for method in requests.split()]
    return [fault.kind if fault else "-" for fault in faults]


def script(*faults: dict[str, Any]) -> FaultScript:
    written = FaultScript()
    for fault in faults:
        written.add(read_fault(fault), now=0.0)
    return written


# --- the script ---------------------------------------------------------------------------------------------------


def test_a_fault_hits_one_request_of_its_method() -> None:
    assert chosen(script({"kind": "drop_after", "method": "post"}), "GET POST POST") == ["-", "drop_after", "-"]


def test_a_fault_can_let_requests_pass_and_hit_several() -> None:
    waiting = script({"kind": "malformed", "after": 1, "times": 2})
    assert chosen(waiting, "GET GET GET GET") == ["-", "malformed", "malformed", "-"]


def test_faults_hit_in_the_order_in_which_they_were_added() -> None:
    assert chosen(script({"kind": "drop_before"}, {"kind": "drop_after"}), "PUT PUT PUT") == [
        "drop_before",
        "drop_after",
        "-",
    ]


def test_an_outage_ends_after_its_seconds() -> None:
    outage = script({"kind": "drop_before", "times": 0, "for_seconds": 10})
    assert chosen(outage, "GET POST PUT", now=9.9) == ["drop_before"] * 3
    assert chosen(outage, "GET", now=10) == ["-"]


def test_a_fault_matches_a_path_or_its_pattern() -> None:
    written = script(
        {"kind": "malformed", "path": "/messages/a"},
        {"kind": "truncated", "path": "/messages/{id}", "times": 0},
    )
    kinds = [written.choose("GET", f"/messages/{i}", "/messages/{id}", 0.0) for i in "aba"]
    assert [fault.kind for fault in kinds if fault] == ["malformed", "truncated", "truncated"]


def test_a_fault_with_a_chance_is_repeatable() -> None:
    row = "GET " * 50
    first, second = (chosen(script({"kind": "drop_before", "times": 0, "chance": 0.5, "seed": 7}), row) for _ in "12")
    assert first == second
    assert 10 < first.count("-") < 40


@pytest.mark.parametrize(
    "invalid",
    [
        {},
        {"kind": "explode"},
        {"kind": "drop_after", "tiems": 1},
        {"kind": "drop_after", "times": -1},
        {"kind": "slow_after", "seconds": 1e9},
        {"kind": "slow_after", "seconds": "nan"},
        {"kind": "status_after", "status": 200},
        {"kind": "drop_after", "chance": 0.5},
        {"kind": "no_credit", "text": 5},
    ],
    ids=str,
)
def test_an_invalid_fault_is_refused(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_fault(invalid)


def test_a_fault_can_be_read_from_the_command_line() -> None:
    assert read_fault_option("drop_after:method=POST,times=2") == Fault(kind="drop_after", method="POST", times=2)
    assert read_fault_option("no_credit") == Fault(kind="no_credit")


# --- what a client sees -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "sms"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_is_closed_before_or_after_the_send(
    call: Call, messaggisms_gateway: Gateway, kind: str, sms: int
) -> None:
    messaggisms_gateway.fail_next(kind)
    with pytest.raises(LOST):
        call("POST", "/messages/", SEND)
    assert len(messaggisms_gateway.inbox()) == sms
    assert messaggisms_gateway.requests() == [Exchange("POST", "/messages/", None)]
    assert call("POST", "/messages/", SEND).status == 201


@pytest.mark.parametrize(("kind", "sms"), [("status_before", 0), ("status_after", 1)])
def test_a_proxys_page_replaces_the_response(call: Call, messaggisms_gateway: Gateway, kind: str, sms: int) -> None:
    messaggisms_gateway.fail_next(kind, status=502)
    answer = call("POST", "/messages/", SEND)
    assert answer.status == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert len(messaggisms_gateway.inbox()) == sms


def test_malformed_json_is_half_of_the_response(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("malformed")
    answer = call("POST", "/messages/", SEND)
    assert answer.status == 201
    with pytest.raises(ValueError, match=r".+"):
        _ = answer.json
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_truncated_response_announces_more_than_it_sends(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("truncated")
    with pytest.raises(http.client.IncompleteRead) as incomplete:
        call("POST", "/messages/", SEND)
    assert incomplete.value.partial
    assert len(messaggisms_gateway.inbox()) == 1


def test_error_responses_can_be_scripted(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("rate_limit", retry_after=7)
    messaggisms_gateway.fail_next("expired_token")
    messaggisms_gateway.fail_next("no_credit")
    answers = [call("POST", "/messages/", SEND) for _ in range(4)]
    assert [(answer.status, answer.json["error"]) for answer in answers] == [
        (429, 429),
        (401, 125.22),
        (402, 201),
        (201, None),
    ]
    assert answers[0].headers["retry-after"] == "7"


def test_a_valid_token_can_be_refused_once(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("expired_token")
    assert call("POST", "/messages/", SEND).json["message"] == "Wrong Token"
    assert call("POST", "/messages/", SEND).status == 201
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_refusal_of_a_token_can_be_minimal(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("minimal_401")
    answer = call("POST", "/messages/", SEND)
    assert (answer.status, answer.json) == (401, {"success": False, "message": "Wrong Token"})
    assert messaggisms_gateway.inbox() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (1, "Insufficient Credit in Wallet: 0.05 > 1.19E-12"),
        (2, "Current User credit is not enough. 0.05 needed 1.19E-12 € available"),
        (3, "Insufficient Credit in Wallet: 0.05"),
        (4, "Billing error message: Insufficient Credit in Wallet: 0.05 > 1.19E-12 code 810"),
    ],
)
def test_a_refusal_for_credit_has_one_of_four_texts(
    call: Call, messaggisms_gateway: Gateway, text: int, message: str
) -> None:
    messaggisms_gateway.fail_next("no_credit", text=text)
    answer = call("POST", "/messages/", SEND)
    assert (answer.status, answer.json["error"], answer.json["message"]) == (402, 201, message)


def test_an_error_can_have_a_trace_lack_data_or_wrap_its_message(call: Call, messaggisms_gateway: Gateway) -> None:
    usual = call("GET", "/messages/").json
    for kind in ("trace", "sparse", "json_message"):
        messaggisms_gateway.fail_next(kind)
    traced, sparse, wrapped = (call("GET", "/messages/") for _ in range(3))
    assert {traced.status, sparse.status, wrapped.status} == {404}
    assert set(traced.json) - set(usual) == {"trace"}
    assert base64.b64decode(traced.json["trace"], validate=True)
    assert sparse.json == {"success": False, "message": usual["message"], "error": 203}
    assert json.loads(wrapped.json["message"]) == {"message": usual["message"]}


def test_a_success_can_have_a_trace_or_lack_error(call: Call, messaggisms_gateway: Gateway) -> None:
    usual = call("POST", "/messages/", SEND).json
    for kind in ("trace", "sparse", "json_message"):
        messaggisms_gateway.fail_next(kind)
    traced, sparse, plain = (call("POST", "/messages/", SEND) for _ in range(3))
    assert {traced.status, sparse.status, plain.status} == {201}
    assert set(traced.json) - set(usual) == {"trace"}
    assert set(usual) - set(sparse.json) == {"error"}
    assert plain.json["message"] == usual["message"]
    assert len(messaggisms_gateway.inbox()) == 4


def test_the_token_service_can_fail_while_the_gateway_works(
    call: Call, ask: Call, messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("drop_before", path="/tokens", times=0, for_seconds=60)
    with pytest.raises(LOST):
        ask("GET", "/tokens")
    assert call("POST", "/messages/", SEND).status == 201
    messaggisms_gateway.advance(60)
    messaggisms_gateway.fail_next("not_enabled", path="/tokens")
    refused = ask("POST", "/tokens", {"scopes": ["GET:127.0.0.1/messages"]})
    assert (refused.status, refused.json["error"]) == (422, 90)
    assert ask("GET", "/tokens").status == 200


@pytest.mark.parametrize(("kind", "sms_meanwhile"), [("slow_before", 0), ("slow_after", 1)])
def test_a_slow_response_does_not_block_other_requests(
    call: Call, messaggisms_gateway: Gateway, kind: str, sms_meanwhile: int
) -> None:
    messaggisms_gateway.fail_next(kind, method="POST", seconds=1)
    answers: list[Reply] = []
    waiting = threading.Thread(target=lambda: answers.append(call("POST", "/messages/", SEND)))
    waiting.start()
    while not messaggisms_gateway.requests():
        pass
    assert len(messaggisms_gateway.inbox()) == sms_meanwhile
    assert answers == []
    waiting.join()
    assert answers[0].status == 201
    assert len(messaggisms_gateway.inbox()) == 1


@pytest.mark.parametrize(("method", "path"), [("POST", "/messages/"), ("PUT", "/messages/{id}")])
def test_a_slow_gateway_handles_a_request_its_client_gave_up(
    call: Call, messaggisms_gateway: Gateway, method: str, path: str
) -> None:
    message_id = call("POST", "/messages/", SEND | {"transaction": True}).json["data"][0]["id"]
    messaggisms_gateway.fail_next("slow_before", method=method, seconds=1)
    address = urlsplit(messaggisms_gateway.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=0.3)
    headers = {"Authorization": f"Bearer {messaggisms_gateway.token}"}
    connection.request(method, path.replace("{id}", message_id), json.dumps(SEND | {"transaction": False}), headers)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    seen = messaggisms_gateway.requests()
    while seen[-1].status is None:
        threading.Event().wait(0.05)
        seen = messaggisms_gateway.requests()
    assert seen[-1][:2] == (method, path)
    assert seen[-1].status in (200, 201)
    assert len(messaggisms_gateway.inbox()) == (1 if method == "POST" else 2)


def test_an_outage_ends_with_the_gateways_clock(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.outage(30)
    for _ in range(3):
        with pytest.raises(LOST):
            call("GET", "/messages/")
    messaggisms_gateway.advance(30)
    assert call("GET", "/messages/").status == 404


def test_faults_are_shown_and_cleared(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("drop_after", method="PUT", times=0)
    (shown,) = call("GET", "/_emulator/faults", token=None).json["faults"]
    assert (shown["kind"], shown["method"], shown["seen"], shown["spoiled"]) == ("drop_after", "PUT", 0, 0)
    messaggisms_gateway.heal()
    assert call("GET", "/_emulator/faults", token=None).json["faults"] == []
    assert call("POST", "/_emulator/faults", {"kind": "explode"}, token=None).status == 422


def test_a_token_can_lack_a_scope(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(tokens={"reader": ["GET"]})
    answer = call("POST", "/messages/", SEND, token="reader")
    assert (answer.status, answer.json["error"], answer.json["success"]) == (403, 403, False)
    assert call("GET", "/messages/", token="reader").status == 404
    messaggisms_gateway.reset()
    assert call("GET", "/messages/", token="reader").status == 401


def test_a_delayed_request_from_before_a_reset_is_not_handled(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("slow_before", method="POST", seconds=0.5)
    lost: list[BaseException] = []

    def send() -> None:
        with pytest.raises(LOST) as caught:
            call("POST", "/messages/", SEND)
        lost.append(caught.value)

    waiting = threading.Thread(target=send)
    waiting.start()
    while not messaggisms_gateway.requests():
        pass
    messaggisms_gateway.reset()
    waiting.join()
    assert lost
    assert messaggisms_gateway.inbox() == []
