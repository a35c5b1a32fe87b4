"""
The emulator's time: real, sped up, or moved by hand.

No timer changes a state in the emulator: every state is computed from this clock when somebody looks. Moving the clock
is therefore all it takes to deliver a thousand messages or to reach Christmas.
"""

from __future__ import annotations

import time


class Clock:
    """
    Tell the emulator's time in seconds since 1970.

    :param speed: How many of the emulator's seconds pass in a real one. 1 is real time, 0 stands still until
        :meth:`advance` moves it. Default 1.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.reset()

    def now(self) -> float:
        """Return the instant that the emulator takes for the present."""
        return self._origin + (time.monotonic() - self._started) * self.speed

    def advance(self, seconds: float) -> float:
        """Jump forward by so many of the emulator's seconds; return the new present."""
        self._origin += seconds
        return self.now()

    def reset(self, now: float | None = None) -> None:
        """Start again at ``now``, or at the computer's own time."""
        self._started = time.monotonic()
        self._origin = time.time() if now is None else now
