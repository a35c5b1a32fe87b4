"""
The emulator's time: real, sped up, or moved by hand.

No timer changes a state in the emulator. Each state is computed from this clock when a request asks for it. To deliver
a thousand messages, or to reach Christmas, it is enough to move the clock.
"""

from __future__ import annotations

import time

LATEST = 4_102_444_800.0  # 2100-01-01; a date far beyond cannot be written


class Clock:
    """
    Tell the emulator's time in seconds since 1970.

    :param speed: How many of the emulator's seconds pass in a real one. 1 is real time. At 0 the clock stands still
        until :meth:`advance` moves it. Default 1.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.reset()

    def now(self) -> float:
        """Return the emulator's present time."""
        return self._origin + (time.monotonic() - self._started) * self.speed

    def advance(self, seconds: float) -> None:
        """Move the clock forward by so many of the emulator's seconds."""
        self._origin += seconds

    def reset(self, now: float | None = None) -> None:
        """Start again at *now*. Default: the computer's own time."""
        self._started = time.monotonic()
        self._origin = time.time() if now is None else now
