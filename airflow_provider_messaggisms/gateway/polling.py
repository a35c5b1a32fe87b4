"""
Polling a message until its delivery is known, without I/O and without a clock.

A :class:`Wait` is what to wait for: one frozen value that travels to the trigger as plain JSON. A :class:`Poller` does
it: its methods are generators of calls and pauses (``gateway.steps``), so that the sensor, the operators and the
trigger poll, judge and give up alike, poked, rescheduled or deferred.

States of a wait::

    unknown size ──> small ──────────────────────────────┐
      │    │           │ more than 50 recipients         ├──> delivered   returns the report
      │    │           v                                 ├──> failed      raises DeliveryError
      │    └────────> large ─────────────────────────────┘
      v
    scheduled  (until the message's day; then unknown size again)

- *unknown size*: a poll reads the summary, then the recipients.
- *small*: a poll reads the recipients. None at all leads back to *unknown size*: its transaction may still be open.
- *large*: a poll reads the summary, and the recipients as ``gateway.summary_trust`` says. There is no way back.
- *scheduled*: there is nothing to see before the day, so the next poll is in its first minute.

From every state the wait can also end by its deadline, which returns ``None``, by a permanent error, and by an outage
of the gateway (``gateway.outage``), which is a state beside these: a failed poll changes nothing but that.

Invariants:

1. A wait only reads. It never sends, changes or cancels a message.
2. Only the recipients end a wait as delivered or failed, never the summary alone; the one exception is a message
   whose recipients the gateway has all refused.
3. Every end of the message is seen: a summary that stands still is checked against the recipients.
4. Two polls are never closer together than the interval, and no poll comes before a ``Retry-After`` is over. That
   holds across processes: polls keep to the grid of ``since``, and ``not_before`` travels.
5. The log has a line for each change, not for each poll; the progress of a large message has one a minute at most, over
   all processes of the wait.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError, MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.delivery import (
    SUMMARY_ABOVE,
    DeliveryCounts,
    Outcome,
    check_reachable,
    is_large,
)
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.outage import DEFAULT_OUTAGE_TOLERANCE_SECONDS, Outage
from airflow_provider_messaggisms.gateway.poll_interval import PollInterval, checked_seconds
from airflow_provider_messaggisms.gateway.steps import Pause, Steps
from airflow_provider_messaggisms.gateway.summary_trust import SAFEGUARD_POLLS, SummaryTrust
from airflow_provider_messaggisms.gateway.wire import Call

Report = dict[str, Any]
Say = Callable[[int, str], None]

#: A message is scheduled if its day begins more than so many seconds after it was made; both by the gateway's clock.
_SCHEDULED_SECONDS = 60.0

#: Least seconds between two lines about the progress of a large message.
_PROGRESS_SECONDS = 60.0


class Wait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What to wait for. Instants are seconds since the epoch, here and in JSON.

    :param message_id: The gateway's id.
    :param since: When the wait began, or the beginning of the day for which the message is scheduled. The gateway is
        not asked before.
    :param deadline: When the wait is over. ``None`` (default): its caller ends it.
    :param rule: When the wait has succeeded. Default: everything is delivered to the handset.
    :param poke_interval: Seconds between two polls. Default: growing with the age (see ``gateway.poll_interval``).
    :param outage_tolerance: For how many seconds the gateway may give no successful response. Default 3600.
    :param not_before: The gateway asked not to be called before this instant. Default 0: it did not.
    :raises ConfigurationError: A value is out of its range.
    """

    message_id: str
    since: float
    deadline: float | None = None
    rule: Rule = Rule()
    poke_interval: float | None = None
    outage_tolerance: float = DEFAULT_OUTAGE_TOLERANCE_SECONDS
    not_before: float = 0.0

    def __post_init__(self) -> None:
        PollInterval(self.poke_interval)
        checked_seconds("outage_tolerance", self.outage_tolerance)
        for name in ("since", "deadline", "not_before"):
            instant = getattr(self, name)
            if instant is not None and not abs(instant) < float("inf"):
                raise ConfigurationError(f"{name}: {instant!r} is not an instant")

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """
        Make a wait from what :meth:`to_json` returned.

        :raises ConfigurationError: It is not a wait.
        """
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"wait: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Return the wait as plain JSON values."""
        value: dict[str, Any] = msgspec.to_builtins(self)
        return value

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until the deadline, negative after it; ``None`` without one."""
        return None if self.deadline is None else self.deadline - now

    def is_over(self, now: float) -> bool:
        """Tell whether the deadline has come."""
        return self.deadline is not None and now >= self.deadline


class Poller:
    """
    One process's part of a wait.

    :param wait: What to wait for.
    :param say: Called with a logging level and a line when something has changed.
    :param polls_before: How many polls other processes have made.
    :param chance: Returns numbers in [0, 1), which spread the polls of many waits.
    """

    def __init__(
        self, wait: Wait, say: Say, *, polls_before: int = 0, chance: Callable[[], float] = random.random
    ) -> None:
        self.wait = wait
        self.since = wait.since
        self.outage = Outage(wait.message_id, wait.outage_tolerance, wait.since, wait.not_before)
        self._interval = PollInterval(wait.poke_interval)
        self._trust = SummaryTrust(wait.rule, polls_before % SAFEGUARD_POLLS)
        self._log = _ChangeLog(say, tells_progress=polls_before % _polls_a_minute(wait.poke_interval) == 0)
        self._chance = chance
        self._large: bool | None = None  # None: unknown size
        self._get_counts: Call[DeliveryCounts] | None = None  # kept: it counts an unchanged answer only once
        self._judged: dict[str, int] | None = None  # the states last judged

    # --- until the end ------------------------------------------------------------------------------------------------

    def run(self, clock: Callable[[], float]) -> Steps[Report | None]:
        """
        Poll until the wait has an end.

        :param clock: Returns the present time in seconds since the epoch.
        :returns: The delivery report, or ``None`` when the deadline has come.
        :raises MessaggiSmsError: As :meth:`poll`.
        """
        while (report := (yield from self.poll(clock()))) is None:
            now = clock()
            left = self.wait.seconds_left(now)
            pause = self.pause(now)
            yield Pause(pause if left is None else max(0.0, min(pause, left)))
            if self.wait.is_over(clock()):
                return None
        return report

    def resume(self, clock: Callable[[], float]) -> Steps[Report | None]:
        """
        Do what :meth:`run` does for a wait that began in another process.

        That process may have told the progress a moment ago, so the first minute is silent.
        """
        self._log.progress_at = clock()
        yield Pause(self.first_pause(clock()))
        return (yield from self.run(clock))

    def remaining_wait(self) -> Wait:
        """Return the wait for another process to go on with."""
        return msgspec.structs.replace(self.wait, since=self.since, not_before=self.outage.not_before)

    # --- pauses -------------------------------------------------------------------------------------------------------

    def is_scheduled(self, now: float) -> bool:
        """Tell whether the wait begins later, with the message's day."""
        return self.since > now

    def first_pause(self, now: float) -> float:
        """Return the seconds until the first poll of a process that goes on with the wait."""
        start = max(now, min(self.outage.not_before, self.outage.tolerated_until))
        return start - now + self._interval.first_pause(start - self.since, self._chance())

    def pause(self, now: float, *, began: float | None = None) -> float:
        """
        Return the seconds until the next poll.

        :param began: When the wait began, if that was in another process.
        """
        since = self.since if began is None or self.is_scheduled(now) else began
        outage, age = self.outage, now - since
        pause = self._interval.pause(age, self._chance(), failures=outage.failures, retry_after=outage.retry_after)
        if outage.retry_after:  # the end of the tolerance is an end of the wait: do not sleep beyond it
            pause = max(min(pause, outage.tolerated_until - now), self._interval.seconds(age))
        return pause

    # --- one poll -----------------------------------------------------------------------------------------------------

    def poll(self, now: float) -> Steps[Report | None]:
        """
        Poll once, unless a ``Retry-After`` forbids it.

        :returns: The delivery report once the rule is met; ``None`` while it may still be.
        :raises DeliveryError: The rule cannot be met any more.
        :raises MessaggiSmsError: A permanent error; or another one, after an outage that lasted too long.
        """
        if self.outage.forbids_poll(now):
            return None
        try:
            counts = yield from self._read(now)
        except MessaggiSmsError as error:
            self.outage.add(error, now)
            self._log.change(f"{error}; polling again later", logging.WARNING)
            return None
        if self.outage.end():
            self._log.recovery(f"message {self.wait.message_id}: the gateway answers again")
        return None if counts is None or counts.states == self._judged else self._judge(counts, now)

    def _read(self, now: float) -> Steps[DeliveryCounts | None]:
        """Read the summary, the recipients, or both; ``None`` if the recipients were not read."""
        if self._large is not False:
            message: Message = yield calls.get_message(self.wait.message_id)
            check_reachable(message)
            if self._begins_later(message, now):
                return None
            self._large = self._large or is_large(message)
            if self._large and not self._trust.calls_for_recipients(message):
                self._log.progress(f"message {self.wait.message_id}: {_as_summarised(message)}", now)
                return None
        self._get_counts = self._get_counts or calls.get_delivery_counts(self.wait.message_id, many=bool(self._large))
        counts: DeliveryCounts = yield self._get_counts
        self._learn_size(counts)
        return counts

    def _learn_size(self, counts: DeliveryCounts) -> None:
        if self._large:
            self._trust.compare(counts)
        elif counts.total > SUMMARY_ABOVE:  # its transaction was open at the first poll, or its summary counts nothing
            self._large, self._get_counts = True, None
        elif not counts.total:
            self._large = None

    def _begins_later(self, message: Message, now: float) -> bool:
        """Tell whether the message is scheduled for a later day; if so, the wait begins then."""
        day, made = message.options.timestamp_send, message.timestamp
        if day is None or day.timestamp() <= now:
            return False
        if day.timestamp() - (made.timestamp() if made else now) <= _SCHEDULED_SECONDS:
            return False  # it goes out at once; only the gateway's clock is ahead of ours
        self.since = day.timestamp()
        begins = datetime.fromtimestamp(self.since, UTC).isoformat()
        self._log.change(f"message {self.wait.message_id} is scheduled for {begins}; not polling before")
        return True

    def _judge(self, counts: DeliveryCounts, now: float) -> Report | None:
        verdict = counts.verdict(self.wait.message_id, self.wait.rule)
        self._log.unknown_states(verdict.unknown_states)
        if self._large and verdict.outcome is Outcome.PENDING:
            self._log.progress(verdict.sentence(), now)
        else:
            self._log.change(verdict.sentence())
        if verdict.outcome is Outcome.FAILED:
            raise verdict.error()
        self._judged = counts.states
        return verdict.report if verdict.outcome is Outcome.DELIVERED else None


