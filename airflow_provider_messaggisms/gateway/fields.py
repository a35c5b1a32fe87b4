"""
Fields of a recipient: values as files, queries and templates give them become plain text, or are missing.

A field's text goes into an SMS as it is, so ``Dear nan,`` and ``Dear ,`` must not come about. A value that stands for
nothing is missing, whatever it came from: ``None``, blanks, not-a-number, the error values of a spreadsheet. A number,
a date or a time becomes the text that a reader expects. Any other value is refused by name and type.

numpy and pandas are recognised without importing them: their numbers are registered as Python's, their missing values
differ from themselves, and their ``datetime64`` is known by name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.sms_text import BLANKS, field_name, whole_characters

# Texts that a missing value becomes when it is converted, as they are written: "Nan" and "Null" are people's names.
_CONVERTED = ("None", "nan", "NaN", "-nan", "NaT", "<NA>", "null", "NULL", "\\N", "undefined")
_INFINITE = ("inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity")
# What a spreadsheet shows if a formula gives nothing, in English and Italian.
_SPREADSHEET_ERRORS = ("#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
_ITALIAN_ERRORS = ("#N/D", "#NOME?", "#RIF!", "#VALORE!", "#NULLO!")
_MISSING_TEXTS = frozenset((*_CONVERTED, *_INFINITE, *_SPREADSHEET_ERRORS, *_ITALIAN_ERRORS))

_MISSING_TYPES = ("NAType", "NaTType")  # of pandas


def is_missing_text(text: str) -> bool:
    """Tell whether a text stands for a missing value: ``nan``, ``None``, ``#N/A`` and the like."""
    return text.strip(BLANKS) in _MISSING_TEXTS


def is_missing(value: Any) -> bool:
    """Tell whether a value of any type stands for a missing one: ``None``, not-a-number, pandas' NA and NaT."""
    try:
        return field_text(value) is None
    except ConfigurationError:
        return False


def field_texts(fields: Mapping[Any, Any], only: Collection[str] | None = None) -> dict[str, str]:
    """
    Return fields as plain texts by name, without the missing ones.

    :param only: Names of the fields that the text uses: others may hold anything. Default: all fields are read.
    :raises ConfigurationError: A value has no plain text, or two names are the same. Its text is to follow the
        recipient's place: ``.fields['name']: ...``.
    """
    texts: dict[str, str] = {}
    for key, value in fields.items():
        name = key
        if only is None or key not in only:
            name = field_name(key if isinstance(key, str) else str(key))
            if not name or (only is not None and name not in only):
                continue
        try:
            text = field_text(value)
        except ConfigurationError as error:
            raise ConfigurationError(f".fields[{mask_numbers(name)[:40]!r}]: {error}") from None
        if text is None:
            continue
        if name in texts:
            raise ConfigurationError(f".fields: the name {mask_numbers(name)[:40]!r} is there twice")
        texts[name] = text
    return texts


def field_text(value: Any) -> str | None:
    """
    Return a field's value as the text that goes into the SMS, without blanks around it.

    :returns: ``None`` for a missing value.
    :raises ConfigurationError: The value has no plain text, or its text cannot be sent.
    """
    if not isinstance(value, str):
        return _plain_text(value)
    text = value.strip() if value.isascii() else value.strip(BLANKS)
    if text in _MISSING_TEXTS:
        return None
    if "\0" in text:
        raise ConfigurationError("the text holds a NUL character, which cannot be sent")
    if not text.isascii():
        if text != whole_characters(text):
            raise ConfigurationError("the text holds half a character, which cannot be sent")
        text = unicodedata.normalize("NFC", text)
    return text or None


def _plain_text(value: Any) -> str | None:
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return None
    if type(value).__name__ == "datetime64":
        return _of_datetime64(str(value))
    if isinstance(value, date | time):  # a datetime is a date
        return _of_instant(value)
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        return _of_number(value)
    raise ConfigurationError(f"expected a text, a number or a date, got {type(value).__name__}")


def _of_datetime64(text: str) -> str | None:
    if text == "NaT":
        return None
    try:
        return _of_instant(datetime.fromisoformat(text))
    except ValueError:  # a year or a month alone
        return text


def _of_instant(value: date | time) -> str:
    """A date column often comes as midnights without a zone: that is the day alone."""
    if isinstance(value, datetime):
        if value.tzinfo is None and value.time() == time(0):
            return value.date().isoformat()
        return value.isoformat(sep=" ")
    return value.isoformat()


def _of_number(value: Real | Decimal) -> str | None:
    if isinstance(value, Integral):
        return str(value)
    try:
        text = str(value) if isinstance(value, Decimal) else str(float(str(value)))
        number = Decimal(text)
    except (ArithmeticError, ValueError):
        raise ConfigurationError(f"expected a text, a number or a date, got {type(value).__name__}") from None
    if not number.is_finite():
        return None
    return format(number, "f") if "e" in text.lower() else text


def missing_field_hint(name: str, fields: Mapping[Any, Any]) -> str:
    """Return what an error adds if a field is there, but its value is missing."""
    for key, value in fields.items():
        if field_name(str(key)) != name:
            continue
        if isinstance(value, str) and not value.strip(BLANKS):
            return " (it is blank)"
        return f" (it holds {_missing(value)}, which stands for a missing value)"
    return ""


def _missing(value: Any) -> str:
    """Name a missing value as people know it: 'nan' as a text, nan, None, NaT, NA."""
    if isinstance(value, str):
        return repr(value.strip(BLANKS))
    return str(value) if isinstance(value, float) else type(value).__name__.removesuffix("Type")
