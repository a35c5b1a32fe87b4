"""
Telephone numbers: what a person writes becomes the wire's form, ``+39-3491234567``, or a refusal that says why.

The wire's form is the country code, one hyphen, and the rest. The gateway counts any other form as invalid without a
word, and a wrong number costs money, so everything is read and checked here, before the first call. A number never
leaves this module whole in an error: :func:`mask` shows ``+39-*******567``.

``phonenumbers`` knows every country's plan but takes some 60 microseconds a number. Files with 100,000 numbers mostly
hold them as ``+393491234567`` already: with ``validate="possible"`` those are split and measured in about one
microsecond, by figures that :func:`_plan` takes once per country from phonenumbers' own data. The two ways agree.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_provider_messaggisms.exceptions import ConfigurationError

if TYPE_CHECKING:
    from phonenumbers import NumberParseException, PhoneNumber

Validation = Literal["full", "possible"]

# What people put between digits, and what copying from a web page or an address book adds unseen (zero-width and
# direction marks). Line breaks are not among it: two lines are two numbers.
_SPACES = " \t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_SIGNS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d.()[]/"
_CLEAN = str.maketrans("\uff0b", "+", _SPACES + _UNSEEN + _SIGNS)

# Patterns are compiled where they are first used, and kept by ``re``: every parse of a DAG file imports this module.
_BARE = r"\+?[0-9]+"

# The ITU's country codes have one, two or three digits, told apart by their first two since 1964: enough for a mask,
# which must not cost phonenumbers' import. The tests hold it against phonenumbers' list.
_COUNTRY_CODE = r"\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})"
_MASKED = r"(?:\+[0-9]{1,3}-)?\*{1,32}[0-9]{0,3}"
_UNREADABLE = "***"
_LONGEST_WRITTEN = 40  # characters; the longest number has 15 digits
_FEWEST_TO_SHOW = 7  # digits, without the country code: of fewer, three would be too telling

# Possessive (``{6,}+``): a run is taken whole or not at all, so that the time stays linear in the length of the text.
_RUN = rf"[+\uff0b]?\d(?:[{re.escape(_SPACES + _UNSEEN + _SIGNS)}]{{0,2}}\d){{6,}}+"


class _Plan(NamedTuple):
    """What the fast path must know of a country code."""

    code: str
    lengths: frozenset[int]  # digits after the country code that a mobile, fixed or VoIP line can have
    trunk: re.Pattern[str] | None  # beginnings that phonenumbers would drop or rewrite, as the 0 in +44 07911...


def to_wire(number: str, *, default_region: str | None = None, validate: Validation = "full") -> str:
    """
    Return a number as the gateway wants it: ``+39 349 123 4567`` becomes ``+39-3491234567``.

    Spaces, hyphens, dots, brackets and slashes between digits are ignored, wherever they stand: ``+3-93491234567`` has
    the same digits and the same result. Italian fixed lines keep their zero (``+39-0612345678``). Letters, extensions
    and more than one number are refused.

    :param number: Begins with ``+`` or ``00`` and a country code, or is national if there is a ``default_region``.
    :param default_region: ISO 3166 code of the country that numbers without a country code belong to, such as ``IT``.
        Where given, its own international prefix counts, not ``00``. Default: none.
    :param validate: ``"full"`` (default) wants a number that exists in its country's plan and is a mobile, a fixed
        line, or a VoIP line: that is a line like the others on another technology, at no special rate. Premium rate,
        shared cost, toll free, pagers, voice mail, company-wide and personal numbers are refused (a personal
        number forwards to some other line, often at a premium rate). ``"possible"`` only counts the digits: as many
        as mobile, fixed or VoIP lines of that country code can have.
    :raises ConfigurationError: It cannot be read, or fails the check; the text shows it masked and says what to do.
    """
    if validate == "possible":
        return _fast(number) or _parse(number, default_region)
    if validate != "full":
        raise ConfigurationError(f"validate must be 'full' or 'possible', not {validate!r:.40}")
    return _parse(number, default_region, line=True)


def mask(number: str) -> str:
    """
    Return a number in the form that may be shown: ``+39-*******567``, however it was written.

    The country code stays if the number has one. Of the rest the last three digits stay, and none if it has fewer
    than seven. What is not a telephone number becomes ``***``; what is masked already stays as it is.
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
    Mask whatever could be a telephone number within a text, such as the gateway's error message.

    That is every run of seven or more digits, with or without ``+``, also if single signs (or a bracket and a space)
    stand between them. Dates and long ids look the same and are masked as well: too much rather than too little.
    """
    return re.sub(_RUN, lambda run: mask(run[0]), text)


@cache
def _plan(beginning: str) -> _Plan | None:
    """Find the country code in the first three digits of an international number, and its figures. Thread-safe."""
    import phonenumbers
    from phonenumbers import PhoneMetadata

    for length in (1, 2, 3):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(beginning[:length] or 0))
        if regions:
            break
    else:
        return None
    code = beginning[:length]
    # The first region stands for all that share the code, as it does when phonenumbers parses.
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    if metadata is None:
        return None
    lines = (metadata.mobile, metadata.fixed_line, metadata.voip)
    lengths = frozenset(n for line in lines if line is not None for n in line.possible_length if n > 0)
    trunk = metadata.national_prefix_for_parsing
    return _Plan(code, lengths, re.compile(rf"(?:{trunk})(?!\A)") if trunk else None)


def _fast(number: str) -> str | None:
    """Turn ``+393491234567`` or ``+39-3491234567`` into the wire's form; ``None`` if that takes more than counting."""
    if not isinstance(number, str) or number[:1] != "+":
        return None
    digits = number[1:].replace("-", "", 1)
    if not (digits.isdecimal() and digits.isascii()):
        return None
    plan = _plan(digits[:3])
    if plan is None:
        return None
    code, lengths, trunk = plan
    national = digits[len(code) :]
    if len(national) not in lengths or (trunk is not None and trunk.match(national)):
        return None
    return f"+{code}-{national}"


