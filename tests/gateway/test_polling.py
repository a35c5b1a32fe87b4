"""Watching a message: what each look asks for, what it makes of the answer, and how long it bears a silent gateway."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.delivery import SAFEGUARD_LOOKS, DeliveryCounts, Rule, judge
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Invalid,
    Message,
    Options,
    RecipientCounts,
    Statistics,
    Valid,
)
from airflow_provider_messaggisms.gateway.poll_interval import DEFAULT_OUTAGE_TOLERANCE_SECONDS, Pace
from airflow_provider_messaggisms.gateway.polling import TRUST, Watch
from airflow_provider_messaggisms.gateway.recipient_stream import SlicedResponseBody
from airflow_provider_messaggisms.gateway.wire import Call

START = 1_779_271_200.0  # 2026-05-20 12:00 in Rome
SUMMARY, RECIPIENTS = "/messages/{id}", "/messages/{id}/recipients/"
HANDSET, ENROUTE, GONE, ODD = (
    Delivery(number="+39-3471112223", state=state)
    for state in ("DELIVERED_TO_HANDSET", "PENDING_ENROUTE", "UNDELIVERABLE_NOT_DELIVERED", "TELEPORTED")
)


class Simulated:
    """A gateway with one message; what it holds may be changed at any time."""

    def __init__(self, *recipients: Delivery, **summary: Any) -> None:
        self.recipients = list(recipients)
        self.summary = summary
        self.error: errors.MessaggiSmsError | None = None
        self.asked: list[str] = []
        self.last: Call[Any] | None = None
        self.told: list[tuple[int, str]] = []

    def watch(self, **parts: Any) -> Watch:
        def say(level: int, text: str) -> None:
            self.told.append((level, text))

        return Watch("m1", START, say=say, **{"chance": lambda: 0.0, **parts})

    def look(self, watch: Watch, after: float = 0.0) -> Any:
        """Make one look, so many seconds after the first."""
        look = watch.look(START + after)
        try:
            call = next(look)
            while True:
                try:
                    answer = self._answer(call)
                except errors.MessaggiSmsError as error:
                    call = look.throw(error)
                else:
                    call = look.send(answer)
        except StopIteration as end:
            return end.value

    def asked_by(self, watch: Watch, after: float = 0.0) -> list[str]:
        """Make one look; tell what it asked for."""
        before = len(self.asked)
        self.look(watch, after)
        return self.asked[before:]

    def _answer(self, call: Call[Any]) -> Any:
        self.asked.append(call.request.route)
        self.last = call
        if self.error:
            raise self.error
        if call.request.route == RECIPIENTS:
            return DeliveryCounts().add(self.recipients)
        total = self.summary.get("total", len(self.recipients))
        delivered = self.summary.get("delivered", self.recipients.count(HANDSET))
        error = self.summary.get("error", self.recipients.count(GONE))
        made = datetime.fromtimestamp(START, UTC)
        return Message(
            id="m1",
            timestamp=made,
            options=Options(timestamp_send=self.summary.get("timestamp_send", made)),
            recipients=RecipientCounts(
                valid=Valid(count=self.summary.get("valid", len(self.recipients))),
                invalid=Invalid(total=self.summary.get("invalid", 0)),
            ),
            transaction=self.summary.get("transaction", False),
            statistics=Statistics(total=total, delivered=delivered, error=error, sent=self.summary.get("sent")),
        )


# --- what a look asks for ---------------------------------------------------------------------------------------------


def test_of_a_small_message_the_recipients_are_read_at_every_look() -> None:
    gateway = Simulated(ENROUTE)
    watch = gateway.watch()
    assert gateway.asked_by(watch) == [SUMMARY, RECIPIENTS]
    assert gateway.asked_by(watch) == [RECIPIENTS]


def test_of_a_large_message_only_the_summary_is_read_while_nothing_ends() -> None:
    gateway = Simulated(*[ENROUTE] * 100)
    watch = gateway.watch()
    for delivered in range(5):
        gateway.summary = {"delivered": delivered}
        assert gateway.asked_by(watch) == [SUMMARY]


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
def test_of_a_large_message_the_recipients_are_read_when_the_summary_shows_an_end(
    recipients: list[Delivery], rule: Rule, worth: bool
) -> None:
    gateway = Simulated(*recipients)
    watch = gateway.watch(rule=rule)
    try:
        gateway.look(watch)
    except errors.DeliveryError:
        assert worth
    assert gateway.asked == [SUMMARY, RECIPIENTS] if worth else [SUMMARY]


@pytest.mark.parametrize("summary", [{}, {"total": None, "valid": 0}], ids=["counts", "no counts"])
def test_a_message_that_proves_large_later_is_treated_so_from_then_on(summary: dict[str, Any]) -> None:
    gateway = Simulated(ENROUTE, **summary)
    watch = gateway.watch()
    gateway.look(watch)
    gateway.recipients *= 901
    assert gateway.asked_by(watch) == [RECIPIENTS]
    looks = [gateway.asked_by(watch) for _ in range(SAFEGUARD_LOOKS)]
    assert looks.count([SUMMARY]) == SAFEGUARD_LOOKS - 1
    assert looks.count([SUMMARY, RECIPIENTS]) == 1
    gateway.recipients = [HANDSET] * 901
    assert looks_until_read(gateway, watch) <= SAFEGUARD_LOOKS
    assert isinstance(gateway.last and gateway.last.collect(), SlicedResponseBody)


def looks_until_read(gateway: Simulated, watch: Watch) -> int:
    for count in range(1, 1000):
        gateway.look(watch)
        if gateway.asked[-1] == RECIPIENTS:
            return count
    raise AssertionError("never")


def test_a_summary_that_stands_still_is_not_believed_for_ever() -> None:
    # The summary counts nothing at all here; the recipients say that one of them is at home.
    gateway = Simulated(HANDSET, *[ENROUTE] * 99, delivered=0)
    watch = gateway.watch()
    assert [looks_until_read(gateway, watch) for _ in range(3)] == [SAFEGUARD_LOOKS] * 3


def test_a_summary_that_has_agreed_with_the_recipients_is_believed_longer() -> None:
    gateway = Simulated(HANDSET, *[ENROUTE] * 99)
    watch = gateway.watch()
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS * TRUST


def test_a_summary_that_has_agreed_on_nothing_is_not_believed_longer() -> None:
    gateway = Simulated(*[ENROUTE] * 60, delivered=0)
    watch = gateway.watch()
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS
    gateway.recipients = [HANDSET] * 60
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS


def test_a_summary_that_does_not_agree_any_more_is_not_believed_longer_any_more() -> None:
    gateway = Simulated(HANDSET, *[ENROUTE] * 99, delivered=1)
    watch = gateway.watch()
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS
    gateway.recipients[1] = HANDSET
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS * TRUST
    assert looks_until_read(gateway, watch) == SAFEGUARD_LOOKS


def test_looks_of_other_processes_count() -> None:
    gateway = Simulated(*[ENROUTE] * 100)
    read = [gateway.asked_by(gateway.watch(looks=looks))[-1] for looks in range(20)]
    assert [looks for looks, last in enumerate(read) if last == RECIPIENTS] == [9, 19]


def test_a_summary_that_promises_too_much_is_followed_once_and_then_only_when_it_moves() -> None:
    gateway = Simulated(*[ENROUTE] * 100, delivered=100)
    watch = gateway.watch()
    assert gateway.asked_by(watch) == [SUMMARY, RECIPIENTS]
    assert gateway.asked_by(watch) == [SUMMARY]
    gateway.summary = {"delivered": 101}
    assert gateway.asked_by(watch) == [SUMMARY, RECIPIENTS]


def test_a_process_that_goes_on_with_a_wait_keeps_its_rhythm() -> None:
    watch = Simulated(ENROUTE).watch(pace=Pace(60.0))
    assert [watch.first_pause(START + after) for after in (0.0, 20.0, 59.0, 60.0, 130.0)] == [
        60.0,
        40.0,
        1.0,
        60.0,
        50.0,
    ]


def test_a_process_that_goes_on_with_a_wait_asks_no_sooner_than_the_gateway_has_allowed() -> None:
    watch = Simulated(ENROUTE).watch(pace=Pace(60.0), not_before=START + 90.0)
    assert [watch.first_pause(START + after) for after in (1.0, 80.0, 130.0)] == [119.0, 40.0, 50.0]


# --- what it makes of the answer --------------------------------------------------------------------------------------


def test_the_report_comes_when_the_rule_is_met_and_not_before() -> None:
    gateway = Simulated(HANDSET, ENROUTE)
    watch = gateway.watch()
    assert gateway.look(watch) is None
    assert gateway.look(watch) is None
    gateway.recipients = [HANDSET, HANDSET]
    assert gateway.look(watch) == judge("m1", [HANDSET, HANDSET], Rule()).report


def test_a_delivery_that_cannot_succeed_any_more_is_an_error_with_the_report() -> None:
    gateway = Simulated(GONE, ENROUTE)
    with pytest.raises(errors.DeliveryError) as caught:
        gateway.look(gateway.watch())
    assert caught.value.report == judge("m1", [GONE, ENROUTE], Rule()).report


def test_a_message_with_invalid_recipients_alone_has_failed_once_its_transaction_is_closed() -> None:
    gateway = Simulated(invalid=2, transaction=True)
    watch = gateway.watch()
    assert gateway.look(watch) is None
    gateway.summary["transaction"] = False
    with pytest.raises(errors.DeliveryError, match="all recipients invalid"):
        gateway.look(watch)


def test_the_rule_decides() -> None:
    gateway = Simulated(GONE, HANDSET)
    assert gateway.look(gateway.watch(rule=Rule(0.5)))["delivered"] == 1


def test_a_large_message_ends_with_its_recipients_and_not_with_its_summary() -> None:
    gateway = Simulated(*[HANDSET] * 100)
    assert gateway.look(gateway.watch())["delivered"] == 100


def test_a_line_is_told_for_each_change_and_not_for_each_look() -> None:
    gateway = Simulated(ENROUTE, ENROUTE)
    watch = gateway.watch()
    for recipients in ([ENROUTE, ENROUTE], [ENROUTE, ENROUTE], [HANDSET, ENROUTE], [HANDSET, ENROUTE], [HANDSET] * 2):
        gateway.recipients = recipients
        gateway.look(watch)
    assert gateway.told == [
        (logging.INFO, "message m1: 0 of 2 delivered (2 PENDING_ENROUTE)"),
        (logging.INFO, "message m1: 1 of 2 delivered (1 DELIVERED_TO_HANDSET, 1 PENDING_ENROUTE)"),
        (logging.INFO, "message m1: 2 of 2 delivered (2 DELIVERED_TO_HANDSET)"),
    ]


def test_an_unknown_state_is_waited_on_and_warned_of_once() -> None:
    gateway = Simulated(ODD)
    watch = gateway.watch()
    for recipients in ([ODD], [ODD, ENROUTE], [ODD, HANDSET]):
        gateway.recipients = recipients
        assert gateway.look(watch) is None
    warned = [text for level, text in gateway.told if level == logging.WARNING]
    assert warned == ["unknown state 'TELEPORTED': waiting on, as if it were intermediate"]


# --- a scheduled day --------------------------------------------------------------------------------------------------


def test_a_message_for_a_later_day_is_not_asked_for_before_that_day() -> None:
    day = datetime.fromtimestamp(START, UTC) + timedelta(days=2)
    gateway = Simulated(ENROUTE, timestamp_send=day)
    watch = gateway.watch()
    assert gateway.asked_by(watch) == [SUMMARY]
    assert watch.since == day.timestamp()
    assert watch.pause(START) == 2 * 86_400.0
    assert gateway.told == [
        (logging.INFO, f"message m1 is scheduled for {day.isoformat()}; there is nothing to ask before")
    ]
    assert gateway.asked_by(watch, after=2 * 86_400.0) == [SUMMARY, RECIPIENTS]


def test_a_gateway_whose_clock_is_ahead_has_scheduled_nothing() -> None:
    soon = datetime.fromtimestamp(START, UTC) + timedelta(seconds=30)
    gateway = Simulated(ENROUTE, timestamp_send=soon)
    assert gateway.asked_by(gateway.watch()) == [SUMMARY, RECIPIENTS]


# --- a gateway that does not answer -----------------------------------------------------------------------------------

TRANSIENT = [
    errors.NotSentError("refused"),
    errors.OutcomeUnknownError("silence"),
    errors.ProtocolError("HTML", status=200),
    errors.RateLimitedError(429, None, "Slowly", retry_after_seconds=90.0),
    errors.GatewayUnavailableError(503, None, "Closed"),
    errors.GatewayError(200, None, "Odd"),
]
PERMANENT = [
    errors.AuthenticationError(401, None, "Who?"),
    errors.MessageNotFoundError(404, 203, "Where?"),
    errors.ConfigurationError("message_id: no id"),
]


@pytest.mark.parametrize("error", PERMANENT)
def test_what_no_retry_can_cure_ends_the_wait_at_once(error: errors.MessaggiSmsError) -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = error
    with pytest.raises(type(error)) as caught:
        gateway.look(gateway.watch())
    assert caught.value is error


@pytest.mark.parametrize("error", TRANSIENT)
def test_an_outage_is_borne_until_it_has_lasted_too_long(error: errors.MessaggiSmsError) -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = error
    watch = gateway.watch(outage_tolerance=1800.0)
    for after in (0.0, 600.0, 1200.0, 1700.0):
        assert gateway.look(watch, after) is None
    with pytest.raises(type(error), match="5 looks in a row have failed in 30 min: giving up") as caught:
        gateway.look(watch, 1800.0)
    assert vars(caught.value) == vars(error)


def test_an_outage_of_half_an_hour_is_borne_unless_told_otherwise() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.NotSentError("refused")
    watch = gateway.watch()
    for after in range(0, 1_801, 60):
        assert gateway.look(watch, after) is None
    gateway.error = None
    gateway.recipients = [HANDSET]
    assert gateway.look(watch, 1_860.0)["delivered"] == 1


def test_two_failures_are_never_an_outage_however_far_apart() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.NotSentError("refused")
    watch = gateway.watch(outage_tolerance=60.0)
    assert gateway.look(watch, 0.0) is gateway.look(watch, 86_400.0) is None
    with pytest.raises(errors.NotSentError):
        gateway.look(watch, 86_401.0)


def test_an_answer_ends_an_outage_and_is_told() -> None:
    gateway = Simulated(ENROUTE)
    watch = gateway.watch(outage_tolerance=60.0)
    for after in (0.0, 59.0, 61.0, 70.0, 129.0):
        gateway.error = None if after == 61.0 else errors.NotSentError("refused")
        assert gateway.look(watch, after) is None
    assert [text for _, text in gateway.told] == [
        "refused; looking again later",
        "message m1: the gateway answers again",
        "message m1: not yet delivered to +39-*******223: PENDING_ENROUTE",
        "refused; looking again later",
    ]


def test_pauses_grow_while_looks_fail_and_are_never_shorter_than_the_gateway_asks() -> None:
    gateway = Simulated(ENROUTE)
    watch = gateway.watch(pace=Pace(5.0))
    ordinary = watch.pause(START)
    gateway.error = errors.GatewayUnavailableError(503, None, "")
    pauses = []
    for _ in range(4):
        gateway.look(watch)
        pauses.append(watch.pause(START))
    assert pauses == [ordinary, 2 * ordinary, 4 * ordinary, 8 * ordinary]
    gateway.error = errors.RateLimitedError(429, None, "", retry_after_seconds=250.0)
    gateway.look(watch)
    assert watch.pause(START) == 250.0
    gateway.error = None
    gateway.look(watch, 250.0)
    assert watch.pause(START + 250.0) == ordinary


def test_a_gateway_that_asks_for_more_than_is_borne_is_left_alone_until_that_is_over_and_not_asked_again() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.GatewayUnavailableError(503, None, "Gone", retry_after_seconds=604_800.0)
    watch = gateway.watch(chance=lambda: 0.9)
    gateway.look(watch)
    assert watch.pause(START) == DEFAULT_OUTAGE_TOLERANCE_SECONDS
    assert gateway.asked_by(watch, 1_800.0) == []
    assert watch.pause(START + 1_800.0) == DEFAULT_OUTAGE_TOLERANCE_SECONDS - 1_800.0
    with pytest.raises(
        errors.GatewayUnavailableError, match="for another 601200 s, after 60 min without a good"
    ) as caught:
        gateway.look(watch, DEFAULT_OUTAGE_TOLERANCE_SECONDS)
    assert vars(caught.value) == vars(gateway.error)
    assert gateway.asked == [SUMMARY]


def test_a_process_that_goes_on_with_a_wait_bears_no_more_than_the_one_before() -> None:
    gateway = Simulated(ENROUTE)
    watch = gateway.watch(pace=Pace(60.0), not_before=START + 604_800.0)
    pause = watch.first_pause(START + 1.0)
    assert DEFAULT_OUTAGE_TOLERANCE_SECONDS <= 1.0 + pause <= DEFAULT_OUTAGE_TOLERANCE_SECONDS + 60.0
    with pytest.raises(errors.RateLimitedError, match="after 61 min without a good answer: giving up"):
        gateway.look(watch, 1.0 + pause)
    assert gateway.asked == []


def test_a_pause_that_the_gateway_asks_for_is_never_cut_below_the_interval() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.RateLimitedError(429, None, "", retry_after_seconds=250.0)
    watch = gateway.watch(pace=Pace(200.0), outage_tolerance=60.0)
    gateway.look(watch)
    assert watch.pause(START) == 200.0


events = st.lists(st.sampled_from(["answer", "move", *TRANSIENT]), max_size=40)


@given(events, st.integers(1, 120))
def test_whatever_happens_in_between_an_end_is_seen(happens: list[Any], size: int) -> None:
    gateway = Simulated(*[ENROUTE] * size)
    watch = gateway.watch(outage_tolerance=float("inf"))
    for number, event in enumerate(happens):
        gateway.error = event if isinstance(event, errors.MessaggiSmsError) else None
        if event == "move":
            gateway.recipients[number % size] = HANDSET
            gateway.summary = {"delivered": number}
        if (report := gateway.look(watch, float(number))) is not None:
            assert report["delivered"] == size
            return
    gateway.error, gateway.recipients, gateway.summary = None, [HANDSET] * size, {}
    seen = [gateway.look(watch, 1_000.0 + look) for look in range(SAFEGUARD_LOOKS * TRUST + 1)]
    assert next(report for report in seen if report)["delivered"] == size
