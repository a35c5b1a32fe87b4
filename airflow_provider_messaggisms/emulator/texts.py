"""
What a text is to a telephone: its alphabet, the parts it is cut into, a template with a recipient's fields filled in.

Written from the standard (GSM 03.38, UDH of six octets), on purpose without a look at the client's own count: two
independent counts that agree prove more than one that is used twice.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = "\f^{}\\[~]|€"
_ANY_GSM7 = re.compile(f"[{re.escape(_BASIC + _EXTENDED)}]*")
_WIDE_GSM7 = re.compile(f"[{re.escape(_EXTENDED)}]")
_WIDE_UCS2 = re.compile("[\U00010000-\U0010ffff]")
_PAIR = "\ud800\udc00"  # what a character of two units counts as; no text holds halves of characters
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")

MAX_PARTS = 255
MAX_CHARACTERS = MAX_PARTS * 153


class TextTooLongError(ValueError):
    """More than 255 parts, which the part number's single octet cannot count."""


class Measure(NamedTuple):
    """How much room a text takes: its encoding, its parts, and the characters left free in the last one."""

    encoding: str
    parts: int
    remaining: int


def measure(text: str) -> Measure:
    """
    Count the parts of a text.

    :raises TextTooLongError: It needs more than 255 of them.
    """
    if _ANY_GSM7.fullmatch(text):
        encoding, wide, alone, chained = "GSM-7", _WIDE_GSM7, 160, 153
    else:
        encoding, wide, alone, chained = "UCS-2", _WIDE_UCS2, 70, 67
    units = wide.sub(_PAIR, text)
    if len(units) <= alone:
        return Measure(encoding, 1, alone - len(units))
    begin = parts = 0
    while begin < len(units):
        parts += 1
        if parts > MAX_PARTS:
            raise TextTooLongError
        end = begin + chained
        if units[end : end + 1] == _PAIR[1]:  # a character of two units never straddles a border
            end -= 1
        begin, last = end, begin
    return Measure(encoding, parts, last + chained - len(units))


def has_placeholders(template: str) -> bool:
    """Tell whether :func:`fill` could change this text."""
    return _PLACEHOLDER.search(template) is not None


def fill(template: str, fields: dict[str, str] | None) -> str:
    """
    Put a recipient's fields in the place of ``{{name}}``; a name without a field stays as it is.

    :raises TextTooLongError: The result would be longer than any SMS. Found out before it is built.
    """
    if not fields:
        return template
    pieces = _PLACEHOLDER.split(template)
    pieces[1::2] = [fields.get(name, "{{" + name + "}}") for name in pieces[1::2]]
    if sum(map(len, pieces)) > MAX_CHARACTERS:
        raise TextTooLongError
    return "".join(pieces)
