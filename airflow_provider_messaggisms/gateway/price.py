"""
What a send may cost, before it is sent: the price of a part as it was last seen, and the limit that a DAG author sets.

All amounts are in EUR without VAT. A message's ``base_price`` is the total of its parts before surcharges, so the price
of a part is that total divided by the parts. A priority, ``flash`` or ``realtime`` costs more by an amount that is not
documented, so an estimate is a floor then. Only the gateway's own quote is a price, and it comes with the message.
"""

from __future__ import annotations

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.models import Message

#: How many of the account's messages are read, at most, to learn the price of a part.
MOST_MESSAGES_READ = 3


class Seen(msgspec.Struct):
    """What the answers about an account have told last; ``None`` while they have not."""

    credit_eur: float | None = None
    price_per_part_eur: float | None = None

    def note(self, message: Message) -> None:
        """Take the price of a part from a message, if it tells one."""
        price = price_per_part(message)
        self.price_per_part_eur = self.price_per_part_eur if price is None else price


class Estimate(msgspec.Struct, frozen=True):
    """
    What a send will cost, as far as that is known before it is sent.

    :param eur: The parts times the price of a part.
    :param is_floor: ``True`` if a surcharge of unknown height comes on top.
    """

    eur: float
    is_floor: bool = False

    def described(self) -> str:
        """Say it in words."""
        return f"{'at least ' if self.is_floor else ''}{self.eur:.2f} EUR without VAT"

    def check(self, max_price_eur: float | None) -> None:
        """
        Hold it against a limit.

        :raises ConfigurationError: It is more.
        """
        if max_price_eur is not None and self.eur > max_price_eur + 0.000_001:
            raise ConfigurationError(
                f"max_price_eur: the message is estimated at {self.described()}; the limit is {max_price_eur:.2f}. "
                "Nothing was sent"
            )


def price_per_part(message: Message) -> float | None:
    """Return the price of one SMS part, in EUR without VAT; ``None`` if the message does not tell."""
    parts, total = message.statistics.sms_total, message.base_price
    if not parts or not total or message.options.flash or message.options.realtime:
        return None
    return total / parts


def has_surcharge(content: MessageContent) -> bool:
    """Tell whether a message costs more than its parts."""
    return bool(content.flash or content.realtime or (content.priority or 1.0) > 1.0)
