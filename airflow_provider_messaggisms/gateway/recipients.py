"""
The recipients of an SMS: values as a DAG author gives them become checked :class:`Recipient` values.

A recipient is a number, or ``{"number": ..., "fields": {...}}`` if the text has placeholders; recipients are one of
these or a list of them, or a text that holds them. :func:`read_recipients` reads lists; files are read row by row. Both
go through one :class:`RecipientCheck`, so the rules are the same: every number is valid, every placeholder has a value
for everyone, and each number gets one SMS. All is checked before any money is spent. An error names the position and
shows the number masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set, Sized
from operator import itemgetter
from typing import Any, Literal

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.fields import field_texts, is_missing, is_missing_text, missing_field_hint
from airflow_provider_messaggisms.gateway.phone import known_region, mask, mask_numbers, to_wire
from airflow_provider_messaggisms.gateway.recipient_text import parse_recipients
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sms_text import BLANKS, field_name, placeholders

Validate = Literal["full", "possible"]
OnInvalid = Literal["fail", "drop"]
OnRepeated = Literal["fail", "first"]

_WRITTEN = "{'number': ..., 'fields': {...}}"
_NOTHING_PUSHED = "; did the task that gives it push nothing?"


class Recipient(RedactedStruct, frozen=True, gc=False):  # there can be 100,000; gc=False: texts hold no cycles
    """
    One recipient, checked.

    :param number: In the gateway's form, ``+39-3491234567``. The ``repr`` masks it.
    :param fields: What the text's placeholders become for this recipient. Not in the ``repr``.
    """

    number: str
    fields: Mapping[str, str] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Recipient({mask(self.number)!r})"


class RecipientList(RedactedStruct, frozen=True):
    """
    Recipients that were read, and those that were left out.

    :param valid: The recipients to send to, in the order written, each number once.
    :param dropped: For each recipient that ``on_invalid="drop"`` left out, the reason; numbers masked.
    :param repeated: How many recipients were left out because their number was there already.
    :param conflicts: For each of these that has another text, so that ``on_repeated="first"`` lost it, the place.
    """

    _shown = ("dropped", "repeated")
    valid: tuple[Recipient, ...]
    dropped: tuple[str, ...] = ()
    repeated: int = 0
    conflicts: tuple[str, ...] = ()

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers, without their order."""
        return frozenset(one.number for one in self.valid)

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self.valid)


