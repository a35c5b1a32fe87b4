"""The delivery trigger, on the emulator and on a puppet of the gateway, in an event loop of its own."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    MessageNotFoundError,
    RateLimitedError,
)
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.polling import Wait
from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger
from airflow_provider_messaggisms.waiting.shared_client import count_shared_hooks
from airflow_provider_messaggisms.waiting.trigger_event import TimeIsUp, report_of
from tests.airflow.faces import Open
from tests.airflow.puppet import Connection, Puppet, cut, http, refusal, reset, success
from tests.airflow.waiting.waits import (
    NUMBER,
    RECIPIENTS,
    SUMMARY,
    asked,
    send,
    taken_up_again,
    told_by,
    trigger,
)
from tests.benchmarks.waiting_gateway import recipient
from tests.progress import SILENCE_SECONDS

STUCK, UNDELIVERABLE = "+39 349 123 0005", "+39 349 123 0001"
DELIVERED = [{"number": "+39-3491234567", "state": "DELIVERED_TO_HANDSET"}]
UNDER_WAY = [{"number": "+39-3491234567", "state": "PENDING_ENROUTE"}]
MESSAGE = {"id": "m1", "statistics": {"total": 1}, "recipients": {"valid": {"count": 1}}}


# --- what it is made of -----------------------------------------------------------------------------------------------


def test_it_is_stored_as_plain_json_and_made_anew_from_that() -> None:
    original = trigger("m1", rule=Rule(0.5, accept_delivered_to_operator=True), not_before=time.time() + 60)
    path, arguments = original.serialize()
    parameters = inspect.signature(MessaggiSmsDeliveryTrigger).parameters.values()
    assert set(arguments) == {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}
    assert json.loads(json.dumps(arguments)) == arguments
    again = taken_up_again(original)
    assert type(again) is MessaggiSmsDeliveryTrigger
    assert again.serialize() == (path, arguments)


def test_airflow_stores_it_and_gives_it_back() -> None:
    from airflow.serialization.serialized_objects import BaseSerialization

    _, arguments = trigger("m1").serialize()
    assert BaseSerialization.deserialize(BaseSerialization.serialize(arguments)) == arguments


FLAT: dict[str, Any] = {
    "messaggisms_conn_id": "messaggisms_default",
    "message_id": "m1",
    "since": "2026-05-20T10:00:00+00:00",
    "deadline": "2026-05-20T11:00:00.500000+00:00",
    "min_delivered": 0.9,
    "accept_delivered_to_operator": True,
    "poke_interval": 90.0,
    "outage_tolerance": 300.0,
    "not_before": "2026-05-20T10:01:00+00:00",
}


def test_a_trigger_that_was_stored_before_it_took_a_wait_goes_on() -> None:
    began = datetime(2026, 5, 20, 10, tzinfo=UTC).timestamp()
    assert Wait.from_json(MessaggiSmsDeliveryTrigger(**FLAT).serialize()[1]["wait"]) == Wait(
        message_id="m1",
        since=began,
        deadline=began + 3_600.5,
        rule=Rule(0.9, accept_delivered_to_operator=True),
        poke_interval=90.0,
        outage_tolerance=300.0,
        not_before=began + 60,
    )
    least = {name: FLAT[name] for name in ("messaggisms_conn_id", "message_id", "since", "deadline")}
    assert Wait.from_json(MessaggiSmsDeliveryTrigger(**least).wait).not_before == 0.0


async def test_what_is_no_wait_is_an_error_of_the_task(messaggisms_gateway: Gateway) -> None:
    broken = MessaggiSmsDeliveryTrigger(
        messaggisms_conn_id="messaggisms_default", wait={"message_id": "m1"}, handover_seconds=0.0
    )
    with pytest.raises(ConfigurationError, match="since"):
        report_of(await told_by(broken), "m1")


# --- how it ends ------------------------------------------------------------------------------------------------------


async def test_it_tells_the_report_when_the_sms_has_arrived(messaggisms_gateway: Gateway) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    event = await told_by(trigger(message_id))
    assert report_of(event, message_id)["summary"] == "delivered to +39-*******567 after 4 s"


async def test_it_polls_on_until_something_changes(messaggisms_gateway: Gateway) -> None:
    message_id = send()
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await asyncio.to_thread(until_polled, messaggisms_gateway, 3)
    assert not waiting.done()
    messaggisms_gateway.advance(10)
    assert report_of(await waiting, message_id)["delivered"] == 1


def until_polled(gateway: Gateway, count: int, at: str = RECIPIENTS) -> None:
    """Return when the recipients, or the summary, have been read so often."""
    while asked(gateway).count(at) < count:
        threading.Event().wait(0.02)


async def test_it_tells_the_error_when_an_sms_cannot_arrive_any_more(messaggisms_gateway: Gateway) -> None:
    message_id = send([NUMBER, UNDELIVERABLE])
    messaggisms_gateway.advance(10)
    with pytest.raises(DeliveryError) as caught:
        report_of(await told_by(trigger(message_id)), message_id)
    assert caught.value.report["failed_count"] == 1


@pytest.mark.parametrize(("min_delivered", "accept", "number"), [(0.5, False, UNDELIVERABLE), (1.0, True, "0004")])
async def test_it_goes_by_the_rule(
    messaggisms_gateway: Gateway, min_delivered: float, accept: bool, number: str
) -> None:
    message_id = send([NUMBER, number if len(number) > 4 else f"+39 349 123 {number}"])
    messaggisms_gateway.advance(10)
    waiting = trigger(message_id, rule=Rule(min_delivered, accept_delivered_to_operator=accept))
    assert report_of(await told_by(waiting), message_id)["total"] == 2


@pytest.mark.parametrize("ends", [30.0, 0.2])
async def test_it_tells_nothing_before_airflow_has_noticed_the_deferral(
    messaggisms_gateway: Gateway, ends: float
) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    began = time.monotonic()
    assert await told_by(trigger(message_id, ends=ends, handover_seconds=1.0)) is not None
    assert time.monotonic() >= began + 1.0
    assert asked(messaggisms_gateway) == [SUMMARY, RECIPIENTS]


async def test_it_meets_its_deadline(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger(message_id, ends=0.5)), message_id)
    assert asked(messaggisms_gateway)


async def test_a_deadline_that_passed_while_no_triggerer_ran_is_met_unasked(
    messaggisms_gateway: Gateway,
) -> None:
    with pytest.raises(TimeIsUp):
        report_of(await told_by(taken_up_again(trigger("m1", ends=-5.0, began=60.0))), "m1")
    assert asked(messaggisms_gateway) == []


async def test_the_deadline_is_met_while_a_request_is_under_way(puppet: Puppet) -> None:
    def silence(connection: Connection) -> None:
        connection.wait()

    puppet.answers(silence)
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger("m1", ends=0.5)), "m1")
    assert len(puppet.asked) == 1


async def test_an_unknown_message_ends_it_at_once(messaggisms_gateway: Gateway) -> None:
    with pytest.raises(MessageNotFoundError):
        report_of(await told_by(trigger("0" * 24)), "0" * 24)
    assert asked(messaggisms_gateway) == [SUMMARY]


@pytest.mark.parametrize("status", [401, 403, 404, 406])
async def test_a_permanent_error_ends_it_at_once(puppet: Puppet, connect: Open, status: int) -> None:
    connect(host=puppet.url, extra={"timeout_seconds": 3})  # a refused token is asked again after a third of that
    puppet.answers(refusal(status))
    event = await told_by(trigger("m1"))
    assert (event["status"], event["details"]["status"]) == ("failed", status)
    assert len(puppet.asked) == (2 if status == 401 else 1)  # a refused token is asked once more


# --- what it asks, and how often --------------------------------------------------------------------------------------


async def test_it_only_reads(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    before = len(messaggisms_gateway.requests())
    await told_by(trigger(message_id, ends=0.5))
    assert {exchange.method for exchange in messaggisms_gateway.requests()[before:]} == {"GET"}


FAILURES = {
    "cut": cut,
    "reset": reset,
    "HTML": http(200, b"<html>"),
    "nothing": http(200, b""),
    "redirect": http(302, Location="http://127.0.0.1:1/"),
    "429": refusal(429),
    "429, wait": refusal(429, Retry_After="1"),
    "429, do not wait": refusal(429, Retry_After="0"),
    "500": refusal(500),
    "503": http(503, b"<html>"),
    "200, no success": refusal(200, 999),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_no_answer_of_any_kind_makes_it_ask_sooner(puppet: Puppet, failure: Any) -> None:
    puppet.answers(failure)
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger("m1", ends=0.65, poke_interval=0.2)), "m1")
    assert 1 <= len(puppet.asked) <= 3  # at 0.2, 0.4 and 0.6 s at the soonest


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_it_tolerates_a_failure_and_goes_on(puppet: Puppet, failure: Any) -> None:
    puppet.answers(failure, failure, success([MESSAGE]), success(DELIVERED))
    assert report_of(await told_by(trigger("m1")), "m1")["delivered"] == 1


async def test_it_does_not_tolerate_failures_for_ever(puppet: Puppet) -> None:
    puppet.answers(refusal(429))
    with pytest.raises(RateLimitedError, match="giving up: 3 polls in a row failed within 0 min"):
        report_of(await told_by(trigger("m1", outage_tolerance=0.0)), "m1")
    assert len(puppet.asked) == 3


async def test_a_gateway_that_asks_for_a_week_is_asked_once_by_all_waits(
    puppet: Puppet,
) -> None:
    puppet.answers(refusal(429, Retry_After="604800"))
    waits = [
        trigger("m1", poke_interval=0.1, outage_tolerance=0.5),
        trigger("m2", poke_interval=0.4, outage_tolerance=0.5),
    ]
    for event in await asyncio.gather(*(told_by(wait) for wait in waits)):
        with pytest.raises(RateLimitedError, match=r"giving up: .* Retry-After has 604"):
            report_of(event, "m1")
    assert len(puppet.asked) == 1


async def test_an_interval_of_zero_does_not_make_it_ask_all_the_time(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    await told_by(trigger(message_id, ends=0.45, poke_interval=0))
    assert asked(messaggisms_gateway).count(RECIPIENTS) <= 4


async def test_a_scheduled_message_is_not_polled_before_its_day(messaggisms_gateway: Gateway) -> None:
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger("m1", began=-3_600.0, ends=0.3)), "m1")
    assert asked(messaggisms_gateway) == []


async def test_after_a_restart_it_still_follows_retry_after(puppet: Puppet) -> None:
    puppet.answers(success([MESSAGE]), success(DELIVERED))
    allowed = time.monotonic() + 1.0
    event = await told_by(taken_up_again(trigger("m1", not_before=time.time() + 1.0)))
    assert report_of(event, "m1")["delivered"] == 1
    assert time.monotonic() >= allowed


async def test_it_finds_out_for_itself_that_a_message_is_scheduled(messaggisms_gateway: Gateway) -> None:
    message_id = send(timestamp_send="2098-12-24")
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger(message_id, ends=0.6)), message_id)
    assert asked(messaggisms_gateway) == [SUMMARY]


async def test_of_many_recipients_it_reads_only_the_summary_until_the_end(messaggisms_gateway: Gateway) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await asyncio.to_thread(until_polled, messaggisms_gateway, 4, at=SUMMARY)
    messaggisms_gateway.advance(60)
    assert report_of(await waiting, message_id)["delivered"] == 60
    assert asked(messaggisms_gateway).count(RECIPIENTS) == 1


async def test_the_log_has_a_line_for_each_change_and_not_for_each_poll(
    messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    message_id = send(STUCK)
    await told_by(trigger(message_id, ends=0.8))
    assert asked(messaggisms_gateway).count(RECIPIENTS) > 3
    log = said()
    assert log.count("+39-*******005: PENDING") == 1
    assert "1230005" not in log


# --- in its event loop ------------------------------------------------------------------------------------------------


@pytest.fixture
def loop_is_empty() -> Iterator[None]:
    yield
    assert count_shared_hooks() == 0


async def test_cancelled_it_asks_no_more_and_leaves_nothing_behind(
    messaggisms_gateway: Gateway, loop_is_empty: None
) -> None:
    message_id = send(STUCK)
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await asyncio.to_thread(until_polled, messaggisms_gateway, 2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    seen = messaggisms_gateway.requests()
    assert count_shared_hooks() == 0
    await asyncio.sleep(0.3)
    assert messaggisms_gateway.requests() == seen
    assert [exchange.method for exchange in seen].count("DELETE") == 0


async def test_reading_the_connection_does_not_stop_the_loop(
    messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, ticked = threading.Event(), threading.Event()
    read = EnvironmentVariablesBackend.get_conn_value

    def slow(backend: Any, conn_id: str, *others: Any, **more: Any) -> str | None:
        reads.set()
        assert ticked.wait(SILENCE_SECONDS), "the loop stands still while the connection is read"
        return read(backend, conn_id, *others, **more)

    message_id = send()
    messaggisms_gateway.advance(10)
    monkeypatch.setattr(EnvironmentVariablesBackend, "get_conn_value", slow)
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    assert await asyncio.to_thread(reads.wait, SILENCE_SECONDS)
    ticked.set()
    assert report_of(await waiting, message_id)["delivered"] == 1


async def test_a_long_report_is_counted_between_other_work(puppet: Puppet, caplog: pytest.LogCaptureFixture) -> None:
    many = 20_000  # 19 MB
    summary = {"id": "m1", "statistics": {"total": many, "delivered": many}, "recipients": {"valid": {"count": many}}}
    report = success([recipient(index, "DELIVERED_TO_HANDSET", 3) for index in range(many)])
    puppet.answers(success([summary]), report)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = float("inf")  # that is time on the clock, and on a busy machine proves nothing
    steps: list[float] = []

    async def tick() -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            steps.append(time.thread_time() - began)

    gc.disable()  # it would stop the loop for longer than all the rest takes
    try:
        other_work = asyncio.create_task(tick())
        event = await told_by(trigger("m1"))
        other_work.cancel()
    finally:
        gc.enable()
    assert report_of(event, "m1")["delivered"] == many
    assert max(steps) < sum(steps) / 10  # decoded at once, one step would take most of it
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
