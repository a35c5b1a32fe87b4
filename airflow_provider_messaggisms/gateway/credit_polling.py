"""
Polling the account's credit until there is enough of it, without I/O and without a clock.

It shares the pauses (``poll_interval``) and the tolerance of a gateway that does not answer (``outage``) with the wait
for a delivery. A :class:`CreditWait` travels to the trigger as plain JSON; a :class:`CreditPoller` does it, poked,
rescheduled or deferred.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Generator
from typing import Any, Self

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError, MessaggiSmsError, ProtocolError
from airflow_provider_messaggisms.gateway.credit import check_min_credit
from airflow_provider_messaggisms.gateway.outage import DEFAULT_OUTAGE_TOLERANCE_SECONDS, Outage
from airflow_provider_messaggisms.gateway.poll_interval import PollInterval, checked_seconds
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.steps import Pause

#: Default seconds between two polls. Credit changes when a person recharges it.
DEFAULT_POKE_INTERVAL_SECONDS = 300.0

Report = dict[str, Any]


class AskCredit(RedactedStruct, frozen=True):
    """A step that asks for the credit; its result is EUR, or ``None`` if no answer tells."""


CreditSteps = Generator[AskCredit | Pause, Any, Report | None]


class CreditWait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How much credit to wait for. Instants are seconds since the epoch, here and in JSON.

    :param min_credit_eur: The least credit, in EUR; 0 or more.
    :param since: When the wait began.
    :param deadline: When the wait is over. ``None`` (default): its caller ends it.
    :param poke_interval: Seconds between two polls. Default 300.
    :param outage_tolerance: For how many seconds no answer may tell the credit. Default 3600.
    :param not_before: The service asked not to be called before this instant. Default 0: it did not.
    :raises ConfigurationError: A value is out of its range.
    """

    min_credit_eur: float
    since: float
    deadline: float | None = None
    poke_interval: float = DEFAULT_POKE_INTERVAL_SECONDS
    outage_tolerance: float = DEFAULT_OUTAGE_TOLERANCE_SECONDS
    not_before: float = 0.0

    def __post_init__(self) -> None:
        check_min_credit(self.min_credit_eur)
        PollInterval(self.poke_interval)
        checked_seconds("outage_tolerance", self.outage_tolerance)

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


class CreditPoller:
    """
    One process's part of a wait for credit.

    :param wait: How much to wait for.
    :param say: Called with a logging level and a line when something has changed.
    :param chance: Returns numbers in [0, 1), which spread the polls of many waits.
    """

    __slots__ = ("_chance", "_interval", "_said", "_say", "outage", "wait")

    def __init__(
        self, wait: CreditWait, say: Callable[[int, str], None], *, chance: Callable[[], float] = random.random
    ) -> None:
        self.wait = wait
        self.outage = Outage("(credit)", wait.outage_tolerance, wait.since, wait.not_before)
        self._interval = PollInterval(wait.poke_interval)
        self._say = say
        self._said = ""
        self._chance = chance

    def poll(self, now: float) -> CreditSteps:
        """
        Ask once, unless a ``Retry-After`` forbids it.

        :returns: The report once there is enough credit; ``None`` until then.
        :raises MessaggiSmsError: A permanent error; or another one, after an outage that lasted too long.
        """
        if self.outage.forbids_poll(now):
            return None
        try:
            credit = yield AskCredit()
            if credit is None:
                raise ProtocolError("no answer tells the credit; with auth: account the wallet tells it")
        except MessaggiSmsError as error:
            self.outage.add(error, now)
            self._change(f"{error}; polling again later", logging.WARNING)
            return None
        self.outage.end()
        least = self.wait.min_credit_eur
        summary = f"the credit is {credit:.2f} EUR, at least {least:.2f} EUR are wanted"
        self._change(summary)
        return {"credit_eur": credit, "min_credit_eur": least, "summary": summary} if credit >= least else None

    def run(self, clock: Callable[[], float]) -> CreditSteps:
        """
        Poll until the wait has an end.

        :param clock: Returns the present time in seconds since the epoch.
        :returns: The report, or ``None`` when the deadline has come.
        """
        while (report := (yield from self.poll(clock()))) is None:
            now = clock()
            left = self.wait.seconds_left(now)
            pause = self.pause(now)
            yield Pause(pause if left is None else max(0.0, min(pause, left)))
            if self.wait.is_over(clock()):
                return None
        return report

    def resume(self, clock: Callable[[], float]) -> CreditSteps:
        """Do what :meth:`run` does for a wait that began in another process."""
        now = clock()
        start = max(now, min(self.outage.not_before, self.outage.tolerated_until))
        yield Pause(start - now + self._interval.first_pause(start - self.wait.since, self._chance()))
        return (yield from self.run(clock))

    def pause(self, now: float) -> float:
        """Return the seconds until the next poll."""
        outage, age = self.outage, now - self.wait.since
        pause = self._interval.pause(age, self._chance(), failures=outage.failures, retry_after=outage.retry_after)
        if outage.retry_after:  # the end of the tolerance is an end of the wait: do not sleep beyond it
            pause = max(min(pause, outage.tolerated_until - now), self._interval.seconds(age))
        return pause

    def remaining_wait(self) -> CreditWait:
        """Return the wait for another process to go on with."""
        return msgspec.structs.replace(self.wait, not_before=self.outage.not_before)

    def _change(self, text: str, level: int = logging.INFO) -> None:
        if text != self._said:
            self._said = text
            self._say(level, text)
