"""A gateway with one message, simulated without HTTP, for the tests of polling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.delivery import DeliveryCounts
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Invalid,
    Message,
    Options,
    RecipientCounts,
    Statistics,
    Valid,
)
from airflow_provider_messaggisms.gateway.polling import Poller, Wait
from airflow_provider_messaggisms.gateway.steps import Pause, Step, run_steps
from airflow_provider_messaggisms.gateway.wire import Call

START = 1_779_271_200.0  # 2026-05-20 12:00 in Rome
SUMMARY, RECIPIENTS = "/messages/{id}", "/messages/{id}/recipients/"
HANDSET, ENROUTE, GONE, ODD = (
    Delivery(number="+39-3471112223", state=state)
    for state in ("DELIVERED_TO_HANDSET", "PENDING_ENROUTE", "UNDELIVERABLE_NOT_DELIVERED", "TELEPORTED")
)

#: Errors that a wait tolerates.
TRANSIENT = [
    errors.NotSentError("refused"),
    errors.OutcomeUnknownError("silence"),
    errors.ProtocolError("HTML", status=200),
    errors.RateLimitedError(429, None, "Slowly", retry_after_seconds=90.0),
    errors.GatewayUnavailableError(503, None, "Closed"),
    errors.GatewayError(200, None, "Odd"),
]


class Simulated:
    """A gateway with one message and a clock; a test may change both at any time."""

    def __init__(self, *recipients: Delivery, **summary: Any) -> None:
        self.recipients = list(recipients)
        self.summary = summary
        self.error: errors.MessaggiSmsError | None = None
        self.now = START
        self.asked: list[str] = []
        self.paused: list[float] = []
        self.last: Call[Any] | None = None
        self.told: list[tuple[int, str]] = []

    def poller(self, *, polls_before: int = 0, chance: float = 0.0, **wait: Any) -> Poller:
        """Make a poller for the message."""
        return Poller(
            Wait(message_id="m1", since=START, **wait),
            lambda level, text: self.told.append((level, text)),
            polls_before=polls_before,
            chance=lambda: chance,
        )

    def poll(self, poller: Poller, after: float = 0.0) -> Any:
        """Poll once, so many seconds after the start."""
        return run_steps(poller.poll(START + after), self.perform)

    def asked_by(self, poller: Poller, after: float = 0.0) -> list[str]:
        """Poll once; return what was asked for."""
        before = len(self.asked)
        self.poll(poller, after)
        return self.asked[before:]

    def perform(self, step: Step) -> Any:
        """Answer a call; let a pause pass."""
        if isinstance(step, Pause):
            self.paused.append(step.seconds)
            self.now += step.seconds
            return None
        self.asked.append(step.request.route)
        self.last = step
        if self.error:
            raise self.error
        return DeliveryCounts().add(self.recipients) if step.request.route == RECIPIENTS else self._message()

    def _message(self) -> Message:
        total = self.summary.get("total", len(self.recipients))
        delivered = self.summary.get("delivered", self.recipients.count(HANDSET))
        error = self.summary.get("error", self.recipients.count(GONE))
        made = datetime.fromtimestamp(START, UTC)
        return Message(
            id="m1",
            timestamp=made,
            options=Options(timestamp_send=self.summary.get("timestamp_send", made)),
            recipients=RecipientCounts(
                valid=Valid(count=self.summary.get("valid", len(self.recipients))),
                invalid=Invalid(total=self.summary.get("invalid", 0)),
            ),
            transaction=self.summary.get("transaction", False),
            statistics=Statistics(total=total, delivered=delivered, error=error, sent=self.summary.get("sent")),
        )
