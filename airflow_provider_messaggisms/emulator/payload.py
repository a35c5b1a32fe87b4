"""
What the body of a POST or a PUT says: bytes in, checked values out, or a refusal. No HTTP, no state.

Writing is checked strictly, so that a client's mistake is seen here and not at the gateway: a wrong type is refused
(assumed, as the vendor only documents missing parameters), and only recipients are read leniently, because that is
documented: a number in any other form is counted as invalid, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_messaggisms.emulator import refusals
from airflow_provider_messaggisms.emulator.fates import INVALID_DIGITS
from airflow_provider_messaggisms.emulator.personality import Personality

ROME = ZoneInfo("Europe/Rome")
# Assumed: a prefix of one to three digits, and fifteen digits in all, as in E.164.
_NUMBER = re.compile(r"\+([1-9][0-9]{0,2})-([0-9]{4,14})")
_NUMERIC_SENDER = re.compile(r"[0-9]+")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{2})-(\d{2})-(\d{4})", re.ASCII)
_MAX_CHARACTERS_SHOWN = 40

Fields = dict[str, str]
Addressee = tuple[str, Fields | None]
Recipients = str | list[Any] | dict[str, Any]


class Options(msgspec.Struct):
    """The options of a POST. Of these a PUT knows only ``timestamp_send``. An empty text is none."""

    flash: bool = False
    realtime: bool = False
    timestamp_send: str = ""
    custom: str = ""
    callback_url: str = ""
    callback_field: str = ""


class PostBody(msgspec.Struct):
    """The body of a POST, typed but not yet complete."""

    sender: str = ""
    body: str = ""
    recipients: Recipients = ""
    test: bool = False
    priority: float = 1.0
    transaction: bool = False
    options: Options = msgspec.field(default_factory=Options)


class PutBody(msgspec.Struct):
    """The body of a PUT."""

    recipients: Recipients = ""
    transaction: bool | msgspec.UnsetType = msgspec.UNSET
    options: Options = msgspec.field(default_factory=Options)


class Addressees(msgspec.Struct):
    """The recipients of one call: those in the gateway's form, and what was written instead of the others."""

    valid: list[Addressee]
    invalid: list[str]


class Order(msgspec.Struct):
    """A message to send, complete and in range. ``send_at`` is in seconds since 1970, or None for now."""

    sender: str
    body: str
    addressees: Addressees
    test: bool
    priority: float
    transaction: bool
    options: Options
    send_at: float | None


class Amendment(msgspec.Struct):
    """A change to a message. ``transaction`` is None where the PUT does not speak of it."""

    addressees: Addressees
    transaction: bool | None
    send_at: float | None


def read_order(raw: bytes, personality: Personality) -> Order:
    """
    Read the body of a POST.

    :raises Refusal: Something is missing, of a wrong type, or out of range.
    """
    post = _decode(raw, PostBody)
    if not post.sender:
        raise refusals.parameter_missing("sender")
    if not post.body:
        raise refusals.parameter_missing("body")
    if not post.recipients:
        raise refusals.parameter_missing("recipients")
    _check_sender(post.sender)
    if not 1.0 <= post.priority <= 1000.0:
        raise refusals.parameter_bad("priority", "1.00 is the minimum (and 1000 the emulator's maximum)")
    return Order(
        sender=post.sender,
        body=post.body,
        addressees=read_addressees(post.recipients),
        test=post.test,
        priority=post.priority,
        transaction=post.transaction,
        options=post.options,
        send_at=_send_at(post.options.timestamp_send, personality),
    )


def read_amendment(raw: bytes, personality: Personality) -> Amendment:
    """
    Read the body of a PUT.

    :raises Refusal: Something is missing, of a wrong type, or out of range.
    """
    put = _decode(raw, PutBody)
    if not put.recipients and (put.recipients != [] or personality.empty_put == "refused"):
        raise refusals.parameter_missing("recipients")
    return Amendment(
        addressees=read_addressees(put.recipients),
        transaction=None if put.transaction is msgspec.UNSET else put.transaction,
        send_at=_send_at(put.options.timestamp_send, personality),
    )


def read_addressees(recipients: Recipients) -> Addressees:
    """
    Tell the good numbers from the others.

    :raises Refusal: The fields of a recipient are not names and texts.
    """
    valid: list[Addressee] = []
    invalid: list[str] = []
    one_or_many: Iterable[Any] = recipients if isinstance(recipients, list) else [recipients]
    for one in one_or_many:
        number, fields = (one.get("number"), _fields(one.get("fields", {}))) if isinstance(one, dict) else (one, None)
        if isinstance(number, str) and is_number(number) and not number.endswith(INVALID_DIGITS):
            valid.append((number, fields))
        else:
            invalid.append(_as_written(number))
    return Addressees(valid, invalid)


def is_number(text: str) -> bool:
    """Tell whether this is ``+<country code>-<digits>``."""
    match = _NUMBER.fullmatch(text)
    return match is not None and len(match[1]) + len(match[2]) <= 15


_Body = TypeVar("_Body", PostBody, PutBody)


def _decode(raw: bytes, form: type[_Body]) -> _Body:
    """Read JSON. Whatever is wrong with it, down to a nesting that would exhaust the stack, is a refusal."""
    try:
        return msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=form)
    except msgspec.ValidationError as error:
        raise refusals.body_unreadable(str(error)[:200]) from error
    except (ValueError, RecursionError) as error:
        raise refusals.body_unreadable("not valid JSON in UTF-8") from error


def _fields(value: Any) -> Fields | None:
    """Check a recipient's fields. An empty list is accepted for none: it is what the gateway itself shows."""
    if value == []:
        return None
    if not isinstance(value, dict):
        raise refusals.parameter_bad("recipients", "fields is not an object")
    return {name: _field(text) for name, text in value.items()} or None


def _field(value: Any) -> str:
    """Read a field. The vendor types two names as texts and leaves all others open, so a number is one written out."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusals.parameter_bad("recipients", "a field holds neither a text nor a number")
    return _as_written(value)


def _as_written(number: Any) -> str:
    """Show what stood in the place of a number."""
    if isinstance(number, str):
        return number
    try:
        return msgspec.json.encode(number).decode()[:_MAX_CHARACTERS_SHOWN]
    except ValueError:  # Python refuses to write an integer of more than 4,300 digits.
        return "a number"


def _check_sender(sender: str) -> None:
    longest = 14 if _NUMERIC_SENDER.fullmatch(sender) else 11
    if not 3 <= len(sender) <= longest or not sender.strip():
        raise refusals.parameter_bad("sender", "3 to 11 characters, or 3 to 14 digits")


def _send_at(text: str, personality: Personality) -> float | None:
    """Return the midnight in Rome with which a day begins, for ``2026-12-24`` or ``24-12-2026``."""
    if not text:
        return None
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.fullmatch(text):
        day, month, year = match.groups()
    elif personality.send_times == "accepted":
        return _instant(text)
    else:
        raise refusals.parameter_bad("timestamp_send", "a day is written YYYY-MM-DD or DD-MM-YYYY")
    return _instant(f"{year}-{month}-{day}")


def _instant(text: str) -> float:
    """Read an ISO 8601 instant, in Rome where it names no zone."""
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=ROME)).timestamp()
    except (ValueError, OverflowError) as error:
        raise refusals.parameter_bad("timestamp_send", "there is no such day") from error
