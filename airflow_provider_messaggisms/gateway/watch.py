"""
Watching a message until its delivery is known: which calls one look takes, whoever makes them.

A look is a generator: it yields calls, is sent their results and returns a verdict. The hook drives it for a worker and
for an event loop alike, so there is one way of looking. A message with few recipients costs one request a look; one
with many costs its summary, a single small object, and its recipients only when the summary says that there is
something to see. What the summary counts is not documented, so every tenth look reads the recipients all the same.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.delivery import (
    SAFEGUARD_LOOKS,
    Rule,
    Verdict,
    is_large,
    judge,
    worth_reading,
)
from airflow_provider_messaggisms.gateway.wire import Call

Look = Generator[Call[Any], Any, Verdict | None]


class Watch:
    """
    One wait on one message.

    :param message_id: The gateway's id.
    :param rule: When the wait has succeeded.
    """

    def __init__(self, message_id: str, rule: Rule) -> None:
        self.message_id = message_id
        self.rule = rule
        self._large: bool | None = None

    def look(self, number: int) -> Look:
        """
        Look once.

        :param number: How many looks there were so far, this one included.
        :returns: The verdict; ``None`` when the summary shows nothing new.
        """
        if self._large is not False:
            message = yield calls.get_message(self.message_id)
            self._large = is_large(message)
            if self._large and number % SAFEGUARD_LOOKS and not worth_reading(message, self.rule):
                return None
        deliveries = yield calls.get_deliveries(self.message_id)
        return judge(self.message_id, deliveries, self.rule)
