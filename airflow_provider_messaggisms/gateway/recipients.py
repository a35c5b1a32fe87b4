"""
Who gets an SMS: what a DAG author writes becomes :class:`Recipient` values that are right to send to, each number once.

A recipient is a number, or ``{"number": ..., "fields": {...}}`` where the text has placeholders; recipients are one of
these or a list of them. All is checked before any money is spent, and every complaint names the position and shows the
number masked.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import known_region, mask, mask_numbers, to_wire
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sms_text import placeholders, whole_characters

Validate = Literal["full", "possible"]
OnInvalid = Literal["fail", "drop"]


class Recipient(RedactedStruct, frozen=True, gc=False):  # made by the hundred thousand; texts are nothing to collect
    """
    One recipient, ready for the wire.

    :param number: In the gateway's form, ``+39-3491234567``. The ``repr`` masks it.
    :param fields: What the text's placeholders become for this recipient. Not in the ``repr``.
    """

    number: str
    fields: Mapping[str, str] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Recipient({mask(self.number)!r})"


class RecipientList(RedactedStruct, frozen=True):
    """
    What became of the recipients that somebody wrote.

    :param addressees: Whom to send to, in the order written, each number once.
    :param dropped: Why each recipient that ``on_invalid="drop"`` left out was left out; numbers masked.
    :param repeated: How many recipients were left out because their number stood there already.
    """

    _shown = ("dropped", "repeated")
    addressees: tuple[Recipient, ...]
    dropped: tuple[str, ...] = ()
    repeated: int = 0

    @property
    def numbers(self) -> frozenset[str]:
        """Whom the message goes to, whatever the order."""
        return frozenset(one.number for one in self.addressees)

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self.addressees)


def read_recipients(
    written: Any,
    *,
    default_region: str | None = None,
    validate: Validate = "full",
    on_invalid: OnInvalid = "fail",
) -> RecipientList:
    """
    Read recipients in any of the forms that people write.

    :param written: A number, a ``{"number", "fields"}`` mapping, an :class:`Recipient`, or a list of these.
    :param default_region: Country of numbers without an international prefix.
    :param validate: ``full`` asks whether the number can be a mobile or fixed line; ``possible`` only its length.
    :param on_invalid: ``fail`` raises at the first number that cannot be sent to; ``drop`` leaves it out and says so.
    :raises ConfigurationError: A number cannot be sent to, a field is no text, nobody is left, or there is no such
        region.
    """
    seen: dict[str, Recipient] = {}
    dropped: list[str] = []
    repeated = 0
    for position, one in enumerate(_each(written)):
        try:
            if isinstance(one, Recipient):
                addressee = one
            else:
                where = f"recipients[{position}]"
                addressee = read_recipient(one, where, default_region=default_region, validate=validate)
        except ConfigurationError as error:
            if on_invalid != "drop":
                raise
            dropped.append(str(error))
            continue
        if addressee.number in seen:
            repeated += 1
        else:
            seen[addressee.number] = addressee
    if dropped:
        known_region(default_region)  # a wrong one would be no fault of the numbers
    if not seen:
        why = f"none of the {len(dropped)} can be sent to; the first: {dropped[0]}" if dropped else "nobody is named"
        raise ConfigurationError(f"recipients: {why}")
    return RecipientList(tuple(seen.values()), tuple(dropped), repeated)


def read_recipient(
    written: Any, where: str, *, default_region: str | None = None, validate: Validate = "full"
) -> Recipient:
    """
    Read one recipient.

    :param written: A number, or a ``{"number", "fields"}`` mapping.
    :param where: How an error calls its place, such as ``recipients[3]`` or ``line 17``.
    :raises ConfigurationError: As :func:`read_recipients`.
    """
    number: Any = written
    fields: Any = {}
    if isinstance(written, Mapping):
        if unknown := written.keys() - {"number", "fields"}:
            key = mask_numbers(min(map(str, unknown))[:40])
            raise ConfigurationError(f"{where}: unknown key {key!r}; a recipient has 'number' and 'fields'")
        number, fields = written.get("number"), written.get("fields") or {}
    if not isinstance(fields, Mapping):
        raise ConfigurationError(f"{where}.fields: expected names and texts, got {_kind(fields)}")
    return addressee_of(number, fields, where, default_region=default_region, validate=validate)


def addressee_of(
    number: Any,
    fields: Mapping[Any, Any],
    where: str,
    *,
    default_region: str | None = None,
    validate: Validate = "full",
) -> Recipient:
    """
    Check a number and its fields; as :func:`read_recipient`, for who has them apart.

    :raises ConfigurationError: The number cannot be sent to, or a field is no text.
    """
    if not isinstance(number, str):
        hint = "; write it in quotes, so that no zero or plus sign is lost" if isinstance(number, int | float) else ""
        raise ConfigurationError(f"{where}: a number is a text, not {_kind(number)}{hint}")
    try:
        wire = to_wire(number, default_region=default_region, validate=validate)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return Recipient(wire, {str(name): _field_text(value, where, name) for name, value in fields.items()})


def listed(written: Any) -> list[Any]:
    """
    Make a list of recipients out of what a template or an Airflow Variable gives, which is a text.

    :param written: A list as JSON or as Python writes it, numbers with commas, semicolons or line breaks between them,
        or any form that :func:`read_recipients` takes; lists of these too.
    """
    if isinstance(written, str):
        text = written.strip()
        if text[:1] in ("[", "{", '"'):
            for read in (json.loads, ast.literal_eval):
                with suppress(ValueError, SyntaxError):
                    return listed(read(text))
        return [part.strip() for part in re.split("[,;\n]", text) if part.strip()]
    if isinstance(written, list | tuple | set | frozenset):
        return [one for part in written for one in listed(part)]
    return [] if written is None else [written]


def _each(written: Any) -> Iterator[Any]:
    if isinstance(written, str | Mapping | Recipient):
        yield written
    elif isinstance(written, Iterable) and not isinstance(written, bytes):
        yield from written
    else:
        raise ConfigurationError(f"recipients: expected a number, a recipient or a list of them, got {_kind(written)}")


def _field_text(value: Any, where: str, name: Any) -> str:
    if isinstance(value, str):
        if not value.isascii() and value != whole_characters(value):
            raise ConfigurationError(
                f"{where}.fields[{name!r}]: the text holds half a character, which nobody can send"
            )
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ConfigurationError(f"{where}.fields[{name!r}]: expected a text or a number, got {_kind(value)}")


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def field_names(written: Any) -> frozenset[str]:
    """Collect the names of all fields in recipients as they were written, right or wrong, without judging them."""
    if isinstance(written, Recipient):
        return frozenset(written.fields)
    if isinstance(written, Mapping):
        fields = written.get("fields")
        return frozenset(map(str, fields)) if isinstance(fields, Mapping) else frozenset()
    if isinstance(written, list | tuple | set):
        return frozenset().union(*map(field_names, written))
    return frozenset()


def check_placeholders(body: str, addressees: Iterable[Recipient], *, where: str = "") -> None:
    """
    Make sure that every placeholder of *body* becomes something for everybody.

    :param where: How an error calls the place of a recipient; by default its position in *addressees*.
    :raises ConfigurationError: A recipient has no field for a placeholder: it would get the SMS with a hole in it.
    """
    names = placeholders(body)
    for position, addressee in enumerate(addressees if names else ()):
        for name in names:
            if name not in addressee.fields:
                who = where or f"recipient {position}"
                raise ConfigurationError(
                    f"body: the placeholder {{{{{name}}}}} has no field of that name for {who} "
                    f"({mask(addressee.number)}); give every recipient that field"
                )
