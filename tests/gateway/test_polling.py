"""Polling a message: what a wait is, what each poll asks for, what it makes of the answer, and how it ends."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.delivery import judge
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import Delivery
from airflow_provider_messaggisms.gateway.polling import Poller, Wait
from airflow_provider_messaggisms.gateway.recipient_stream import SlicedResponseBody
from airflow_provider_messaggisms.gateway.steps import run_steps
from airflow_provider_messaggisms.gateway.summary_trust import SAFEGUARD_POLLS, TRUST
from tests.gateway.polled import ENROUTE, GONE, HANDSET, ODD, RECIPIENTS, START, SUMMARY, TRANSIENT, Simulated

# --- a wait -----------------------------------------------------------------------------------------------------------


def test_a_wait_travels_as_plain_json_and_back() -> None:
    wait = Wait(
        message_id="m1",
        since=START + 1e-6,
        deadline=START + 60,
        rule=Rule(0.5, accept_delivered_to_operator=True),
        poke_interval=7.5,
        outage_tolerance=60.0,
        not_before=START + 1,
    )
    assert Wait.from_json(json.loads(json.dumps(wait.to_json()))) == wait


def test_a_wait_needs_no_more_than_a_message_and_its_beginning() -> None:
    assert Wait.from_json({"message_id": "m1", "since": START}) == Wait(message_id="m1", since=START)


@pytest.mark.parametrize(
    "wrong",
    [
        {"poke_interval": -1},
        {"outage_tolerance": -1},
        {"since": float("nan")},
        {"deadline": float("inf")},
        {"not_before": float("inf")},
    ],
)
def test_a_wait_checks_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))):
        Wait(**{"message_id": "m1", "since": START, **wrong})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"rule": {"min_delivered": 2}}, "min_delivered: '2.0' is not a share"),
        ({"outage_tolerance": "long"}, r"outage_tolerance"),
        ({"message_id": None}, r"message_id"),
        ({"patience": 1}, "patience"),
    ],
)
def test_what_is_no_wait_is_refused_by_name(wrong: dict[str, Any], error: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=error):
        Wait.from_json({"message_id": "m1", "since": START, **wrong})
    with pytest.raises(errors.ConfigurationError):
        Wait.from_json(None)


def test_a_wait_is_over_at_its_deadline() -> None:
    wait = Wait(message_id="m1", since=START, deadline=START + 10)
    assert [wait.is_over(START + after) for after in (9.9, 10.0)] == [False, True]
    assert wait.seconds_left(START + 4) == 6.0
    without = msgspec.structs.replace(wait, deadline=None)
    assert (without.seconds_left(START), without.is_over(1e12)) == (None, False)


# --- what a poll asks for ---------------------------------------------------------------------------------------------


def test_of_a_small_message_each_poll_reads_the_recipients() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller()
    assert gateway.asked_by(poller) == [SUMMARY, RECIPIENTS]
    assert gateway.asked_by(poller) == [RECIPIENTS]


def test_an_answer_that_has_not_changed_is_counted_once() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller()
    gateway.poll(poller)
    first = gateway.last
    gateway.poll(poller)
    assert gateway.last is first  # a call recognizes the answer that it has counted


def test_of_a_large_message_only_the_summary_is_read_while_nothing_ends() -> None:
    gateway = Simulated(*[ENROUTE] * 100)
    poller = gateway.poller()
    for delivered in range(5):
        gateway.summary = {"delivered": delivered}
        assert gateway.asked_by(poller) == [SUMMARY]


@pytest.mark.parametrize(
    ("recipients", "rule", "worth"),
    [
        ([HANDSET] * 100, Rule(), True),
        ([HANDSET] * 99 + [ENROUTE], Rule(), False),
        ([ENROUTE] * 99 + [GONE], Rule(), True),
        ([ENROUTE] * 99 + [GONE], Rule(0.5), False),
        ([HANDSET] * 60 + [GONE] * 40, Rule(0.5), True),
    ],
)
def test_a_summary_that_shows_an_end_leads_to_the_recipients(
    recipients: list[Delivery], rule: Rule, worth: bool
) -> None:
    gateway = Simulated(*recipients)
    poller = gateway.poller(rule=rule)
    try:
        gateway.poll(poller)
    except errors.DeliveryError:
        assert worth
    assert gateway.asked == [SUMMARY, RECIPIENTS] if worth else [SUMMARY]


@pytest.mark.parametrize("summary", [{}, {"total": None, "valid": 0}], ids=["counts", "no counts"])
def test_a_message_that_proves_large_later_is_treated_so(summary: dict[str, Any]) -> None:
    gateway = Simulated(ENROUTE, **summary)
    poller = gateway.poller()
    gateway.poll(poller)
    gateway.recipients *= 901
    assert gateway.asked_by(poller) == [RECIPIENTS]
    polls = [gateway.asked_by(poller) for _ in range(SAFEGUARD_POLLS)]
    assert polls.count([SUMMARY]) == SAFEGUARD_POLLS - 1
    assert polls.count([SUMMARY, RECIPIENTS]) == 1
    gateway.recipients = [HANDSET] * 901
    assert polls_until_read(gateway, poller) <= SAFEGUARD_POLLS
    assert isinstance(gateway.last and gateway.last.collect(), SlicedResponseBody)


def polls_until_read(gateway: Simulated, poller: Poller) -> int:
    for count in range(1, 1000):
        gateway.poll(poller)
        if gateway.asked[-1] == RECIPIENTS:
            return count
    raise AssertionError("never")


def test_a_summary_that_stands_still_is_checked() -> None:
    # The summary counts nothing at all here; the recipients say that one SMS has arrived.
    gateway = Simulated(HANDSET, *[ENROUTE] * 99, delivered=0)
    poller = gateway.poller()
    assert [polls_until_read(gateway, poller) for _ in range(3)] == [SAFEGUARD_POLLS] * 3


def test_a_summary_that_agrees_with_the_recipients_is_trusted_longer() -> None:
    gateway = Simulated(HANDSET, *[ENROUTE] * 99)
    poller = gateway.poller()
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS * TRUST


def test_a_summary_that_agrees_on_zeros_alone_is_not_trusted_longer() -> None:
    gateway = Simulated(*[ENROUTE] * 60, delivered=0)
    poller = gateway.poller()
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS
    gateway.recipients = [HANDSET] * 60
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS


def test_a_summary_that_agrees_no_more_loses_its_trust() -> None:
    gateway = Simulated(HANDSET, *[ENROUTE] * 99, delivered=1)
    poller = gateway.poller()
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS
    gateway.recipients[1] = HANDSET
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS * TRUST
    assert polls_until_read(gateway, poller) == SAFEGUARD_POLLS


def test_polls_of_other_processes_count() -> None:
    gateway = Simulated(*[ENROUTE] * 100)
    read = [gateway.asked_by(gateway.poller(polls_before=polls))[-1] for polls in range(20)]
    assert [polls for polls, last in enumerate(read) if last == RECIPIENTS] == [9, 19]


def test_a_summary_that_shows_a_wrong_end_is_followed_once_per_move() -> None:
    gateway = Simulated(*[ENROUTE] * 100, delivered=100)
    poller = gateway.poller()
    assert gateway.asked_by(poller) == [SUMMARY, RECIPIENTS]
    assert gateway.asked_by(poller) == [SUMMARY]
    gateway.summary = {"delivered": 101}
    assert gateway.asked_by(poller) == [SUMMARY, RECIPIENTS]


# --- what it makes of the answer --------------------------------------------------------------------------------------


def test_the_report_comes_when_the_rule_is_met_and_not_before() -> None:
    gateway = Simulated(HANDSET, ENROUTE)
    poller = gateway.poller()
    assert gateway.poll(poller) is None
    assert gateway.poll(poller) is None
    gateway.recipients = [HANDSET, HANDSET]
    assert gateway.poll(poller) == judge("m1", [HANDSET, HANDSET], Rule()).report


def test_a_delivery_that_has_failed_is_an_error_with_the_report() -> None:
    gateway = Simulated(GONE, ENROUTE)
    with pytest.raises(errors.DeliveryError) as caught:
        gateway.poll(gateway.poller())
    assert caught.value.report == judge("m1", [GONE, ENROUTE], Rule()).report


def test_invalid_recipients_alone_fail_once_the_transaction_is_closed() -> None:
    gateway = Simulated(invalid=2, transaction=True)
    poller = gateway.poller()
    assert gateway.poll(poller) is None
    gateway.summary["transaction"] = False
    with pytest.raises(errors.DeliveryError, match="all recipients invalid"):
        gateway.poll(poller)


def test_the_rule_decides() -> None:
    gateway = Simulated(GONE, HANDSET)
    assert gateway.poll(gateway.poller(rule=Rule(0.5)))["delivered"] == 1


def test_a_large_message_ends_by_its_recipients_not_by_its_summary() -> None:
    gateway = Simulated(*[HANDSET] * 100)
    assert gateway.poll(gateway.poller())["delivered"] == 100


def test_the_log_has_a_line_for_each_change_and_not_for_each_poll() -> None:
    gateway = Simulated(ENROUTE, ENROUTE)
    poller = gateway.poller()
    for recipients in ([ENROUTE, ENROUTE], [ENROUTE, ENROUTE], [HANDSET, ENROUTE], [HANDSET, ENROUTE], [HANDSET] * 2):
        gateway.recipients = recipients
        gateway.poll(poller)
    assert gateway.told == [
        (logging.INFO, "message m1: 0 of 2 delivered (2 PENDING_ENROUTE)"),
        (logging.INFO, "message m1: 1 of 2 delivered (1 DELIVERED_TO_HANDSET, 1 PENDING_ENROUTE)"),
        (logging.INFO, "message m1: 2 of 2 delivered (2 DELIVERED_TO_HANDSET)"),
    ]


def test_the_progress_of_a_large_message_is_told_once_a_minute() -> None:
    gateway = Simulated(*[ENROUTE] * 60)
    poller = gateway.poller()
    lines = []
    for seconds in range(0, 600, 5):
        gateway.summary = {"total": 20_000, "delivered": 8_000 + seconds, "error": 0}
        gateway.poll(poller, after=seconds)
        lines += [(seconds, text) for _, text in gateway.told]
        gateway.told.clear()
    assert [seconds for seconds, _ in lines] == list(range(0, 600, 60))
    assert lines[2][1] == "message m1: 8,120 of 20,000 delivered, 0 not, according to the summary"


def progress_of(gateway: Simulated, seconds: float) -> None:
    """Let a large message get on."""
    gateway.summary = {"total": 20_000, "delivered": 8_000 + int(seconds), "error": 0}


def test_a_process_that_goes_on_tells_no_progress_for_a_minute() -> None:
    gateway = Simulated(*[ENROUTE] * 60)
    progress_of(gateway, 0)
    gateway.poll(gateway.poller())
    assert len(gateway.told) == 1
    steps = gateway.poller(poke_interval=7).resume(lambda: gateway.now)
    answer: Any = None
    told_at = []
    while gateway.now < START + 200:
        before = len(gateway.told)
        answer = gateway.perform(steps.send(answer))
        progress_of(gateway, gateway.now - START)
        told_at += [gateway.now - START] * (len(gateway.told) - before)
    assert told_at[0] >= 60
    assert min(later - earlier for earlier, later in pairwise(told_at)) >= 60


@pytest.mark.parametrize("poke_interval", [None, 0, 10, 40, 60, 90])
def test_rescheduled_polls_tell_progress_once_a_minute(poke_interval: float | None) -> None:
    gateway = Simulated(*[ENROUTE] * 60)
    told_at: list[float] = []
    for polls in range(1201):
        seconds = polls * (60.0 if poke_interval is None else poke_interval or 0.1)
        progress_of(gateway, seconds * 100)
        gateway.poll(gateway.poller(polls_before=polls, poke_interval=poke_interval), after=seconds)
        told_at += [seconds] * bool(gateway.told)
        gateway.told.clear()
    pauses = {round(later - earlier) for earlier, later in pairwise(told_at)}
    expected = {40: 80, 90: 90}
    assert pauses == {expected.get(int(poke_interval or 0), 60)}


def test_progress_that_stands_still_is_told_once() -> None:
    gateway = Simulated(*[ENROUTE] * 60, total=20_000, delivered=8_120)
    poller = gateway.poller(polls_before=1)
    for seconds in range(0, 400, 60):
        gateway.poll(poller, after=seconds)
    assert len(gateway.told) == 1


def test_the_end_of_a_large_message_is_told_within_the_minute() -> None:
    gateway = Simulated(*[ENROUTE] * 60)
    poller = gateway.poller()
    gateway.poll(poller)
    gateway.recipients = [HANDSET] * 60
    gateway.poll(poller, after=5)
    assert [text.partition(" delivered")[0] for _, text in gateway.told] == [
        "message m1: 0 of 60",
        "message m1: 60 of 60",
    ]


def test_an_unknown_state_does_not_end_a_wait_and_is_warned_of_once() -> None:
    gateway = Simulated(ODD)
    poller = gateway.poller()
    for recipients in ([ODD], [ODD, ENROUTE], [ODD, HANDSET]):
        gateway.recipients = recipients
        assert gateway.poll(poller) is None
    warned = [text for level, text in gateway.told if level == logging.WARNING]
    assert warned == ["unknown state 'TELEPORTED': not taken for final, waiting on"]


# --- a scheduled day --------------------------------------------------------------------------------------------------


def test_a_message_for_a_later_day_is_not_polled_before_that_day() -> None:
    day = datetime.fromtimestamp(START, UTC) + timedelta(days=2)
    gateway = Simulated(ENROUTE, timestamp_send=day)
    poller = gateway.poller()
    assert gateway.asked_by(poller) == [SUMMARY]
    assert poller.is_scheduled(START)
    assert poller.remaining_wait().since == day.timestamp()
    assert poller.pause(START) == poller.pause(START, began=START - 600) == 2 * 86_400.0
    assert gateway.told == [(logging.INFO, f"message m1 is scheduled for {day.isoformat()}; not polling before")]
    assert gateway.asked_by(poller, after=2 * 86_400.0) == [SUMMARY, RECIPIENTS]


def test_a_gateway_whose_clock_is_ahead_has_scheduled_nothing() -> None:
    soon = datetime.fromtimestamp(START, UTC) + timedelta(seconds=30)
    gateway = Simulated(ENROUTE, timestamp_send=soon)
    assert gateway.asked_by(gateway.poller()) == [SUMMARY, RECIPIENTS]


# --- until the end ----------------------------------------------------------------------------------------------------


def test_it_runs_until_the_end_with_the_pauses_of_its_interval() -> None:
    gateway = Simulated(ENROUTE)
    steps = gateway.poller(poke_interval=60.0).run(lambda: gateway.now)

    def perform(step: Any) -> Any:
        if len(gateway.paused) == 2:
            gateway.recipients = [HANDSET]
        return gateway.perform(step)

    assert (run_steps(steps, perform) or {})["delivered"] == 1
    assert gateway.paused == [60.0, 60.0]
    assert gateway.asked == [SUMMARY, RECIPIENTS, RECIPIENTS, RECIPIENTS]


def test_at_its_deadline_it_ends_without_another_poll() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller(poke_interval=60.0, deadline=START + 100)
    assert run_steps(poller.run(lambda: gateway.now), gateway.perform) is None
    assert gateway.paused == [60.0, 40.0]
    assert gateway.asked == [SUMMARY, RECIPIENTS, RECIPIENTS]


def test_a_process_that_resumes_a_wait_keeps_its_rhythm() -> None:
    gateway = Simulated(HANDSET)
    poller = gateway.poller(poke_interval=60.0)
    pauses = [poller.first_pause(START + after) for after in (0.0, 20.0, 59.0, 60.0, 130.0)]
    assert pauses == [60.0, 40.0, 1.0, 60.0, 50.0]
    gateway.now = START + 20.0
    assert (run_steps(poller.resume(lambda: gateway.now), gateway.perform) or {})["delivered"] == 1
    assert gateway.paused == [40.0]


def test_a_wait_that_began_elsewhere_pauses_by_its_whole_age() -> None:
    poller = Simulated(ENROUTE).poller()
    assert [poller.pause(START, began=START - age) for age in (0.0, 61.0, 601.0)] == [5.0, 15.0, 60.0]
    assert poller.pause(START) == 5.0


events = st.lists(st.sampled_from(["answer", "move", *TRANSIENT]), max_size=40)


@given(events, st.integers(1, 120))
def test_whatever_happens_in_between_an_end_is_seen(happens: list[Any], size: int) -> None:
    gateway = Simulated(*[ENROUTE] * size)
    poller = gateway.poller(outage_tolerance=1e9)
    for number, event in enumerate(happens):
        gateway.error = event if isinstance(event, errors.MessaggiSmsError) else None
        if event == "move":
            gateway.recipients[number % size] = HANDSET
            gateway.summary = {"delivered": number}
        if (report := gateway.poll(poller, float(number))) is not None:
            assert report["delivered"] == size
            return
    gateway.error, gateway.recipients, gateway.summary = None, [HANDSET] * size, {}
    seen = [gateway.poll(poller, 1_000.0 + poll) for poll in range(SAFEGUARD_POLLS * TRUST + 1)]
    assert next(report for report in seen if report)["delivered"] == size
