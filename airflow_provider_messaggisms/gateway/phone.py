"""
Telephone numbers: a number as people write it becomes the wire's form, ``+39-3491234567``, or a refusal with a reason.

The wire's form is the country code, one hyphen, and the rest. The gateway counts any other form as invalid without
saying so, and a wrong number costs money, so every number is read and checked here, before the first call. An error
never shows a whole number: :func:`mask` shows ``+39-*******567``.

``phonenumbers`` takes 65 to 960 microseconds to validate a number. Most numbers in files are complete, written like
``+393491234567`` or ``349 123 4567``: those are split and checked in one to three microseconds with the compiled plans
of ``gateway.numbering_plan``. ``phonenumbers`` reads the others. Both ways give the same answers.

Its import alone costs a task that sends one SMS 25 ms of CPU. Most numbers that this gateway writes to are Italian
mobile numbers, so these are read without it; the tests compare the answers here too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.numbering_plan import national_plan, plan

if TYPE_CHECKING:
    from phonenumbers import NumberParseException, PhoneNumber

Validation = Literal["full", "possible"]

# Spaces and signs that people put between digits, and invisible characters that come along when a number is copied from
# a web page or an address book (zero-width and direction marks). Line breaks are not among them: two lines are two
# numbers.
_SPACES = " \t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_UNSEEN = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f\ufe0e\ufe0f\ufeff"
)
_SIGNS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d.()[]/"
_CLEAN = str.maketrans("\uff0b", "+", _SPACES + _UNSEEN + _SIGNS)

# Patterns are compiled where they are first used, and kept by ``re``: every parse of a DAG file imports this module.
_BARE = r"\+?[0-9]+"
_IGNORED = f"[{re.escape(_SPACES + _UNSEEN + _SIGNS)}]"

# The ending of a decimal number, as in 3491112223.0 or 3,491,112,223.00; and a number with a fraction, 3491112223.5.
_DECIMAL = rf"(?s:.*)[.,]\s*0+{_IGNORED}*|[+]?[0-9]{{6,}}[.,][0-9]{{1,2}}"
_SCIENTIFIC = r"[-+]?[0-9]+(?:[.,][0-9]+)?[eE][-+]?[0-9]+"

_HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
# In 02 1234567-8 the last digit is that of a second line; in 349-123-456-7 it is a group, and in +39349123456-7 the
# gateway's own hyphen stands at the wrong place.
_SECOND_LINE = rf"(?!\+393[0-9]{{8}}-)([^{_HYPHENS}]*|.*[0-9]{{5}}\s*)[{_HYPHENS}]\s*[0-9]"
# How spreadsheets keep a text from becoming a number: '+39349... and ="+39349..."; RFC 3966 has tel:+39349...
_WRAPPED = r"""(?i)\s*(?:['\u2019]([^'\u2019]*)['\u2019]?|="([^"]*)"|tel:(.*?))\s*"""
_WRAPPERS = ("'", "\u2019", "=", "t", "T")
_NUMERIC_COLUMN = "the column was numeric, so zeros and plus signs may be lost: make it text in the source"

# The ITU's country codes have one, two or three digits, told apart by their first two since 1964: enough for a mask,
# which must not cost phonenumbers' import. The tests hold it against phonenumbers' list.
_COUNTRY_CODE = r"\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})"
_MASKED = r"(?:\+[0-9]{1,3}-)?\*{1,32}[0-9]{0,3}"
_UNREADABLE = "***"
_LONGEST_WRITTEN = 40  # characters; the longest number has 15 digits
_FEWEST_TO_SHOW = 7  # digits, without the country code: of fewer, three would be too telling

# Possessive (``{6,}+``): a run is taken whole or not at all, so that the time stays linear in the length of the text.
_RUN = rf"[+\uff0b]?\d(?:[{re.escape(_SPACES + _UNSEEN + _SIGNS)}]{{0,2}}\d){{6,}}+"


def to_wire(number: str, *, default_region: str | None = None, validate: Validation = "full") -> str:
    """
    Return a number as the gateway wants it: ``+39 349 123 4567`` becomes ``+39-3491234567``.

    Spaces, hyphens, dots, brackets and slashes between digits are ignored, wherever they stand: ``+3-93491234567`` has
    the same digits and the same result. Italian fixed lines keep their zero (``+39-0612345678``). Letters, extensions,
    decimal numbers (``3491234567.0``) and more than one number are refused. What a spreadsheet or a link puts before a
    number is taken off (``'+39...``, ``="+39..."``, ``tel:+39...``).

    :param number: Begins with ``+`` or ``00`` and a country code, or is national if there is a ``default_region``.
    :param default_region: ISO 3166 code of the country that numbers without a country code belong to, such as ``IT``.
        If given, its own international prefix counts, not ``00``. Default: none.
    :param validate: ``"full"`` (default) requires a number that exists in its country's plan and is a mobile, fixed or
        VoIP line. A VoIP line is an ordinary line on another technology, at no special rate. Premium rate, shared cost,
        toll free, pager, voice mail, company-wide and personal numbers are refused (a personal number forwards to
        another line, often at a premium rate). ``"possible"`` only counts the digits: as many as mobile, fixed or VoIP
        lines of that country code can have.
    :raises ConfigurationError: It cannot be read, or fails the check; the text shows it masked and says what to do.
    """
    if validate not in ("full", "possible"):
        raise ConfigurationError(f"validate must be 'full' or 'possible', not {validate!r:.40}")
    if isinstance(number, str) and (mobile := _italian_mobile().fullmatch(number)):
        return f"+39-{mobile[1]}"
    full = validate == "full"
    return _plain(number, default_region, full=full) or _read(number, default_region, full=full)


def mask(number: str) -> str:
    """
    Return a number in the form that may be shown: ``+39-*******567``, however it was written.

    The country code stays if the number has one. Of the rest the last three digits stay, and none if it has fewer
    than seven. Any other text becomes ``***``; a masked number stays as it is.
    """
    if not isinstance(number, str) or len(number) > _LONGEST_WRITTEN:
        return _UNREADABLE
    if re.fullmatch(_MASKED, number):
        return number
    digits = _international(_bare(number) or "")
    prefix = ""
    if code := re.match(_COUNTRY_CODE, digits):
        prefix, digits = f"{code[0]}-", digits[code.end() :]
    digits = digits.lstrip("+")
    if not digits:
        return _UNREADABLE
    shown = digits[-3:] if len(digits) >= _FEWEST_TO_SHOW else ""
    return prefix + "*" * (len(digits) - len(shown)) + shown


def mask_numbers(text: str) -> str:
    """
    Mask everything that could be a telephone number within a text, such as the gateway's error message.

    That is every run of seven or more digits, with or without ``+``, also if single signs (or a bracket and a space)
    stand between them. Dates and long ids look the same and are masked as well: too much rather than too little.
    """
    return re.sub(_RUN, lambda run: mask(run[0]), text)


@cache
def _italian_mobile() -> re.Pattern[str]:
    """Compile how files mostly have the mobile numbers of Italy: a line in full, and quicker to see than any other."""
    return re.compile(r"\+39-?(3[1-9][0-9]{8})")


def _plain(number: str, default_region: str | None, *, full: bool) -> str | None:
    """Read a number with nothing but blanks and hyphens between its groups; ``None`` if it needs a closer look."""
    if not isinstance(number, str) or len(number.rpartition("-")[2].strip()) < 2:  # 02 1234567-8 is two lines
        return None
    digits = number.replace("-", "").replace(" ", "").replace("\u00a0", "")
    if " " in number or not digits.startswith("+"):
        region = known_region(default_region)
        if not (digits.isascii() and digits.removeprefix("+").isdecimal()):
            return None
        digits = _with_code(digits, region)
    return _fast(digits, full=full)


def _fast(number: str, *, full: bool) -> str | None:
    """Turn ``+393491234567`` into the wire's form; ``None`` if it needs a closer look."""
    digits = number[1:]
    if number[0] != "+" or not (digits.isdecimal() and digits.isascii()):
        return None
    if digits.startswith("39") and (mobile := _italian_mobile().fullmatch(number)):
        return f"+39-{mobile[1]}"
    found = plan(digits[:3])
    if found is None:
        return None
    code, lengths, trunk, lines = found
    national = digits[len(code) :]
    if len(national) not in lengths or (trunk is not None and trunk.match(national)):
        return None
    return None if full and not lines[len(national)].fullmatch(national) else f"+{code}-{national}"


def _read(number: str, default_region: str | None, *, full: bool) -> str:
    """Read a number that is not written in the plainest form, or say why it is refused."""
    region = known_region(default_region)
    number = _unwrapped(number)
    digits = _readable(number, region)
    if "/" in number:
        _refuse_two_numbers(number, number.rpartition("/")[0], region)
    if number[-3:].strip("0123456789") and (found := re.fullmatch(_SECOND_LINE, number.strip())):
        _refuse_two_numbers(number, found[1], region)
    if "(0)" not in number:
        wire = _fast(_with_code(digits, region), full=full)
        if wire is not None:
            return wire
    return _parse(number, digits, region, full=full)


def _unwrapped(number: str) -> str:
    """Take off what keeps a number from being calculated with, or makes a link of it."""
    if not isinstance(number, str) or number.lstrip()[:1] not in _WRAPPERS:
        return number
    found = re.fullmatch(_WRAPPED, number)
    return found[found.lastindex or 0] if found else number


def _with_code(digits: str, region: str | None) -> str:
    """Put the country code before a national number that is complete as it is; others stay as they are."""
    if digits[0] == "+":
        return digits
    if region is None:
        return _international(digits)
    if region == "IT" and _italian_mobile().fullmatch(f"+39{digits}"):
        return f"+39{digits}"
    code, whole = national_plan(region)
    return f"+{code}{digits}" if whole.fullmatch(digits) else digits


def _parse(number: str, digits: str, region: str | None, *, full: bool) -> str:
    """Let phonenumbers read a number; check its length and, if asked, that it is a line of its country."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException as error:
        raise _refusal(number, _why_unparsable(error)) from error
    code, national = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    if "(0)" in number and national[0] == "0":
        raise _refusal(number, "has a (0) that may or may not belong to it: drop the 0, or its brackets")
    found = plan((code + national)[:3])
    lengths = found.lengths if found else frozenset()
    if len(national) not in lengths:
        raise _refusal(number, _why_wrong_length(code, len(national), lengths))
    if full:
        _require_line(number, parsed)
    return f"+{code}-{national}"


def _readable(number: str, region: str | None) -> str:
    """Remove the signs between the digits; ``+`` and digits remain, or the number is refused."""
    if not isinstance(number, str):
        raise ConfigurationError(f"a number must be a string, not {type(number).__name__}: write it in quotes")
    if not number.strip(_SPACES + _UNSEEN + "\r\n"):
        raise ConfigurationError("the telephone number is empty: write it as +39..., or leave this recipient out")
    written = _with_ascii_digits(number.strip())
    if ("." in written or "," in written) and re.fullmatch(_DECIMAL, written):
        raise _refusal(number, f"is a decimal number: {_NUMERIC_COLUMN}")
    if re.fullmatch(_SCIENTIFIC, written):
        raise _refusal(number, f"is in scientific notation: {_NUMERIC_COLUMN}")
    digits = _bare(number)
    if digits is None:
        raise _refusal(number, "is not one telephone number: write digits only, no letters, extension or second number")
    if region is None:
        digits = _international(digits)
        if digits[0] != "+":
            raise _refusal(number, "has no international prefix: write +39... or set default_region in the connection")
    return digits


def _bare(number: str) -> str | None:
    """Reduce a number to ``+`` and ASCII digits; ``None`` if it has any other character."""
    digits = _with_ascii_digits(number.strip().translate(_CLEAN))
    return digits if re.fullmatch(_BARE, digits) else None


def _with_ascii_digits(text: str) -> str:
    return text if text.isascii() else "".join(str(int(sign)) if sign.isdecimal() else sign for sign in text)


def _international(digits: str) -> str:
    """Write a leading ``00`` as ``+``; no country code begins with a zero."""
    rest = digits.removeprefix("+")
    return "+" + rest[2:] if rest.startswith("00") else digits


def known_region(default_region: str | None) -> str | None:
    """
    Check a region; ``None`` and an empty text are none.

    :raises ConfigurationError: It is no country of phonenumbers' list.
    """
    if not default_region:
        return None
    region = default_region.upper()
    if region == "IT":
        return region
    import phonenumbers

    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigurationError(
            f"default_region {default_region!r:.20} is not a country: write its two letters of ISO 3166, such as IT"
        )
    return region


def _require_line(number: str, parsed: PhoneNumber) -> None:
    """Refuse a number that is not a mobile, fixed or VoIP line of its country, and say what it is."""
    from phonenumbers import PhoneNumberType, number_type

    kind = number_type(parsed)
    if kind == PhoneNumberType.UNKNOWN:
        raise _refusal(number, f"does not exist in the numbering plan of +{parsed.country_code}: check its digits")
    if kind not in (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.VOIP,
    ):
        name = PhoneNumberType.to_string(kind).lower().replace("_", " ")
        raise _refusal(number, f"is of the kind {name!r}, not a mobile or fixed line: give a number that takes SMS")


def _refuse_two_numbers(number: str, first: str, region: str | None) -> None:
    """``349/1234567`` is one number; in ``06 1234567/8`` the part before the slash is one already."""
    try:
        to_wire(first, default_region=region)
    except ConfigurationError:
        return
    raise _refusal(number, "holds more than one number: make each a recipient of its own")


def _why_unparsable(error: NumberParseException) -> str:
    if error.error_type == error.INVALID_COUNTRY_CODE:
        return "does not begin with the code of a country: write + and the code first, as in +39..."
    if error.error_type == error.TOO_LONG:
        return "has too many digits: write one number"
    return "has too few digits: write the whole number, as in +39..."


def _why_wrong_length(code: str, count: int, lengths: frozenset[int]) -> str:
    if not lengths:
        return f"cannot be a mobile or fixed line: no line begins with +{code}"
    few, many = min(lengths), max(lengths)
    together = len(lengths) == many - few + 1 > 2
    possible = f"{few} to {many}" if together else " or ".join(map(str, sorted(lengths)))
    return f"has {count} digits after +{code}, where a mobile or fixed line has {possible}: check them and the country"


def _refusal(number: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{mask(number)} {why}")
