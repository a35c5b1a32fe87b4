"""No error over an answer shows a number, a text, a field or the token, wherever the answer has it from."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.models import Envelope
from airflow_provider_messaggisms.gateway.redaction import EXCERPT_CHARACTERS
from airflow_provider_messaggisms.gateway.wire import ANYTHING, Call, JsonReader, Request, Response, read
from tests.gateway.answers import ID, NUMBER, json_values, refusal, response

GET = Request("GET", f"/messages/{ID}/recipients/%2B39-3471112223", "/messages/{id}/recipients/{number}")
NUMBERS = JsonReader(Envelope[list[int]])


def error_of(answer: Response, request: Request = GET) -> errors.MessaggiSmsError:
    with pytest.raises(errors.MessaggiSmsError) as caught:
        read(request, answer, NUMBERS)
    return caught.value


TOKEN = "tok-3f9a8b7c6d5e4f"
TEXT = 'Dear "Rosa", your code is 8841\nbye'
WORD = "Ada"


def post(*, body: str = TEXT, name: str = WORD) -> Request:
    """A request that carries a text, a field and, as custom, something of the user's."""
    content = {
        "sender": "Depot",
        "body": body,
        "recipients": [{"number": NUMBER, "fields": {"name": name}}, "+39-3482223334"],
        "options": {"custom": '{"patient": "Lovelace"}', "callback_url": "https://hooks.example/s3cret"},
    }
    return Request("POST", "/messages/", "/messages/", json.dumps(content).encode())


def shown(error: errors.MessaggiSmsError) -> str:
    """All that a log, a debugger or Airflow's page could show of an error."""
    return "\n".join([str(error), repr(error), repr(error.__dict__), repr(error.args), pretty_repr(error)])


ECHOES = [
    '{{"success": false, "error": 302, "message": {quoted}}}',
    '{{"success": false, "error": 302, "message": {{"body": [{quoted}]}}}}',
    '{{"success": false, "error": {quoted}, "message": "No"}}',
    '{{"success": true, "data": {quoted}}}',
    '{{"data": [{quoted}, {quoted}], "success": tr',
    '["{bare}", {quoted}',
    '{{"body": {quoted}',
    '{{"nested": {{"body": {quoted}, "n": [1, {quoted}',
    "<b>Warning</b>: {bare} in line 7<br>",
    "<pre>{bare}</pre> {{{quoted}: 1}}",
    "{bare}",
]


@pytest.mark.parametrize("secret", [TEXT, WORD, '{"patient": "Lovelace"}', "hooks.example/s3cret", TOKEN])
@pytest.mark.parametrize("status", [200, 302, 401, 404, 422, 500])
@pytest.mark.parametrize("echo", ECHOES)
def test_what_a_request_said_is_not_shown_if_the_answer_echoes_it(echo: str, status: int, secret: str) -> None:
    quoted = json.dumps(secret)
    whole = "https://hooks.example/s3cret" if "s3cret" in secret else secret
    body = echo.format(quoted=json.dumps(whole), bare=whole).encode()
    seen = shown(error_of(response(body, status, token=TOKEN), post()))
    assert secret not in seen
    assert quoted[1:-1] not in seen
    assert "8841" not in seen


@pytest.mark.parametrize("length", [100, 1_000, 10_000])
@pytest.mark.parametrize("echo", ECHOES)
def test_not_even_the_beginning_of_a_long_text_is_shown(echo: str, length: int) -> None:
    text = ("Dear Rosa, " + "la la la " * length)[:length]
    body = echo.format(quoted=json.dumps(text), bare=text).encode()
    assert "Dear Rosa" not in shown(error_of(response(body, 422), post(body=text)))


def test_a_short_name_is_taken_out_as_a_word_and_leaves_other_words_alone() -> None:
    error = error_of(refusal(422, 302, "Ada: Adam is no name of Ada"), post())
    assert isinstance(error, errors.GatewayError)
    assert error.message == "…: Adam is no name of …"


def test_an_empty_text_in_a_request_spoils_no_message() -> None:
    error = error_of(refusal(422, 302, "The field name is empty"), post(name=""))
    assert isinstance(error, errors.GatewayError)
    assert error.message == "The field name is empty"


def test_a_refused_number_is_shown_masked_and_the_sender_as_it_is() -> None:
    error = error_of(refusal(422, 302, f"{NUMBER} and 3482223334 cannot hear Depot"), post())
    assert isinstance(error, errors.GatewayError)
    assert error.message == "+39-*******223 and *******334 cannot hear Depot"


