"""What can go wrong while the notifier works, and what its log says."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    InsufficientCreditError,
    NotSentError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.alarms.notifying import ANNA, BEN, Face, alarm, call_back, call_back_awaited, connect, texts
from tests.airflow.alarms.occasions import RUN_ID, deadline_missed, killed, task_failed
from tests.airflow.conftest import posts
from tests.progress import SILENCE_SECONDS


def test_the_log_has_the_expected_price_before_it_is_sent(
    face: Face, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, monkeypatch, price_per_part_eur=0.1)
    caplog.set_level(logging.INFO)
    gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError):
        face(alarm(recipients=[ANNA, BEN], body="’" * 71, max_parts=None), task_failed())
    assert "To send: 2 recipient(s), 4 SMS part(s) in UCS-2, estimated price 0.40 EUR" in caplog.text


def test_numbers_in_an_alarm_key_are_masked_in_the_log(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        face(alarm(alarm_key="{{ dag.dag_id }} {{ params.phone }}"), task_failed(params={"phone": ANNA}))
    assert caplog.text.count("(alarm_key 'etl +39-*******567'") == 2
    assert "349 123 4567" not in caplog.text


class Hurried(MessaggiSmsNotifier):
    """Gives Airflow one second to hand over Variables and the connection."""

    _handover_seconds = 1.0
    _async_handover_seconds = 1.0


def test_recipients_that_take_too_long_are_an_error_in_time(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    def slow() -> str:
        threading.Event().wait(3)
        return ANNA

    threads = set(threading.enumerate())
    with pytest.raises(NotSentError, match="recipients: Airflow did not render the template in time"):
        face(Hurried(recipients="{{ params.slow() }}"), task_failed(params={"slow": slow}))
    assert "ALARM NOT SENT" in caplog.text
    for thread in set(threading.enumerate()) - threads:
        thread.join(SILENCE_SECONDS)
    assert gateway.inbox() == []  # it was reported as lost


def test_by_default_it_has_twenty_seconds() -> None:
    assert alarm().timeout_seconds == 20


def test_templates_are_rendered_outside_of_the_event_loop(gateway: Gateway) -> None:
    rendered_in: list[int] = []

    def note() -> str:
        rendered_in.append(threading.get_ident())
        return ANNA

    call_back_awaited(alarm(recipients="{{ note() }}"), deadline_missed() | {"note": note})
    assert rendered_in != []
    assert threading.get_ident() not in rendered_in


def test_a_foreign_error_is_logged_without_numbers(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError(f"cannot read the rota of {ANNA}")

    with pytest.raises(RuntimeError):
        face(alarm(recipients="{{ params.fail() }}"), task_failed(params={"fail": fail}))
    assert "cannot read the rota of +39-*******567" in caplog.text


def test_a_lost_answer_is_settled(face: Face, gateway: Gateway) -> None:
    gateway.fail_next("drop_after", method="POST")
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


def test_an_alarm_that_may_be_lost_is_an_error_with_its_key(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("drop_before", method="POST")
    with pytest.raises(OutcomeUnknownError, match=r"may be lost.* the key [0-9a-f]{32} in options.custom"):
        face(alarm(timeout_seconds=2), task_failed())
    assert posts(gateway) == 1
    assert f"ALARM NOT SENT: etl/{RUN_ID}/load" in caplog.text


def test_a_refusal_is_logged_with_its_code_and_without_numbers(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError):
        face(alarm(body="Secret words"), task_failed())
    assert "HTTP 402, code 201" in caplog.text
    assert "+39-*******567" in caplog.text
    for secret in ("3491234567", "349 123 4567", "Secret words", gateway.token):
        assert secret not in caplog.text


def test_a_sent_alarm_is_logged_without_numbers(face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    face(alarm(body="Secret words"), task_failed())
    assert "Alarm sent as message" in caplog.text
    for secret in ("3491234567", "349 123 4567", "Secret words", gateway.token):
        assert secret not in caplog.text
    assert "Secret" not in repr(alarm(body="Secret words"))


def test_a_rate_limit_is_waited_for(face: Face, gateway: Gateway) -> None:
    gateway.fail_next("rate_limit", method="POST", retry_after=0)
    face(alarm(), task_failed())
    assert len(gateway.inbox()) == 1


@pytest.mark.parametrize("kind", ["slow_before", "slow_after"])
def test_a_hanging_gateway_is_an_error_in_time(face: Face, gateway: Gateway, kind: str) -> None:
    gateway.fail_next(kind, times=0, seconds=30)
    before = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match="may be lost"):
        face(alarm(timeout_seconds=1), task_failed())
    assert time.monotonic() - before < 10


def test_a_connection_that_takes_too_long_is_an_error_in_time(
    face: Face, gateway: Gateway, slow_secrets: Callable[[float], None]
) -> None:
    slow_secrets(3)
    began = time.monotonic()
    with pytest.raises(NotSentError, match="did not hand over the connection within 1 s"):
        face(Hurried(recipients=ANNA), task_failed())
    assert time.monotonic() - began < 10
    assert gateway.requests() == []


def test_an_alarm_keeps_its_time_while_airflow_takes_its_own(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, slow_secrets: Callable[[float], None]
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ON_CALL", ANNA)
    slow_secrets(1.5)
    call_back(alarm(recipients="{{ var.value.on_call }}", body="It broke", timeout_seconds=1), deadline_missed())
    assert texts(gateway) == ["It broke"]


def test_without_its_text_in_time_the_default_one_is_sent(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    class Patient(MessaggiSmsNotifier):
        _handover_seconds = _async_handover_seconds = 5.0

    context = task_failed(params={"slow": lambda: threading.Event().wait(6)})
    face(Patient(recipients=ANNA, body="{{ params.slow() }}"), context)
    assert texts(gateway)[0].startswith("Failed: etl.load")
    assert "body: Airflow did not render the template in time; sending the default text" in caplog.text


class InDagProcessor(MessaggiSmsNotifier):
    """Runs in a dag-processor that will kill its process soon."""

    ends = 0.0

    @classmethod
    def _seconds_left(cls) -> float:
        return cls.ends - time.monotonic()


def test_a_dag_processor_that_ends_soon_still_sends_in_time(
    gateway: Gateway, slow_secrets: Callable[[float], None]
) -> None:
    slow_secrets(0.5)
    InDagProcessor.ends = time.monotonic() + 5
    call_back(InDagProcessor(recipients=ANNA, timeout_seconds=300), killed())
    assert time.monotonic() < InDagProcessor.ends
    assert len(gateway.inbox()) == 1


def test_a_hanging_gateway_is_an_error_before_a_dag_processor_ends(gateway: Gateway) -> None:
    gateway.fail_next("slow_before", times=0, seconds=30)
    InDagProcessor.ends = time.monotonic() + 4
    with pytest.raises(OutcomeUnknownError, match="may be lost"):
        call_back(InDagProcessor(recipients=ANNA, timeout_seconds=300), killed())
    assert time.monotonic() < InDagProcessor.ends


def test_an_alarm_is_made_outside_of_the_event_loop(gateway: Gateway) -> None:
    read_in: list[int] = []

    class Watched(str):
        """A text that notes the thread that reads it."""

        def strip(self, *args: Any) -> str:
            read_in.append(threading.get_ident())
            return super().strip(*args)

    call_back_awaited(alarm(recipients=lambda **_: [Watched(ANNA)]), deadline_missed())
    assert read_in != []
    assert threading.get_ident() not in read_in


def test_the_event_loop_goes_on_meanwhile(gateway: Gateway) -> None:
    gateway.fail_next("slow_before", seconds=0.5)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def wait() -> None:
        ticking = asyncio.create_task(tick())
        notifier = alarm()
        notifier.context = cast("Any", deadline_missed())
        await notifier
        ticking.cancel()

    asyncio.run(wait())
    assert ticks > 10
