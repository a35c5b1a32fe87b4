"""
Countries' numbering plans, compiled once for each country from phonenumbers' data.

``phonenumbers`` knows every country's plan, but validating one number with it takes 65 to 960 microseconds. A
:class:`Plan` answers the same questions with one regular expression in about one microsecond: which country code is it,
can a line have that many digits, is it a mobile, fixed or VoIP line. The tests compare the answers of both.

Several countries can share one code, as 25 do with +1. Then a number belongs to the first region whose leading digits
it has or, for a region without such a rule, to the first one that has any kind of number like it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata, PhoneNumberDesc

# These three kinds come first: a number of one of them is no VoIP line, even if it looks like one.
_BEFORE_VOIP = ("premium_rate", "toll_free", "shared_cost")
# These kinds come between VoIP and the other lines.
_BEFORE_FIXED = ("personal_number", "pager", "uan", "voicemail")
_NEVER = "(?!)"  # a pattern that matches nothing


class Lines(dict[int, "re.Pattern[str] | SharedLines"]):
    """
    What mobile, fixed and VoIP lines of a country code look like, by their number of digits after the code.

    Each is compiled when it is first asked for. ``lines[10].fullmatch("3491234567")`` is not ``None`` for a line.
    """

    def __init__(self, code: str, regions: Sequence[str]) -> None:
        super().__init__()
        self._code = code
        self._regions = regions

    def __missing__(self, length: int) -> re.Pattern[str] | SharedLines:
        shared = len(self._regions) > 1
        self[length] = (
            SharedLines(self._code, self._regions, length) if shared else _line(self._code, self._regions[0], length)
        )
        return self[length]


class SharedLines:
    """Lines of a country code that several regions share. The region that a number belongs to decides."""

    def __init__(self, code: str, regions: Sequence[str], length: int) -> None:
        self._code = code
        self._regions = regions
        self._length = length
        # Lines of the first region belong to it, if no rule about leading digits comes before. Most numbers are those.
        is_free = _leading_digits(code, regions[0]) is None
        self._first = _line(code, regions[0], length) if is_free else re.compile(_NEVER)

    def fullmatch(self, national: str) -> re.Match[str] | None:
        """Match a number of this length, written without the country code, if it is a line."""
        return self._first.fullmatch(national) or self._of_its_region(national)

    def _of_its_region(self, national: str) -> re.Match[str] | None:
        for belongs, region in self._rules:
            if belongs.match(national):
                return _line(self._code, region, self._length).fullmatch(national)
        return None

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], str]]:
        """What the numbers of each region look like, in the order in which the regions are asked."""
        return [
            (_leading_digits(self._code, region) or _any_kind(self._code, region, self._length), region)
            for region in self._regions
        ]


class Plan(NamedTuple):
    """
    The plan of one country code.

    :param code: Digits, without ``+``.
    :param lengths: How many digits a mobile, fixed or VoIP line can have after the code.
    :param trunk: Beginnings that phonenumbers drops or rewrites, as the 0 in +44 07911...; ``None`` if there is none.
    :param lines: What such lines look like.
    """

    code: str
    lengths: frozenset[int]
    trunk: re.Pattern[str] | None
    lines: Lines


class NationalPlan(NamedTuple):
    """
    How numbers without a country code are read in one country.

    :param code: Its country code.
    :param whole: Matches numbers that are complete as they are: no code or prefix is taken off.
    """

    code: str
    whole: re.Pattern[str]


@cache
def plan(beginning: str) -> Plan | None:
    """
    Find the plan that the first three digits of an international number belong to. Thread-safe.

    :param beginning: Three digits after the ``+``; fewer if there are no more.
    :returns: ``None`` if no country code begins so.
    """
    import phonenumbers
    from phonenumbers import PhoneMetadata

    for length in (1, 2, 3):
        names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(beginning[:length] or 0))
        if names:
            break
    else:
        return None
    code = beginning[:length]
    # The first region stands for all regions that share the code, as it does when phonenumbers parses.
    main = PhoneMetadata.metadata_for_region_or_calling_code(int(code), names[0])
    if main is None:
        return None
    lines = (main.mobile, main.fixed_line, main.voip)
    lengths = frozenset(n for line in lines if line is not None for n in line.possible_length if n > 0)
    return Plan(code, lengths, _trunk(main), Lines(code, names))


@cache
def national_plan(region: str) -> NationalPlan:
    """
    Find how a country reads numbers without a country code. Thread-safe.

    :param region: A region that phonenumbers knows, in capitals.
    """
    from phonenumbers import PhoneMetadata

    metadata: Any = PhoneMetadata.metadata_for_region(region)
    prefixes = [part for part in (metadata.international_prefix, metadata.national_prefix_for_parsing) if part]
    no_prefix = "".join(rf"(?!(?:{prefix}))" for prefix in prefixes)
    general = metadata.general_desc
    lengths = "|".join(rf"[0-9]{{{length}}}\Z" for length in general.possible_length)
    whole = rf"{no_prefix}(?={lengths})(?:{general.national_number_pattern})"
    return NationalPlan(str(metadata.country_code), re.compile(whole))


def _trunk(metadata: PhoneMetadata) -> re.Pattern[str] | None:
    trunk = metadata.national_prefix_for_parsing
    return re.compile(rf"(?:{trunk})(?!\A)") if trunk else None


def _metadata(code: str, region: str) -> Any:
    from phonenumbers import PhoneMetadata

    return PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)


@cache
def _leading_digits(code: str, region: str) -> re.Pattern[str] | None:
    leading = _metadata(code, region).leading_digits
    return None if leading is None else re.compile(leading)


@cache
def _line(code: str, region: str, length: int) -> re.Pattern[str]:
    """Compile what lines of a region look like. The order of the kinds is that of ``phonenumbers.number_type``."""
    kinds = _Kinds(_metadata(code, region), length)
    ordinary = f"(?!(?:{kinds.before_fixed})\\Z)(?:{kinds.fixed_or_mobile})"
    return re.compile(rf"{kinds.general}(?!(?:{kinds.before_voip})\Z)(?:{kinds.voip}|{ordinary})")


@cache
def _any_kind(code: str, region: str, length: int) -> re.Pattern[str]:
    """Compile what numbers of any kind look like in a region."""
    kinds = _Kinds(_metadata(code, region), length)
    every = "|".join((kinds.before_voip, kinds.voip, kinds.before_fixed, kinds.fixed_or_mobile))
    return re.compile(rf"{kinds.general}(?:{every})\Z")


class _Kinds:
    """What the kinds of numbers look like in a region, as regular expressions for numbers of one length."""

    def __init__(self, metadata: PhoneMetadata, length: int) -> None:
        mobile = None if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile
        self.general = rf"(?={_either(length, metadata.general_desc)}\Z)"
        self.before_voip = _either(length, *(getattr(metadata, name) for name in _BEFORE_VOIP))
        self.voip = _either(length, metadata.voip)
        self.before_fixed = _either(length, *(getattr(metadata, name) for name in _BEFORE_FIXED))
        self.fixed_or_mobile = _either(length, mobile, metadata.fixed_line)


def _either(length: int, *kinds: PhoneNumberDesc | None) -> str:
    """Write a pattern for numbers of any of these kinds; it matches nothing if none of them can be that long."""
    patterns = [
        f"(?:{kind.national_number_pattern})"
        for kind in kinds
        if kind is not None and kind.national_number_pattern
        if not kind.possible_length or length in kind.possible_length
    ]
    return f"(?:{'|'.join(patterns)})" if patterns else _NEVER