class RecipientCheck:
    """
    Checks recipients one after the other and remembers which numbers were there. Lists and files share it.

    :param body: The text. Every recipient must have a value for each of its placeholders, and two recipients with one
        number have the same text if these values are the same. ``None``: the text is not known, so all fields count.
    :param where: Names a place for an error, such as ``recipients[3]``, from its index or line.
    :param default_region: Country of numbers without an international prefix.
    :param validate: ``full`` checks that a number is a mobile, fixed or VoIP line; ``possible`` only its length.
    :param on_invalid: ``fail`` raises at the first invalid recipient; ``drop`` leaves it out and keeps the reason.
    :param on_repeated: For a number that has another text the second time: ``fail`` raises, ``first`` sends the first.
    :param missing_hint: What an error adds where a number is missing.
    """

    def __init__(
        self,
        body: str | None,
        where: Callable[[int], str],
        *,
        default_region: str | None = None,
        validate: Validate = "full",
        on_invalid: OnInvalid = "fail",
        on_repeated: OnRepeated = "fail",
        missing_hint: str = "",
    ) -> None:
        self.dropped: list[str] = []
        self.conflicts: list[str] = []
        self.repeated = 0
        self.taken = 0
        self.used_names = None if body is None else placeholders(body)
        self._where = where
        self._default_region = default_region
        self._validate = validate
        self._on_invalid = on_invalid
        self._on_repeated = on_repeated
        self._missing_hint = missing_hint
        self._values = itemgetter(*self.used_names) if self.used_names else None
        self._first: dict[str, int] = {}  # see _mark

    @property
    def numbers(self) -> Set[str]:
        """The numbers that were added, in their order."""
        return self._first.keys()

    def add(self, place: int, written: Any) -> Recipient | None:
        """
        Check a recipient and remember its number.

        :param place: Its index or line.
        :param written: A number, a ``{"number", "fields"}`` mapping, or a :class:`Recipient`, which is checked already.
        :returns: ``None`` if it is left out: its number is there already, or it is invalid and ``on_invalid`` is
            ``drop``.
        :raises ConfigurationError: It is invalid, or its number is there already with another text.
        """
        if not isinstance(written, Recipient):
            try:
                number, fields = _number_and_fields(written)
            except ConfigurationError as error:
                self._leave_out(ConfigurationError(f"{self._where(place)}{error}"))
                return None
            return self.add_row(place, number, fields)
        try:
            self._check_values(place, written.number, written.fields, written.fields)
        except ConfigurationError as error:
            self._leave_out(error)
            return None
        return self._remember(place, written)

    def add_row(self, place: int, number: Any, fields: Mapping[Any, Any]) -> Recipient | None:
        """Do what :meth:`add` does for a number and fields that are apart."""
        try:
            recipient = self._checked(place, number, fields, self._validate)
        except ConfigurationError as error:
            self._leave_out(error)
            return None
        return self._remember(place, recipient)

    def take_row(self, place: int, number: Any, fields: Mapping[Any, Any]) -> Recipient | None:
        """
        Give a recipient that was added once more, when its source is read a second time.

        :returns: ``None`` if its number was not added, was taken already, or has another text now.
        """
        try:
            recipient = self._checked(place, number, fields, "possible")  # in full it was checked the first time
        except ConfigurationError:
            return None
        first = self._first.get(recipient.number, _TAKEN)
        if first == _TAKEN or (first ^ self._mark(place, recipient)) & _TEXT:
            return None
        self._first[recipient.number] = _TAKEN
        self.taken += 1
        return recipient

    def finish(self, what: str) -> None:
        """
        End the check.

        :param what: How an error calls the recipients.
        :raises ConfigurationError: No recipient is left, or the default region is wrong.
        """
        if self.dropped:
            known_region(self._default_region)  # a wrong region is not the numbers' fault
        if not self._first:
            dropped = f"none of the {len(self.dropped)} is valid; the first: {self.dropped[0]}" if self.dropped else ""
            raise ConfigurationError(f"{what}: {dropped or 'there is no recipient'}")

    def _checked(self, place: int, number: Any, fields: Mapping[Any, Any], validate: Validate) -> Recipient:
        try:
            wire = to_wire(number, default_region=self._default_region, validate=validate)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._where(place)}: {self._why_refused(number, error)}") from None
        if not fields and not self.used_names:
            return Recipient(wire)
        try:
            texts = field_texts(fields, self.used_names)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._where(place)}{error}") from None
        if self.used_names and len(texts) < len(self.used_names):
            self._check_values(place, wire, texts, fields)
        return Recipient(wire, texts)

    def _why_refused(self, number: Any, error: ConfigurationError) -> str:
        if not isinstance(number, str):
            return _why_no_number(number, self._missing_hint)
        if is_missing_text(number):
            return f"the number is missing ({number.strip()!r}){self._missing_hint}"
        return str(error)

    def _check_values(self, place: int, number: str, texts: Mapping[str, str], fields: Mapping[Any, Any]) -> None:
        for name in self.used_names or ():
            _check_value(name, number, texts, self._where(place), fields)

    def _leave_out(self, error: ConfigurationError) -> None:
        if self._on_invalid != "drop":
            raise error from None
        self.dropped.append(str(error))

    def _remember(self, place: int, recipient: Recipient) -> Recipient | None:
        mark = self._mark(place, recipient)
        first = self._first.setdefault(recipient.number, mark)
        if first is mark:
            return recipient
        self.repeated += 1
        if (first ^ mark) & _TEXT:
            self._refuse_conflict(place, first >> _TEXT_BITS, recipient)
        return None

    def _mark(self, place: int, recipient: Recipient) -> int:
        """Pack a place and a hash of the text's values into one integer: there can be a million of them."""
        if self._values is not None:
            text = hash(self._values(recipient.fields))
        else:
            text = hash(frozenset(recipient.fields.items())) if self.used_names is None else 0
        return place << _TEXT_BITS | text & _TEXT

    def _refuse_conflict(self, place: int, first: int, recipient: Recipient) -> None:
        conflict = (
            f"{self._where(place)}: {mask(recipient.number)} is there already, at {self._where(first)}, with another "
            "text"
        )
        if self._on_repeated != "first":
            raise ConfigurationError(
                f"{conflict}: one number gets one SMS, so put both into one text, or send the first with "
                "on_repeated='first'"
            )
        self.conflicts.append(conflict)


_TEXT_BITS = 36  # with 24 bits for the place, the integer is as small as one of two words
_TEXT = (1 << _TEXT_BITS) - 1
_TAKEN = -1


