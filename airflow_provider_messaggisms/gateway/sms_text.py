"""
The text of an SMS (3GPP TS 23.038): its placeholders, its cost in parts, and shortening it to fit.

A text whose characters are all in the GSM-7 alphabet takes 160 characters in one SMS, or 153 in each part of a longer
one; ten characters, the euro sign among them, count twice. One character beyond that alphabet, such as an emoji or a
curly apostrophe, and the whole text is sent as UCS-2: 70, or 67 in each part. Parts are what is paid for.

It is undocumented how the gateway encodes. It is assumed to use GSM-7 wherever possible, without national tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct

#: Characters that show nothing: white space of every kind, and invisible signs.
BLANKS = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
    "\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3164\ufeff\uffa0"
)

#: What to do with a text that takes too many parts: refuse it, or make it plain and cut it.
OnTooLong = Literal["fail", "fit"]

_PLACEHOLDER = re.compile(r"\{\{([^{}\n]++)\}\}")

_EXTENSION = frozenset("\f^{}\\[~]|€")  # an escape and a character: two septets
_GSM7 = _EXTENSION | frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

# Characters that Unicode does not decompose into plain signs, or decomposes into signs that read differently.
_PLAIN = {
    **dict.fromkeys("‘’‚‛′‹›´`ʹʻʼˈˊˋ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−⁃", "-"),
    **dict.fromkeys("\u2028\u2029\u0085\v", "\n"),
    **{"\t": " ", "·": "."},
    **dict.fromkeys("•‣∙", "-"),
    **{"→": "->", "←": "<-", "⇒": "=>", "×": "x", "÷": "/", "±": "+/-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~"},
    **{"©": "(C)", "®": "(R)", "¢": "c", "¦": "|", "µ": "u", "⁄": "/", "¼": " 1/4", "½": " 1/2", "¾": " 3/4"},
    **{"œ": "oe", "Œ": "OE", "ẞ": "SS", "þ": "th", "Þ": "TH", "ŋ": "n", "Ŋ": "N", "ə": "e", "ı": "i", "ĸ": "k"},
    **{"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T"},
    # GSM-7 has the Greek capitals that look like no Latin one, and Greek telephones write the others in Latin.
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
}

_MARK = "..."


class Measure(msgspec.Struct, frozen=True):
    """
    The size of a text.

    :param encoding: ``GSM-7`` or ``UCS-2``.
    :param units: Septets in GSM-7, 16-bit units in UCS-2.
    :param parts: Number of SMS that it is sent as, and paid for; at least 1.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int


class Piece(RedactedStruct, frozen=True):
    """
    A piece of a text that :func:`fit` may have to shorten.

    :param text: The piece with all that belongs to it, such as the line break before it.
    :param importance: The piece with the lowest number is shortened first; of equals, the last. Default 0.
    :param whole: It comes through unchanged or not at all, as a link must. Default ``False``: it may be cut.
    """

    _shown = ("importance", "whole")
    text: str
    importance: int = 0
    whole: bool = False


@lru_cache(maxsize=1024)
def field_name(name: str) -> str:
    """Return a field's name as it is compared: without blanks around it, its accents composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", name.strip(BLANKS))


def placeholders(body: str) -> tuple[str, ...]:
    """Return the names that stand in a text as ``{{name}}`` or ``{{ name }}``, each once, in their order."""
    names = (field_name(found[1]) for found in _PLACEHOLDER.finditer(body))
    return tuple(dict.fromkeys(name for name in names if name))


def placeholder(name: str) -> str:
    """
    Write a field's name as the gateway's placeholder, ``{{name}}``.

    :raises ConfigurationError: The name is empty, or holds braces, line breaks or outer blanks.
    """
    written = f"{{{{{name}}}}}"
    if placeholders(written) != (name,) or not _PLACEHOLDER.fullmatch(written):
        raise ConfigurationError(f"field name {name!r:.40} cannot be a placeholder: use letters, digits and _")
    return written


def fill(body: str, fields: Mapping[str, str]) -> str:
    """Put a recipient's fields in the place of their placeholders, as the gateway does; others stay as they are."""
    return _PLACEHOLDER.sub(lambda found: str(fields.get(field_name(found[1]), found[0])), body)


