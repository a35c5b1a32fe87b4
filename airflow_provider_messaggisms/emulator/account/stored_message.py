"""
A message and its recipients as the account keeps them. States are not stored: they follow from the clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from airflow_provider_messaggisms.emulator.account import sms_parts
from airflow_provider_messaggisms.emulator.account.message_states import Timeline
from airflow_provider_messaggisms.emulator.account.request_bodies import Fields, MessageOptions

# Assumed: the vendor's API file has no price list.
PRICE_PER_PART_EUR = 0.05
REALTIME_FACTOR = 1.5
EUR_DECIMALS = 6  # amounts are rounded, so that an account can be spent down to exactly 0


@dataclass(slots=True)
class StoredRecipient:
    """One SMS of a message. ``index`` counts within the message."""

    index: int
    number: str
    fields: Fields | None
    size: sms_parts.SmsSize
    timeline: Timeline


@dataclass(slots=True)
class StoredMessage:
    """
    A message with all that is known about it. Instants are in seconds since 1970.

    :param send_at: The instant requested: now, or the midnight at which its day begins.
    :param closed_at: When it was complete: when it was created, or when its transaction was closed. None until then.
    :param timelines: How many recipients have each timeline. It saves a look at each recipient.
    :param cleared: It went out, and was then cleared from the inbox.
    """

    id: str
    test: bool
    sender: str
    body: str
    priority: float
    options: MessageOptions
    created_at: float
    send_at: float
    closed_at: float | None
    changed_at: float
    recipients: list[StoredRecipient] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    by_number: dict[str, int] = field(default_factory=dict)
    timelines: Counter[Timeline] = field(default_factory=Counter)
    parts: int = 0
    cleared: bool = False

    @property
    def goes_out_at(self) -> float | None:
        """The instant at which it goes out, or None while its transaction is open."""
        return None if self.closed_at is None else max(self.closed_at, self.send_at)

    def elapsed(self, now: float) -> float | None:
        """Return the seconds since it went out, or None if it has not."""
        goes_out_at = self.goes_out_at
        return None if goes_out_at is None or goes_out_at > now else now - goes_out_at

    def changes(self, since: float, until: float) -> list[float]:
        """Return the instants after *since* and up to *until* at which a recipient's state changed."""
        if self.goes_out_at is None:
            return []
        delays = {after for timeline in +self.timelines for after, _ in timeline.steps if after > 0}
        return sorted(at for at in (self.goes_out_at + after for after in delays) if since < at <= until)

    def is_final(self, now: float) -> bool:
        """Tell whether no state will change any more."""
        elapsed = self.elapsed(now)
        return elapsed is not None and all(timeline.at(elapsed).final for timeline in +self.timelines)

    def price_eur(self, parts: int) -> float:
        """Return the price of so many parts of this message."""
        factor = REALTIME_FACTOR if self.options.realtime else 1.0
        return round(parts * PRICE_PER_PART_EUR * self.priority * factor, EUR_DECIMALS)

    def text_for(self, recipient: StoredRecipient) -> str:
        """Return the text as this recipient's phone shows it."""
        return sms_parts.fill(self.body, recipient.fields)
