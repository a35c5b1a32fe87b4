"""The calls over HTTP: documented responses with their quirks, statuses and codes."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call, Reply

SEND: dict[str, Any] = {"sender": "ops", "body": "hello", "recipients": ["+39-3491234567", "nonsense"]}
NUMBER = "%2B39-3491234567"


def sent(call: Call, **changes: Any) -> str:
    return str(call("POST", "/messages/", SEND | changes).json["data"][0]["id"])


def is_refused(reply: Reply, status: int, code: float) -> bool:
    envelope = reply.json
    shape = (envelope["data"], envelope["success"], envelope["error"]) == (None, False, code)
    return reply.status == status and shape and "credit" not in envelope


def test_a_post_returns_a_list_of_one_message(call: Call) -> None:
    reply = call("POST", "/messages/", SEND | {"priority": 2})
    envelope = reply.json
    (message,) = envelope["data"]
    assert reply.status == 201
    assert (envelope["success"], envelope["error"], envelope["credit"]) == (True, None, "99.9")
    assert message["recipients"] == {"valid": {"count": 1}, "invalid": {"total": 1, "list": ["nonsense"]}}
    assert message["statistics"] == {"error": 0, "sent": 0, "delivered": 0, "total": 1, "sms_total": 1}
    assert (message["state"], message["transaction"], message["test"]) == (0, False, False)
    assert (message["base_price"], message["price"], message["priority"]) == (0.05, 0.1, 2)
    assert message["timestamp"] == message["last_update"] == message["options"]["timestamp_send"]
    assert message["timestamp"].isdecimal()
    assert len(message["id"]) == 24


def test_the_list_shows_three_fields_and_an_empty_account_is_404(call: Call) -> None:
    assert is_refused(call("GET", "/messages/"), 404, 203)
    first, second = sent(call), sent(call)
    envelope = call("GET", "/messages/").json
    assert [entry["id"] for entry in envelope["data"]] == [second, first]
    assert set(envelope["data"][0]) == {"sender", "timestamp", "id"}
    assert isinstance(envelope["credit"], str)


def test_a_put_returns_one_message_and_no_list(call: Call) -> None:
    message_id = sent(call, transaction=True)
    reply = call("PUT", f"/messages/{message_id}", {"recipients": ["+39-3491234568"], "transaction": False})
    assert (reply.status, reply.json["data"]["id"]) == (200, message_id)
    assert reply.json["data"]["recipients"]["valid"]["count"] == 2
    assert is_refused(call("PUT", f"/messages/{message_id}", {"recipients": ["+39-3491234568"]}), 422, 212)


def test_a_delete_returns_an_empty_list_and_no_credit(call: Call) -> None:
    envelope = call("DELETE", f"/messages/{sent(call, transaction=True)}").json
    assert envelope["data"] == []
    assert "credit" not in envelope
    assert is_refused(call("DELETE", f"/messages/{sent(call)}"), 422, 221)
    assert is_refused(call("DELETE", "/messages/"), 400, 217)


def test_recipients_have_the_credit_as_a_number_and_mongo_dates(call: Call, messaggisms_gateway: Gateway) -> None:
    message_id = sent(call)
    messaggisms_gateway.advance(10)
    envelope = call("GET", f"/messages/{message_id}/recipients/").json
    (recipient,) = envelope["data"]
    assert envelope["credit"] == 99.95
    assert recipient["timestamp_delivery"]["$date"]["$numberLong"].isdecimal()
    assert (recipient["state"], recipient["state_description"]) == ("DELIVERED", "DELIVERED_TO_HANDSET")
    assert recipient["report"]["status"]["groupId"] == 3
    assert recipient["report"]["error"]["permanent"] is False
    assert (recipient["fields"], recipient["remaining_chr"], recipient["sms"]) == ([], 155, 1)
    assert call("GET", f"/messages/{message_id}/recipients/{NUMBER}").json["data"] == [recipient]
    assert call("GET", f"/messages/{message_id}/recipients/+39-3491234567").json["data"] == [recipient]


def test_a_recipient_has_no_report_before_the_message_goes_out(call: Call) -> None:
    message_id = sent(call, transaction=True)
    (recipient,) = call("GET", f"/messages/{message_id}/recipients/").json["data"]
    assert "report" not in recipient
    assert "timestamp_sent" not in recipient


def test_an_unknown_id_gets_the_error_code_of_its_call(call: Call) -> None:
    nowhere, put = "0" * 24, {"recipients": "+39-3491234567"}
    assert is_refused(call("GET", "/messages/nonsense"), 406, 202)
    assert is_refused(call("PUT", "/messages/nonsense", put), 406, 210)
    assert is_refused(call("PUT", f"/messages/{nowhere}", put), 404, 211)
    assert is_refused(call("DELETE", "/messages/nonsense"), 406, 218)
    assert is_refused(call("DELETE", f"/messages/{nowhere}"), 404, 219)
    assert is_refused(call("GET", "/messages/nonsense/recipients/"), 406, 202)
    assert is_refused(call("GET", f"/messages/{nowhere}/recipients/{NUMBER}"), 404, 203)
    assert is_refused(call("GET", f"/messages/{sent(call)}/recipients/%2B39-0"), 404, 203)


def test_missing_credit_and_missing_parameters_are_refused(call: Call, messaggisms_gateway: Gateway) -> None:
    assert is_refused(call("POST", "/messages/", {"sender": "ops", "recipients": "x"}), 422, 302)
    messaggisms_gateway.reset(credit=0.01)
    refused = call("POST", "/messages/", SEND)
    assert is_refused(refused, 402, 201)
    assert refused.json["message"] == "Insufficient Credit in Wallet: 0.05 > 0.01"


def test_a_wrong_token_gets_401_and_a_code_with_a_fraction(call: Call) -> None:
    reply = call("GET", "/messages/", token="wrong")
    assert is_refused(reply, 401, 125.22)
    assert reply.json["message"] == "Wrong Token"


@pytest.mark.parametrize("token", [None, "", " "])
def test_a_missing_token_gets_401_without_data_and_error(call: Call, token: str | None) -> None:
    reply = call("GET", "/messages/", token=token)
    assert reply.status == 401
    assert reply.json == {"success": False, "message": "Authorization is not valid or empty"}


def test_unknown_paths_get_404_and_unknown_methods_405(call: Call) -> None:
    assert is_refused(call("GET", "/message"), 404, 404)
    assert is_refused(call("GET", "/messages//recipients/"), 404, 404)
    reply = call("PATCH", "/messages/x")
    assert is_refused(reply, 405, 405)
    assert reply.headers["allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize("path", ["/messages", "/messages/"])
def test_paths_work_with_and_without_their_closing_slash(call: Call, path: str) -> None:
    message_id = call("POST", path, SEND).json["data"][0]["id"]
    assert call("GET", path).status == 200
    assert call("GET", f"/messages/{message_id}/").status == 200
    assert call("GET", f"/messages/{message_id}/recipients").status == 200


def test_the_personality_decides_how_custom_comes_back(call: Call, messaggisms_gateway: Gateway) -> None:
    custom = '{"a": [1]}'
    assert call("POST", "/messages/", SEND | {"options": {"custom": custom}}).json["data"][0]["options"]["custom"] == {
        "a": [1]
    }
    messaggisms_gateway.reset(personality={"custom_echo": "string", "put_status": "201", "empty_put": "refused"})
    message_id = sent(call, options={"custom": custom}, transaction=True)
    assert call("GET", f"/messages/{message_id}").json["data"][0]["options"]["custom"] == custom
    assert is_refused(call("PUT", f"/messages/{message_id}", {"recipients": []}), 422, 302)
    assert call("PUT", f"/messages/{message_id}", {"recipients": "+39-3491234568"}).status == 201


@pytest.mark.parametrize(
    "settings",
    [
        {"personality": {"mood": "bad"}},
        {"personality": {"put_status": "204"}},
        {"credit": "much"},
        {"credit": -1},
        {"now": "soon"},
        {"now": 5},
        {"now": "2525-01-01"},
        {"tokens": ["a"]},
        {"tokens": {"a": "GET"}},
        {"credits": 5},
        {"api_key": 5},
        {"sms_enabled": "no"},
    ],
    ids=str,
)
def test_an_invalid_reset_is_refused(call: Call, settings: dict[str, Any]) -> None:
    assert call("POST", "/_emulator/reset", settings, token=None).status == 422


def test_the_clock_can_be_set(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now="2026-12-23T23:00:00")  # in Rome, where days begin
    sent(call, options={"timestamp_send": "24-12-2026"})
    assert messaggisms_gateway.inbox() == []
    messaggisms_gateway.advance(3600)
    (sms,) = messaggisms_gateway.inbox()
    assert sms.history[0]["at"] == "2026-12-23T23:00:00.000Z"