def _parse(number: str, default_region: str | None, *, line: bool = False) -> str:
    """Let phonenumbers read a number; check its length and, if asked, that it is a line of its country."""
    import phonenumbers

    region = known_region(default_region)
    digits = _readable(number, region)
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException as error:
        raise _refusal(number, _why_unparsable(error)) from error
    code, national = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    if "(0)" in number and national[0] == "0":
        raise _refusal(number, "has a (0) that may or may not belong to it: drop the 0, or its brackets")
    plan = _plan((code + national)[:3])
    lengths = plan.lengths if plan else frozenset()
    if len(national) not in lengths:
        raise _refusal(number, _why_wrong_length(code, len(national), lengths))
    if line:
        _require_line(number, parsed)
    if "/" in number:
        _refuse_two_numbers(number, region)
    return f"+{code}-{national}"


def _readable(number: str, region: str | None) -> str:
    """Strip what stands between the digits; ``+`` and digits remain, or it is refused."""
    if not isinstance(number, str):
        raise ConfigurationError(f"a number must be a string, not {type(number).__name__}: write it in quotes")
    if not number.strip():
        raise ConfigurationError("the telephone number is empty: write it as +39..., or leave this recipient out")
    digits = _bare(number)
    if digits is None:
        raise _refusal(number, "is not one telephone number: write digits only, no letters, extension or second number")
    if region is None:
        digits = _international(digits)
        if digits[0] != "+":
            raise _refusal(number, "has no international prefix: write +39... or set default_region in the connection")
    return digits


def _bare(number: str) -> str | None:
    """Reduce a number to ``+`` and ASCII digits, or ``None`` if it holds anything that no number does."""
    digits = number.strip().translate(_CLEAN)
    if not digits.isascii():
        digits = "".join(str(int(sign)) if sign.isdecimal() else sign for sign in digits)
    return digits if re.fullmatch(_BARE, digits) else None


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
    import phonenumbers

    region = default_region.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigurationError(
            f"default_region {default_region!r:.20} is not a country: write its two letters of ISO 3166, such as IT"
        )
    return region


def _require_line(number: str, parsed: PhoneNumber) -> None:
    """Refuse what is not a mobile, fixed or VoIP line of its country."""
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


def _refuse_two_numbers(number: str, region: str | None) -> None:
    """``349/1234567`` is one number; in ``06 1234567/8`` the part before the slash is one already."""
    try:
        to_wire(number.rpartition("/")[0], default_region=region)
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
