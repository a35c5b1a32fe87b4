"""
How far to trust the summary of a message with many recipients.

The summary is one small object; the recipients of a large message are up to 94 MB. So a poll reads the summary, and the
recipients only if it shows a possible end. What the summary counts is undocumented, therefore:

- A summary that has stood still for :data:`SAFEGUARD_POLLS` polls is checked against the recipients.
- If that check agrees, and not on zeros alone, the next one comes after :data:`TRUST` times as many polls. A later
  check that disagrees takes this back.
- A summary that shows an end which the recipients do not confirm is followed once, and again only after it has moved.
"""

from __future__ import annotations

import msgspec

from airflow_provider_messaggisms.gateway.delivery import DeliveryCounts, worth_reading
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import Message, Statistics

#: After so many polls a summary that stands still is checked against the recipients.
SAFEGUARD_POLLS = 10

#: A summary that has agreed with the recipients is trusted for so many times as many polls.
TRUST = 10


class SummaryTrust(msgspec.Struct):
    """
    What a wait knows of its message's summary.

    :param rule: When the wait has succeeded.
    :param unmoved: How many polls the summary has stood still for.
    """

    rule: Rule
    unmoved: int = 0
    factor: int = 1
    summary: Statistics | None = None
    followed: Statistics | None = None  # the summary when the recipients were last read

    def calls_for_recipients(self, message: Message) -> bool:
        """Take note of the summary that a poll has read; tell whether to read the recipients now."""
        latest = message.statistics
        stands_still = self.summary is None or latest == self.summary
        self.unmoved = self.unmoved + 1 if stands_still else 1
        self.summary = latest
        must_check = self.unmoved >= SAFEGUARD_POLLS * self.factor
        if not must_check and (latest == self.followed or not worth_reading(message, self.rule)):
            return False
        self.unmoved, self.followed = 0, latest
        return True

    def compare(self, counts: DeliveryCounts) -> None:
        """Take note of what the recipients say; agreement on zeros alone proves nothing."""
        counted = (counts.delivered, counts.failures)
        agrees = self.summary is not None and any(counted) and (self.summary.delivered, self.summary.error) == counted
        self.factor = TRUST if agrees else 1
