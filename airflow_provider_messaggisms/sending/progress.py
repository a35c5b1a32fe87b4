"""
How far long work is, for a line in the log about every ten seconds.

A task that checks or hands over 100,000 recipients is otherwise silent for minutes, and looks like one that hangs.
Short work logs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_EVERY_SECONDS = 10.0
_SHOWN_IN_SECONDS = 120.0  # longer times are shown in minutes


class Progress:
    """
    The pace of work that begins when this is made.

    :param clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._said = clock()

    def is_due(self) -> bool:
        """Tell whether the last line, or the begin, is ten seconds ago. If so, the next ten seconds begin now."""
        now = self._clock()
        if now - self._said < _EVERY_SECONDS:
            return False
        self._said = now
        return True

    def left(self, done: int, total: int) -> str:
        """Estimate how long the rest takes at the pace so far, such as ``about 40 s``."""
        seconds = (self._clock() - self._began) / max(done, 1) * (total - done)
        return f"about {seconds:.0f} s" if seconds <= _SHOWN_IN_SECONDS else f"about {seconds / 60:.0f} min"
