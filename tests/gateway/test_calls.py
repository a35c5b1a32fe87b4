"""The seven calls: what goes out is strict, what comes back is read tolerantly, and asking twice is harmless or not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.sender import check_sender
from airflow_provider_messaggisms.gateway.wire import Call
from tests.gateway.answers import ID, MESSAGE, NUMBER, RECIPIENT, refusal, response, success

ROSA = Recipient(NUMBER, {"name": "Rosa"})
LEA = Recipient("+39-3482223334")


def send(**changes: Any) -> Call[Any]:
    recipients, transaction = changes.pop("recipients", [LEA]), changes.pop("transaction", False)
    content = MessageContent(**{"sender": "Depot", "body": "Hello"} | changes)
    return calls.send_message(content, recipients, transaction=transaction)


def sent(call: Call[Any]) -> Any:
    assert call.request.body is not None
    return json.loads(call.request.body)


OTHER = "+39-3482223334"

# --- what goes out ----------------------------------------------------------------------------------------------------

ALL: dict[str, Callable[[], Call[Any]]] = {
    "list": calls.list_messages,
    "send": send,
    "get": lambda: calls.get_message(ID),
    "update": lambda: calls.update_message(ID, recipients=[LEA]),
    "delete": lambda: calls.delete_message(ID),
    "recipients": lambda: calls.get_recipients(ID),
    "numbers": lambda: calls.get_numbers(ID),
    "recipient": lambda: calls.get_recipient(ID, NUMBER),
}


@pytest.mark.parametrize(
    ("name", "method", "path", "route", "repeatable"),
    [
        ("list", "GET", "/messages/", "/messages/", True),
        ("send", "POST", "/messages/", "/messages/", False),
        ("get", "GET", f"/messages/{ID}", "/messages/{id}", True),
        ("update", "PUT", f"/messages/{ID}", "/messages/{id}", False),
        ("delete", "DELETE", f"/messages/{ID}", "/messages/{id}", True),
        ("recipients", "GET", f"/messages/{ID}/recipients/", "/messages/{id}/recipients/", True),
        ("numbers", "GET", f"/messages/{ID}/recipients/", "/messages/{id}/recipients/", True),
        (
            "recipient",
            "GET",
            f"/messages/{ID}/recipients/%2B39-3471112223",
            "/messages/{id}/recipients/{number}",
            True,
        ),
    ],
)
def test_each_call_asks_for_what_the_contract_says(
    name: str, method: str, path: str, route: str, repeatable: bool
) -> None:
    call = ALL[name]()
    request = call.request
    assert (request.method, request.path, request.route, call.repeatable) == (method, path, route, repeatable)
    assert (request.body is None) == (method in ("GET", "DELETE"))


def test_a_plain_send_carries_what_is_required_and_nothing_else() -> None:
    assert sent(send()) == {"sender": "Depot", "body": "Hello", "recipients": "+39-3482223334"}


def test_a_send_carries_every_option_in_its_place() -> None:
    call = send(
        recipients=[ROSA, LEA],
        test=True,
        priority=2,
        flash=True,
        realtime=False,
        timestamp_send="2026-12-24",
        custom={"order": 12},
        callback_url="https://hooks.example/sms",
        callback_field="report",
        transaction=True,
    )
    assert sent(call) == {
        "sender": "Depot",
        "body": "Hello",
        "recipients": [{"number": NUMBER, "fields": {"name": "Rosa"}}, "+39-3482223334"],
        "test": True,
        "priority": 2.0,
        "transaction": True,
        "options": {
            "flash": True,
            "realtime": False,
            "timestamp_send": "2026-12-24",
            "custom": '{"order":12}',
            "callback_url": "https://hooks.example/sms",
            "callback_field": "report",
        },
    }


def test_one_recipient_with_fields_stands_alone() -> None:
    assert sent(send(recipients=[ROSA]))["recipients"] == {"number": NUMBER, "fields": {"name": "Rosa"}}


def test_the_text_arrives_as_it_was_written() -> None:
    text = 'À "la" carte €5 🎉\n{{name}} \\ \u2028'
    assert sent(send(body=text))["body"] == text


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, {"recipients": []}),
        ({"recipients": [LEA]}, {"recipients": ["+39-3482223334"]}),
        (
            {"recipients": [ROSA], "transaction": True},
            {"recipients": [{"number": NUMBER, "fields": {"name": "Rosa"}}], "transaction": True},
        ),
        ({"transaction": False}, {"recipients": [], "transaction": False}),
        ({"timestamp_send": "2026-12-24"}, {"recipients": [], "options": {"timestamp_send": "2026-12-24"}}),
    ],
)
def test_an_update_carries_a_list_of_recipients_and_only_what_changes(changes: Any, content: Any) -> None:
    assert sent(calls.update_message(ID, **changes)) == content


@pytest.mark.parametrize(
    ("custom", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'),
        ([1, 2], "[1,2]"),
        (17, "17"),
        (False, "false"),
        (dt.date(2026, 12, 24), '"2026-12-24"'),
    ],
)
def test_custom_is_sent_as_a_string(custom: Any, text: str) -> None:
    assert sent(send(custom=custom))["options"]["custom"] == text


# --- what is refused before it costs a request ------------------------------------------------------------------------


@pytest.mark.parametrize("sender", ["abc", "Depot 24", "a1b2c3d4e5f", "Ditta SpA X", "123", "12345678901234", 40404])
def test_a_sender_within_the_contract_is_taken(sender: Any) -> None:
    assert sent(send(sender=sender))["sender"] == str(sender)


@pytest.mark.parametrize(
    "sender",
    [
        None,
        "",
        "ab",
        "12",
        "a1b2c3d4e5f6",
        "123456789012345",
        "Depòt",
        "Depot!",
        "+393471112223",
        "a  b",
        "   ",
        "１２３",
        "1 2 3",
        ["abc"],
    ],
)
def test_any_other_sender_is_refused(sender: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^sender: "):
        send(sender=sender)


def nested() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipients", []),
        ("body", ""),
        ("body", " \n"),
        ("body", None),
        ("body", 42),
        ("body", b"Hello"),
        ("body", "half a \ud83c"),
        ("test", "yes"),
        ("test", 1),
        ("flash", 0),
        ("realtime", "true"),
        ("transaction", 1),
        ("priority", 0.99),
        ("priority", 0),
        ("priority", -1),
        ("priority", True),
        ("priority", "2"),
        ("priority", float("nan")),
        ("priority", float("inf")),
        ("custom", object()),
        ("custom", {(1, 2): 3}),
        ("custom", nested()),
        ("custom", "\ud800"),
        ("custom", {"a": "\ud800"}),
        ("callback_url", ""),
        ("callback_url", "hooks.example/sms"),
        ("callback_url", "ftp://hooks.example"),
        ("callback_url", "http://"),
        ("callback_url", "http://[broken"),
        ("callback_url", "http://:80/"),
        ("callback_url", 80),
        ("callback_field", "report"),
    ],
)
def test_an_argument_outside_the_contract_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=name):
        send(**{name: value})


@pytest.mark.parametrize("priority", [1, 1.0, 1.01, 1e6])
def test_a_priority_of_one_or_more_is_taken(priority: float) -> None:
    assert sent(send(priority=priority))["priority"] == priority


WITH_AN_ID: list[Callable[[Any], Call[Any]]] = [
    calls.get_message,
    calls.update_message,
    calls.delete_message,
    calls.get_recipients,
    calls.get_numbers,
    lambda given_id: calls.get_recipient(given_id, NUMBER),
]


@pytest.mark.parametrize("call", WITH_AN_ID)
@pytest.mark.parametrize("bad", ["", "None", None, "a/b", "../x", "a b", "a\n", "é", "?", "%41", 17, [ID], NUMBER])
def test_what_cannot_be_an_id_never_reaches_a_path(call: Callable[[Any], Call[Any]], bad: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^message_id: ") as caught:
        call(bad)
    assert "3471112223" not in str(caught.value)


@pytest.mark.parametrize("message_id", [ID, "abc-DEF_9", "0"])
def test_any_plain_word_may_be_an_id(message_id: str) -> None:
    assert calls.get_message(message_id).request.path == f"/messages/{message_id}"


@given(st.text(min_size=1))
def test_no_number_breaks_out_of_its_path(number: str) -> None:
    number = number.encode(errors="replace").decode()
    path = calls.get_recipient(ID, number).request.path
    assert path.isascii()
    assert path.count("/") == 4
    assert not set(path) & set(" ?#+\r\n")


@given(st.text(), st.text(min_size=3), st.text())
def test_an_error_over_an_argument_never_shows_the_text_or_a_field(body: str, name: str, sender: str) -> None:
    secret = f"{name} 3471112223"
    with pytest.raises(errors.ConfigurationError) as caught:
        send(body="half \ud800" + secret + body, sender="Depot", recipients=[Recipient(NUMBER, {"name": secret})])
    assert secret not in str(caught.value)
    with pytest.raises(errors.ConfigurationError) as caught:
        check_sender(f"{sender} {secret}")
    assert "3471112223" not in str(caught.value)


# --- what comes back --------------------------------------------------------------------------------------------------


def test_the_list_of_messages_is_read() -> None:
    data = [{"sender": "Depot", "timestamp": "1767225600000", "id": ID}, {"id": "b"}, {"id": "c", "timestamp": None}]
    first, second, third = calls.list_messages().parse(success(data, credit="12.5"))
    assert (first.id, first.sender, first.timestamp) == (ID, "Depot", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert (second.sender, second.timestamp, third.timestamp) == (None, None, None)


def test_a_list_of_one_message_may_come_as_an_object() -> None:
    (only,) = calls.list_messages().parse(success({"id": ID, "sender": "Depot"}))
    assert (only.id, only.sender) == (ID, "Depot")


@pytest.mark.parametrize("data", [{}, {"messages": []}, "none"])
def test_what_is_no_message_is_no_list_of_one(data: Any) -> None:
    with pytest.raises(errors.ProtocolError):
        calls.list_messages().parse(success(data))


@pytest.mark.parametrize("answer", [refusal(404, 203), refusal(200, 203), success([]), success(None)])
def test_an_account_without_messages_has_an_empty_list(answer: Any) -> None:
    assert calls.list_messages().parse(answer) == []


@pytest.mark.parametrize("code", [None, 202, 404, 219])
def test_another_404_of_the_list_is_an_error(code: int | None) -> None:
    with pytest.raises(errors.MessageNotFoundError):
        calls.list_messages().parse(refusal(404, code))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status": "ok"}', b"[]", b"<p>Maintenance</p>", b'{"data": []}'])
@pytest.mark.parametrize("status", [200, 404])
def test_no_stranger_can_say_that_there_are_no_messages(status: int, body: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        calls.list_messages().parse(response(body, status))


@pytest.mark.parametrize("name", ["send", "get", "update"])
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("data", [MESSAGE, [MESSAGE]])
def test_one_message_may_stand_in_a_list_or_alone(name: str, status: int, data: Any) -> None:
    assert ALL[name]().parse(success(data, status)).id == ID


@pytest.mark.parametrize("name", ["send", "get", "update"])
@pytest.mark.parametrize("data", [None, [], [MESSAGE, MESSAGE], {}, [{}], "done", 17, [[]], {"0": MESSAGE}])
def test_anything_but_one_message_is_outside_the_contract(name: str, data: Any) -> None:
    with pytest.raises(errors.ProtocolError) as caught:
        ALL[name]().parse(success(data, 201))
    assert caught.value.status == 201


@pytest.mark.parametrize(
    ("written", "credit"),
    [
        ({"credit": "91.003"}, 91.003),
        ({"credit": 90.2}, 90.2),
        ({}, None),
        ({"credit": None}, None),
        ({"credit": "-"}, None),
    ],
)
@pytest.mark.parametrize("name", ["send", "get", "update"])
def test_the_credit_of_the_same_answer_is_the_messages(name: str, written: Any, credit: float | None) -> None:
    assert ALL[name]().parse(success([MESSAGE], **written)).credit == credit


@pytest.mark.parametrize("data", [[], None, "gone", [ID], {}])
def test_a_delete_that_worked_gives_nothing(data: Any) -> None:
    assert calls.delete_message(ID).parse(success(data)) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"OK", b'{"status": "ok"}'])
def test_a_delete_has_worked_only_if_the_gateway_says_so(body: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        calls.delete_message(ID).parse(response(body))


def test_recipients_are_read_whole() -> None:
    found = calls.get_recipients(ID).parse(
        success([RECIPIENT, RECIPIENT | {"number": OTHER, "report": []}], credit=1.5)
    )
    assert [one.number for one in found] == [NUMBER, OTHER]
    assert found[0].report
    assert found[0].report.status
    assert found[0].report.status.name == "DELIVERED_TO_HANDSET"
    assert not found[1].report


def test_of_recipients_only_the_numbers_may_be_read() -> None:
    nameless = {name: value for name, value in RECIPIENT.items() if name != "number"}
    found = calls.get_numbers(ID).parse(success([RECIPIENT, RECIPIENT | {"number": OTHER}, RECIPIENT, nameless]))
    assert found == {NUMBER, OTHER}


def test_no_recipients_are_none_and_a_lone_one_is_one() -> None:
    nothing: Any
    for nothing in ([], None):
        assert calls.get_recipients(ID).parse(success(nothing)) == []
        assert calls.get_numbers(ID).parse(success(nothing)) == set()
    assert [one.number for one in calls.get_recipients(ID).parse(success(RECIPIENT))] == [NUMBER]
    assert calls.get_numbers(ID).parse(success(RECIPIENT)) == {NUMBER}


def test_one_recipient_is_read() -> None:
    for data in (RECIPIENT, [RECIPIENT]):
        assert calls.get_recipient(ID, NUMBER).parse(success(data)).number == NUMBER
    with pytest.raises(errors.ProtocolError, match="expected one object in data, got 2"):
        calls.get_recipient(ID, NUMBER).parse(success([RECIPIENT, RECIPIENT]))


@pytest.mark.parametrize(
    ("name", "status", "code", "kind"),
    [
        ("send", 402, 201, errors.InsufficientCreditError),
        ("send", 422, 302, errors.InvalidRequestError),
        ("get", 406, 202, errors.MessageNotFoundError),
        ("update", 402, 201, errors.InsufficientCreditError),
        ("update", 404, 211, errors.MessageNotFoundError),
        ("update", 406, 210, errors.MessageNotFoundError),
        ("update", 422, 212, errors.MessageLockedError),
        ("delete", 400, 217, errors.InvalidRequestError),
        ("delete", 404, 219, errors.MessageNotFoundError),
        ("delete", 406, 218, errors.MessageNotFoundError),
        ("delete", 422, 221, errors.MessageLockedError),
        ("recipients", 404, 203, errors.MessageNotFoundError),
        ("recipients", 406, 202, errors.MessageNotFoundError),
        ("numbers", 404, 203, errors.MessageNotFoundError),
        ("recipient", 404, 203, errors.MessageNotFoundError),
        ("recipient", 406, 202, errors.MessageNotFoundError),
    ],
)
def test_each_call_raises_each_error_that_the_contract_gives_it(
    name: str, status: int, code: int, kind: type[errors.GatewayError]
) -> None:
    call = ALL[name]()
    for http_status in (status, 200):
        with pytest.raises(kind) as caught:
            call.parse(refusal(http_status, code))
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.code) == (http_status, code)
        assert str(caught.value).startswith(f"{call.request}: ")
