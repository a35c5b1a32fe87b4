"""
The verdict over the recipients of a message: pending, delivered or failed.

The sensor, the trigger and the operators all ask a :class:`DeliveryCounts`, so they cannot disagree. The contract says
what is final: ``DELIVERED_TO_HANDSET`` and every ``UNDELIVERABLE_*``, ``EXPIRED_*`` and ``REJECTED_*``. Every
``PENDING`` status is intermediate, and so is ``DELIVERED_TO_OPERATOR``, although its group says delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import Any, Literal, Self

from airflow_provider_messaggisms.exceptions import DeliveryError
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import Delivery, Message, Report, ReportError
from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct

#: A message with more recipients than this is large: a poll reads its summary first.
SUMMARY_ABOVE = 50

#: A report names at most this many failed recipients, so that it fits into an XCom.
MAX_FAILURES_NAMED = 100


class Outcome(Enum):
    """How the SMS to one recipient, or a whole message, has ended so far."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Verdict(RedactedStruct, frozen=True):
    """
    The judgement over all recipients.

    :param outcome: Of the message as a whole, under the rule.
    :param report: Plain JSON values; numbers masked.
    :param unknown_states: States that the contract does not name; they are not taken for final.
    """

    _shown = ("outcome", "unknown_states")
    outcome: Outcome
    report: dict[str, Any]
    unknown_states: tuple[str, ...] = ()

    def error(self) -> DeliveryError:
        """Build the error for a failed verdict."""
        report = self.report
        first = report["failed"][0] if report["failed"] else None
        detail = f"; the first: {first['number']} {first['state']} ({first['reason']})" if first else ""
        return DeliveryError(
            f"message {report['message_id']}: {report['failed_count']} of {report['total']} not delivered, "
            f"{report['delivered']} delivered{detail}",
            report=report,
        )

    def sentence(self) -> str:
        """Return the state of the delivery in one line."""
        return f"message {self.report['message_id']}: {self.report['summary']}"


#: Infobip's status groups, by ``report.status.groupId``, and by the word that their names begin with.
_GROUPS = {1: Outcome.PENDING, 2: Outcome.FAILED, 3: Outcome.DELIVERED, 4: Outcome.FAILED, 5: Outcome.FAILED}
_PREFIXES = {
    "PENDING": Outcome.PENDING,
    "UNDELIVERABLE": Outcome.FAILED,
    "DELIVERED": Outcome.DELIVERED,
    "EXPIRED": Outcome.FAILED,
    "REJECTED": Outcome.FAILED,
}
_AT_OPERATOR = "DELIVERED_TO_OPERATOR"

#: The names that the contract gives to ids of a status, for reports that lack the name.
_NAMES: dict[int | None, str] = {2: _AT_OPERATOR, 5: "DELIVERED_TO_HANDSET"}


def state_of(recipient: Delivery) -> str:
    """Return a recipient's state as precisely as the gateway names it; ``NOT_DISPATCHED`` if it names none."""
    status = recipient.report.status if recipient.report else None
    name = status and (status.name or _NAMES.get(status.id))
    return name or recipient.state_description or recipient.state or "NOT_DISPATCHED"


def outcome_of(recipient: Delivery, rule: Rule) -> Outcome | None:
    """Judge one recipient; ``None`` for a state that the contract does not name."""
    state = state_of(recipient)
    if state == _AT_OPERATOR:
        return Outcome.DELIVERED if rule.accept_delivered_to_operator else Outcome.PENDING
    return _outcome_in(state, recipient)


def _outcome_in(state: str, recipient: Delivery) -> Outcome | None:
    if state == "NOT_DISPATCHED":
        return Outcome.PENDING
    if state in ("DELIVERED", "DELIVERED_TO_HANDSET"):
        return Outcome.DELIVERED
    by_name = _PREFIXES.get(state.split("_", 1)[0])
    if by_name is Outcome.DELIVERED:  # DELIVERED_ and an undocumented word
        return None
    if by_name is not None:
        return by_name
    status = recipient.report.status if recipient.report else None
    by_group = _GROUPS.get(status.groupId) if status and status.groupId is not None else None
    return None if by_group is Outcome.DELIVERED else by_group


