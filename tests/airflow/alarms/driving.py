"""
What the tests of de-duplication share: alarms whose steps a test performs one by one.

Pauses take no time and callbacks can be interleaved in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_messaggisms.alarms.alarm import Alarm
from airflow_provider_messaggisms.alarms.deadline import Deadline
from airflow_provider_messaggisms.alarms.deduplication import Result
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.idempotency import new_mark, with_key
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.steps import Pause, Steps, run_steps
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

RECIPIENT = Recipient("+39-3491234567")


class Clock:
    """A clock that is moved by hand, and by the pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


class Driver:
    """Makes calls at the emulator, one by one; a pause moves the clock."""

    def __init__(self, gateway: Gateway) -> None:
        self.transport = SyncTransport(Settings(gateway.url, gateway.token))
        self.clock = Clock()
        self.limits: list[float | None] = []

    def deadline(self, seconds: float = 20.0) -> Deadline:
        """Make a deadline on this clock."""
        return Deadline(seconds, self.clock)

    def make(self, step: Call[Any] | Pause) -> Any:
        """Make one step."""
        if isinstance(step, Pause):
            self.clock.now += step.seconds
            return None
        self.limits.append(step.within_seconds)
        return step.parse(self.transport.send(step.request))

    def run(self, steps: Steps[Result], after: Callable[[], None] = lambda: None) -> Result:
        """Make all steps; call *after* after each."""

        def perform(step: Call[Any] | Pause) -> Any:
            try:
                return self.make(step)
            finally:
                after()

        return run_steps(steps, perform)

    def end(self, steps: Steps[Result], answer: Any = None) -> Result:
        """Give the last answer; return the result."""
        with pytest.raises(StopIteration) as end:
            steps.send(answer)
        result: Result = end.value.value
        return result


def ready_alarm(key: str = "storm", *, minutes: float = 60, sender: str = "Airflow") -> Alarm:
    """Make an alarm that is ready to send, with a mark of its own."""
    mark = new_mark()
    custom = with_key(key, mark, {"dag_id": "etl", "text": "digest"}, None)
    post = calls.send_message(MessageContent(sender=sender, body="Backup failed", custom=custom), [RECIPIENT])
    return Alarm(
        key=key,
        name=f"the {key}",
        sender=sender,
        once_per=timedelta(minutes=minutes),
        mark=mark,
        text="digest",
        has_own_key=False,
        post=post,
        cost="1 SMS part(s)",
    )


def methods(gateway: Gateway) -> list[str]:
    """Return the methods of the requests so far."""
    return [exchange.method for exchange in gateway.requests()]
