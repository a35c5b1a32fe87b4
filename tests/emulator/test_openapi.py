"""
The emulator's OpenAPI: as the vendor documents the API, and as the emulator really behaves.

The facts below were copied by hand from the vendor's file (version 1.0.0), not the file itself. What differs on purpose
is listed beside them.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis

from airflow_provider_messaggisms.emulator import app
from airflow_provider_messaggisms.emulator.clock import Clock
from airflow_provider_messaggisms.emulator.control import Beginning, Control
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call

Codes = dict[int, set[int]]
WELL: set[int] = set()

# (method, path): path parameters, body's required fields, body's other fields, statuses with their codes.
DOCUMENTED: dict[tuple[str, str], tuple[set[str], set[str], set[str], Codes]] = {
    ("get", "/messages/"): (set(), set(), set(), {200: WELL, 404: {203}}),
    ("post", "/messages/"): (
        set(),
        {"sender", "body", "recipients"},
        {"test", "priority", "options", "transaction"},
        {201: WELL, 402: {201}, 422: {302}},
    ),
    ("get", "/messages/{id}"): ({"id"}, set(), set(), {200: WELL, 406: {202}}),
    # The vendor's file forgets to declare this parameter, though the path has it.
    ("put", "/messages/{id}"): (
        {"id"},
        {"recipients"},
        {"transaction", "options"},
        {200: WELL, 402: {201}, 404: {211}, 406: {210}, 422: {212}},
    ),
    ("delete", "/messages/{id}"): (
        {"id"},
        set(),
        set(),
        {200: WELL, 400: {217}, 404: {219}, 406: {218}, 422: {221}},
    ),
    ("get", "/messages/{id}/recipients/"): ({"id"}, set(), set(), {200: WELL, 404: {203}, 406: {202}}),
    ("get", "/messages/{id}/recipients/{number}"): (
        {"id", "number"},
        set(),
        set(),
        {200: WELL, 404: {203}, 406: {202}},
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

# Every call: a token can be bad, and a fault or a realtime message can answer 429, of which the vendor's file says
# nothing. Calls with a body: the emulator bounds what it reads.
ANYWHERE: Codes = {401: {401}, 403: {403}, 429: {429}}
WITH_BODY: Codes = ANYWHERE | {413: {413}, 503: {503}}
DIFFERENCES: dict[tuple[str, str], Codes] = {
    ("post", "/messages/"): WITH_BODY,
    # A PUT may lack what is required, as a POST may; and one personality answers 201.
    ("put", "/messages/{id}"): WITH_BODY | {201: WELL, 422: {212, 302}},
}
# A DELETE without an id can only be one of the list's path, so that is where 400/217 is answered.
MOVED = ("delete", "/messages/{id}"), ("delete", "/messages/"), 400


@pytest.fixture
def document(call: Call) -> dict[str, Any]:
    described: dict[str, Any] = call("GET", "/_emulator/openapi.json", token=None).json
    return described


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): op for path, item in document["paths"].items() for method, op in item.items()}


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def answer_of(operation: dict[str, Any], status: int) -> dict[str, Any]:
    schema: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return schema


def codes_of(operation: dict[str, Any]) -> Codes:
    statuses = [int(status) for status in operation["responses"]]
    return {status: set(answer_of(operation, status)["properties"]["error"].get("enum", [])) for status in statuses}


def test_the_calls_are_those_that_the_vendor_documents(document: dict[str, Any]) -> None:
    assert set(operations(document)) == {*DOCUMENTED, MOVED[1]}


@pytest.mark.parametrize("call_name", DOCUMENTED, ids=lambda name: " ".join(name))
def test_a_call_takes_and_answers_what_the_vendor_documents(
    document: dict[str, Any], call_name: tuple[str, str]
) -> None:
    operation = operations(document)[call_name]
    parameters, required, optional, documented = DOCUMENTED[call_name]
    assert {parameter["name"] for parameter in operation.get("parameters", [])} == parameters
    assert "requestBody" in operation or not required
    if required:
        assert set(body_of(operation)["required"]) == required
        assert set(body_of(operation)["properties"]) == required | optional
    moved = {MOVED[2]} if call_name == MOVED[0] else set()
    expected = {status: codes for status, codes in documented.items() if status not in moved}
    assert codes_of(operation) == expected | DIFFERENCES.get(call_name, ANYWHERE)


def test_what_was_moved_is_where_it_was_moved_to(document: dict[str, Any]) -> None:
    assert codes_of(operations(document)[MOVED[1]]) == ANYWHERE | {400: {217}}


def test_the_objects_have_the_fields_that_the_vendor_documents(document: dict[str, Any]) -> None:
    calls = operations(document)
    post, put = calls["post", "/messages/"], calls["put", "/messages/{id}"]
    assert set(body_of(post)["properties"]["options"]["properties"]) == OPTIONS
    assert set(body_of(put)["properties"]["options"]["properties"]) == PUT_OPTIONS
    in_list = answer_of(calls["get", "/messages/"], 200)["properties"]["data"]["items"]["properties"]
    assert set(in_list) == {"sender", "timestamp", "id"}
    message = answer_of(post, 201)["properties"]["data"]["items"]["properties"]
    assert set(message) == set(answer_of(put, 200)["properties"]["data"]["properties"]) == MESSAGE
    assert set(message["options"]["properties"]) == OPTIONS
    assert set(message["statistics"]["properties"]) == {"error", "sent", "delivered", "total", "sms_total"}
    shown = answer_of(calls["get", "/messages/{id}/recipients/"], 200)["properties"]["data"]["items"]["properties"]
    assert set(shown) == RECIPIENT
    assert set(shown["report"]["properties"]) == REPORT


# --- the emulator keeps to it -------------------------------------------------------------------------------------


# pytest wants to know the calls before any emulator runs.
SCHEMA = schemathesis.openapi.from_dict(app.create_gateway(Control(Clock(), Beginning())).openapi())
# An id is any text to OpenAPI, so "acceptable" data mostly means 404 and 406: nothing that could be held against it.
NOT_ASKED = [schemathesis.checks.positive_data_acceptance]


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_emulator_behaves_as_its_openapi_says(case: schemathesis.Case[Any], messaggisms_gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {messaggisms_gateway.token}"}
    case.call_and_validate(messaggisms_gateway.url, headers=headers, excluded_checks=NOT_ASKED)
