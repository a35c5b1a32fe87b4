"""The notifier's recipients and sender."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
)
from tests.airflow.alarms.notifying import ANNA, BEN, Face, alarm, connect, numbers, texts
from tests.airflow.alarms.occasions import RUN_ID, deadline_missed, task_failed
from tests.airflow.conftest import posts


@pytest.mark.parametrize(
    "recipients",
    [
        [ANNA, BEN],
        (ANNA, {"number": BEN}),
        f"{ANNA}, {BEN}",
        f"{ANNA};{BEN}",
        json.dumps([ANNA, BEN]),
        "{{ params.on_call }}",
        "{{ params.on_call | join(',') }}",
        "{{ params.on_call | tojson }}",
        ["{{ params.on_call[0] }}", "{{ params.on_call[1] }}"],
        ["{{ params.on_call }}"],
        "{{ var.value.on_call }}",
        "{{ var.json.on_call }}",
        "{{ var.json.rota.monday }}",
    ],
)
def test_recipients_are_a_list_however_it_is_written(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, recipients: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ON_CALL", json.dumps([ANNA, BEN]))
    monkeypatch.setenv("AIRFLOW_VAR_ROTA", json.dumps({"monday": [ANNA, BEN]}))
    context = task_failed(params={"on_call": [ANNA, BEN]})
    del context["var"]  # it is added
    face(alarm(recipients=recipients), context)
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}


def test_a_wrong_number_is_left_out_and_the_others_get_the_alarm(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(recipients=["+39 12", ANNA, "not a number"]), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}
    assert caplog.text.count("This recipient gets no alarm: recipients[") == 2


def test_a_possible_number_is_tried(face: Face, gateway: Gateway) -> None:
    face(alarm(recipients="+39 300 123 4567"), task_failed())
    assert numbers(gateway) == {"+39-3001234567"}


def test_the_connection_knows_the_country_of_short_numbers(face: Face, gateway: Gateway) -> None:
    face(alarm(recipients="349 123 4567"), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}


def test_an_unknown_country_stops_only_numbers_that_need_it(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, monkeypatch, default_region="UK")
    face(alarm(recipients=["07400 123456", ANNA]), task_failed())
    assert numbers(gateway) == {"+39-3491234567"}
    assert "default_region 'UK' is not a country" in caplog.text


def test_no_recipient_is_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(ConfigurationError, match=r"recipients: .* is empty"):
        face(alarm(recipients="{{ params.get('phone') or '' }}"), task_failed())


def test_numbers_that_the_gateway_does_not_know_are_an_error(face: Face, gateway: Gateway) -> None:
    with pytest.raises(DeliveryError, match="calls 1 recipient"):
        face(alarm(recipients="+39 349 123 0009"), task_failed())


def test_fields_of_recipients_are_filled_in(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Anna"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    face(alarm(recipients=people, body="{{name}}, {{ dag.dag_id }} is down"), task_failed())
    assert sorted(texts(gateway)) == ["Anna, etl is down", "Ben, etl is down"]


def test_fields_of_a_rota_are_filled_in_too(face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    rota = [{"number": ANNA, "fields": {"name": "Anna"}}, {"number": BEN, "fields": {"name": "Ben"}}]
    monkeypatch.setenv("AIRFLOW_VAR_ROTA", json.dumps(rota))
    face(alarm(recipients="{{ var.value.rota }}", body="{{name}}, {{ dag.dag_id }} is down"), deadline_missed())
    assert sorted(texts(gateway)) == ["Anna, etl is down", "Ben, etl is down"]


def test_a_placeholder_without_a_field_does_not_lose_the_alarm(face: Face, gateway: Gateway) -> None:
    people = [{"number": ANNA, "fields": {"name": "Anna"}}, BEN]
    face(alarm(recipients=people, body="{{name}}, wake up"), task_failed())
    assert len(gateway.inbox()) == 2
    assert all(text.startswith("Failed: etl.load") for text in texts(gateway))


@pytest.mark.parametrize(("sender", "seen"), [(None, "Airflow"), ("Etl", "Etl"), ("{{ ds }}", "Airflow")])
def test_the_sender_is_its_own_or_the_connections(face: Face, gateway: Gateway, sender: str | None, seen: str) -> None:
    face(alarm(sender=sender), task_failed())
    assert [sms.sender for sms in gateway.inbox()] == [seen]


def test_options_reach_the_gateway(face: Face, gateway: Gateway) -> None:
    face(alarm(flash=True, priority=2), task_failed())
    (sms,) = gateway.inbox()
    assert sms.flash


def test_a_simulated_alarm_rings_no_phone_and_says_so(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(test=True), task_failed())
    assert posts(gateway) == 1
    assert gateway.inbox() == []
    assert "simulated" in caplog.text
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


def test_an_invalid_sender_gives_way_to_the_connections(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    face(alarm(sender="{{ dag.dag_id }}"), task_failed(dag_id="orders_of_the_day"))
    assert [sms.sender for sms in gateway.inbox()] == ["Airflow"]
    assert "sender: " in caplog.text


def test_params_are_known_without_a_task_too(face: Face, gateway: Gateway) -> None:
    dag = DAG("etl", schedule=None, params={"on_call": ANNA})
    face(alarm(recipients="{{ params.on_call }}"), {"dag": dag, "run_id": RUN_ID, "reason": "timed_out"})
    late = deadline_missed()
    late["dag_run"]["conf"] = {"on_call": BEN}
    face(alarm(recipients="{{ params.on_call }}"), late)
    assert numbers(gateway) == {"+39-3491234567", "+44-7400123456"}
