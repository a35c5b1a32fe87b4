"""
What a message will take before it is sent: its parts, counted recipient by recipient, and what they may cost.

Each recipient's fields count with their real lengths: one long name makes one SMS longer, one emoji in a name doubles
its price. The recipients may come as a stream, so only the widths of their fields are kept, not the fields.

The price is unknown until the gateway quotes it, in its answer to the send. The estimate is therefore the parts times
the price of one part (see ``gateway.price``); while that is unknown there is no estimate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.sms_text import Measure, OnTooLong, fill, fit, measure, placeholders

_GSM7_SINGLE = 160

# What takes one unit a character in GSM-7 and beyond; most values are nothing but that.
_SIMPLE = re.compile(r"[A-Za-z0-9 .,:;'()/+&!?-]*")

# Stand for the widest value of a field: one unit each, in GSM-7 and beyond it.
_PLAIN, _FOREIGN = "x", "一"


class Cost(msgspec.Struct, frozen=True):
    """
    What a message takes.

    :param parts: SMS parts for all recipients together.
    :param exact: ``False`` where it takes so many parts at most, because its text was cut to fit.
    """

    recipients: int
    parts: int
    encodings: tuple[str, ...]
    exact: bool = True

    def described(self, price_per_part_eur: float | None, *, is_floor: bool = False) -> str:
        """
        Say it in one line.

        :param price_per_part_eur: ``None`` if it is unknown.
        :param is_floor: ``True`` if a surcharge of unknown height comes on top.
        """
        amount = f"{'' if self.exact else 'at most '}{self.parts} SMS part(s) in {' and '.join(self.encodings)}"
        if price_per_part_eur is None:
            price = "price unknown before the gateway quotes it"
        else:
            amount_eur = f"{self.parts * price_per_part_eur:.2f} EUR without VAT"
            price = f"estimated price {'at least ' if is_floor else ''}{amount_eur}"
        return f"{self.recipients} recipient(s), {amount}, {price}"


class PartsCounter:
    """
    Counts the parts of one text over its recipients.

    :param body: The text, with its placeholders.
    """

    def __init__(self, body: str) -> None:
        self._body = body
        self._names = placeholders(body)
        bare = fill(body, dict.fromkeys(self._names, ""))
        self._bare = measure(bare)
        # How often each of them stands there.
        self._times = {
            name: len(fill(body, {**dict.fromkeys(self._names, ""), name: "x"})) - len(bare) for name in self._names
        }
        self._recipients = self._parts = self._most = 0
        self._encodings: set[str] = set()
        self._widths = dict.fromkeys(self._names, 0)
        self._foreign_widths = dict.fromkeys(self._names, 0)
        self._has_foreign_fields = self._doubled = False
        self._plain: Measure | None = None if self._names else self._bare
        self._one_part = Measure("GSM-7", _GSM7_SINGLE, 1)  # of so many units at most

    def add(self, fields: Mapping[str, str]) -> None:
        """Count one more recipient."""
        size = self._plain or self._measured(fields)
        self._recipients += 1
        self._parts += size.parts
        if size.parts > self._most:
            self._most = size.parts
        self._encodings.add(size.encoding)

    def fitted(self, max_parts: int | None, on_too_long: OnTooLong) -> tuple[str, Cost]:
        """
        Return the text to send and what it takes.

        :param max_parts: Most parts that the text may take for any recipient; ``None`` for no limit.
        :param on_too_long: What to do where it takes more: ``fail``, or ``fit``, which makes it plain and cuts it.
        :raises ConfigurationError: It takes more, and ``on_too_long`` is ``fail``.
        """
        if max_parts is None or self._most <= max_parts:
            return self._body, Cost(self._recipients, self._parts, tuple(sorted(self._encodings)))
        if on_too_long == "fail":
            raise ConfigurationError(
                f"body: it takes {self._most} SMS parts in {' and '.join(sorted(self._encodings))}, max_parts allows "
                f"{max_parts}; shorten it (or a field of a recipient), raise max_parts, or set on_too_long='fit'"
            )
        widest = self._widest(max_parts)
        body = fit(self._body, max_parts, fields=widest)
        encodings = {measure(fill(body, fields)).encoding for fields in widest}
        return body, Cost(self._recipients, self._recipients * max_parts, tuple(sorted(encodings)), exact=False)

    def _measured(self, fields: Mapping[str, str]) -> Measure:
        """Measure the text for one recipient, and keep how wide each field can be."""
        units, plain = self._bare.units, self._bare.encoding == "GSM-7"
        for name, times in self._times.items():
            value = fields.get(name, "")
            if _SIMPLE.fullmatch(value):
                width = foreign_width = len(value)
            else:
                size = measure(value)
                self._has_foreign_fields = self._has_foreign_fields or size.encoding == "UCS-2"
                plain = plain and size.encoding == "GSM-7"
                foreign_width = len(value.encode("utf-16-le", "surrogatepass")) // 2
                width = size.units if size.encoding == "GSM-7" else 0
                self._doubled = self._doubled or max(width, foreign_width) > len(value)
            units += times * width
            if width > self._widths[name]:
                self._widths[name] = width
            if foreign_width > self._foreign_widths[name]:
                self._foreign_widths[name] = foreign_width
        if plain and units <= _GSM7_SINGLE:
            return self._one_part
        return measure(fill(self._body, fields))

    def _widest(self, max_parts: int) -> list[dict[str, str]]:
        """Make up the recipients that need the most room, in GSM-7 and, if a real one needs it, beyond."""
        # A character of two units may leave the last unit of each part but one unused.
        spare = max_parts - 1 if self._doubled else 0
        people = [{name: _PLAIN * (self._widths[name] + spare) for name in self._names}]
        if self._has_foreign_fields:
            people.append({name: _FOREIGN * (self._foreign_widths[name] + spare) for name in self._names})
        return people


def count_parts(body: str, recipients: Iterable[Recipient]) -> PartsCounter:
    """Count the parts of a text over all of its recipients."""
    counter = PartsCounter(body)
    for recipient in recipients:
        counter.add(recipient.fields)
    return counter
