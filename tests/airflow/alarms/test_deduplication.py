"""
An alarm goes out once, whatever is known or unknown of an earlier one.

The steps are performed by the test, so pauses take no time and callbacks can be interleaved in any order.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from airflow_provider_messaggisms.alarms.alarm import Alarm
from airflow_provider_messaggisms.alarms.deadline import Deadline
from airflow_provider_messaggisms.alarms.deduplication import MAX_LOOK_UPS, Note, Result, send_once
from airflow_provider_messaggisms.alarms.local_lock import LocalLock
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    InsufficientCreditError,
    MessaggiSmsError,
    NotSentError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.idempotency import new_mark, with_key
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.steps import Pause, Steps, run_steps
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

ADDRESSEE = Recipient("+39-3491234567")


class Clock:
    """A clock that is moved by hand, and by the pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


class Driver:
    """Makes calls at the emulator, one by one; a pause moves the clock."""

    def __init__(self, gateway: Gateway, new_machine: Callable[[], None]) -> None:
        self.new_machine = new_machine
        self.transport = SyncTransport(Settings(gateway.url, gateway.token))
        self.clock = Clock()
        self.limits: list[float | None] = []

    def deadline(self, seconds: float = 20.0) -> Deadline:
        """Make a deadline on this clock."""
        return Deadline(seconds, self.clock)

    def make(self, step: Call[Any] | Pause) -> Any:
        """Make one step."""
        if isinstance(step, Pause):
            self.clock.now += step.seconds
            return None
        self.limits.append(step.within_seconds)
        return step.parse(self.transport.send(step.request))

    def run(self, steps: Steps[Result], after: Callable[[], None] = lambda: None) -> Result:
        """Make all steps; call *after* after each."""

        def perform(step: Call[Any] | Pause) -> Any:
            try:
                return self.make(step)
            finally:
                after()

        return run_steps(steps, perform)

    def end(self, steps: Steps[Result], answer: Any = None) -> Result:
        """Give the last answer; return the result."""
        with pytest.raises(StopIteration) as end:
            steps.send(answer)
        result: Result = end.value.value
        return result


@pytest.fixture
def driver(messaggisms_gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    machines = count()

    def new_machine() -> None:
        """Go on where no process has left a lock or a note."""
        folder = tmp_path / str(next(machines))
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))

    new_machine()
    return Driver(messaggisms_gateway, new_machine)


def alarm(key: str = "storm", *, minutes: float = 60, sender: str = "Airflow") -> Alarm:
    mark = new_mark()
    custom = with_key(key, mark, {"dag_id": "etl", "text": "digest"}, None)
    post = calls.send_message(MessageContent(sender=sender, body="Backup failed", custom=custom), [ADDRESSEE])
    return Alarm(
        key=key,
        name=f"the {key}",
        sender=sender,
        once_per=timedelta(minutes=minutes),
        mark=mark,
        text="digest",
        has_own_key=False,
        post=post,
        cost="1 SMS part(s)",
    )


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


def methods(gateway: Gateway) -> list[str]:
    return [exchange.method for exchange in gateway.requests()]


def test_the_first_alarm_looks_and_goes_out(driver: Driver, messaggisms_gateway: Gateway) -> None:
    result = driver.run(send_once(alarm(), driver.deadline()))
    assert methods(messaggisms_gateway) == ["GET", "POST"]
    assert result.sent
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


def test_the_second_one_stays_silent_and_names_the_first(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = driver.run(send_once(alarm(), driver.deadline()))
    assert driver.run(send_once(alarm(), driver.deadline())) == Result(first.message_id, "digest")
    assert len(messaggisms_gateway.inbox()) == 1


def test_an_alarm_with_another_key_goes_out(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm("one"), driver.deadline()))
    result = driver.run(send_once(alarm("two"), driver.deadline()))
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize(("minutes_ago", "silent"), [(14, True), (16, False)])
def test_it_is_silent_for_once_per(
    driver: Driver, messaggisms_gateway: Gateway, minutes_ago: int, silent: bool
) -> None:
    then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    messaggisms_gateway.reset(now=then.isoformat())
    driver.run(send_once(alarm(minutes=15), driver.deadline()))
    driver.new_machine()
    before = len(messaggisms_gateway.requests())
    assert (driver.run(send_once(alarm(minutes=15), driver.deadline())).sent is None) is silent
    # What is too old is not even read.
    assert methods(messaggisms_gateway)[before:] == (["GET", "GET"] if silent else ["GET", "POST"])


def test_zero_minutes_never_silence_nor_look(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm(minutes=0), driver.deadline()))
    driver.run(send_once(alarm(minutes=0), driver.deadline()))
    assert methods(messaggisms_gateway) == ["POST", "POST"]


