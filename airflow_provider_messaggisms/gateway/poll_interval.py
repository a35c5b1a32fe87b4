"""
How often to look at a message, and for how long to bear a gateway that does not answer: numbers, no clock.

Most SMS arrive within a minute, some after two days, so looks begin close together and grow apart:

=====================  =======================
age of the wait        seconds between looks
=====================  =======================
the first minute       5
up to ten minutes      15
up to an hour          60
later                  300
=====================  =======================

The age counts from the first look, or from the beginning of the day for which the message is scheduled: before that
day there is nothing to see. A fixed ``poke_interval`` replaces the table. After a failure the pauses double; nothing,
be it a refusal or an answer of nonsense, ever makes them shorter.
"""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError

#: The table above: up to this age, this pause; both in seconds.
STEPS = ((60.0, 5.0), (600.0, 15.0), (3600.0, 60.0))
LATER_SECONDS = 300.0

#: No two looks are closer together, whatever ``poke_interval`` says: zero would ask as fast as the gateway answers.
MIN_PAUSE_SECONDS = 0.1

#: Up to where pauses grow by doubling, unless they are longer from the start.
MAX_BACK_OFF_SECONDS = 300.0

#: Over how many seconds the first looks at a scheduled day are spread: midnight comes for all messages at once.
SPREAD_SECONDS = 60.0

#: How many looks in a row must fail before a wait may give up, however long its pauses are; unless the gateway asks for
#: a pause that is longer than a wait bears.
MIN_FAILURES = 3

#: How long the gateway may fail to answer before a wait gives up. Survives an outage of half an hour with ease.
DEFAULT_OUTAGE_TOLERANCE_SECONDS = 3600.0


class Pace(msgspec.Struct, frozen=True):
    """
    The pace of one wait.

    :param poke_interval: Seconds between two looks; ``None`` (default) follows the table.
    """

    poke_interval: float | None = None

    def __post_init__(self) -> None:
        if self.poke_interval is not None:
            checked_seconds("poke_interval", self.poke_interval)

    def interval(self, age: float) -> float:
        """Give the seconds between two looks at this age."""
        if self.poke_interval is not None:
            return max(float(self.poke_interval), MIN_PAUSE_SECONDS)
        return next((pause for until, pause in STEPS if age < until), LATER_SECONDS)

    def first_pause(self, age: float, chance: float) -> float:
        """
        Say how long to pause before the first look of a process that goes on with a wait.

        Looks stay on the grid that the wait's beginning gave them, so ten thousand waits that a restarted triggerer
        takes up do not look all at once.
        """
        if age < 0:
            return self.pause(age, chance)
        interval = self.interval(age)
        return interval - age % interval

    def pause(self, age: float, chance: float, *, failures: int = 0, retry_after: float = 0.0) -> float:
        """
        Say how long to pause between two looks.

        :param age: Seconds since the wait began; negative before the day for which the message is scheduled.
        :param chance: A number in [0, 1) that keeps waits from marching in step. It only ever adds.
        :param failures: How many looks in a row have failed.
        :param retry_after: What the gateway asked for, in seconds.
        """
        if age < 0:
            return chance * SPREAD_SECONDS - age
        pause = self.interval(age)
        if failures:
            backed_off = min(pause * 2.0 ** min(failures - 1, 30), MAX_BACK_OFF_SECONDS)
            pause = max(pause, backed_off, retry_after) * (1 + chance / 2)
        elif self.poke_interval is None:
            pause *= 1 + chance / 10
        return pause


def checked_seconds(name: str, value: Any) -> float:
    """
    Check a duration.

    :raises ConfigurationError: It is no number, or below zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{name}: {str(value)[:40]!r} is not a number of seconds, 0 or more")
    return float(value)
