"""A gateway that gives no successful response: tolerated for a while, asked no sooner than it allows, then the end."""

from __future__ import annotations

import pytest

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.outage import DEFAULT_OUTAGE_TOLERANCE_SECONDS
from tests.gateway.polled import ENROUTE, HANDSET, START, SUMMARY, TRANSIENT, Simulated

PERMANENT = [
    errors.AuthenticationError(401, None, "Who?"),
    errors.MessageNotFoundError(404, 203, "Where?"),
    errors.ConfigurationError("message_id: no id"),
]


@pytest.mark.parametrize("error", PERMANENT)
def test_a_permanent_error_ends_the_wait_at_once(error: errors.MessaggiSmsError) -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = error
    with pytest.raises(type(error)) as caught:
        gateway.poll(gateway.poller())
    assert caught.value is error


@pytest.mark.parametrize("error", TRANSIENT)
def test_an_outage_is_tolerated_until_it_has_lasted_too_long(error: errors.MessaggiSmsError) -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = error
    poller = gateway.poller(outage_tolerance=1800.0)
    for after in (0.0, 600.0, 1200.0, 1700.0):
        assert gateway.poll(poller, after) is None
    with pytest.raises(type(error), match="giving up: 5 polls in a row failed within 30 min") as caught:
        gateway.poll(poller, 1800.0)
    assert vars(caught.value) == vars(error)


def test_an_outage_of_half_an_hour_is_tolerated_by_default() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.NotSentError("refused")
    poller = gateway.poller()
    for after in range(0, 1_801, 60):
        assert gateway.poll(poller, after) is None
    gateway.error = None
    gateway.recipients = [HANDSET]
    assert gateway.poll(poller, 1_860.0)["delivered"] == 1


def test_two_failures_are_never_an_outage_however_far_apart() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.NotSentError("refused")
    poller = gateway.poller(outage_tolerance=60.0)
    assert gateway.poll(poller, 0.0) is gateway.poll(poller, 86_400.0) is None
    with pytest.raises(errors.NotSentError):
        gateway.poll(poller, 86_401.0)


def test_an_answer_ends_an_outage_and_is_told() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller(outage_tolerance=60.0)
    for after in (0.0, 59.0, 61.0, 70.0, 129.0):
        gateway.error = None if after == 61.0 else errors.NotSentError("refused")
        assert gateway.poll(poller, after) is None
    assert [text for _, text in gateway.told] == [
        "refused; polling again later",
        "message m1: the gateway answers again",
        "message m1: not yet delivered to +39-*******223: PENDING_ENROUTE",
        "refused; polling again later",
    ]


def test_an_outage_begins_with_its_first_failure() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller(outage_tolerance=60.0)
    for after in (0.0, 7_200.0, 7_205.0, 7_210.0):
        gateway.error = errors.NotSentError("refused") if after else None
        assert gateway.poll(poller, after) is None
    with pytest.raises(errors.NotSentError, match="4 polls in a row failed within 1 min"):
        gateway.poll(poller, 7_260.0)


def test_each_outage_is_told_even_if_nothing_changes_in_between() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller()
    for error in (None, errors.NotSentError("refused"), None, errors.NotSentError("refused")):
        gateway.error = error
        gateway.poll(poller)
    assert [text for _, text in gateway.told].count("refused; polling again later") == 2


def test_what_is_known_of_an_outage_keeps_no_frames() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.NotSentError("refused")
    poller = gateway.poller()
    gateway.poll(poller)
    assert poller.outage.error is gateway.error
    assert gateway.error.__traceback__ is None


def test_pauses_grow_while_polls_fail_and_follow_retry_after() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller(poke_interval=5.0)
    ordinary = poller.pause(START)
    gateway.error = errors.GatewayUnavailableError(503, None, "")
    pauses = []
    for _ in range(4):
        gateway.poll(poller)
        pauses.append(poller.pause(START))
    assert pauses == [ordinary, 2 * ordinary, 4 * ordinary, 8 * ordinary]
    gateway.error = errors.RateLimitedError(429, None, "", retry_after_seconds=250.0)
    gateway.poll(poller)
    assert poller.pause(START) == 250.0
    gateway.error = None
    gateway.poll(poller, 250.0)
    assert poller.pause(START + 250.0) == ordinary


def test_a_retry_after_beyond_the_tolerance_ends_the_wait_unasked() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.GatewayUnavailableError(503, None, "Gone", retry_after_seconds=604_800.0)
    poller = gateway.poller(chance=0.9)
    gateway.poll(poller)
    assert poller.pause(START) == DEFAULT_OUTAGE_TOLERANCE_SECONDS
    assert gateway.asked_by(poller, 1_800.0) == []
    assert poller.pause(START + 1_800.0) == DEFAULT_OUTAGE_TOLERANCE_SECONDS - 1_800.0
    told = "giving up: no successful response for 60 min; Retry-After has 601200 s left"
    with pytest.raises(errors.GatewayUnavailableError, match=told) as caught:
        gateway.poll(poller, DEFAULT_OUTAGE_TOLERANCE_SECONDS)
    assert vars(caught.value) == vars(gateway.error)
    assert gateway.asked == [SUMMARY]


def test_a_retry_after_travels_to_the_process_that_goes_on() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.RateLimitedError(429, None, "", retry_after_seconds=90.0)
    poller = gateway.poller(poke_interval=60.0)
    gateway.poll(poller)
    assert poller.remaining_wait().not_before == START + 90.0
    resumed = gateway.poller(poke_interval=60.0, not_before=START + 90.0)
    assert [resumed.first_pause(START + after) for after in (1.0, 80.0, 130.0)] == [119.0, 40.0, 50.0]


def test_a_process_that_goes_on_tolerates_no_more_than_the_one_before() -> None:
    gateway = Simulated(ENROUTE)
    poller = gateway.poller(poke_interval=60.0, not_before=START + 604_800.0)
    pause = poller.first_pause(START + 1.0)
    assert DEFAULT_OUTAGE_TOLERANCE_SECONDS <= 1.0 + pause <= DEFAULT_OUTAGE_TOLERANCE_SECONDS + 60.0
    with pytest.raises(errors.RateLimitedError, match="giving up: no successful response for 61 min"):
        gateway.poll(poller, 1.0 + pause)
    assert gateway.asked == []


def test_the_end_of_the_tolerance_cuts_no_pause_below_the_interval() -> None:
    gateway = Simulated(ENROUTE)
    gateway.error = errors.RateLimitedError(429, None, "", retry_after_seconds=250.0)
    poller = gateway.poller(poke_interval=200.0, outage_tolerance=60.0)
    gateway.poll(poller)
    assert poller.pause(START) == 200.0