@pytest.mark.parametrize("kind", ["drop_before", "status_before", "malformed", "expired_token"])
def test_a_failed_search_leads_to_a_send(
    driver: Driver, messaggisms_gateway: Gateway, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver.run(send_once(alarm(), driver.deadline()))
    driver.new_machine()
    messaggisms_gateway.fail_next(kind, method="GET")
    result = driver.run(send_once(alarm(), driver.deadline()))
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2
    assert "Cannot see whether this alarm has gone out already" in caplog.text


def test_a_search_ends_when_half_of_the_time_is_over(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm(), driver.deadline()))
    driver.new_machine()

    def take_eleven_seconds() -> None:
        driver.clock.now += 11

    result = driver.run(send_once(alarm(), driver.deadline()), after=take_eleven_seconds)
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2


def test_every_call_knows_how_long_it_may_take(driver: Driver) -> None:
    driver.run(send_once(alarm(), driver.deadline(20)))
    assert driver.limits == [pytest.approx(8), pytest.approx(13.6)]


def test_a_search_reads_a_limited_number_of_messages(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm("old"), driver.deadline()))
    messaggisms_gateway.advance(1)
    for number in range(MAX_LOOK_UPS):
        driver.run(send_once(alarm(f"newer {number}", minutes=0), driver.deadline()))
    driver.new_machine()
    before = len(messaggisms_gateway.requests())
    result = driver.run(send_once(alarm("old"), driver.deadline()))
    assert result.sent
    assert methods(messaggisms_gateway)[before:] == ["GET"] * (MAX_LOOK_UPS + 1) + ["POST"]


def test_messages_of_other_senders_are_not_read(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm("other", sender="Marketing"), driver.deadline()))
    before = len(messaggisms_gateway.requests())
    driver.run(send_once(alarm(), driver.deadline()))
    assert methods(messaggisms_gateway)[before:] == ["GET", "POST"]


