"""
Recipients without those that have the SMS already, from an earlier life of the same task instance.

A task that is cleared may find other recipients than before, such as a mapped task whose upstream changed its order.
Recipients that the task instance wrote to before, as its task state shows, do not get it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Protocol

from airflow_provider_messaggisms.gateway.recipients import Recipient

log = logging.getLogger(__name__)


class Recipients(Protocol):
    """Recipients that were read and checked: a list, a file, or what remains of either."""

    @property
    def numbers(self) -> Set[str]:
        """The number of each recipient."""

    @property
    def dropped(self) -> Sequence[str]:
        """Why each recipient that cannot be sent to was left out."""

    @property
    def repeated(self) -> int:
        """How many were left out because their number stood there already."""

    @property
    def conflicts(self) -> Sequence[str]:
        """Which of these would have got another text."""

    def __iter__(self) -> Iterator[Recipient]: ...


class RemainingRecipients:
    """
    Recipients without those that were reached before.

    :param reached: The numbers that earlier messages went to, by message id.
    """

    def __init__(self, recipients: Recipients, reached: Mapping[str, Set[str]]) -> None:
        self._recipients = recipients
        self.numbers: Set[str] = recipients.numbers - frozenset().union(*reached.values())
        self.dropped = recipients.dropped
        self.repeated = recipients.repeated
        self.conflicts = recipients.conflicts
        self.parts_counter = getattr(recipients, "parts_counter", None)  # of all that are in a file
        log.warning(
            "Earlier, this task instance sent message(s) %s to other recipients. Of the recipients now, %d have it "
            "from there and do not get it again; %d get it. Some of these may have it from another map index, if the "
            "order of the input has changed. To send to all of them, give the task another idempotency_key",
            ", ".join(reached), len(recipients.numbers) - len(self.numbers), len(self.numbers),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Recipient]:
        return (one for one in self._recipients if one.number in self.numbers)
