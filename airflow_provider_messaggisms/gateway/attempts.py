"""
One call, made as often as it takes: repeats after failures, and the answer to a refused token (401).

A 401 is not always the truth: users of the vendor saw a valid token refused twice in a row. So a refused call is made
again with the same token after a pause, then with another token if there is one, then it fails:

=====================  ============================================================
refusals of this call  what follows
=====================  ============================================================
1                      a pause of 10 s (less if the call has less time), same token
2                      another token: the account's new one, or the connection's if it has changed
3, or no other token   ``AuthenticationError``
=====================  ============================================================

Refusals may be billed, so there are never more than three in a row, over all calls of a hook. After three, calls fail
without being made for as long as the pause.

:func:`attempts` is a generator of steps, so workers and event loops share it. It does no I/O and has no clock.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import msgspec

from airflow_provider_messaggisms.exceptions import AuthenticationError, GatewayError, MessaggiSmsError
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import Pause
from airflow_provider_messaggisms.gateway.wire import Call

T = TypeVar("T")

#: How many calls in a row may be refused.
MAX_REFUSALS = 3

# With less time than this a refused call is not made again: it could end without any answer.
_LEAST_SECONDS = 1.0

#: Which part of the time that a call has may pass before it is made again with a refused token.
_PAUSED_SHARE = 1 / 3


class Authorize(RedactedStruct, frozen=True):
    """
    A step that makes sure of a token; its result stands for the token.

    :param refused: The result whose token was refused twice: another one is wanted. The result is ``None`` if there is
        none.
    """

    _shown = ("within_seconds",)
    refused: Any
    within_seconds: float | None


class Attempt(RedactedStruct, frozen=True):
    """A step that makes the call once; its result is the call's value."""

    _shown = ("call", "within_seconds")
    call: Call[Any]
    within_seconds: float | None


class Doubt(RedactedStruct, frozen=True):
    """A step that waits because the token was refused; all calls with that token may wait together."""

    _shown = ("seconds", "within_seconds")
    seconds: float
    within_seconds: float | None


Attempts = Generator[Authorize | Attempt | Doubt | Pause, Any, T]


class Refusals(msgspec.Struct):
    """How often in a row the gateway has refused the token, over all calls of a hook."""

    in_a_row: int = 0
    last: GatewayError | None = None
    at: float = float("-inf")

    def count(self, error: GatewayError, began: float, now: float) -> int:
        """Count a refusal; calls that were made side by side count as one."""
        if began >= self.at:
            self.in_a_row, self.last, self.at = self.in_a_row + 1, error, now
        return self.in_a_row

    def check(self, now: float, hold_seconds: float) -> None:
        """
        Stop a call that would be refused.

        :raises AuthenticationError: As many calls in a row were refused as may be, a moment ago.
        """
        if self.in_a_row < MAX_REFUSALS or self.last is None:
            return
        if now - self.at < hold_seconds:
            raise copy.copy(self.last)
        self.in_a_row = 0


def is_refused_at_the_door(error: MessaggiSmsError) -> bool:
    """
    Tell whether the gateway refused the token before it read the request.

    Assumption: with a 401 nothing was queued, so the call may be made again, a send too. It is undocumented; a gateway
    that queues an SMS and then answers 401 would contradict itself.
    """
    return isinstance(error, AuthenticationError) and error.status == 401


class Surroundings(msgspec.Struct, frozen=True):
    """
    What a call's attempts need to know and cannot know by themselves.

    :param policy: How often and how patiently to repeat.
    :param refusals: What the hook's calls have met before.
    :param left: Returns the seconds that are left for the call, ``None`` for no bound.
    :param clock: Returns seconds that only grow.
    :param chance: Returns a number in [0, 1).
    :param warn: Called with a line before each pause.
    :param failed: Called with each error, and with whether the call is made again.
    """

    policy: RetryPolicy
    refusals: Refusals
    left: Callable[[], float | None]
    clock: Callable[[], float]
    chance: Callable[[], float]
    warn: Callable[[str], None]
    failed: Callable[[MessaggiSmsError, bool], None] = lambda error, is_repeated: None


def attempts(call: Call[T], around: Surroundings) -> Attempts[T]:
    """
    Make a call, again if it may be made again; return its value.

    :raises MessaggiSmsError: The last error. ``after_lost_answer`` tells whether an earlier attempt may have reached
        the gateway.
    """
    attempt, lost = 1, False
    while True:
        try:
            return (yield from _past_refusals(call, around))
        except MessaggiSmsError as error:
            error.after_lost_answer = lost
            delay, left = around.policy.delay_seconds(call, error, attempt, around.chance()), around.left()
            is_repeated = delay is not None and (left is None or delay < left)
            around.failed(error, is_repeated)
            if delay is None or not is_repeated:
                raise
            around.warn(f"{error}; asking again in {delay:.1f} s (attempt {attempt + 1})")
            lost = lost or isinstance(error, OUTCOME_UNKNOWN)
        yield Pause(delay)
        attempt += 1


def _past_refusals(call: Call[T], around: Surroundings) -> Attempts[T]:
    """Make a call once; if its token is refused, as often as the table above says."""
    refusals, token, refused = around.refusals, (yield Authorize(None, around.left())), 0
    while True:
        refusals.check(around.clock(), around.policy.refused_delay_seconds)
        began = around.clock()
        try:
            value: T = yield Attempt(call, around.left())
        except GatewayError as error:
            if not is_refused_at_the_door(error):
                refusals.in_a_row = 0
                raise
            refused += 1
            in_a_row, left = refusals.count(error, began, around.clock()), around.left()
            if in_a_row >= MAX_REFUSALS or (left is not None and left < _LEAST_SECONDS):
                raise
            if refused == 1:
                around.failed(error, True)
                token = yield from _asked_later(error, around)
            elif (token := (yield Authorize(token, left))) is None:
                raise
            else:
                around.failed(error, True)
                around.warn(f"{error}; asking again with another token")
        else:
            refusals.in_a_row = 0
            return value


def _asked_later(error: GatewayError, around: Surroundings) -> Attempts[Any]:
    """Pause after a first refusal; return the token to ask with, which is the same unless another call renewed it."""
    pause, left = around.policy.refused_delay_seconds, around.left()
    if left is not None:
        pause = min(pause, left * _PAUSED_SHARE)
    around.warn(
        f"{error}; asking again with the same token in {pause:.1f} s, because a valid token is refused at times"
    )
    yield Doubt(pause, left)
    return (yield Authorize(None, around.left()))