def test_a_lost_answer_to_an_accepted_alarm_is_settled(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("drop_after", method="POST")
    result = driver.run(send_once(alarm(), driver.deadline()))
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


@pytest.mark.parametrize("kind", ["status_after", "malformed"])
def test_an_unreadable_answer_to_an_accepted_alarm_is_settled(
    driver: Driver, messaggisms_gateway: Gateway, kind: str
) -> None:
    messaggisms_gateway.fail_next(kind, method="POST")
    result = driver.run(send_once(alarm(minutes=0), driver.deadline()))
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


@pytest.mark.parametrize("kind", ["drop_before", "status_before"])
def test_an_alarm_that_may_be_lost_is_not_sent_again(driver: Driver, messaggisms_gateway: Gateway, kind: str) -> None:
    messaggisms_gateway.fail_next(kind, method="POST")
    with pytest.raises(OutcomeUnknownError, match=r"may be lost.*the key storm"):
        driver.run(send_once(alarm(), driver.deadline()))
    assert methods(messaggisms_gateway).count("POST") == 1


def test_an_older_alarm_does_not_pass_for_the_lost_one(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now=(datetime.now(UTC) - timedelta(minutes=3)).isoformat())
    driver.run(send_once(alarm(minutes=1), driver.deadline()))
    messaggisms_gateway.fail_next("drop_before", method="POST")
    with pytest.raises(OutcomeUnknownError):
        driver.run(send_once(alarm(minutes=1), driver.deadline()))


def test_an_alarm_that_never_left_is_an_error_at_once(driver: Driver) -> None:
    driver.transport = SyncTransport(Settings("http://127.0.0.1:9", "token"))
    with pytest.raises(NotSentError):
        driver.run(send_once(alarm(), driver.deadline()))


def test_an_alarm_that_is_refused_says_why(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError, match="HTTP 402, code 201"):
        driver.run(send_once(alarm(), driver.deadline()))


def test_a_racing_callback_waits_and_stays_silent(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first, second = send_once(alarm(), driver.deadline()), send_once(alarm(), driver.deadline())
    listing = next(first)
    assert isinstance(next(second), Pause)
    post = first.send(driver.make(listing))
    assert isinstance(second.send(None), Pause)
    driver.end(first, driver.make(post))
    assert driver.run(second).sent is None
    assert len(messaggisms_gateway.inbox()) == 1


def test_waiting_callbacks_read_the_note_and_do_not_ask_the_gateway(driver: Driver) -> None:
    first = send_once(alarm(), driver.deadline())
    listing = next(first)
    others = [send_once(alarm(), driver.deadline()) for _ in range(3)]
    for other in others:
        assert isinstance(next(other), Pause)
    sent = driver.end(first, driver.make(first.send(driver.make(listing))))
    for other in others:
        assert driver.end(other) == Result(sent.message_id, "digest")


def test_a_note_about_another_alarm_is_ignored(driver: Driver, messaggisms_gateway: Gateway) -> None:
    with LocalLock(same_file_as("storm")) as other:
        assert other.take()
        waiting = send_once(alarm(), driver.deadline())
        assert isinstance(next(waiting), Pause)
        note = Note(same_file_as("storm"), "another-message", "digest", time.time(), time.time())
        other.leave(msgspec.json.encode(note).decode())
    assert driver.run(waiting).sent
    assert methods(messaggisms_gateway) == ["GET", "POST"]


def test_a_later_callback_asks_only_for_the_message_of_the_note(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = driver.run(send_once(alarm(), driver.deadline()))
    before = len(messaggisms_gateway.requests())
    assert driver.run(send_once(alarm(), driver.deadline())) == Result(first.message_id, "digest")
    (exchange,) = messaggisms_gateway.requests()[before:]
    assert (exchange.method, exchange.path) == ("GET", "/messages/{id}")


@pytest.mark.parametrize("kind", ["drop_before", "status_before", "malformed", "expired_token"])
def test_a_note_is_enough_when_the_gateway_cannot_say(
    driver: Driver, messaggisms_gateway: Gateway, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = driver.run(send_once(alarm(), driver.deadline()))
    messaggisms_gateway.fail_next(kind, method="GET", times=0)
    assert driver.run(send_once(alarm(), driver.deadline())) == Result(first.message_id, "digest")
    assert f"Cannot ask the gateway for message {first.message_id}" in caplog.text


def test_a_note_counts_no_longer_than_once_per(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now=(datetime.now(UTC) - timedelta(minutes=16)).isoformat())
    driver.run(send_once(alarm(minutes=15), driver.deadline()))
    messaggisms_gateway.fail_next("drop_before", method="GET", times=0)
    assert driver.run(send_once(alarm(minutes=15), driver.deadline())).sent


def test_a_found_alarm_is_noted_for_those_who_wait(driver: Driver, messaggisms_gateway: Gateway) -> None:
    elsewhere = driver.run(send_once(alarm(), driver.deadline()))
    driver.new_machine()
    finding, *waiting = [send_once(alarm(), driver.deadline()) for _ in range(4)]
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
        waiting = send_once(alarm(), driver.deadline())
        assert isinstance(next(waiting), Pause)
        note = Note("storm", "the-message", "digest", time.time(), time.time())
        holder.leave(msgspec.json.encode(note).decode())
        assert driver.end(waiting) == Result("the-message", "digest")


def test_an_old_note_is_not_enough_to_stay_silent(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm(), driver.deadline()))
    messaggisms_gateway.reset()
    assert driver.run(send_once(alarm(), driver.deadline())).sent


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.5])
def test_racing_callbacks_send_one_sms_though_answers_take_long(
    driver: Driver, messaggisms_gateway: Gateway, seconds: float
) -> None:
    for number in range(30):
        driver.run(send_once(alarm(f"other {number}", minutes=0), driver.deadline()))

    racing = [send_once(alarm(), driver.deadline()) for _ in range(3)]
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


def test_nothing_is_sent_after_the_deadline(driver: Driver, messaggisms_gateway: Gateway) -> None:
    deadline = driver.deadline()
    driver.clock.now += 21
    with pytest.raises(MessaggiSmsError, match="nothing was sent"):
        driver.run(send_once(alarm(), deadline))
    assert messaggisms_gateway.inbox() == []


def test_once_per_may_be_as_long_as_python_can_say(driver: Driver, messaggisms_gateway: Gateway) -> None:
    for_ever = replace(alarm(), once_per=timedelta.max)
    driver.run(send_once(for_ever, driver.deadline()))
    assert driver.run(send_once(for_ever, driver.deadline())).sent is None
    assert len(messaggisms_gateway.inbox()) == 1


def test_one_waiting_callback_sends_when_the_first_fails(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = send_once(alarm(), driver.deadline())
    listing = next(first)
    others = [send_once(alarm(), driver.deadline()) for _ in range(3)]
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
    first = send_once(alarm(), driver.deadline())
    next(first)
    second, third = send_once(alarm(), driver.deadline()), send_once(alarm(), driver.deadline())
    next(second), next(third)
    first.close()
    assert isinstance(second.send(None), Call)
    assert isinstance(third.send(None), Pause)
    assert messaggisms_gateway.inbox() == []


def test_the_lock_that_comes_too_late_leaves_time_for_one_attempt(driver: Driver, messaggisms_gateway: Gateway) -> None:
    stuck = send_once(alarm(), driver.deadline())
    next(stuck)
    waiting = send_once(alarm(), driver.deadline())
    next(waiting)
    driver.clock.now = 15.99
    stuck.close()
    assert driver.run(waiting).sent
    assert methods(messaggisms_gateway) == ["GET", "POST"]
    assert driver.limits == [pytest.approx(0.9, abs=0.1), pytest.approx(2.5, abs=0.1)]


def test_waiting_ends_while_there_is_time_to_send(
    driver: Driver, messaggisms_gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = send_once(alarm(), driver.deadline())
    next(stuck)
    result = driver.run(send_once(alarm(), driver.deadline()))
    assert result.sent
    assert driver.clock.now == pytest.approx(16, abs=0.2)
    assert "not waiting" in caplog.text
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_cancelled_callback_releases_the_lock(driver: Driver) -> None:
    given_up = send_once(alarm(), driver.deadline())
    next(given_up)
    given_up.close()
    assert isinstance(next(send_once(alarm(), driver.deadline())), Call)


def test_the_key_is_on_the_wire(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(alarm(), driver.deadline()))
    (sms,) = messaggisms_gateway.inbox()
    assert json.loads(sms.custom or "")["airflow"]["key"] == "storm"
