"""The envelope: what the gateway says becomes a value or an error, and no error shows personal data."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.models import Envelope
from airflow_provider_messaggisms.gateway.redaction import EXCERPT_CHARACTERS
from airflow_provider_messaggisms.gateway.wire import JsonReader, Request, Response, read
from tests.gateway.answers import ID, json_values, refusal, response, success

GET = Request("GET", f"/messages/{ID}/recipients/%2B39-3471112223", "/messages/{id}/recipients/{number}")
NUMBERS = JsonReader(Envelope[list[int]])


def error_of(answer: Response, request: Request = GET) -> errors.MessaggiSmsError:
    with pytest.raises(errors.MessaggiSmsError) as caught:
        read(request, answer, NUMBERS)
    return caught.value


# --- refusals ---------------------------------------------------------------------------------------------------------

DOCUMENTED = {
    (400, 217): errors.InvalidRequestError,
    (402, 201): errors.InsufficientCreditError,
    (404, 203): errors.MessageNotFoundError,
    (404, 211): errors.MessageNotFoundError,
    (404, 219): errors.MessageNotFoundError,
    (406, 202): errors.MessageNotFoundError,
    (406, 210): errors.MessageNotFoundError,
    (406, 218): errors.MessageNotFoundError,
    (422, 212): errors.MessageLockedError,
    (422, 221): errors.MessageLockedError,
    (422, 302): errors.InvalidRequestError,
}
BY_STATUS = {
    401: errors.AuthenticationError,
    403: errors.AuthenticationError,
    400: errors.InvalidRequestError,
    405: errors.InvalidRequestError,
    409: errors.InvalidRequestError,
    413: errors.InvalidRequestError,
    422: errors.InvalidRequestError,
    429: errors.RateLimitedError,
    500: errors.GatewayUnavailableError,
    502: errors.GatewayUnavailableError,
    503: errors.GatewayUnavailableError,
    504: errors.GatewayUnavailableError,
    599: errors.GatewayUnavailableError,
}
PERMANENT = {
    errors.AuthenticationError,
    errors.InsufficientCreditError,
    errors.InvalidRequestError,
    errors.MessageLockedError,
    errors.MessageNotFoundError,
}


@pytest.mark.parametrize(("status", "code"), DOCUMENTED)
def test_each_documented_error_has_its_class_with_status_code_and_message(status: int, code: int) -> None:
    error = error_of(refusal(status, code, "This is why"))
    assert type(error) is DOCUMENTED[status, code]
    assert isinstance(error, errors.GatewayError)
    assert (error.status, error.code, error.message) == (status, code, "This is why")
    way_out = " (recharge the wallet at https://console.openapi.com)" if status == 402 else ""
    assert str(error) == (
        "GET /messages/{id}/recipients/{number}: "
        f"the gateway answered HTTP {status}, code {code}: This is why{way_out}"
    )


@pytest.mark.parametrize("status", BY_STATUS)
@pytest.mark.parametrize("body", [b"", b"<h1>No</h1>", b'{"success": false}'])
def test_a_status_is_enough_where_the_contract_gives_no_code(status: int, body: bytes) -> None:
    error = error_of(response(body, status))
    assert type(error) is BY_STATUS[status]
    assert isinstance(error, errors.GatewayError)
    assert (error.status, error.code) == (status, None)


def test_what_no_retry_can_cure_says_so() -> None:
    kinds = {*DOCUMENTED.values(), *BY_STATUS.values()}
    assert {kind for kind in kinds if kind.permanent} == PERMANENT


@pytest.mark.parametrize("status", [401, 402, 429, 500, 503])
def test_a_status_with_a_meaning_of_its_own_outweighs_the_code(status: int) -> None:
    expected = BY_STATUS.get(status, errors.InsufficientCreditError)
    assert type(error_of(refusal(status, 212))) is expected


@pytest.mark.parametrize(("code", "kind"), [(code, kind) for (_, code), kind in DOCUMENTED.items()])
def test_a_200_that_says_no_is_an_error_by_its_code(code: int, kind: type[errors.GatewayError]) -> None:
    error = error_of(refusal(200, code))
    assert type(error) is kind
    assert isinstance(error, errors.GatewayError)
    assert (error.status, error.code) == (200, code)


@pytest.mark.parametrize("code", [None, 999, "?"])
def test_a_200_that_says_no_for_no_known_reason_may_be_tried_again(code: Any) -> None:
    error = error_of(refusal(200, code))
    assert type(error) is errors.GatewayError
    assert not error.permanent


def test_a_refusal_counts_for_more_than_the_shape_of_its_data() -> None:
    answer = response(b'{"data": {"odd": "data"}, "success": false, "message": "Closed", "error": 212}')
    assert type(error_of(answer)) is errors.MessageLockedError


@pytest.mark.parametrize("written", [212, "212", " 212 ", 212.0, "212.0"])
def test_a_code_is_read_in_whatever_form_it_comes(written: Any) -> None:
    error = error_of(refusal(422, written))
    assert isinstance(error, errors.MessageLockedError)
    assert error.code == 212


@pytest.mark.parametrize(
    ("written", "code"),
    [(125.22, 125.22), ("125.22", 125.22), (212.5, 212.5), (-212, -212), ("WRONG_TOKEN", "WRONG_TOKEN")],
)
@pytest.mark.parametrize("status", [401, 402, 422, 503])
def test_a_code_outside_the_contract_is_kept_and_changes_nothing_else(status: int, written: Any, code: Any) -> None:
    error = error_of(refusal(status, written))
    assert type(error) is type(error_of(refusal(status, None)))
    assert isinstance(error, errors.GatewayError)
    assert error.code == code
    assert f"code {code}: No" in str(error)


@pytest.mark.parametrize(
    "written",
    [True, None, "", [212], {"code": 212}, 393471112223, "39347111", "+39347111", "N3471112223", "two words", "x" * 41],
)
def test_what_cannot_be_a_code_is_none(written: Any) -> None:
    error = error_of(refusal(422, written))
    assert isinstance(error, errors.InvalidRequestError)
    assert error.code is None


MINIMAL = [
    {"success": False, "message": "Wrong Token"},
    {"success": False, "message": "Wrong Token", "error": 125.22, "data": None},
    {"message": "Wrong Token"},
    {"success": False, "message": "Wrong Token", "error": None, "trace": "U2VjcmV0IHRyYWNl"},
    {"success": False, "message": '{"message": "Wrong Token", "code": 7}'},
    {"success": False, "message": '{"message": "{\\"message\\": \\"Wrong Token\\"}"}'},
    {"success": False, "message": {"message": "Wrong Token"}},
]


@pytest.mark.parametrize("envelope", MINIMAL)
def test_a_refusal_is_understood_however_little_or_much_it_carries(envelope: dict[str, Any]) -> None:
    error = error_of(response(json.dumps(envelope).encode(), 401))
    assert isinstance(error, errors.AuthenticationError)
    assert error.message == "Wrong Token"
    assert "U2Vj" not in str(error)


@pytest.mark.parametrize(
    "message", ['{"body": "Dear Rosa"}', '{"body": "Dear Ro', {"body": "Dear Rosa"}, ["Dear Rosa"]]
)
def test_json_in_a_message_is_shown_in_outline_only(message: Any) -> None:
    error = error_of(refusal(422, None, message))
    assert isinstance(error, errors.InvalidRequestError)
    assert "Dear" not in str(error)


def test_data_and_error_may_be_absent() -> None:
    assert read(GET, response(b'{"success": true}'), NUMBERS).data is None
    assert read(GET, response(b'{"success": true, "data": [1]}', 201), NUMBERS).data == [1]


@pytest.mark.parametrize(("method", "status"), [("POST", 401), ("GET", 403)])
def test_a_refused_token_names_the_likely_causes(method: str, status: int) -> None:
    error = error_of(refusal(status, 125.22, "Wrong Token"), Request(method, "/messages/", "/messages/"))
    for cause in ("production environment at the sandbox or the reverse", "expired", "revoked", f"scope for {method}"):
        assert cause in str(error)


# --- credit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "needed", "available"),
    [
        ("Current User credit is not enough. 0.3 needed 0.1 € available", 0.3, 0.1),
        ("Insufficient Credit in Wallet: 0.7 > 0.6", 0.7, 0.6),
        ("Insufficient Credit in Wallet: 182.03", 182.03, None),
        ("Billing error message: Insufficient Credit in Wallet: 200 > 1.19E-12 code 810", 200.0, 1.19e-12),
        ('{"message": "Insufficient Credit in Wallet: 0.7 > 0.6"}', 0.7, 0.6),
        ("Wallet: 0.30000000000000004 > 0.10000000000000001", 0.30000000000000004, 0.1),
        ("No credit", None, None),
        ("", None, None),
        (None, None, None),
        ("Wallet: a lot > 3471112223333444 > 1e999", None, None),
        ("1" * 5000 + " > 2", None, None),
    ],
)
def test_a_refusal_for_credit_tells_what_was_needed_and_available(
    text: Any, needed: float | None, available: float | None
) -> None:
    error = error_of(refusal(402, 201, text))
    assert isinstance(error, errors.InsufficientCreditError)
    assert (error.needed_eur, error.available_eur) == (needed, available)
    assert "recharge the wallet at https://" in str(error)
    if needed is not None:
        assert f"{needed:.2f} EUR needed" in str(error)
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.needed_eur, twin.available_eur, str(twin)) == (needed, available, str(error))


@given(json_values)
def test_no_text_of_a_refusal_for_credit_makes_it_anything_else(text: Any) -> None:
    error = error_of(refusal(402, 201, text))
    assert isinstance(error, errors.InsufficientCreditError)


@pytest.mark.parametrize("status", [404, 406])
@pytest.mark.parametrize("body", [b"", b"<h1>Not found</h1>", b'{"error": "Not Found", "path": "/"}', b"[]", b"null"])
def test_only_the_gateway_itself_can_say_that_there_is_no_such_message(status: int, body: bytes) -> None:
    # A proxy's 404, taken for the gateway's, would let a search for a message end in "not there, send it again".
    error = error_of(response(body, status))
    assert isinstance(error, errors.ProtocolError)
    assert error.status == status
    assert not error.permanent
    assert "is the host right?" in str(error)


# --- answers outside the contract -------------------------------------------------------------------------------------

UNREADABLE = {
    "is empty": [b"", b"  \r\n"],
    "is not JSON": [
        b"<!DOCTYPE html><title>Welcome</title>",
        b"OK",
        b'{"data": [1], "success": tr',
        b'{"data": [1',
        b"\xff\xfe\x00",
        b'{"success": true, "message": "\xff"}',
    ],
    "is shaped in another way": [
        b"[]",
        b"null",
        b"true",
        b'"text"',
        b'{"success": true, "data": "text"}',
        b'{"success": true, "data": {"0": 1}}',
        b'{"success": true, "data": [[1]]}',
        b'{"success": "perhaps", "data": []}',
    ],
    "does not say whether it is a success": [
        b"{}",
        b'{"status": "ok"}',
        b'{"data": [1]}',
        b'{"success": null, "data": []}',
    ],
}


@pytest.mark.parametrize(("why", "body"), [(why, body) for why, bodies in UNREADABLE.items() for body in bodies])
@pytest.mark.parametrize("status", [200, 201, 299])
def test_an_answer_outside_the_contract_is_a_protocol_error_that_says_why(status: int, why: str, body: bytes) -> None:
    error = error_of(response(body, status))
    assert isinstance(error, errors.ProtocolError)
    assert error.status == status
    assert f"the answer {why}" in str(error)
    assert f"HTTP {status}" in str(error)
    assert not error.permanent


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 399, 100, 199])
def test_a_redirect_is_a_protocol_error_whatever_it_carries(status: int) -> None:
    error = error_of(Response(status, {"Location": "https://elsewhere.example/"}, success([1]).body))
    assert isinstance(error, errors.ProtocolError)
    assert error.status == status
    assert "redirect" in str(error)
    assert "elsewhere" not in str(error)


@pytest.mark.parametrize("status", [200, 401, 422, 500])
@pytest.mark.parametrize("opening", [b"[", b'{"data":', b'{"data":['])
def test_a_hundred_thousand_brackets_are_an_ordinary_error(status: int, opening: bytes) -> None:
    assert isinstance(error_of(response(opening * 100_000, status)), errors.MessaggiSmsError)


def test_an_unreadable_answer_shows_its_first_characters_and_no_more() -> None:
    error = error_of(response(b"<html><body>\n\n  <h1>Bad   Gateway</h1>" + b"x" * 10_000))
    assert "<html><body> <h1>Bad Gateway</h1>xxx" in str(error)
    assert len(str(error)) < EXCERPT_CHARACTERS + 150


@pytest.mark.parametrize("success_written", [True, "true", 1])
def test_a_success_is_read_in_whatever_form_it_comes(success_written: Any) -> None:
    assert read(GET, success([1, "2"], success=success_written), NUMBERS).data == [1, 2]


def test_unknown_keys_are_ignored() -> None:
    assert read(GET, success([1], request_id=7, debug={"a": []}), NUMBERS).data == [1]


# --- Retry-After ------------------------------------------------------------------------------------------------------

NOON = "Wed, 20 May 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"retry-after": "120"}, 120.0),
        ({"Retry-After": "9" * 400}, 999_999_999.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 20 May 2026 12:00:30 GMT", "Date": NOON}, 30.0),
        ({"Retry-After": "Wed, 20 May 2026 14:00:30 +0200", "Date": NOON}, 30.0),
        ({"Retry-After": "Wed, 20 May 2026 11:59:00 GMT", "Date": NOON}, 0.0),
        ({"Retry-After": "Wed, 20 May 2026 12:00:30 GMT"}, None),
        ({"Retry-After": "Wed, 20 May 2026 12:00:30 GMT", "Date": "today"}, None),
        ({"Retry-After": "Wed, 20 May 2026 12:00:30", "Date": NOON}, None),
        ({"Retry-After": "Wed, 20 May 2026 12:00:30 +" + "9" * 20, "Date": NOON}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    error = error_of(refusal(429, None, headers=headers))
    assert isinstance(error, errors.RateLimitedError)
    assert error.retry_after_seconds == seconds


@given(st.text(alphabet=st.characters(max_codepoint=255)), st.text(alphabet=st.characters(max_codepoint=255)))
def test_no_header_makes_an_error_anything_else(retry_after: str, date: str) -> None:
    error = error_of(refusal(503, None, headers={"Retry-After": retry_after, "Date": date}))
    assert isinstance(error, errors.GatewayUnavailableError)
    assert error.retry_after_seconds is None or error.retry_after_seconds >= 0


def test_an_error_survives_the_way_to_another_process() -> None:
    error = error_of(refusal(429, 17, "Slowly", headers={"Retry-After": "5"}))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is errors.RateLimitedError
        assert (twin.status, twin.code, twin.message, twin.retry_after_seconds) == (429, 17, "Slowly", 5.0)
        assert str(twin) == str(error)
