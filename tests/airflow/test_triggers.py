"""The delivery trigger, on the emulator and on a gateway that does what a test wants, in an event loop of its own."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import DeliveryError, MessageNotFoundError, RateLimitedError
from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger
from airflow_provider_messaggisms.waiting import lookout
from airflow_provider_messaggisms.waiting.outcome import TimeIsUp, report_of
from tests.airflow.puppet import Connection, Puppet, cut, http, refusal, reset, success
from tests.airflow.waiting.waits import (
    NUMBER,
    RECIPIENTS,
    SUMMARY,
    after,
    asked,
    send,
    taken_up_again,
    told_by,
    trigger,
)
from tests.benchmarks.waiting_gateway import recipient
from tests.progress import SILENCE_SECONDS, longer_and_longer, until_or_done

STUCK, UNDELIVERABLE = "+39 349 123 0005", "+39 349 123 0001"
DELIVERED = [{"number": "+39-3491234567", "state": "DELIVERED_TO_HANDSET"}]
UNDER_WAY = [{"number": "+39-3491234567", "state": "PENDING_ENROUTE"}]
MESSAGE = {"id": "m1", "statistics": {"total": 1}, "recipients": {"valid": {"count": 1}}}


# --- what it is made of -----------------------------------------------------------------------------------------------


def test_it_is_stored_as_plain_json_and_made_anew_from_that() -> None:
    original = trigger(
        "m1", min_delivered=0.5, accept_delivered_to_operator=True, outage_tolerance=60.0, not_before=after(60)
    )
    path, arguments = original.serialize()
    assert set(arguments) == set(inspect.signature(MessaggiSmsDeliveryTrigger).parameters)
    assert json.loads(json.dumps(arguments)) == arguments
    again = taken_up_again(original)
    assert type(again) is MessaggiSmsDeliveryTrigger
    assert again.serialize() == (path, arguments)


def test_airflow_stores_it_and_gives_it_back() -> None:
    from airflow.serialization.serialized_objects import BaseSerialization

    _, arguments = trigger("m1").serialize()
    assert BaseSerialization.deserialize(BaseSerialization.serialize(arguments)) == arguments


# --- how it ends ------------------------------------------------------------------------------------------------------


async def test_it_tells_the_report_when_the_sms_has_arrived(messaggisms_gateway: Gateway) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    event = await told_by(trigger(message_id))
    assert report_of(event, message_id)["summary"] == "delivered to +39-*******567 after 4 s"


async def test_it_looks_on_until_something_changes(messaggisms_gateway: Gateway) -> None:
    message_id = send()
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await until_looks(waiting, messaggisms_gateway, 3)
    assert not waiting.done()
    messaggisms_gateway.advance(10)
    assert report_of(await waiting, message_id)["delivered"] == 1


async def until_looks(waiting: asyncio.Task[Any], gateway: Gateway, count: int, at: str = RECIPIENTS) -> None:
    """Return when the recipients, or the summary, have been looked at so often, or the wait has ended."""
    await until_or_done(waiting, lambda: asked(gateway).count(at) >= count)


async def looks_on(message_id: str, gateway: Gateway, count: int) -> None:
    """Let a trigger look at the recipients so often, then cancel it."""
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await until_looks(waiting, gateway, count)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


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
    waiting = trigger(message_id, min_delivered=min_delivered, accept_delivered_to_operator=accept)
    assert report_of(await told_by(waiting), message_id)["total"] == 2


@pytest.mark.parametrize("ends", [SILENCE_SECONDS, 0.2])
async def test_it_tells_nothing_before_airflow_can_have_noticed_the_deferral(
    messaggisms_gateway: Gateway, handover_seconds: Callable[[float], None], ends: float
) -> None:
    message_id = send()
    messaggisms_gateway.advance(10)
    handover_seconds(1.0)
    began = time.monotonic()
    assert await told_by(trigger(message_id, ends=ends)) is not None
    assert time.monotonic() >= began + 1.0
    looks = asked(messaggisms_gateway)
    assert looks == [SUMMARY, RECIPIENTS][: len(looks)]
    assert len(looks) == 2 or ends == 0.2  # a busy machine may take longer than that


async def test_it_meets_its_deadline(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    for seconds in longer_and_longer(0.5):
        with pytest.raises(TimeIsUp):
            report_of(await told_by(trigger(message_id, ends=seconds)), message_id)
        if asked(messaggisms_gateway):
            return
    pytest.fail("it never asks")


async def test_a_deadline_that_passed_while_no_triggerer_was_there_is_met_without_asking(
    messaggisms_gateway: Gateway,
) -> None:
    with pytest.raises(TimeIsUp):
        report_of(await told_by(taken_up_again(trigger("m1", ends=-5.0, began=60.0))), "m1")
    assert asked(messaggisms_gateway) == []


async def test_the_deadline_is_met_while_a_request_is_under_way(puppet: Puppet) -> None:
    def silence(connection: Connection) -> None:
        connection.wait()

    puppet.answers(silence)
    for seconds in longer_and_longer(0.5):
        with pytest.raises(TimeIsUp):
            report_of(await told_by(trigger("m1", ends=seconds)), "m1")
        if puppet.asked:
            break
    assert len(puppet.asked) == 1


async def test_an_unknown_message_ends_it_at_once(messaggisms_gateway: Gateway) -> None:
    with pytest.raises(MessageNotFoundError):
        report_of(await told_by(trigger("0" * 24)), "0" * 24)
    assert asked(messaggisms_gateway) == [SUMMARY]


@pytest.mark.parametrize("status", [401, 403, 404, 406])
async def test_what_no_patience_can_cure_ends_it_at_once(puppet: Puppet, status: int) -> None:
    puppet.answers(refusal(status))
    event = await told_by(trigger("m1"))
    assert (event["status"], event["details"]["status"]) == ("failed", status)
    assert len(puppet.asked) == 1


# --- what it asks, and how often --------------------------------------------------------------------------------------


async def test_it_only_reads(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    before = len(messaggisms_gateway.requests())
    await looks_on(message_id, messaggisms_gateway, 3)
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
    for seconds in longer_and_longer(0.65):
        puppet.asked.clear()
        with pytest.raises(TimeIsUp):
            report_of(await told_by(trigger("m1", ends=seconds, poke_interval=0.2)), "m1")
        if puppet.asked:
            break
    assert 1 <= len(puppet.asked) <= seconds / 0.2  # at 0.2, 0.4 and 0.6 s at the soonest


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_it_bears_a_failure_and_goes_on(puppet: Puppet, failure: Any) -> None:
    puppet.answers(failure, failure, success([MESSAGE]), success(DELIVERED))
    assert report_of(await told_by(trigger("m1")), "m1")["delivered"] == 1


async def test_it_does_not_bear_failures_for_ever(puppet: Puppet) -> None:
    puppet.answers(refusal(429))
    with pytest.raises(RateLimitedError, match=r"3 looks in a row have failed in \d min: giving up"):
        report_of(await told_by(trigger("m1", outage_tolerance=0.0)), "m1")
    assert len(puppet.asked) == 3


async def test_a_gateway_that_asks_for_a_week_is_asked_once_and_fails_each_wait_when_that_has_borne_enough(
    puppet: Puppet,
) -> None:
    puppet.answers(refusal(429, Retry_After="604800"))
    waits = [
        trigger("m1", poke_interval=0.1, outage_tolerance=0.5),
        trigger("m2", poke_interval=0.4, outage_tolerance=0.5),
    ]
    for event in await asyncio.gather(*(told_by(wait) for wait in waits)):
        with pytest.raises(RateLimitedError, match="the gateway asks to be left alone for another 604"):
            report_of(event, "m1")
    assert len(puppet.asked) == 1


async def test_an_interval_of_nothing_does_not_make_it_ask_all_the_time(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    await told_by(trigger(message_id, ends=0.45, poke_interval=0))
    assert asked(messaggisms_gateway).count(RECIPIENTS) <= 4


async def test_before_its_day_a_scheduled_message_is_not_asked_about(messaggisms_gateway: Gateway) -> None:
    with pytest.raises(TimeIsUp):
        report_of(await told_by(trigger("m1", began=-3_600.0, ends=0.3)), "m1")
    assert asked(messaggisms_gateway) == []


async def test_after_a_restart_too_it_asks_no_sooner_than_the_gateway_has_allowed(puppet: Puppet) -> None:
    puppet.answers(success([MESSAGE]), success(DELIVERED))
    allowed = time.monotonic() + 1.0
    event = await told_by(taken_up_again(trigger("m1", not_before=after(1.0))))
    assert report_of(event, "m1")["delivered"] == 1
    assert time.monotonic() >= allowed


async def test_it_finds_out_for_itself_that_a_message_is_scheduled(messaggisms_gateway: Gateway) -> None:
    message_id = send(timestamp_send="2098-12-24")
    for seconds in longer_and_longer(0.6):
        with pytest.raises(TimeIsUp):
            report_of(await told_by(trigger(message_id, ends=seconds)), message_id)
        if asked(messaggisms_gateway):
            break
    assert asked(messaggisms_gateway) == [SUMMARY]


async def test_of_many_recipients_only_the_summary_is_read_until_the_end(messaggisms_gateway: Gateway) -> None:
    message_id = send([f"+39 349 12{number:05d}" for number in range(1000, 1060)])
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await until_looks(waiting, messaggisms_gateway, 4, at=SUMMARY)
    messaggisms_gateway.advance(60)
    assert report_of(await waiting, message_id)["delivered"] == 60
    assert asked(messaggisms_gateway).count(RECIPIENTS) == 1


async def test_waits_on_one_message_ask_no_more_often_than_one(messaggisms_gateway: Gateway) -> None:
    message_id = send(STUCK)
    began = after(0)
    waits = [trigger(message_id, ends=1.2, since=began, poke_interval=0.2) for _ in range(20)]
    await asyncio.gather(*(told_by(wait) for wait in waits))
    assert asked(messaggisms_gateway).count(RECIPIENTS) <= 6


async def test_the_log_has_a_line_for_each_change_and_not_for_each_look(
    messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    message_id = send(STUCK)
    await looks_on(message_id, messaggisms_gateway, 4)
    log = said()
    assert log.count("+39-*******005: PENDING") == 1
    assert "1230005" not in log


# --- in its event loop ------------------------------------------------------------------------------------------------


@pytest.fixture
def loop_is_empty() -> Iterator[None]:
    yield
    assert not any(lookout._lookouts.values())


async def test_when_it_is_cancelled_it_asks_no_more_and_leaves_nothing_behind(
    messaggisms_gateway: Gateway, loop_is_empty: None
) -> None:
    message_id = send(STUCK)
    await looks_on(message_id, messaggisms_gateway, 2)
    assert lookout._lookouts[asyncio.get_running_loop()] == {}
    left = asyncio.all_tasks() - {asyncio.current_task()}
    async with asyncio.timeout(SILENCE_SECONDS):  # a task that went on asking would not end
        await asyncio.gather(*left, return_exceptions=True)
    assert [exchange.method for exchange in messaggisms_gateway.requests()].count("DELETE") == 0


async def test_reading_the_connection_does_not_stop_the_loop(
    messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, ticked = threading.Event(), threading.Event()
    read = EnvironmentVariablesBackend.get_conn_value

    def slow(backend: Any, conn_id: str, *others: Any, **more: Any) -> str | None:
        reads.set()
        assert ticked.wait(30), "the loop stands still while the connection is read"
        return read(backend, conn_id, *others, **more)

    message_id = send()
    messaggisms_gateway.advance(10)
    monkeypatch.setattr(EnvironmentVariablesBackend, "get_conn_value", slow)
    waiting = asyncio.create_task(told_by(trigger(message_id)))
    await until_or_done(waiting, reads.is_set)
    ticked.set()  # this loop goes on, although the connection is still being read
    assert report_of(await waiting, message_id)["delivered"] == 1


async def test_a_long_report_is_counted_between_other_work_and_stops_nothing(
    puppet: Puppet, caplog: pytest.LogCaptureFixture
) -> None:
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

    gc.disable()  # it would stop the loop for longer than all the rest takes, whoever waits there
    try:
        other_work = asyncio.create_task(tick())
        event = await told_by(trigger("m1"))
        other_work.cancel()
    finally:
        gc.enable()
    assert report_of(event, "m1")["delivered"] == many
    assert max(steps) < sum(steps) / 10  # decoded at once, one step would take most of it
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
