"""
The body of a POST or a PUT: bytes in, checked values out, or an :class:`.api_errors.ApiError`. No HTTP, no state.

Writes are checked strictly, so that a client's mistake shows here and not at the gateway: a wrong type is refused.
(Assumed: the vendor documents missing parameters only.) Recipients are read leniently, because that is documented: a
number in any other form is counted as invalid and not refused.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_messaggisms.emulator.account import api_errors
from airflow_provider_messaggisms.emulator.account.message_states import INVALID_DIGITS
from airflow_provider_messaggisms.emulator.account.personality import Personality

ROME = ZoneInfo("Europe/Rome")
# Assumed: a prefix of one to three digits, and fifteen digits in all, as in E.164.
_NUMBER = re.compile(r"\+([1-9][0-9]{0,2})-([0-9]{4,14})")
_NUMERIC_SENDER = re.compile(r"[0-9]+")
_YEAR_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{2})-(\d{2})-(\d{4})", re.ASCII)
_MAX_CHARACTERS_SHOWN = 40

Fields = dict[str, str]
RawRecipients = str | list[Any] | dict[str, Any]


class MessageOptions(msgspec.Struct):
    """The options of a POST. A PUT has only ``timestamp_send``. An empty text means absent."""

    flash: bool = False
    realtime: bool = False
    timestamp_send: str = ""
    custom: str = ""
    callback_url: str = ""
    callback_field: str = ""


class _PostBody(msgspec.Struct):
    """The body of a POST, typed but not yet checked."""

    sender: str = ""
    body: str = ""
    recipients: RawRecipients = ""
    test: bool = False
    priority: float = 1.0
    transaction: bool = False
    options: MessageOptions = msgspec.field(default_factory=MessageOptions)


class _PutBody(msgspec.Struct):
    """The body of a PUT, typed but not yet checked."""

    recipients: RawRecipients = ""
    transaction: bool | msgspec.UnsetType = msgspec.UNSET
    options: MessageOptions = msgspec.field(default_factory=MessageOptions)


class RequestedRecipients(NamedTuple):
    """The recipients of one call: valid ones as number and fields, and the text of each invalid one."""

    valid: list[tuple[str, Fields | None]]
    invalid: list[str]


class NewMessage(msgspec.Struct):
    """A message to send, complete and in range. ``send_at`` is in seconds since 1970, or None for now."""

    sender: str
    body: str
    recipients: RequestedRecipients
    test: bool
    priority: float
    transaction: bool
    options: MessageOptions
    send_at: float | None


class MessageUpdate(msgspec.Struct):
    """A change to a message. ``transaction`` is None if the PUT does not contain it."""

    recipients: RequestedRecipients
    transaction: bool | None
    send_at: float | None


def read_new_message(raw: bytes, personality: Personality) -> NewMessage:
    """
    Read the body of a POST.

    :raises ApiError: Something is missing, of a wrong type, or out of range.
    """
    post = _decode(raw, _PostBody)
    for name in ("sender", "body", "recipients"):
        if not getattr(post, name):
            raise api_errors.parameter_missing(name)
    _check_sender(post.sender)
    if not 1.0 <= post.priority <= 1000.0:
        raise api_errors.parameter_invalid("priority", "1.00 is the minimum (and 1000 the emulator's maximum)")
    return NewMessage(
        sender=post.sender,
        body=post.body,
        recipients=read_recipients(post.recipients),
        test=post.test,
        priority=post.priority,
        transaction=post.transaction,
        options=post.options,
        send_at=_send_at(post.options.timestamp_send, personality),
    )


def read_message_update(raw: bytes, personality: Personality) -> MessageUpdate:
    """
    Read the body of a PUT.

    :raises ApiError: Something is missing, of a wrong type, or out of range.
    """
    put = _decode(raw, _PutBody)
    if not put.recipients and (put.recipients != [] or personality.empty_put == "refused"):
        raise api_errors.parameter_missing("recipients")
    return MessageUpdate(
        recipients=read_recipients(put.recipients),
        transaction=None if put.transaction is msgspec.UNSET else put.transaction,
        send_at=_send_at(put.options.timestamp_send, personality),
    )


def read_recipients(recipients: RawRecipients) -> RequestedRecipients:
    """
    Separate valid numbers from invalid ones.

    :raises ApiError: The fields of a recipient are not an object of texts and numbers.
    """
    found = RequestedRecipients([], [])
    for one in recipients if isinstance(recipients, list) else [recipients]:
        number, fields = (one.get("number"), _fields(one.get("fields", {}))) if isinstance(one, dict) else (one, None)
        if isinstance(number, str) and _is_number(number) and not number.endswith(INVALID_DIGITS):
            found.valid.append((number, fields))
        else:
            found.invalid.append(_as_text(number))
    return found


def _is_number(text: str) -> bool:
    """Tell whether this is ``+<country code>-<digits>``."""
    match = _NUMBER.fullmatch(text)
    return match is not None and len(match[1]) + len(match[2]) <= 15


_Body = TypeVar("_Body", _PostBody, _PutBody)


def _decode(raw: bytes, form: type[_Body]) -> _Body:
    """Read JSON. Any defect is refused, also a nesting that would exhaust the stack."""
    try:
        return msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=form)
    except msgspec.ValidationError as error:
        raise api_errors.body_invalid(str(error)[:200]) from error
    except (ValueError, RecursionError) as error:
        raise api_errors.body_invalid("it is not valid JSON in UTF-8") from error


def _fields(value: Any) -> Fields | None:
    """Check a recipient's fields. An empty list means none: the gateway itself shows one."""
    if value == []:
        return None
    if not isinstance(value, dict):
        raise api_errors.parameter_invalid("recipients", "fields is not an object")
    return {name: _field(text) for name, text in value.items()} or None


def _field(value: Any) -> str:
    """Read a field. The vendor gives a type for two names only (text), so a number is accepted and written out."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise api_errors.parameter_invalid("recipients", "a field is neither a text nor a number")
    return _as_text(value)


def _as_text(value: Any) -> str:
    """Show a value that may be no text."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()[:_MAX_CHARACTERS_SHOWN]
    except ValueError:  # Python refuses to write an integer of more than 4,300 digits.
        return "a number"


def _check_sender(sender: str) -> None:
    longest = 14 if _NUMERIC_SENDER.fullmatch(sender) else 11
    if not 3 <= len(sender) <= longest or not sender.strip():
        raise api_errors.parameter_invalid("sender", "3 to 11 characters, or 3 to 14 digits")


def _send_at(text: str, personality: Personality) -> float | None:
    """Return the midnight in Rome at which a day begins, for ``2026-12-24`` or ``24-12-2026``."""
    if not text:
        return None
    if day_first := _DAY_FIRST.fullmatch(text):
        text = "-".join(reversed(day_first.groups()))
    elif not _YEAR_FIRST.fullmatch(text) and personality.send_times == "refused":
        raise api_errors.parameter_invalid("timestamp_send", "write a day as YYYY-MM-DD or DD-MM-YYYY")
    try:
        return instant(text)
    except (ValueError, OverflowError) as error:
        raise api_errors.parameter_invalid("timestamp_send", "there is no such day") from error


def instant(text: str) -> float:
    """
    Read an ISO 8601 instant, in Rome unless it names a zone. Return seconds since 1970.

    :raises ValueError: It is not ISO 8601. :class:`OverflowError` if it is out of range.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=ROME)).timestamp()