class DeliveryCounts:
    """What is known of all recipients of a message, under any rule. They are counted one by one and none is kept."""

    __slots__ = (
        "at_operator", "delivered", "failed", "failures", "first", "first_sent", "last_done", "price", "states",
        "total", "unknown",
    )  # fmt: skip

    def __init__(self) -> None:
        self.total = 0
        self.delivered = 0
        self.at_operator = 0
        self.failures = 0
        self.price = 0.0
        self.states: dict[str, int] = {}
        self.unknown: dict[str, None] = {}
        self.failed: list[dict[str, Any]] = []
        self.first: Delivery | None = None
        self.first_sent: str | None = None  # of those that are delivered, as the gateway writes them
        self.last_done: str | None = None

    def add(self, recipients: Iterable[Delivery]) -> Self:
        """Count the next recipients."""
        for recipient in recipients:
            state = state_of(recipient)
            self.states[state] = self.states.get(state, 0) + 1
            self.price += recipient.price or 0.0
            if self.total == 0:
                self.first = recipient
            self.total += 1
            if state == _AT_OPERATOR:
                self.at_operator += 1
                continue
            match _outcome_in(state, recipient):
                case Outcome.DELIVERED:
                    self.delivered += 1
                    self._note_times(recipient.report)
                case Outcome.FAILED:
                    self.failures += 1
                    if len(self.failed) < MAX_FAILURES_NAMED:
                        self.failed.append(_failure(self.total - 1, recipient, state))
                case None:
                    self.unknown[state] = None
        return self

    @property
    def seconds(self) -> float | None:
        """Seconds from the first send to the last delivery, as the reports have them; ``None`` if they do not say."""
        try:
            sent, done = datetime.fromisoformat(self.first_sent or ""), datetime.fromisoformat(self.last_done or "")
            seconds = (done - sent).total_seconds()
        except (ValueError, TypeError):
            return None
        return seconds if seconds >= 0 else None

    def _note_times(self, report: Report | Literal[False] | None) -> None:
        # Compared as texts, for there may be 100,000: one gateway writes them alike.
        if report and report.sentAt and report.doneAt:
            self.first_sent = report.sentAt if self.first_sent is None else min(self.first_sent, report.sentAt)
            self.last_done = report.doneAt if self.last_done is None else max(self.last_done, report.doneAt)

    def verdict(self, message_id: str, rule: Rule) -> Verdict:
        """
        Judge the message.

        It has failed as soon as the rule can no longer be met. It is delivered when every recipient's state is final
        and the rule is met. A message without recipients is pending.
        """
        delivered = self.delivered + (self.at_operator if rule.accept_delivered_to_operator else 0)
        report = self._report(message_id, delivered)
        return Verdict(self._outcome(rule, delivered), report, tuple(self.unknown))

    def _outcome(self, rule: Rule, delivered: int) -> Outcome:
        if not self.total:
            return Outcome.PENDING
        if self.failures > rule.failures_allowed(self.total):
            return Outcome.FAILED
        return Outcome.DELIVERED if delivered + self.failures == self.total else Outcome.PENDING

    def _report(self, message_id: str, delivered: int) -> dict[str, Any]:
        report = {
            "message_id": message_id,
            "total": self.total,
            "delivered": delivered,
            "failed_count": self.failures,
            "pending": self.total - delivered - self.failures,
            "states": self.states,
            "price_eur": round(self.price, 6) if isfinite(self.price) else None,
            "failed": self.failed,
            "seconds": self.seconds,
        }
        report["summary"] = _one(self.first, report) if self.first and self.total == 1 else _many(report)
        return report


def judge(message_id: str, recipients: Iterable[Delivery], rule: Rule) -> Verdict:
    """Judge a message by its recipients."""
    return DeliveryCounts().add(recipients).verdict(message_id, rule)


def _one(recipient: Delivery, report: Mapping[str, Any]) -> str:
    """Summarise the delivery of a single SMS."""
    number, state = mask(recipient.number or ""), state_of(recipient)
    if report["delivered"]:
        return f"delivered to {number}{_after(report['seconds'])}"
    if _outcome_in(state, recipient) is Outcome.FAILED:
        return f"not delivered to {number}: {state} ({_reason(recipient)})"
    return f"not yet delivered to {number}: {state}"


def _many(report: Mapping[str, Any]) -> str:
    states = ", ".join(f"{count:,} {state}" for state, count in report["states"].items()) or "no recipients yet"
    last = "" if report["pending"] else _after(report["seconds"]).replace(" after", ", the last after")
    return f"{report['delivered']:,} of {report['total']:,} delivered ({states}){last}"


def _after(seconds: float | None) -> str:
    """Say how long the SMS took, if that is known."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f" after {seconds:.0f} s"
    return f" after {seconds / 60:.0f} min" if seconds < 7200 else f" after {seconds / 3600:.0f} h"


def _failure(index: int, recipient: Delivery, state: str) -> dict[str, Any]:
    error = _error_of(recipient)
    return {
        "index": index,
        "number": mask(recipient.number or ""),
        "state": state,
        "reason": _reason(recipient),
        "permanent": error.permanent if error else None,
    }


def _error_of(recipient: Delivery) -> ReportError | None:
    error = recipient.report.error if recipient.report else None
    return error if error and error.id != 0 and error.name != "NO_ERROR" else None


def _reason(recipient: Delivery) -> str:
    error, status = _error_of(recipient), recipient.report.status if recipient.report else None
    reason = (error and (error.description or error.name)) or (status and status.description)
    return mask_numbers(reason or "the gateway gives no reason")


def check_reachable(message: Message) -> None:
    """
    Check that a message has a valid recipient, or may still get one.

    :raises DeliveryError: The gateway calls all its recipients invalid, and its transaction is closed.
    """
    invalid = message.recipients.invalid.total
    if invalid and not message.recipients.valid.count and not message.transaction:
        summary = f"0 delivered; the gateway calls all recipients invalid ({invalid})"
        report = {**DeliveryCounts().verdict(message.id, Rule()).report, "summary": summary}
        raise DeliveryError(f"message {message.id}: {summary}", report=report)


def is_large(message: Message) -> bool:
    """Tell whether a message has so many recipients that its summary is read first."""
    return (message.statistics.total or message.recipients.valid.count) > SUMMARY_ABOVE


def worth_reading(message: Message, rule: Rule) -> bool:
    """Tell by a message's summary whether reading its recipients may change the verdict."""
    statistics = message.statistics
    total = statistics.total or message.recipients.valid.count
    failures = statistics.error or 0
    settled = (statistics.delivered or 0) + failures
    if rule.accept_delivered_to_operator:
        settled = max(settled, statistics.sent or 0)
    return settled >= total or failures > rule.failures_allowed(total)