def read_recipients(
    written: Any,
    *,
    body: str | None = None,
    default_region: str | None = None,
    validate: Validate = "full",
    on_invalid: OnInvalid = "fail",
    on_repeated: OnRepeated = "fail",
) -> RecipientList:
    """
    Read recipients in any of the forms that a DAG author may give.

    :param written: A number, a ``{"number", "fields"}`` mapping, a :class:`Recipient`, a list of these, or a text that
        holds them (see ``gateway.recipient_text``).

    The other parameters are those of :class:`RecipientCheck`.

    :raises ConfigurationError: A recipient is invalid, no recipient is left, or there is no such region.
    """
    check = RecipientCheck(
        body,
        lambda position: f"recipients[{position}]",
        default_region=default_region,
        validate=validate,
        on_invalid=on_invalid,
        on_repeated=on_repeated,
        missing_hint=_NOTHING_PUSHED,
    )
    added = (check.add(position, one) for position, one in enumerate(_each(written)))
    valid = tuple(one for one in added if one is not None)
    check.finish("recipients")
    return RecipientList(valid, tuple(check.dropped), check.repeated, tuple(check.conflicts))


def _each(written: Any) -> Iterator[Any]:
    if isinstance(written, str):
        written = parse_recipients(written)
    if is_table(written):
        raise ConfigurationError(f"recipients: a DataFrame is a table; give a column of it, or a list of {_WRITTEN}")
    if isinstance(written, str | Mapping | Recipient):
        yield written
    elif isinstance(written, Iterable) and not isinstance(written, bytes):
        yield from written
    else:
        found = f"nothing (None){_NOTHING_PUSHED}" if written is None else type(written).__name__
        raise ConfigurationError(f"recipients: expected a number, a recipient or a list of them, got {found}")


def is_table(value: Any) -> bool:
    """Recognise a DataFrame, whichever library it is from: going through one gives the names of its columns."""
    return type(value).__name__ == "DataFrame"


def _number_and_fields(written: Any) -> tuple[Any, Mapping[Any, Any]]:
    if not isinstance(written, Mapping):
        return written, {}
    if unknown := written.keys() - {"number", "fields"}:
        key = mask_numbers(min(map(str, unknown))[:40])
        raise ConfigurationError(f": unknown key {key!r}; a recipient has 'number' and 'fields'")
    fields = written.get("fields") or {}
    if not isinstance(fields, Mapping):
        raise ConfigurationError(f".fields: expected names and texts, got {type(fields).__name__}")
    return written.get("number"), fields


def _why_no_number(value: Any, missing_hint: str) -> str:
    kind = type(value).__name__
    if is_missing(value):
        return f"the number is missing ({value if isinstance(value, float | None) else kind}){missing_hint}"
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        size = f" of {len(value)} value(s)" if isinstance(value, Sized) else ""
        return f"it is a row{size} ({kind}), not a recipient; give its number, or {_WRITTEN}"
    hint = "; write it in quotes, so that no zero or plus sign is lost" if hasattr(value, "__float__") else ""
    return f"a number is a text, not {kind}{hint}"


def field_names(written: Any) -> frozenset[str]:
    """Return the names of all fields in recipients as they were given, valid or not."""
    if isinstance(written, Recipient):
        return frozenset(written.fields)
    if isinstance(written, Mapping):
        fields = written.get("fields")
        return frozenset(field_name(str(name)) for name in fields) if isinstance(fields, Mapping) else frozenset()
    if isinstance(written, list | tuple | set):
        return frozenset().union(*map(field_names, written))
    return frozenset()


def check_placeholders(body: str, recipients: Iterable[Recipient], *, where: str = "") -> None:
    """
    Check that every placeholder of *body* has a value for every recipient.

    :param where: How an error calls the place of a recipient; default: its position in *recipients*.
    :raises ConfigurationError: A recipient has no value for a placeholder: its SMS would have a gap.
    """
    names = placeholders(body)
    for position, recipient in enumerate(recipients if names else ()):
        for name in names:
            _check_value(name, recipient.number, recipient.fields, where or f"recipient {position}", recipient.fields)


def _check_value(name: str, number: str, texts: Mapping[str, str], where: str, written: Mapping[Any, Any]) -> None:
    if not texts.get(name, "").strip(BLANKS):
        raise ConfigurationError(
            f"body: the placeholder {{{{{name}}}}} has no field of that name for {where} ({mask(number)}); "
            f"give every recipient that field{missing_field_hint(name, written)}"
        )
