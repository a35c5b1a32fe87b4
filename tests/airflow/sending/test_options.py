"""Every option of a send: how it arrives at the gateway, and how a wrong one is refused before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.conftest import plain, posts
from tests.airflow.puppet import Puppet, success
from tests.airflow.sending.impatient import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.sending.many import PERSONALITIES

NUMBER = "+39 349 123 4567"
OTHER_NUMBER = "+39 349 123 4568"
INVALID = "+39 349 123 0009"
"""The gateway calls numbers with these last digits invalid."""

FAR = datetime(2099, 12, 24, tzinfo=UTC).date()


def send(context: dict[str, Any], **arguments: Any) -> str:
    """Render and execute a send that is right but for what a test adds."""
    usual = {"task_id": "send", "sender": "Airflow", "body": "Hello", "recipients": NUMBER}
    kind = MessaggiSmsSendTransactionOperator if "chunk_size" in arguments else MessaggiSmsSendOperator
    kind = arguments.pop("kind", kind)
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)):
        operator = kind(**usual | arguments)
    rendering: Any = {"yes": True, "two": 2, "far": FAR, **context}
    operator.render_template_fields(rendering)
    return str(operator.execute(context))


class WithoutAnotherLook(MessaggiSmsSendOperator):
    """A send operator that leaves a lost answer to the next try."""

    lookup_pauses_seconds = ()


def sent(message_id: str) -> Message:
    """Read a message back from the gateway."""
    with MessaggiSmsHook() as hook:
        return hook.get_message(message_id)


# --- what arrives -----------------------------------------------------------------------------------------------------


def test_a_plain_send_says_no_more_than_it_must(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    message = sent(send(context))
    assert "TEST" not in said()
    assert (message.sender, message.body, message.priority, message.test) == ("Airflow", "Hello", 1.0, False)
    assert (message.options.flash, message.options.realtime) == (False, False)
    assert message.options.callback_url is None
    assert list(message.options.custom) == ["airflow"]


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({"sender": "My Shop 1"}, lambda message: message.sender == "My Shop 1"),
        ({"sender": "39349"}, lambda message: message.sender == "39349"),
        ({"test": True}, lambda message: message.test is True),
        ({"test": "{{ yes }}"}, lambda message: message.test is True),
        ({"test": "{{ not yes }}"}, lambda message: message.test is False),
        ({"priority": 2.5}, lambda message: message.priority == 2.5),
        ({"priority": "{{ two }}"}, lambda message: message.priority == 2.0),
        ({"flash": True}, lambda message: message.options.flash is True),
        ({"flash": "{{ yes }}"}, lambda message: message.options.flash is True),
        ({"realtime": True}, lambda message: message.options.realtime is True),
        ({"realtime": "{{ yes }}"}, lambda message: message.options.realtime is True),
        ({"timestamp_send": FAR}, lambda message: message.options.timestamp_send.year == 2099),
        ({"timestamp_send": "{{ far }}"}, lambda message: message.options.timestamp_send.year == 2099),
        ({"custom": {"order": 7}}, lambda message: message.options.custom["custom"] == {"order": 7}),
        ({"custom": {"order": "{{ two }}"}}, lambda message: message.options.custom["custom"] == {"order": "2"}),
        ({"custom": "order {{ two }}"}, lambda message: message.options.custom["custom"] == "order 2"),
        ({"custom": 0}, lambda message: message.options.custom["custom"] == 0),
        ({"callback_url": "https://example.com/sms"}, lambda m: m.options.callback_url == "https://example.com/sms"),
        (
            {"callback_url": "https://example.com/{{ two }}", "callback_field": "report_{{ two }}"},
            lambda m: (m.options.callback_url, m.options.callback_field) == ("https://example.com/2", "report_2"),
        ),
        ({"idempotency_key": "order {{ two }}"}, lambda m: m.options.custom["airflow"]["key"] == "order 2"),
        ({"body": 42}, lambda message: message.body == "42"),
        ({"body": "èé €\n{}[]"}, lambda message: message.body == "èé €\n{}[]"),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
def test_an_option_arrives_at_the_gateway(
    arguments: dict[str, Any],
    read: Callable[[Message], bool],
    context: dict[str, Any],
    messaggisms_gateway: Gateway,
) -> None:
    assert read(sent(send(context, **arguments)))


def test_the_message_tells_which_task_sent_it(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    send(context)
    (sms,) = messaggisms_gateway.inbox()
    assert sms.airflow == {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1}


@pytest.mark.parametrize(
    "recipients",
    [
        NUMBER,
        [NUMBER],
        (NUMBER,),
        {"number": NUMBER},
        {"number": NUMBER, "fields": {}},
        [{"number": NUMBER, "fields": None}],
        Recipient("+39-3491234567"),
        "00393491234567",
        "+39-349-123-4567",
        [NUMBER, "+39-3491234567", {"number": "0039 349 1234567"}],
    ],
    ids=str,
)
def test_recipients_are_written_as_people_like(
    recipients: Any, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    send(context, recipients=recipients)
    assert [sms.number for sms in messaggisms_gateway.inbox()] == ["+39-3491234567"]


def test_the_connection_gives_the_sender_and_the_region(
    context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(messaggisms_gateway.connection) | {"extra": {"sender": "Shop", "default_region": "IT"}}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    send(context, sender=None, recipients="349 123 4567", messaggisms_conn_id="shop")
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.number, sms.sender) == ("+39-3491234567", "Shop")


def test_a_simulation_is_said_out_loud(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    send(context, test=True)
    assert messaggisms_gateway.inbox() == []
    assert context["ti"].xcoms["message"]["test"] is True
    log = said()
    assert "TEST: message" in log
    assert "no SMS is sent" in log
    assert "warning" in log.lower()


@pytest.mark.parametrize(
    ("answer", "simulated", "told"),
    [
        ({}, True, "TEST: message m1 was simulated, no SMS is sent"),
        ({"test": None}, True, "TEST: message m1 was simulated, no SMS is sent"),
        ({"test": False}, False, "NOT A TEST: despite test=True the gateway did not simulate message m1"),
    ],
)
def test_a_simulation_is_reported_as_asked_unless_the_gateway_disagrees(
    answer: dict[str, Any],
    simulated: bool,
    told: str,
    context: dict[str, Any],
    puppet: Puppet,
    said: Callable[[], str],
) -> None:
    puppet.answers(success({"id": "m1", **answer}, 201))
    send(context, test=True)
    assert context["ti"].xcoms["message"]["test"] is simulated
    assert told in said()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"body": ""}, "body: the text of the SMS is empty"),
        ({"body": " \n"}, "body: the text of the SMS is empty"),
        ({"body": None}, "body: the text of the SMS is not a text but NoneType"),
        ({"body": ["Secretword"]}, "body: the text of the SMS is not a text but list"),
        ({"body": "half \ud83d"}, "body: the text holds half a character, which cannot be sent"),
        ({"body": "Dear {{name}}"}, "body: the template cannot be rendered: 'name' is undefined"),
        (
            {"body": "{{name}}", "recipients": [{"number": NUMBER, "fields": {"name": "x"}}, OTHER_NUMBER]},
            "body: the placeholder {{name}} has no field of that name for recipients[1] (+39-*******568)",
        ),
        (
            {"body": "{{name}}", "recipients": {"number": NUMBER, "fields": {"name": None}}},
            "body: the placeholder {{name}} has no field of that name for recipients[0] (+39-*******567); give",
        ),
        ({"recipients": None}, "recipients: at least one is required"),
        ({"recipients": []}, "recipients: at least one is required"),
        ({"recipients": ""}, "recipients: at least one is required"),
        ({"recipients": [NUMBER, "Secretword"]}, "recipients[1]: *** is not one telephone number"),
        ({"recipients": [NUMBER, 393491234567]}, "recipients[1]: a number is a text, not int; write it in quotes"),
        ({"recipients": {NUMBER: "Secretword"}}, "recipients[0]: unknown key '+39-*******567'"),
        ({"recipients": ["349 123 4567"]}, "recipients[0]: *******567 has no international prefix"),
        ({"recipients": ["+39 123 456 7890"]}, "recipients[0]: +39-*******890 does not exist"),
        ({"sender": None}, "sender: missing; give the task a sender, or the connection a default one"),
        ({"sender": "ab"}, "sender: it has 2 characters"),
        ({"sender": "abcdefghijkl"}, "sender: it has 12 characters"),
        ({"sender": "123456789012345"}, "sender: it has 15 digits"),
        ({"sender": "Città"}, "sender: the character 'à' (number 5) is not allowed"),
        ({"sender": NUMBER}, "sender: the character '+' is not allowed, so write the number with digits only"),
        ({"test": "maybe"}, "test: expected True or False"),
        ({"priority": 0.5}, "priority: '0.5' is not a number of 1.0 or more"),
        ({"priority": "high"}, "priority: expected a number"),
        ({"priority": True}, "priority: expected a number"),
        ({"priority": "nan"}, "priority: expected a number"),
        ({"flash": "maybe"}, "flash: expected True or False"),
        ({"realtime": 1}, "realtime: expected True or False"),
        ({"timestamp_send": "tomorrow"}, "timestamp_send: 'tomorrow' is no date"),
        ({"custom": {"at": object}}, "custom: JSON cannot hold it"),
        ({"callback_url": "example.com"}, "callback_url: expected an absolute http(s) address"),
        ({"callback_field": "report"}, "callback_field: it names a form field of the call to callback_url"),
        ({"idempotency_key": "x" * 201}, "idempotency_key: expected a text of 1 to 200 characters"),
        ({"idempotency_key": "None"}, "idempotency_key: expected a text of 1 to 200 characters"),
        ({"on_invalid": "ignore"}, "on_invalid: expected 'fail' or 'drop', got 'ignore'"),
        ({"on_invalid": None}, "on_invalid: expected 'fail' or 'drop', got 'None'"),
        ({"validate": "no"}, "validate: expected 'full' or 'possible', got 'no'"),
        ({"send_at_grace": 3600}, "send_at_grace: expected a timedelta, got int"),
        ({"send_at": "soon"}, "send_at: 'soon' is no instant"),
        ({"chunk_size": 0}, "chunk_size: '0' is not a whole number of 1 or more"),
        ({"chunk_size": True}, "chunk_size: 'True' is not a whole number"),
        ({"chunk_size": "2"}, "chunk_size: '2' is not a whole number"),
        ({"chunk_size": 2, "max_price_eur": "nan"}, "max_price_eur: expected a number, got 'nan'"),
        ({"chunk_size": 2, "max_price_eur": "cheap"}, "max_price_eur: expected a number, got 'cheap'"),
        ({"chunk_size": 2, "recipients": None}, "recipients: give either recipients or recipients_path"),
        ({"chunk_size": 2, "recipients_path": "x.csv"}, "recipients: give either recipients or recipients_path"),
    ],
    ids=lambda value: None if isinstance(value, str) else ascii(value)[:60],
)
def test_what_is_wrong_is_named_before_anything_is_asked(
    arguments: dict[str, Any], error: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        send(context, **arguments)
    assert str(caught.value).startswith(error)
    assert isinstance(caught.value, AirflowFailException)  # a retry is of no use
    assert messaggisms_gateway.requests() == []
    everything = plain(caught.value).replace(" ", "").replace("-", "")
    assert "Secretword" not in everything
    assert "3491234567" not in everything


@pytest.mark.parametrize("chunk_size", [None, 2], ids=["send", "transaction"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"body": ""},
        {"recipients": [NUMBER, "+39 12"]},
        {"sender": "x"},
        {"priority": 0.5},
        {"callback_url": "example.com"},
        {"callback_field": "report"},
        {"custom": {"at": object}},
        {"timestamp_send": "x"},
        {"timestamp_send": FAR},  # two answers to the same question
    ],
    ids=str,
)
def test_all_is_checked_before_the_wait_for_the_moment_to_send_at(
    chunk_size: int | None, arguments: dict[str, Any], context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    chunks = {} if chunk_size is None else {"chunk_size": chunk_size}
    with pytest.raises(ConfigurationError):
        send(context, send_at=in_an_hour, **chunks, **arguments)
    assert messaggisms_gateway.requests() == []


# --- numbers that cannot be sent to -----------------------------------------------------------------------------------


def test_dropped_recipients_are_named_masked_and_counted(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    wrong = ["+39 12", "Secretword", *[f"+39 349 {i}" for i in range(30)]]
    send(context, recipients=[*wrong, NUMBER], on_invalid="drop")
    assert [sms.number for sms in messaggisms_gateway.inbox()] == ["+39-3491234567"]
    account = context["ti"].xcoms["message"]
    assert (account["valid"], account["dropped"], account["repeated"]) == (1, 32, 0)
    log = said()
    assert "Left out, as on_invalid='drop' says: recipients[0]: +39-** has 2 digits" in log
    assert "... and 12 more are left out" in log
    assert "Secretword" not in log


def test_dropping_all_recipients_is_an_error(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients: none of the 2 is valid; the first: recipients\[0\]"):
        send(context, recipients=["+39 12", "+39 13"], on_invalid="drop")
    assert messaggisms_gateway.requests() == []


def test_an_invalid_number_fails_the_task_and_the_others_were_sent_to(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(DeliveryError, match=r"calls 1 recipient\(s\) invalid; .* 1 other\(s\) were sent to") as caught:
        send(context, recipients=[INVALID, NUMBER])
    assert isinstance(caught.value, AirflowFailException)
    assert caught.value.report == context["ti"].xcoms["message"]
    assert (caught.value.report["valid"], caught.value.report["invalid"]) == (1, 1)
    assert [sms.number for sms in messaggisms_gateway.inbox()] == ["+39-3491234567"]
    assert "1230009" not in plain(caught.value)


def test_an_invalid_number_is_reported_where_dropping_is_wanted(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    send(context, recipients=[INVALID, NUMBER], on_invalid="drop")
    assert context["ti"].xcoms["message"]["invalid"] == 1
    assert "the gateway calls 1 recipient(s) invalid; they get nothing" in said()


@pytest.mark.parametrize("on_invalid", ["fail", "drop"])
def test_a_message_without_any_valid_recipient_is_a_failure_in_any_case(
    on_invalid: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(DeliveryError, match=r"no recipient was sent to"):
        send(context, recipients=INVALID, on_invalid=on_invalid)
    assert messaggisms_gateway.inbox() == []


# --- refusals of the gateway ------------------------------------------------------------------------------------------


def test_a_refusal_keeps_its_class_and_its_code(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("no_credit", method="POST")
    body = "Secret" + "word"  # put together, for a traceback shows this line
    with pytest.raises(MessaggiSmsError) as caught:
        send(context, body=body)
    error: Any = caught.value
    assert (type(error).__name__, error.status, error.code) == ("InsufficientCreditError", 402, 201)
    assert body not in plain(error)
    assert posts(messaggisms_gateway) == 1


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("personality", PERSONALITIES, ids=str)
def test_a_later_try_finds_what_was_sent_whatever_the_gateway_is_like(
    personality: dict[str, str],
    with_task_state: bool,
    context: dict[str, Any],
    messaggisms_gateway: Gateway,
) -> None:
    messaggisms_gateway.reset(personality=personality)
    if not with_task_state:
        del context["task_state_store"]
    with MessaggiSmsHook() as hook:
        for custom in (None, "airflow", {"airflow": {"key": "another"}}, [1]):
            hook.send_message(sender="Airflow", body="Hello", recipients=OTHER_NUMBER, custom=custom)
    messaggisms_gateway.fail_next("drop_after", method="POST")
    with pytest.raises(OutcomeUnknownError):
        send(context, kind=WithoutAnotherLook)
    context["ti"].try_number = 2
    message_id = send(context)
    assert [sms.message_id for sms in messaggisms_gateway.inbox(number="+39-3491234567")] == [message_id]
    assert posts(messaggisms_gateway) == 4 + 1
