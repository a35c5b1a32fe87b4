"""Several callbacks of one alarm at once: one sends, the others wait for its note and stay silent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count

import msgspec
import pytest

from airflow_provider_messaggisms.alarms.deduplication import Note, Result, send_once
from airflow_provider_messaggisms.alarms.local_lock import LocalLock
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import InsufficientCreditError
from airflow_provider_messaggisms.gateway.steps import Pause
from airflow_provider_messaggisms.gateway.wire import Call
from tests.airflow.alarms.driving import Driver, methods, ready_alarm
from tests.airflow.alarms.notifying import new_machine


@cache
def same_file_as(name: str) -> str:
    """Find another name whose lock is the same file."""
    with LocalLock(name) as lock:
        assert lock.take()
        for number in count():
            with LocalLock(f"calm {number}") as other:
                if not other.take():
                    return f"calm {number}"
    raise AssertionError


def test_a_racing_callback_waits_and_stays_silent(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first, second = send_once(ready_alarm(), driver.deadline()), send_once(ready_alarm(), driver.deadline())
    listing = next(first)
    assert isinstance(next(second), Pause)
    post = first.send(driver.make(listing))
    assert isinstance(second.send(None), Pause)
    driver.end(first, driver.make(post))
    assert driver.run(second).sent is None
    assert len(messaggisms_gateway.inbox()) == 1


def test_waiting_callbacks_read_the_note_and_do_not_ask_the_gateway(driver: Driver) -> None:
    first = send_once(ready_alarm(), driver.deadline())
    listing = next(first)
    others = [send_once(ready_alarm(), driver.deadline()) for _ in range(3)]
    for other in others:
        assert isinstance(next(other), Pause)
    sent = driver.end(first, driver.make(first.send(driver.make(listing))))
    for other in others:
        assert driver.end(other) == Result(sent.message_id, "digest")


def test_a_note_about_another_alarm_is_ignored(driver: Driver, messaggisms_gateway: Gateway) -> None:
    with LocalLock(same_file_as("storm")) as other:
        assert other.take()
        waiting = send_once(ready_alarm(), driver.deadline())
        assert isinstance(next(waiting), Pause)
        note = Note(same_file_as("storm"), "another-message", "digest", time.time(), time.time())
        other.leave(msgspec.json.encode(note).decode())
    assert driver.run(waiting).sent
    assert methods(messaggisms_gateway) == ["GET", "POST"]


def test_a_later_callback_asks_only_for_the_message_of_the_note(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = driver.run(send_once(ready_alarm(), driver.deadline()))
    before = len(messaggisms_gateway.requests())
    assert driver.run(send_once(ready_alarm(), driver.deadline())) == Result(first.message_id, "digest")
    (exchange,) = messaggisms_gateway.requests()[before:]
    assert (exchange.method, exchange.path) == ("GET", "/messages/{id}")


@pytest.mark.parametrize("kind", ["drop_before", "status_before", "malformed", "expired_token"])
def test_a_note_is_enough_when_the_gateway_cannot_say(
    driver: Driver, messaggisms_gateway: Gateway, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = driver.run(send_once(ready_alarm(), driver.deadline()))
    messaggisms_gateway.fail_next(kind, method="GET", times=0)
    assert driver.run(send_once(ready_alarm(), driver.deadline())) == Result(first.message_id, "digest")
    assert f"Cannot ask the gateway for message {first.message_id}" in caplog.text


def test_a_note_counts_no_longer_than_once_per(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now=(datetime.now(UTC) - timedelta(minutes=16)).isoformat())
    driver.run(send_once(ready_alarm(minutes=15), driver.deadline()))
    messaggisms_gateway.fail_next("drop_before", method="GET", times=0)
    assert driver.run(send_once(ready_alarm(minutes=15), driver.deadline())).sent


def test_a_found_alarm_is_noted_for_those_who_wait(driver: Driver, messaggisms_gateway: Gateway) -> None:
    elsewhere = driver.run(send_once(ready_alarm(), driver.deadline()))
    new_machine()
    finding, *waiting = [send_once(ready_alarm(), driver.deadline()) for _ in range(4)]
    listing = next(finding)
    for one in waiting:
        assert isinstance(next(one), Pause)
    reading = finding.send(driver.make(listing))
    assert driver.end(finding, driver.make(reading)) == Result(elsewhere.message_id, "digest")
    for one in waiting:
        assert driver.end(one) == Result(elsewhere.message_id, "digest")


def test_those_who_wait_need_the_note_and_not_the_lock(driver: Driver) -> None:
    with LocalLock("storm") as holder:
        assert holder.take()
        waiting = send_once(ready_alarm(), driver.deadline())
        assert isinstance(next(waiting), Pause)
        note = Note("storm", "the-message", "digest", time.time(), time.time())
        holder.leave(msgspec.json.encode(note).decode())
        assert driver.end(waiting) == Result("the-message", "digest")


def test_an_old_note_is_not_enough_to_stay_silent(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm(), driver.deadline()))
    messaggisms_gateway.reset()
    assert driver.run(send_once(ready_alarm(), driver.deadline())).sent


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.5])
def test_racing_callbacks_send_one_sms_though_answers_take_long(
    driver: Driver, messaggisms_gateway: Gateway, seconds: float
) -> None:
    for number in range(30):
        driver.run(send_once(ready_alarm(f"other {number}", minutes=0), driver.deadline()))

    racing = [send_once(ready_alarm(), driver.deadline()) for _ in range(3)]
    steps = [next(one) for one in racing]
    results: list[Result] = []
    while racing:
        driver.clock.now += seconds  # all answers come together, and pauses end meanwhile
        going = []
        for one, step in zip(racing, steps, strict=True):
            try:
                going.append((one, one.send(driver.make(step) if isinstance(step, Call) else None)))
            except StopIteration as end:
                results.append(end.value)
        racing, steps = [one for one, _ in going], [step for _, step in going]
    assert len([result for result in results if result.sent]) == 1
    assert len(messaggisms_gateway.inbox()) == 31


def test_one_waiting_callback_sends_when_the_first_fails(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = send_once(ready_alarm(), driver.deadline())
    listing = next(first)
    others = [send_once(ready_alarm(), driver.deadline()) for _ in range(3)]
    for other in others:
        next(other)
    messaggisms_gateway.fail_next("no_credit", method="POST")
    post = first.send(driver.make(listing))
    with pytest.raises(InsufficientCreditError) as refusal:
        driver.make(post)
    with pytest.raises(InsufficientCreditError):
        first.throw(refusal.value)
    assert [driver.run(other).sent is None for other in others] == [False, True, True]
    assert len(messaggisms_gateway.inbox()) == 1


def test_when_the_holder_ends_one_callback_goes_on_and_others_wait(
    driver: Driver, messaggisms_gateway: Gateway
) -> None:
    first = send_once(ready_alarm(), driver.deadline())
    next(first)
    second, third = send_once(ready_alarm(), driver.deadline()), send_once(ready_alarm(), driver.deadline())
    next(second), next(third)
    first.close()
    assert isinstance(second.send(None), Call)
    assert isinstance(third.send(None), Pause)
    assert messaggisms_gateway.inbox() == []


def test_the_lock_that_comes_too_late_leaves_time_for_one_attempt(driver: Driver, messaggisms_gateway: Gateway) -> None:
    stuck = send_once(ready_alarm(), driver.deadline())
    next(stuck)
    waiting = send_once(ready_alarm(), driver.deadline())
    next(waiting)
    driver.clock.now = 15.99
    stuck.close()
    assert driver.run(waiting).sent
    assert methods(messaggisms_gateway) == ["GET", "POST"]
    assert driver.limits == [pytest.approx(0.9, abs=0.1), pytest.approx(2.5, abs=0.1)]


def test_waiting_ends_while_there_is_time_to_send(
    driver: Driver, messaggisms_gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = send_once(ready_alarm(), driver.deadline())
    next(stuck)
    result = driver.run(send_once(ready_alarm(), driver.deadline()))
    assert result.sent
    assert driver.clock.now == pytest.approx(16, abs=0.2)
    assert "not waiting" in caplog.text
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_cancelled_callback_releases_the_lock(driver: Driver) -> None:
    given_up = send_once(ready_alarm(), driver.deadline())
    next(given_up)
    given_up.close()
    assert isinstance(next(send_once(ready_alarm(), driver.deadline())), Call)
