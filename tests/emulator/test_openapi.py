"""
The description in ``openapi.py`` agrees with the vendor's documentation, and the emulator with the description.

The facts below were copied by hand from the vendor's file (version 1.0.0). Deliberate differences are listed beside
them.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call
from tests.emulator.openapi import DOCUMENT, WRONG_TOKEN

Codes = dict[int, set[float]]
OK: set[float] = set()

# (method, path): path parameters, body's required fields, body's other fields, statuses with their codes.
DOCUMENTED: dict[tuple[str, str], tuple[set[str], set[str], set[str], Codes]] = {
    ("get", "/messages/"): (set(), set(), set(), {200: OK, 404: {203}}),
    ("post", "/messages/"): (
        set(),
        {"sender", "body", "recipients"},
        {"test", "priority", "options", "transaction"},
        {201: OK, 402: {201}, 422: {302}},
    ),
    ("get", "/messages/{id}"): ({"id"}, set(), set(), {200: OK, 406: {202}}),
    # The vendor's file forgets to declare this parameter, though the path has it.
    ("put", "/messages/{id}"): (
        {"id"},
        {"recipients"},
        {"transaction", "options"},
        {200: OK, 402: {201}, 404: {211}, 406: {210}, 422: {212}},
    ),
    ("delete", "/messages/{id}"): (
        {"id"},
        set(),
        set(),
        {200: OK, 400: {217}, 404: {219}, 406: {218}, 422: {221}},
    ),
    ("get", "/messages/{id}/recipients/"): ({"id"}, set(), set(), {200: OK, 404: {203}, 406: {202}}),
    ("get", "/messages/{id}/recipients/{number}"): (
        {"id", "number"},
        set(),
        set(),
        {200: OK, 404: {203}, 406: {202}},
    ),
}
OPTIONS = {"flash", "timestamp_send", "custom", "callback_url", "callback_field", "realtime"}
PUT_OPTIONS = {"timestamp_send"}
MESSAGE = {
    *("test", "sender", "body", "recipients", "priority", "options", "transaction", "statistics", "base_price"),
    *("timestamp", "last_update", "price", "state", "id"),
}
RECIPIENT = {
    *("number", "prefix", "send_id", "body", "sms", "remaining_chr", "state", "state_description", "price", "fields"),
    *("message_id", "i", "state_detail", "timestamp_sent", "real_cost", "report", "timestamp_delivery", "id"),
}
REPORT = {"price", "status", "error", "messageId", "doneAt", "smsCount", "sentAt", "to"}

# Each call: a token can be invalid, and a fault or a realtime message can get 429. The vendor's file has neither. Calls
# with a body: the emulator limits its size.
ANYWHERE: Codes = {401: {WRONG_TOKEN}, 403: {403}, 429: {429}}
WITH_BODY: Codes = ANYWHERE | {413: {413}}
DIFFERENCES: dict[tuple[str, str], Codes] = {
    ("post", "/messages/"): WITH_BODY,
    # A PUT may lack a required parameter, as a POST may. One personality returns 201.
    ("put", "/messages/{id}"): WITH_BODY | {201: OK, 422: {212, 302}},
}
# A DELETE without an id has the path of the list, so 400/217 is returned there.
MOVED = ("delete", "/messages/{id}"), ("delete", "/messages/"), 400


CALLS = {(method, path): call for path, item in DOCUMENT["paths"].items() for method, call in item.items()}


def body_of(described: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = described["requestBody"]["content"]["application/json"]["schema"]
    return schema


def response_of(described: dict[str, Any], status: int) -> dict[str, Any]:
    schema: dict[str, Any] = described["responses"][str(status)]["content"]["application/json"]["schema"]
    return schema


def codes_of(described: dict[str, Any]) -> Codes:
    statuses = [int(status) for status in described["responses"]]
    return {status: set(response_of(described, status)["properties"]["error"].get("enum", [])) for status in statuses}


def test_the_calls_are_those_that_the_vendor_documents() -> None:
    assert set(CALLS) == {*DOCUMENTED, MOVED[1]}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_the_emulator_has_these_calls_and_no_others(call: Call, path: str) -> None:
    response = call("PATCH", path.format(id="0" * 24, number="x"))
    assert response.status == 405
    assert set(response.headers["allow"].lower().split(", ")) == set(DOCUMENT["paths"][path])


@pytest.mark.parametrize("call_name", DOCUMENTED, ids=lambda name: " ".join(name))
def test_a_call_has_the_parameters_and_codes_of_the_vendors_file(call_name: tuple[str, str]) -> None:
    operation = CALLS[call_name]
    parameters, required, optional, documented = DOCUMENTED[call_name]
    assert {parameter["name"] for parameter in operation["parameters"]} == parameters
    assert "requestBody" in operation or not required
    if required:
        assert set(body_of(operation)["required"]) == required
        assert set(body_of(operation)["properties"]) == required | optional
    moved = {MOVED[2]} if call_name == MOVED[0] else set()
    expected = {status: codes for status, codes in documented.items() if status not in moved}
    assert codes_of(operation) == expected | DIFFERENCES.get(call_name, ANYWHERE)


def test_a_delete_without_an_id_has_its_code_at_the_list() -> None:
    assert codes_of(CALLS[MOVED[1]]) == ANYWHERE | {400: {217}}


def test_the_objects_have_the_fields_that_the_vendor_documents() -> None:
    post, put = CALLS["post", "/messages/"], CALLS["put", "/messages/{id}"]
    assert set(body_of(post)["properties"]["options"]["properties"]) == OPTIONS
    assert set(body_of(put)["properties"]["options"]["properties"]) == PUT_OPTIONS
    in_list = response_of(CALLS["get", "/messages/"], 200)["properties"]["data"]["items"]["properties"]
    assert set(in_list) == {"sender", "timestamp", "id"}
    message = response_of(post, 201)["properties"]["data"]["items"]["properties"]
    assert set(message) == set(response_of(put, 200)["properties"]["data"]["properties"]) == MESSAGE
    assert set(message["options"]["properties"]) == OPTIONS
    assert set(message["statistics"]["properties"]) == {"error", "sent", "delivered", "total", "sms_total"}
    shown = response_of(CALLS["get", "/messages/{id}/recipients/"], 200)["properties"]["data"]["items"]["properties"]
    assert set(shown) == RECIPIENT
    assert set(shown["report"]["properties"]) == REPORT


# --- the emulator behaves as described ----------------------------------------------------------------------------

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# To OpenAPI any text is a valid id, so that valid data mostly gets 404 and 406.
NOT_CHECKED = [schemathesis.checks.positive_data_acceptance]


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_emulator_behaves_as_described(case: schemathesis.Case[Any], messaggisms_gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {messaggisms_gateway.token}"}
    case.call_and_validate(messaggisms_gateway.url, headers=headers, excluded_checks=NOT_CHECKED)
