"""
How an SMS is built from a text: its encoding, its parts, and a template filled with a recipient's fields.

This follows the standard (GSM 03.38, with a user data header of six octets) and deliberately not the client's own
count. Two independent counts that agree prove more than one count that is used twice.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # two septets each
_GSM7 = _BASIC | _EXTENDED
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")

MAX_PARTS = 255
MAX_CHARACTERS = MAX_PARTS * 153


class TextTooLongError(ValueError):
    """The text needs more than 255 parts. The part number is a single octet and cannot count further."""


class SmsSize(NamedTuple):
    """The room that a text takes: its encoding, its parts, and the characters left free in the last part."""

    encoding: str
    parts: int
    remaining: int


def measure(text: str) -> SmsSize:
    """
    Count the parts of a text.

    :raises TextTooLongError: It needs more than 255 parts.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextTooLongError
    if _GSM7.issuperset(text):
        encoding, single, chained = "GSM-7", 160, 153
        widths = [2 if character in _EXTENDED else 1 for character in text]
    else:
        encoding, single, chained = "UCS-2", 70, 67
        widths = [2 if character > "\uffff" else 1 for character in text]
    if (units := sum(widths)) <= single:
        return SmsSize(encoding, 1, single - units)
    parts, room = 1, chained
    for width in widths:
        if width > room:  # a character of two units is never split between two parts
            parts, room = parts + 1, chained
        room -= width
    if parts > MAX_PARTS:
        raise TextTooLongError
    return SmsSize(encoding, parts, room)


def fill(template: str, fields: dict[str, str] | None) -> str:
    """
    Replace each ``{{name}}`` by the recipient's field. A name without a field stays as it is.

    :raises TextTooLongError: The result would be longer than any SMS. It is not built.
    """
    if not fields:
        return template
    pieces = _PLACEHOLDER.split(template)
    pieces[1::2] = [fields.get(name, "{{" + name + "}}") for name in pieces[1::2]]
    if sum(map(len, pieces)) > MAX_CHARACTERS:
        raise TextTooLongError
    return "".join(pieces)
