"""
What is to be sent, apart from its recipients: one value that checks itself when it is made.

:func:`compose` makes it from what a DAG author wrote and from the connection's defaults. It is the only place that does
so, for operators, notifier, transactions and direct users of the hook. What has passed the check is what travels: no
later step reads or checks it again, so a message that was checked before midnight goes out after midnight.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.send_date import send_day
from airflow_provider_messaggisms.gateway.sender import check_sender
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.sms_text import checked_body


class MessageContent(RedactedStruct, frozen=True, kw_only=True):
    """
    A message without its recipients.

    :param sender: 3 to 11 letters and digits, or 3 to 14 digits (contract).
    :param body: The text; ``{{name}}`` becomes the recipient's field of that name. Not empty.
    :param test: ``True`` simulates the sending. Default ``False``.
    :param priority: 1.0, the gateway's default, or more; a higher one costs more and is sent earlier.
    :param flash: Show the SMS at once on the screen instead of storing it.
    :param realtime: Skip all queues, for one-time passwords. The gateway takes one a minute.
    :param timestamp_send: The day to send on, as ``send_date`` gives it. ``None``: now.
    :param custom: Anything that JSON can hold; comes back when the message is read. A text goes as it is.
    :param callback_url: http(s) address that the gateway tells each change of state.
    :param callback_field: Form field for that; without it the report is the raw body. Needs ``callback_url``.
    :raises ConfigurationError: A part is outside these limits; the text names it.
    """

    _shown = ("sender", "test", "priority", "timestamp_send")
    sender: str
    body: str
    test: bool = False
    priority: float | None = None
    flash: bool | None = None
    realtime: bool | None = None
    timestamp_send: str | None = None
    custom: Any = None
    callback_url: str | None = None
    callback_field: str | None = None

    def __post_init__(self) -> None:
        checked = {
            "sender": check_sender(self.sender),
            "body": _whole("body", checked_body(self.body)),
            "test": check_flag("test", self.test) or False,
            "priority": _priority(self.priority),
            "flash": check_flag("flash", self.flash),
            "realtime": check_flag("realtime", self.realtime),
            "custom": _custom(self.custom),
            "callback_url": _callback_url(self.callback_url),
            "callback_field": _callback_field(self.callback_field, self.callback_url),
        }
        for name, value in checked.items():
            msgspec.structs.force_setattr(self, name, value)


def compose(
    settings: Settings,
    *,
    now: datetime,
    body: Any,
    sender: str | None = None,
    timestamp_send: Any = None,
    **options: Any,
) -> MessageContent:
    """
    Make the content of a message from what a DAG author wrote.

    :param settings: The connection: its sender is the default, its time zone and date format say what a day is.
    :param now: The present instant, aware; a day before it is refused.
    :param timestamp_send: As ``send_date.send_day`` takes it.
    :param options: The other parameters of :class:`MessageContent`.
    :raises ConfigurationError: A part is invalid; the text names it.
    """
    day = send_day(
        timestamp_send, timezone=settings.timezone, now=now, time_format=settings.timestamp_send_format or None
    )
    return MessageContent(sender=sender or settings.sender or "", body=body, timestamp_send=day, **options)


def _whole(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name}: the text holds half a character, which cannot be sent") from None
    return text


def check_flag(name: str, value: Any) -> bool | None:
    """
    Check a flag that may be left out.

    :raises ConfigurationError: It is neither a truth value nor ``None``.
    """
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"{name}: expected True or False, got {str(value)[:40]!r}")
    return value


def _priority(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < float("inf"):
        raise ConfigurationError(f"priority: {str(value)[:40]!r} is not a number of 1.0 or more")
    return float(value)


def _custom(value: Any) -> str | None:
    """Make ``custom`` the string that the contract wants; anything else becomes JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return _whole("custom", value)
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"custom: JSON cannot hold it ({error})") from None


def _callback_url(value: Any) -> str | None:
    if value is None:
        return None
    try:
        url = urlsplit(str(value))
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError("callback_url: expected an absolute http(s) address")
    return str(value)


def _callback_field(value: Any, callback_url: Any) -> str | None:
    if value is not None and callback_url is None:
        raise ConfigurationError("callback_field: it names a form field of the call to callback_url, which is missing")
    return None if value is None else str(value)