def checked_body(body: Any) -> str:
    """
    Check the text of an SMS, and compose its accents (Unicode NFC), so that its placeholders match their fields.

    :raises ConfigurationError: It is not a text, is blank, or holds a NUL character.
    """
    if not isinstance(body, str):
        raise ConfigurationError(f"body: the text of the SMS is not a text but {type(body).__name__}")
    if not body.strip(BLANKS):
        raise ConfigurationError("body: the text of the SMS is empty")
    if "\0" in body:
        raise ConfigurationError("body: the text of the SMS holds a NUL character, which cannot be sent")
    return unicodedata.normalize("NFC", body)


def whole_characters(text: str) -> str:
    """
    Replace what cannot be sent: half characters, as in names of files that are not UTF-8, and NUL characters.

    A half character becomes U+FFFD; a NUL is left out.
    """
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def measure(text: str) -> Measure:
    """
    Say how a text is encoded, and how many parts it takes.

    A character that takes two units is never divided by the border of two parts: 152 letters, a euro sign and 152
    letters are 306 units, twice 153, and yet three parts. The empty text is one part: what is sent is paid for.
    """
    gsm7 = _GSM7.issuperset(text)
    single, each = (160, 153) if gsm7 else (70, 67)
    units = _width(text, gsm7=gsm7)
    if units <= single:
        parts = 1
    elif units == len(text):
        parts = -(-units // each)
    else:
        parts, used = 1, 0
        for doubled in map(_doubled(gsm7=gsm7), text):
            width = 1 + doubled
            used += width
            if used > each:
                parts, used = parts + 1, width
    return Measure("GSM-7" if gsm7 else "UCS-2", units, parts)


def to_gsm7(text: str) -> str:
    """
    Turn a text into the nearest one that GSM-7 can write.

    Letters lose the accents that GSM-7 lacks, and nothing takes their place (``À`` becomes ``A``, not ``A'``): the
    word stays the one that people search for, and no letter grows. Quotes, dashes, blanks and ligatures become plain;
    emoji and all other characters without a plain form are dropped. What GSM-7 has (``è é ù ì ò à Ç Ñ ß €``...) stays.
    """
    if _GSM7.issuperset(text):
        return text
    return "".join(map(_plain, unicodedata.normalize("NFC", text)))


def fit(text: str | Iterable[Piece], max_parts: int, *, fields: Collection[Mapping[str, str]] = ()) -> str:
    """
    Make a text fit into a number of parts, losing as little as possible.

    A text that fits comes back unchanged. Otherwise it is turned into GSM-7, unless more than half of it would be lost,
    as with another alphabet. If that is not enough, the most important piece gets the room that it needs, then the next
    one. The first piece that does not fit is cut in its middle (``...`` marks the place), or left out if it is
    ``whole``; less important pieces are left out after a cut. If there is no room even for the mark, the last piece
    that was kept is cut to make it.

    :param text: Pieces in reading order, joined as they are; a string is one piece.
    :param max_parts: Most parts to take, 1 or more.
    :param fields: What the recipients' placeholders become. The text that comes back, still with its placeholders,
        fits for each of them; no placeholder is cut. Values count as they are: one of them beyond GSM-7 leaves 70
        characters instead of 160 to all, so run them through :func:`to_gsm7` before.
    :raises ConfigurationError: ``max_parts`` is less than 1.
    """
    if max_parts < 1:
        raise ConfigurationError(f"max_parts must be 1 or more, not {max_parts}")
    pieces = [Piece(text)] if isinstance(text, str) else list(text)
    all_fields = fields or ({},)
    names = frozenset[str]().union(*all_fields)
    joined = "".join(piece.text for piece in pieces)
    if _fits(joined, max_parts, all_fields):
        return joined
    if not is_mostly_beyond_gsm7(joined):
        pieces = [_plain_piece(piece, names) for piece in pieces]
    return _shorten(pieces, max_parts, all_fields, names)


def _shorten(
    pieces: list[Piece], max_parts: int, all_fields: Collection[Mapping[str, str]], names: frozenset[str]
) -> str:
    """Give each piece the room that its importance earns it, until the result fits for every recipient."""
    joined = "".join(piece.text for piece in pieces)
    gsm7 = all(_GSM7.issuperset(fill(joined, fields)) for fields in all_fields)
    room = (160 if gsm7 else 70) if max_parts == 1 else max_parts * (153 if gsm7 else 67)
    tokens = [_tokens(piece.text, names) for piece in pieces]
    widths = {
        token: max(_width(fill(token, fields), gsm7=gsm7) for fields in (all_fields if len(token) > 1 else ({},)))
        for token in set().union(*tokens)
    }
    # A character of two units can leave the last unit of a part unused, so it takes a few tries, at most one a part.
    while not _fits(shorter := _share(pieces, tokens, widths, room), max_parts, all_fields):
        room -= 1
    return shorter


def _share(pieces: list[Piece], tokens: list[list[str]], widths: Mapping[str, int], room: int) -> str:
    """Fill the room with the pieces, the most important first; cut the one that does not fit."""
    kept = [""] * len(pieces)
    last: int | None = None  # of those that may be cut
    for index in sorted(range(len(pieces)), key=lambda index: -pieces[index].importance):
        needed = _needed(tokens[index], widths)
        if needed <= room:
            kept[index] = pieces[index].text
            room -= needed
            last = last if pieces[index].whole else index
        elif not pieces[index].whole:
            if room < len(_MARK) and last is not None:
                room += _needed(tokens[last], widths)
                index = last
            kept[index] = _cut_middle(tokens[index], widths, room)
            break
    return "".join(kept)


def _needed(tokens: Iterable[str], widths: Mapping[str, int]) -> int:
    return sum(map(widths.__getitem__, tokens))


def _cut_middle(tokens: list[str], widths: Mapping[str, int], room: int) -> str:
    """Keep the beginning and the end of a piece that is longer than the room for it."""
    room -= len(_MARK)
    if room < 0:
        return ""
    head, left = _take(tokens, widths, (room + 1) // 2)
    tail, _ = _take(reversed(tokens), widths, room // 2 + left)
    return "".join((*head, _MARK, *reversed(tail)))


def _take(tokens: Iterable[str], widths: Mapping[str, int], room: int) -> tuple[list[str], int]:
    """Take tokens as long as there is room; return them and the room left."""
    taken = []
    for token in tokens:
        if widths[token] > room:
            break
        taken.append(token)
        room -= widths[token]
    return taken, room


def _fits(text: str, max_parts: int, all_fields: Collection[Mapping[str, str]]) -> bool:
    return all(measure(fill(text, fields)).parts <= max_parts for fields in all_fields)


def _segments(text: str, names: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Divide a text into the placeholders of known fields (``True``) and what stands between them."""
    end = 0
    for found in _PLACEHOLDER.finditer(text) if names else ():
        if field_name(found[1]) in names:
            yield text[end : found.start()], False
            yield found[0], True
            end = found.end()
    yield text[end:], False


def _tokens(text: str, names: frozenset[str]) -> list[str]:
    """Divide a text into the units that a cut keeps whole: characters, and the placeholders of known fields."""
    tokens: list[str] = []
    for segment, is_placeholder in _segments(text, names):
        tokens.extend((segment,) if is_placeholder else segment)
    return tokens


def _plain_piece(piece: Piece, names: frozenset[str]) -> Piece:
    """Turn a piece into GSM-7, except its placeholders. A whole piece that would change is left out."""
    segments = _segments(piece.text, names)
    plain = "".join(segment if is_placeholder else to_gsm7(segment) for segment, is_placeholder in segments)
    if piece.whole and plain != piece.text:
        plain = ""
    return Piece(plain, piece.importance, piece.whole)


def is_mostly_beyond_gsm7(text: str) -> bool:
    """Tell whether more than half of a text, blanks and accents aside, has no plain form."""
    signs = lost = 0
    for character, count in Counter(unicodedata.normalize("NFC", text)).items():
        if not (character.isspace() or unicodedata.combining(character)):
            signs += count
            lost += 0 if _plain(character) else count
    return 2 * lost > signs


def _width(text: str, *, gsm7: bool) -> int:
    """Count septets or 16-bit units."""
    return len(text) + sum(map(_doubled(gsm7=gsm7), text))


def _doubled(*, gsm7: bool) -> Callable[[str], bool]:
    """Return the test for characters that take two units."""
    return _EXTENSION.__contains__ if gsm7 else "\uffff".__lt__


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """Find the nearest GSM-7 form of one character, or nothing."""
    if character in _GSM7:
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    simpler = unicodedata.normalize("NFKD", character)
    if simpler == character and character.isalpha():
        simpler = character.upper()  # Greek small letters, whose capitals GSM-7 has
    return "" if simpler == character else "".join(map(_plain, simpler))
