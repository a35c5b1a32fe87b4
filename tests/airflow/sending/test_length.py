"""What a send operator says of a text's length and price before it goes, and what it does with one that is too long."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.sms_text import measure
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.conftest import posts

ANNA, BEN = "+39 349 123 4567", "+44 7400 123456"
KINDS = [MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator]

Said = Callable[[], str]


@pytest.fixture(params=KINDS)
def send(request: pytest.FixtureRequest, context: dict[str, Any]) -> Callable[..., None]:
    """Run a send operator, of either kind."""

    def run(**arguments: Any) -> None:
        usual = {"task_id": "send", "sender": "Airflow", "recipients": [ANNA, BEN]}
        request.param(**usual | arguments).execute(context)

    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Make a file of recipients, one of them with a long name."""
    file = tmp_path / "people.csv"
    file.write_text(f"number,name\n{ANNA},Anna\n{BEN},{'Benedict' * 3}\n")
    return file


def test_parts_encoding_and_price_are_told_before_the_text_goes(
    send: Callable[..., None], messaggisms_gateway: Gateway, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(messaggisms_gateway.connection) | {"extra": {"price_per_part_eur": "0.07"}}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))
    send(body="x" * 161)
    told, after = said().split("To send: 2 recipient(s), 4 SMS part(s) in GSM-7, estimated price 0.28 EUR", 1)
    assert "SMS part(s), price" in after
    assert "SMS part(s), price" not in told


def test_an_unknown_price_is_not_made_up(send: Callable[..., None], messaggisms_gateway: Gateway, said: Said) -> None:
    send(body="’")
    assert "2 SMS part(s) in UCS-2, price unknown before the gateway quotes it" in said()


def test_the_estimate_is_what_the_gateway_counts(
    send: Callable[..., None], messaggisms_gateway: Gateway, context: dict[str, Any], said: Said
) -> None:
    long = {"number": BEN, "fields": {"name": "B" * 60}}
    send(body="{{name}}, " + "x" * 110, recipients=[{"number": ANNA, "fields": {"name": "Anna"}}, long])
    assert "To send: 2 recipient(s), 3 SMS part(s) in GSM-7" in said()
    assert context["ti"].xcoms["message"]["parts"] == 3


def test_without_a_limit_a_long_text_goes_as_it_is(send: Callable[..., None], messaggisms_gateway: Gateway) -> None:
    send(body="’" * 100)
    assert {sms.text for sms in messaggisms_gateway.inbox()} == {"’" * 100}


def test_a_text_that_is_too_long_fails_the_task_for_good_and_costs_nothing(
    send: Callable[..., None], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(AirflowFailException, match="2 SMS parts in GSM-7, max_parts allows 1"):
        send(body="x" * 161, max_parts=1)
    assert posts(messaggisms_gateway) == 0


def test_a_later_try_with_too_long_a_text_adopts_the_earlier_send(
    send: Callable[..., None], messaggisms_gateway: Gateway, context: dict[str, Any]
) -> None:
    send(body="x" * 160, max_parts=1)
    context["ti"].try_number = 2
    send(body="x" * 161, max_parts=1)
    assert {sms.text for sms in messaggisms_gateway.inbox()} == {"x" * 160}
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_field_can_make_it_too_long(send: Callable[..., None], messaggisms_gateway: Gateway) -> None:
    long = {"number": BEN, "fields": {"name": "B" * 60}}
    with pytest.raises(AirflowFailException, match="2 SMS parts"):
        send(body="{{name}}, " + "x" * 110, recipients=[long], max_parts=1)
    assert posts(messaggisms_gateway) == 0


def test_a_text_that_is_too_long_is_cut_where_that_is_wanted(
    send: Callable[..., None], messaggisms_gateway: Gateway, said: Said
) -> None:
    long = {"number": BEN, "fields": {"name": "B" * 60}}
    body = "{{name}}, " + "one’s own " * 20
    send(body=body, recipients=[{"number": ANNA, "fields": {"name": "Anna"}}, long], max_parts=1, on_too_long="fit")
    assert {measure(sms.text).parts for sms in messaggisms_gateway.inbox()} == {1}
    assert sorted(sms.text[:5] for sms in messaggisms_gateway.inbox()) == ["Anna,", "BBBBB"]
    assert "it was cut" in said()


def test_a_file_counts_row_by_row(messaggisms_gateway: Gateway, context: Any, people: Path, said: Said) -> None:
    MessaggiSmsSendTransactionOperator(
        task_id="send", sender="Airflow", body="{{name}}, " + "x" * 140, recipients_path=f"file://{people}"
    ).execute(context)
    assert "To send: 2 recipient(s), 3 SMS part(s) in GSM-7" in said()
    assert context["ti"].xcoms["message"]["parts"] == 3


def test_a_text_is_cut_for_all_recipients_in_a_file(messaggisms_gateway: Gateway, context: Any, people: Path) -> None:
    MessaggiSmsSendTransactionOperator(
        task_id="send",
        sender="Airflow",
        body="{{name}}, " + "x" * 140,
        recipients_path=f"file://{people}",
        max_parts=1,
        on_too_long="fit",
    ).execute(context)
    assert {measure(sms.text).parts for sms in messaggisms_gateway.inbox()} == {1}
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize(
    ("argument", "why"), [({"max_parts": 0}, "max_parts"), ({"on_too_long": "shorten"}, "on_too_long")]
)
def test_a_wrong_argument_fails_the_task(
    send: Callable[..., None], messaggisms_gateway: Gateway, argument: dict[str, Any], why: str
) -> None:
    with pytest.raises(AirflowFailException, match=why):
        send(body="Hello", **argument)
    assert posts(messaggisms_gateway) == 0


def test_a_price_that_is_none_is_named(
    send: Callable[..., None], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(messaggisms_gateway.connection) | {"extra": {"price_per_part_eur": "cheap"}}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))
    with pytest.raises(AirflowFailException, match="price_per_part_eur"):
        send(body="Hello")
