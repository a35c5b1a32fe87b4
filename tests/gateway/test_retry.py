"""When a call may be asked again: the whole table, and one rule above all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.wire import Call, Request

ONCE: Call[None] = Call(Request("POST", "/messages/", "/messages/"), lambda _: None, repeatable=False)
TWICE: Call[None] = Call(Request("GET", "/messages/", "/messages/"), lambda _: None, repeatable=True)
POLICY = RetryPolicy()


def refused(kind: type[errors.GatewayError], wait: float | None = None) -> errors.GatewayError:
    return kind(418, None, "", retry_after_seconds=wait)


#: What happened; whether any call may be asked again; whether a repeatable one may.
TABLE = [
    (errors.NotSentError("no route"), True, True),
    (refused(errors.RateLimitedError), True, True),
    (errors.OutcomeUnknownError("no answer"), False, True),
    (refused(errors.GatewayUnavailableError), False, True),
    (errors.ProtocolError("not JSON", status=200), False, True),
    (errors.ConfigurationError("bad"), False, False),
    (errors.TransportError("odd"), False, False),
    (errors.DeliveryError("lost"), False, False),
    (errors.MessaggiSmsError("any"), False, False),
    (refused(errors.GatewayError), False, False),
    (refused(errors.AuthenticationError), False, False),
    (refused(errors.InsufficientCreditError), False, False),
    (refused(errors.MessageNotFoundError), False, False),
    (refused(errors.MessageLockedError), False, False),
    (refused(errors.InvalidRequestError), False, False),
]


def test_the_table_has_every_error_that_there_is() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {type(error) for error, _, _ in TABLE} == kinds


@pytest.mark.parametrize(("error", "any_call", "repeatable_call"), TABLE)
def test_each_error_is_answered_as_the_table_says(
    error: errors.MessaggiSmsError, any_call: bool, repeatable_call: bool
) -> None:
    assert (POLICY.delay_seconds(ONCE, error, 1, 0.0) is not None) == any_call
    assert (POLICY.delay_seconds(TWICE, error, 1, 0.0) is not None) == repeatable_call


@pytest.mark.parametrize("error", [error for error, _, _ in TABLE])
@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 100])
def test_unknown_outcome_of_a_send_is_never_repeated(error: errors.MessaggiSmsError, attempt: int) -> None:
    send = calls.send_message(MessageContent(sender="Depot", body="Hello"), [Recipient("+39-3471112223")])
    update = calls.update_message("abc", recipients=[Recipient("+39-3471112223")])
    for call in (send, update):
        if POLICY.delay_seconds(call, error, attempt, 0.0) is not None:
            assert isinstance(error, errors.NotSentError | errors.RateLimitedError)
            assert not isinstance(error, OUTCOME_UNKNOWN)


def test_no_answer_a_5xx_and_an_unreadable_answer_leave_it_unknown() -> None:
    unknown = {type(error) for error, _, _ in TABLE if isinstance(error, OUTCOME_UNKNOWN)}
    assert unknown == {errors.OutcomeUnknownError, errors.GatewayUnavailableError, errors.ProtocolError}


@pytest.mark.parametrize("error", [error for error, _, repeatable_call in TABLE if repeatable_call])
def test_a_call_is_made_three_times_at_most(error: errors.MessaggiSmsError) -> None:
    again = [POLICY.delay_seconds(TWICE, error, attempt, 0.0) is not None for attempt in range(1, 6)]
    assert again == [True, True, False, False, False]
    assert RetryPolicy(attempts=1).delay_seconds(TWICE, error, 1, 0.0) is None


def test_pauses_double_with_chance_up_to_their_bound() -> None:
    policy = RetryPolicy(attempts=9, first_delay_seconds=1.0, max_delay_seconds=10.0)
    gone = errors.NotSentError("")
    assert [policy.delay_seconds(TWICE, gone, n, 0.0) for n in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert [policy.delay_seconds(TWICE, gone, n, 0.5) for n in range(1, 5)] == [1.25, 2.5, 5.0, 10.0]


@pytest.mark.parametrize("kind", [errors.RateLimitedError, errors.GatewayUnavailableError])
@pytest.mark.parametrize(
    ("asked", "wait"), [(0.0, 0.0), (1.0, 1.0), (19.9, 19.9), (20.0, 20.0), (20.1, None), (1e9, None)]
)
def test_retry_after_is_respected_and_too_long_a_wait_is_left_to_airflow(
    kind: type[errors.GatewayError], asked: float, wait: float | None
) -> None:
    assert POLICY.delay_seconds(TWICE, refused(kind, asked), 1, 0.9) == wait


def test_retry_after_does_not_make_a_send_repeatable() -> None:
    assert POLICY.delay_seconds(ONCE, refused(errors.GatewayUnavailableError, 1.0), 1, 0.0) is None
    assert POLICY.delay_seconds(ONCE, refused(errors.RateLimitedError, 1.0), 3, 0.0) is None


@given(
    st.sampled_from([error for error, _, _ in TABLE]),
    st.integers(1, 2000),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 2000),
    st.floats(0, 1e6),
    st.floats(0, 1e3),
    st.sampled_from([ONCE, TWICE]),
)
@example(errors.NotSentError(""), 1500, 0.0, 2000, 0.5, 20.0, ONCE)
def test_no_pause_is_longer_than_its_bound(
    error: errors.MessaggiSmsError,
    attempt: int,
    jitter: float,
    attempts: int,
    first: float,
    longest: float,
    call: Call[None],
) -> None:
    policy = RetryPolicy(attempts=attempts, first_delay_seconds=first, max_delay_seconds=longest)
    delay = policy.delay_seconds(call, error, attempt, jitter)
    assert delay is None or (0 <= delay <= longest and attempt < attempts)
