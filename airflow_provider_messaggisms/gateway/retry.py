"""
When a call may be made again, and after how long: a decision, not a loop. ``attempts`` has the loop.

One rule stands above all: **a call whose outcome is unknown is never repeated unless making it twice does no harm.**

============================  ==================  ==========================
what happened                 any call            only a ``repeatable`` call
============================  ==================  ==========================
never left this machine       made again
429 Too Many Requests         made again
left, no answer                                   made again
5XX                                               made again
an answer that cannot be read                     made again
anything else                 never
============================  ==================  ==========================

A 429 is a refusal, so nothing was done. A 5XX may come from a proxy after the gateway accepted the SMS. A 401 has
rules of its own in ``attempts``.
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
    :param refused_delay_seconds: Pause before a call whose token was refused is made again with the same token
        (see ``attempts``). Default 10.
    """

    attempts: int = 3
    first_delay_seconds: float = 0.5
    max_delay_seconds: float = 20.0
    refused_delay_seconds: float = 10.0

    def delay_seconds(self, call: Call[Any], error: MessaggiSmsError, attempt: int, jitter: float) -> float | None:
        """
        Decide whether to make the call again.

        :param attempt: How many times the call was made so far, from 1.
        :param jitter: A number in [0, 1) from the caller's source of chance; spreads callers over half the pause.
        :returns: Seconds to wait before the next attempt, or ``None`` to give up.
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
