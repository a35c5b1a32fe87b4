"""
How far apart the polls of a wait are: numbers, no clock.

Most SMS arrive within a minute, some after two days, so polls begin close together and grow apart:

=====================  =======================
age of the wait        seconds between polls
=====================  =======================
the first minute       5
up to ten minutes      15
up to an hour          60
later                  300
=====================  =======================

The age counts from the first poll. For a message that is scheduled for a day it counts from the beginning of that day:
before it there is nothing to see. A fixed ``poke_interval`` replaces the table. After failed polls the pauses double.
Neither an error nor a ``Retry-After`` ever makes a pause shorter.
"""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError

#: The table above: up to this age, this pause; both in seconds.
STEPS = ((60.0, 5.0), (600.0, 15.0), (3600.0, 60.0))
LATER_SECONDS = 300.0

#: Least seconds between two polls, even with ``poke_interval=0``, which would poll as fast as the gateway answers.
MIN_PAUSE_SECONDS = 0.1

#: Pauses grow up to this by doubling, unless they are longer from the start.
MAX_BACK_OFF_SECONDS = 300.0

#: The first polls of a scheduled day are spread over so many seconds: midnight comes for all messages at once.
SPREAD_SECONDS = 60.0


class PollInterval(msgspec.Struct, frozen=True):
    """
    The pauses of one wait.

    :param poke_interval: Seconds between two polls; ``None`` (default) follows the table.
    :raises ConfigurationError: It is not a number of seconds.
    """

    poke_interval: float | None = None

    def __post_init__(self) -> None:
        if self.poke_interval is not None:
            checked_seconds("poke_interval", self.poke_interval)

    def seconds(self, age: float) -> float:
        """Return the seconds between two polls at this age of the wait, in seconds."""
        if self.poke_interval is not None:
            return max(float(self.poke_interval), MIN_PAUSE_SECONDS)
        return next((pause for until, pause in STEPS if age < until), LATER_SECONDS)

    def first_pause(self, age: float, chance: float) -> float:
        """
        Return how many seconds a process pauses before its first poll of a wait that began in another process.

        Polls stay on the grid that the wait's beginning gave them, so ten thousand waits do not poll all at once when
        a triggerer restarts.
        """
        if age < 0:
            return self.pause(age, chance)
        interval = self.seconds(age)
        return interval - age % interval

    def pause(self, age: float, chance: float, *, failures: int = 0, retry_after: float = 0.0) -> float:
        """
        Return how many seconds to pause between two polls.

        :param age: Seconds since the wait began; negative before the day for which the message is scheduled.
        :param chance: A number in [0, 1) that spreads waits which began together. It only ever adds.
        :param failures: How many polls in a row have failed.
        :param retry_after: What the gateway's ``Retry-After`` asked for, in seconds.
        """
        if age < 0:
            return chance * SPREAD_SECONDS - age
        pause = self.seconds(age)
        if failures:
            backed_off = min(pause * 2.0 ** min(failures - 1, 30), MAX_BACK_OFF_SECONDS)
            return max(pause, backed_off, retry_after) * (1 + chance / 2)
        return pause if self.poke_interval is not None else pause * (1 + chance / 10)


def checked_seconds(name: str, value: Any) -> float:
    """
    Check a duration.

    :raises ConfigurationError: It is not a finite number, or it is below zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{name}: {str(value)[:40]!r} is not a number of seconds, 0 or more")
    return float(value)