def _polls_a_minute(poke_interval: float | None) -> int:
    """Return how many polls take a minute, where each is a process of its own: without an interval, one does."""
    seconds = PollInterval(_PROGRESS_SECONDS if poke_interval is None else poke_interval).seconds(0)
    return math.ceil(_PROGRESS_SECONDS / seconds)


class _ChangeLog:
    """
    Says each change once, and nothing in between.

    :param tells_progress: Whether it says how far a large message is.
    """

    __slots__ = ("_said", "_say", "_tells_progress", "_unknown", "progress_at")

    def __init__(self, say: Say, *, tells_progress: bool) -> None:
        self._say = say
        self._said = ""
        self._tells_progress = tells_progress
        #: When it last said how far a large message is.
        self.progress_at = float("-inf")
        self._unknown: set[str] = set()

    def change(self, text: str, level: int = logging.INFO) -> None:
        if text != self._said:
            self._said = text
            self._say(level, text)

    def progress(self, text: str, now: float) -> None:
        """Say how far a large message is, at most once a minute."""
        if self._tells_progress and text != self._said and now - self.progress_at >= _PROGRESS_SECONDS:
            self.progress_at = now
            self.change(text)

    def recovery(self, text: str) -> None:
        """Say that an outage is over; what was said before it is news again."""
        self._said = ""
        self._say(logging.INFO, text)

    def unknown_states(self, states: tuple[str, ...]) -> None:
        for state in states:
            if state not in self._unknown:
                self._unknown.add(state)
                self._say(logging.WARNING, f"unknown state {state!r}: not taken for final, waiting on")


def _as_summarised(message: Message) -> str:
    summary = message.statistics
    return (
        f"{summary.delivered or 0:,} of {summary.total or 0:,} delivered, {summary.error or 0:,} not, "
        "according to the summary"
    )
