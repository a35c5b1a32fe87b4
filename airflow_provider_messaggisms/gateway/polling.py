"""
Watching a message until its delivery is known: one look after the other, whoever makes the calls, whatever the time.

A look is a generator: it yields calls, is sent their results or errors, and returns the delivery report once there is
one. Workers and event loops drive it alike, so there is one way of looking, one judgement and one patience, whether a
task pokes, is rescheduled or defers.

A message with few recipients costs one request a look; one with many costs its summary, a single small object, and its
recipients only when the summary says that there is something to see. What the summary counts is not documented, so
after ten looks at a summary that stands still the recipients are read all the same. As long as the last such count, not
one of zeros, has agreed with the summary, the summary is trusted ten times longer.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError, RateLimitedError, reworded
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.delivery import (
    SAFEGUARD_LOOKS,
    SUMMARY_ABOVE,
    DeliveryCounts,
    Outcome,
    Rule,
    check_reachable,
    is_large,
    worth_reading,
)
from airflow_provider_messaggisms.gateway.models import Message, Statistics
from airflow_provider_messaggisms.gateway.poll_interval import DEFAULT_OUTAGE_TOLERANCE_SECONDS, MIN_FAILURES, Pace
from airflow_provider_messaggisms.gateway.wire import Call

Look = Generator[Call[Any], Any, dict[str, Any] | None]

#: How much longer a summary is trusted that has agreed with the recipients.
TRUST = 10

#: A message is scheduled if it is to go out so many seconds after it was made; both by the gateway's clock.
_SCHEDULED_SECONDS = 60.0


class Watch(msgspec.Struct):
    """
    One wait on one message. Times are seconds since the epoch.

    :param message_id: The gateway's id.
    :param since: When the wait began; later, the beginning of the day for which the message is scheduled.
    :param rule: When the wait has succeeded.
    :param pace: How far apart the looks are.
    :param outage_tolerance: For how many seconds the gateway may fail to give a good answer.
    :param looks: How many looks other processes have made before.
    :param not_before: Until when the gateway has asked to be left alone.
    :param say: Called with a logging level and a line whenever something has changed.
    :param chance: Gives numbers in [0, 1).
    """

    message_id: str
    since: float
    rule: Rule = Rule()
    pace: Pace = Pace()
    outage_tolerance: float = DEFAULT_OUTAGE_TOLERANCE_SECONDS
    looks: int = 0
    not_before: float = 0.0
    say: Callable[[int, str], None] = lambda level, text: None
    chance: Callable[[], float] = random.random

    retry_after: float = 0.0  # for how long the gateway has asked to be left alone, when last asked
    _large: bool | None = None
    _get_tally: Call[DeliveryCounts] | None = None
    _summary: Statistics | None = None
    _read: Statistics | None = None  # the summary when the recipients were last read
    _unmoved: int = 0  # looks since the summary moved
    _trust: int = 1
    _said: str = ""
    _unknown: tuple[str, ...] = ()
    _pending: dict[str, int] | None = None  # the counts last judged
    _failures: int = 0
    _failing_since: float = 0.0
    _failure: MessaggiSmsError | None = None  # the last one

    def __post_init__(self) -> None:
        self._unmoved = self.looks % SAFEGUARD_LOOKS
        self._failing_since = self.since

    def look(self, now: float) -> Look:
        """
        Look once, unless the gateway has asked to be left alone for longer.

        :returns: The delivery report once the rule is met, ``None`` as long as it may yet be.
        :raises DeliveryError: It cannot be met any more.
        :raises MessaggiSmsError: Any error that is permanent; any other that has lasted too long.
        """
        if now < self.not_before:
            self._leave_alone(now)
            return None
        try:
            tally = yield from self._look(now)
        except MessaggiSmsError as error:
            self._bear(error, now)
            return None
        if self._failures:
            self.say(logging.INFO, f"message {self.message_id}: the gateway answers again")
            self._failures, self.retry_after, self._said = 0, 0.0, ""
        if tally is None or tally.states == self._pending:
            return None
        verdict = tally.verdict(self.message_id, self.rule)
        for state in verdict.unknown_states:
            if state not in self._unknown:
                self._unknown += (state,)
                self.say(logging.WARNING, f"unknown state {state!r}: waiting on, as if it were intermediate")
        self._say_change(verdict.sentence())
        if verdict.fate is Outcome.FAILED:
            raise verdict.error()
        if verdict.fate is Outcome.DELIVERED:
            return verdict.report
        self._pending = tally.states
        return None

    def first_pause(self, now: float) -> float:
        """Say how many seconds to pause before the first look of a process that goes on with this wait."""
        start = max(now, min(self.not_before, self._borne_until()))
        return start - now + self.pace.first_pause(start - self.since, self.chance())

    def pause(self, now: float) -> float:
        """Say how many seconds to pause before the next look."""
        age = now - self.since
        pause = self.pace.pause(age, self.chance(), failures=self._failures, retry_after=self.retry_after)
        if self.retry_after:
            pause = max(min(pause, self._borne_until() - now), self.pace.interval(age))
        return pause

    def _look(self, now: float) -> Generator[Call[Any], Any, DeliveryCounts | None]:
        if self._large is not False:
            message: Message = yield calls.get_message(self.message_id)
            check_reachable(message)
            if self._is_scheduled(message, now):
                return None
            self._large = self._large or is_large(message)
            if self._large and not self._is_worth_reading(message):
                return None
        self._get_tally = self._get_tally or calls.get_delivery_counts(self.message_id, many=self._large)
        tally: DeliveryCounts = yield self._get_tally
        if self._large:
            self._trust = TRUST if self._agrees(tally) else 1
        elif tally.total > SUMMARY_ABOVE:  # its transaction was open at the first look, or its summary counts nothing
            self._large, self._get_tally = True, None
        elif not tally.total:  # ask again whether there may yet be any
            self._large = None
        return tally

    def _is_scheduled(self, message: Message, now: float) -> bool:
        """Tell whether there is nothing to see yet, and wait for the day on which there will be."""
        day, made = message.options.timestamp_send, message.timestamp
        if day is None or day.timestamp() <= now:
            return False
        if day.timestamp() - (made.timestamp() if made else now) <= _SCHEDULED_SECONDS:
            return False  # it goes out at once; only the gateway's clock is ahead of ours
        self.since = day.timestamp()
        self._say_change(
            f"message {self.message_id} is scheduled for {datetime.fromtimestamp(self.since, UTC).isoformat()}; "
            "there is nothing to ask before"
        )
        return True

    def _is_worth_reading(self, message: Message) -> bool:
        """
        Tell whether to read the many recipients.

        A summary that has been followed by reading them is not followed again before it moves.
        """
        summary = message.statistics
        self._unmoved = self._unmoved + 1 if summary == self._summary or self._summary is None else 1
        self._summary = summary
        due = self._unmoved >= SAFEGUARD_LOOKS * self._trust
        if due or (summary != self._read and worth_reading(message, self.rule)):
            self._unmoved, self._read = 0, summary
            return True
        self._say_change(
            f"message {self.message_id}: {summary.delivered or 0} of {summary.total} delivered, "
            f"{summary.error or 0} not, as the summary has it"
        )
        return False

    def _agrees(self, tally: DeliveryCounts) -> bool:
        """Tell whether the summary counts what the recipients say; that both say nothing proves nothing."""
        summary, counted = self._summary, (tally.delivered, tally.failures)
        return summary is not None and any(counted) and (summary.delivered, summary.error) == counted

    def _bear(self, error: MessaggiSmsError, now: float) -> None:
        """Bear a failed look, unless it is hopeless or has gone on for too long: then raise."""
        if error.permanent:
            raise error
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        self._failure, self.retry_after = error, getattr(error, "retry_after_seconds", None) or 0.0
        self.not_before = now + self.retry_after
        lasted = now - self._failing_since
        if self._failures >= MIN_FAILURES and lasted >= self.outage_tolerance:
            raise reworded(
                error, f"{error}; {self._failures} looks in a row have failed in {lasted / 60:.0f} min: giving up"
            ) from error
        self._say_change(f"{error}; looking again later", logging.WARNING)

    def _borne_until(self) -> float:
        return self._failing_since + self.outage_tolerance

    def _leave_alone(self, now: float) -> None:
        """Do not ask before the gateway allows it; raise if that is longer than a failing gateway is borne."""
        self.retry_after = self.not_before - now
        if now >= self._borne_until():
            raise reworded(
                self._failure or RateLimitedError(429, None, ""),
                f"message {self.message_id}: the gateway asks to be left alone for another {self.retry_after:.0f} s, "
                f"after {(now - self._failing_since) / 60:.0f} min without a good answer: giving up",
            ) from self._failure

    def _say_change(self, text: str, level: int = logging.INFO) -> None:
        """Say it unless it is what was said last: a line per change, not per look."""
        if text != self._said:
            self._said = text
            self.say(level, text)
