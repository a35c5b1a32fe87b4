"""
When a call may be asked again, and after how long: a decision, not a loop. Whoever does I/O asks it and sleeps itself.

One rule stands above all: **a call whose outcome is unknown is never repeated unless asking twice does no harm.**

============================  ==================  ==========================
what happened                 any call            only a ``repeatable`` call
============================  ==================  ==========================
never left this machine       asked again
429 Too Many Requests         asked again
left, no answer                                   asked again
5XX                                               asked again
an answer that cannot be read                     asked again
anything else                 never
============================  ==================  ==========================

A 429 is a refusal, so nothing was done. A 5XX may come from a proxy after the gateway accepted the SMS.
"""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError, NotSentError, RateLimitedError
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.wire import Call


class RetryPolicy(msgspec.Struct, frozen=True):
    """
    How often and how patiently to repeat.

    :param attempts: How many times a call is made at most, the first included. Default 3.
    :param first_delay_seconds: Pause before the second attempt; it doubles from there. Default 0.5.
    :param max_delay_seconds: No pause is longer. A ``Retry-After`` beyond it ends the repeats, because a worker slot
        is too dear to wait in; Airflow's own retry comes later. Default 20.
    """

    attempts: int = 3
    first_delay_seconds: float = 0.5
    max_delay_seconds: float = 20.0

    def delay_seconds(self, call: Call[Any], error: MessaggiSmsError, attempt: int, jitter: float) -> float | None:
        """
        Decide whether to ask again.

        :param attempt: How many times the call was made so far, from 1.
        :param jitter: A number in [0, 1) from the caller's source of chance; spreads callers over half the pause.
        :returns: Seconds to wait before asking again, or ``None`` to give up.
        """
        harmless = isinstance(error, NotSentError | RateLimitedError)
        if attempt >= self.attempts or not (harmless or (call.repeatable and isinstance(error, OUTCOME_UNKNOWN))):
            return None
        asked = getattr(error, "retry_after_seconds", None)
        if asked is not None:
            return float(asked) if asked <= self.max_delay_seconds else None
        doubled = 2.0 ** min(attempt - 1, 60)  # further on floats end
        delay: float = self.first_delay_seconds * doubled * (1 + jitter / 2)
        return min(delay, self.max_delay_seconds)
