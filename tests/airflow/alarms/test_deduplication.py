"""An alarm goes out once, whatever is known or unknown of an earlier one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from airflow_provider_messaggisms.alarms.deduplication import MAX_LOOK_UPS, Result, send_once
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    InsufficientCreditError,
    MessaggiSmsError,
    NotSentError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport
from tests.airflow.alarms.driving import Driver, methods, ready_alarm
from tests.airflow.alarms.notifying import new_machine


def test_the_first_alarm_looks_and_goes_out(driver: Driver, messaggisms_gateway: Gateway) -> None:
    result = driver.run(send_once(ready_alarm(), driver.deadline()))
    assert methods(messaggisms_gateway) == ["GET", "POST"]
    assert result.sent
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


def test_the_second_one_stays_silent_and_names_the_first(driver: Driver, messaggisms_gateway: Gateway) -> None:
    first = driver.run(send_once(ready_alarm(), driver.deadline()))
    assert driver.run(send_once(ready_alarm(), driver.deadline())) == Result(first.message_id, "digest")
    assert len(messaggisms_gateway.inbox()) == 1


def test_an_alarm_with_another_key_goes_out(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm("one"), driver.deadline()))
    result = driver.run(send_once(ready_alarm("two"), driver.deadline()))
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize(("minutes_ago", "silent"), [(14, True), (16, False)])
def test_it_is_silent_for_once_per(
    driver: Driver, messaggisms_gateway: Gateway, minutes_ago: int, silent: bool
) -> None:
    then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    messaggisms_gateway.reset(now=then.isoformat())
    driver.run(send_once(ready_alarm(minutes=15), driver.deadline()))
    new_machine()
    before = len(messaggisms_gateway.requests())
    assert (driver.run(send_once(ready_alarm(minutes=15), driver.deadline())).sent is None) is silent
    # What is too old is not even read.
    assert methods(messaggisms_gateway)[before:] == (["GET", "GET"] if silent else ["GET", "POST"])


def test_zero_minutes_never_silence_nor_look(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm(minutes=0), driver.deadline()))
    driver.run(send_once(ready_alarm(minutes=0), driver.deadline()))
    assert methods(messaggisms_gateway) == ["POST", "POST"]


@pytest.mark.parametrize("kind", ["drop_before", "status_before", "malformed", "expired_token"])
def test_a_failed_search_leads_to_a_send(
    driver: Driver, messaggisms_gateway: Gateway, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver.run(send_once(ready_alarm(), driver.deadline()))
    new_machine()
    messaggisms_gateway.fail_next(kind, method="GET")
    result = driver.run(send_once(ready_alarm(), driver.deadline()))
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2
    assert "Cannot see whether this alarm has gone out already" in caplog.text


def test_a_search_ends_when_half_of_the_time_is_over(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm(), driver.deadline()))
    new_machine()

    def take_eleven_seconds() -> None:
        driver.clock.now += 11

    result = driver.run(send_once(ready_alarm(), driver.deadline()), after=take_eleven_seconds)
    assert result.sent
    assert len(messaggisms_gateway.inbox()) == 2


def test_every_call_knows_how_long_it_may_take(driver: Driver) -> None:
    driver.run(send_once(ready_alarm(), driver.deadline(20)))
    assert driver.limits == [pytest.approx(8), pytest.approx(13.6)]


def test_a_search_reads_a_limited_number_of_messages(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm("old"), driver.deadline()))
    messaggisms_gateway.advance(1)
    for number in range(MAX_LOOK_UPS):
        driver.run(send_once(ready_alarm(f"newer {number}", minutes=0), driver.deadline()))
    new_machine()
    before = len(messaggisms_gateway.requests())
    result = driver.run(send_once(ready_alarm("old"), driver.deadline()))
    assert result.sent
    assert methods(messaggisms_gateway)[before:] == ["GET"] * (MAX_LOOK_UPS + 1) + ["POST"]


def test_messages_of_other_senders_are_not_read(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm("other", sender="Marketing"), driver.deadline()))
    before = len(messaggisms_gateway.requests())
    driver.run(send_once(ready_alarm(), driver.deadline()))
    assert methods(messaggisms_gateway)[before:] == ["GET", "POST"]


def test_a_lost_answer_to_an_accepted_alarm_is_settled(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("drop_after", method="POST")
    result = driver.run(send_once(ready_alarm(), driver.deadline()))
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


@pytest.mark.parametrize("kind", ["status_after", "malformed"])
def test_an_unreadable_answer_to_an_accepted_alarm_is_settled(
    driver: Driver, messaggisms_gateway: Gateway, kind: str
) -> None:
    messaggisms_gateway.fail_next(kind, method="POST")
    result = driver.run(send_once(ready_alarm(minutes=0), driver.deadline()))
    assert [sms.message_id for sms in messaggisms_gateway.inbox()] == [result.message_id]


@pytest.mark.parametrize("kind", ["drop_before", "status_before"])
def test_an_alarm_that_may_be_lost_is_not_sent_again(driver: Driver, messaggisms_gateway: Gateway, kind: str) -> None:
    messaggisms_gateway.fail_next(kind, method="POST")
    with pytest.raises(OutcomeUnknownError, match=r"may be lost.*the key storm"):
        driver.run(send_once(ready_alarm(), driver.deadline()))
    assert methods(messaggisms_gateway).count("POST") == 1


def test_an_older_alarm_does_not_pass_for_the_lost_one(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now=(datetime.now(UTC) - timedelta(minutes=3)).isoformat())
    driver.run(send_once(ready_alarm(minutes=1), driver.deadline()))
    messaggisms_gateway.fail_next("drop_before", method="POST")
    with pytest.raises(OutcomeUnknownError):
        driver.run(send_once(ready_alarm(minutes=1), driver.deadline()))


def test_an_alarm_that_never_left_is_an_error_at_once(driver: Driver) -> None:
    driver.transport = SyncTransport(Settings("http://127.0.0.1:9", "token"))
    with pytest.raises(NotSentError):
        driver.run(send_once(ready_alarm(), driver.deadline()))


def test_an_alarm_that_is_refused_says_why(driver: Driver, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("no_credit", method="POST")
    with pytest.raises(InsufficientCreditError, match="HTTP 402, code 201"):
        driver.run(send_once(ready_alarm(), driver.deadline()))


def test_nothing_is_sent_after_the_deadline(driver: Driver, messaggisms_gateway: Gateway) -> None:
    deadline = driver.deadline()
    driver.clock.now += 21
    with pytest.raises(MessaggiSmsError, match="nothing was sent"):
        driver.run(send_once(ready_alarm(), deadline))
    assert messaggisms_gateway.inbox() == []


def test_once_per_may_be_as_long_as_python_can_say(driver: Driver, messaggisms_gateway: Gateway) -> None:
    for_ever = replace(ready_alarm(), once_per=timedelta.max)
    driver.run(send_once(for_ever, driver.deadline()))
    assert driver.run(send_once(for_ever, driver.deadline())).sent is None
    assert len(messaggisms_gateway.inbox()) == 1


def test_the_key_is_on_the_wire(driver: Driver, messaggisms_gateway: Gateway) -> None:
    driver.run(send_once(ready_alarm(), driver.deadline()))
    (sms,) = messaggisms_gateway.inbox()
    assert json.loads(sms.custom or "")["airflow"]["key"] == "storm"
