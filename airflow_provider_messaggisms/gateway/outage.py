"""
A gateway that gives no successful response: for how long a wait tolerates it, and when it may be asked again.

There are two states. The gateway *answers*, or an *outage* goes on: from the first failed poll to the next successful
one. An outage ends the wait when it has lasted for the tolerance and at least :data:`MIN_FAILURES` polls have failed,
so that two failures far apart are never an outage. It also ends the wait when the tolerance runs out while a
``Retry-After`` still forbids the next poll.

A permanent error (see ``exceptions``) is never part of an outage: it ends the wait at once.
"""

from __future__ import annotations

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError, RateLimitedError, reworded

#: Least number of polls in a row that must fail before an outage ends a wait, however long the pauses are.
MIN_FAILURES = 3

#: Default of ``outage_tolerance``. It survives an outage of half an hour with ease.
DEFAULT_OUTAGE_TOLERANCE_SECONDS = 3600.0


class Outage(msgspec.Struct):
    """
    What a wait knows of the gateway's failures. Instants are seconds since the epoch.

    :param message_id: Named in errors.
    :param tolerance: For how many seconds the gateway may give no successful response.
    :param since: When the outage began; before there is one, when the wait began.
    :param not_before: The gateway is not asked before this instant; 0 if it did not ask for a pause.
    """

    message_id: str
    tolerance: float
    since: float
    not_before: float = 0.0
    failures: int = 0
    retry_after: float = 0.0
    error: MessaggiSmsError | None = None

    @property
    def tolerated_until(self) -> float:
        """The instant at which the tolerance runs out."""
        return self.since + self.tolerance

    def forbids_poll(self, now: float) -> bool:
        """
        Tell whether a ``Retry-After`` still forbids to ask.

        :raises MessaggiSmsError: It does, and the tolerance has run out.
        """
        if now >= self.not_before:
            return False
        self.retry_after = self.not_before - now
        if now >= self.tolerated_until:
            raise reworded(
                self.error or RateLimitedError(429, None, ""),
                f"message {self.message_id}: giving up: no successful response for {self._minutes(now)} min; "
                f"Retry-After has {self.retry_after:.0f} s left",
            ) from self.error
        return True

    def add(self, error: MessaggiSmsError, now: float) -> None:
        """
        Take note of a failed poll.

        :raises MessaggiSmsError: The error is permanent, or the outage has lasted too long.
        """
        if error.permanent:
            raise error
        if not self.failures:
            self.since = now
        self.failures += 1
        self.retry_after = getattr(error, "retry_after_seconds", None) or 0.0
        self.not_before = now + self.retry_after
        if self.failures >= MIN_FAILURES and now >= self.tolerated_until:
            text = f"{error}; giving up: {self.failures} polls in a row failed within {self._minutes(now)} min"
            raise reworded(error, text) from error
        self.error = error.with_traceback(None)  # its frames would live as long as the outage

    def end(self) -> bool:
        """Take note of a successful poll; tell whether it ended an outage."""
        ended = self.failures > 0
        self.failures, self.retry_after, self.error = 0, 0.0, None
        return ended

    def _minutes(self, now: float) -> str:
        return f"{(now - self.since) / 60:.0f}"