def test_a_long_message_of_the_gateway_is_cut() -> None:
    error = error_of(refusal(422, 302, "word " * 1000))
    assert isinstance(error, errors.GatewayError)
    assert len(error.message) == EXCERPT_CHARACTERS


separators = st.sampled_from(["", "", "", " ", "-", ".", "/", " (", ") "])


@st.composite
def telephone_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A number in one of many spellings, and its last nine digits."""
    digits = draw(st.text(alphabet="0123456789", min_size=9, max_size=9).filter(lambda text: len(set(text)) > 2))
    written = digits[0] + "".join(draw(separators) + digit for digit in digits[1:])
    return draw(st.sampled_from(["+39", "+39 ", "0039", "+1-", ""])) + written, digits


@given(
    telephone_numbers(),
    st.sampled_from(ECHOES),
    st.sampled_from([200, 302, 400, 401, 404, 422, 429, 500]),
    st.text(max_size=40),
)
@example(("+39 347 111 22 23", "347111222"), "{bare}", 404, "")
@example(("393471112223", "347111222"), '{{"success": false, "error": {bare}, "message": "No"}}', 422, "")
def test_no_number_in_any_answer_is_ever_shown(number: tuple[str, str], echo: str, status: int, around: str) -> None:
    written, digits = number
    # Letters around, for two numbers side by side are one run of digits, masked as one.
    text = re.sub(r"[\d\s]", "", around) + " x " + written + " x "
    answer = response(echo.format(quoted=json.dumps(text), bare=text).encode(errors="replace"), status)
    assert digits not in re.sub(r"\D", "", shown(error_of(answer)))


@given(
    st.text(min_size=8, max_size=200).filter(str.strip),
    st.sampled_from(ECHOES),
    st.sampled_from([200, 302, 401, 404, 422, 500]),
)
def test_no_text_of_an_sms_in_any_answer_is_ever_shown(text: str, echo: str, status: int) -> None:
    # Over 120 characters, or on one line with blanks side by side, it could not be shown whole anyhow.
    text = " ".join(text.encode(errors="replace").decode().split()) or "Dear Rosa"
    answer = response(echo.format(quoted=json.dumps(text), bare=text).encode(), status)
    harmless = shown(error_of(response(echo.format(quoted='"…"', bare="…").encode(), status), post(body=text)))
    seen = shown(error_of(answer, post(body=text)))
    assert text not in seen or text in harmless


@given(st.binary(max_size=300), st.sampled_from([200, 201, 204, 302, 400, 401, 404, 406, 422, 429, 500]))
def test_any_bytes_are_a_value_or_one_of_our_errors(body: bytes, status: int) -> None:
    with suppress(errors.MessaggiSmsError):
        assert read(GET, response(body, status), ANYTHING).success is True


@given(
    st.fixed_dictionaries(
        {},
        optional={"data": json_values, "success": json_values, "message": json_values, "error": json_values},
    ),
    st.sampled_from([200, 201, 302, 400, 401, 404, 406, 422, 429, 500]),
)
def test_any_envelope_is_a_value_or_one_of_our_errors(envelope: dict[str, Any], status: int) -> None:
    try:
        opened = read(GET, response(json.dumps(envelope).encode(), status), ANYTHING)
    except errors.MessaggiSmsError:
        return
    assert status < 300
    assert opened.success is True
    assert envelope["success"] is not False


@pytest.mark.parametrize("code", [393471112223, "393471112223", 347111222.0, [393471112223], {"to": 393471112223}])
def test_a_number_in_the_place_of_the_code_is_not_shown(code: Any) -> None:
    assert "347111222" not in shown(error_of(refusal(422, code)))


def test_no_repr_shows_a_path_a_body_a_header_or_data() -> None:
    answer = Response(200, {"Set-Cookie": "s3cret"}, b'{"data": ["+39-3471112223"]}', hidden=(TOKEN,))
    call = Call(post(), lambda _: None, repeatable=False)
    envelope = ANYTHING.decode(b'{"success": true, "data": ["+39-3471112223"], "message": "Dear Rosa"}')
    for value in (GET, post(), answer, call, envelope):
        for seen in (repr(value), str(value), pretty_repr(value)):
            for secret in ("3471112223", "Rosa", "Ada", "s3cret", TOKEN):
                assert secret not in seen
    assert str(GET) == "GET /messages/{id}/recipients/{number}"
