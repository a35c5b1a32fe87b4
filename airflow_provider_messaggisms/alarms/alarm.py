"""
An alarm: what a notifier asks for and what has happened become one message that is ready to send.

The arguments go through the same reading and checking as those of the operators. But Airflow does not repeat a
callback, so an argument that can be done without must not stop the alarm. One wrong number among good ones is left out,
an invalid sender gives way to the connection's, a wrong ``alarm_key`` to the default key, a wrong ``body`` to the
default text. The log says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_messaggisms.alarms.events import Event, error_text_without_numbers
from airflow_provider_messaggisms.alarms.occasion import Occasion
from airflow_provider_messaggisms.alarms.wording import default_text, fitted_text, links_of, plain_where_needed
from airflow_provider_messaggisms.exceptions import ConfigurationError, MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent, compose
from airflow_provider_messaggisms.gateway.cost import count_parts
from airflow_provider_messaggisms.gateway.idempotency import derived_key, new_mark, with_key
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.phone import known_region, mask_numbers
from airflow_provider_messaggisms.gateway.recipients import (
    Recipient,
    RecipientList,
    check_placeholders,
    read_recipients,
)
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sender import sender_warning
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.sms_text import whole_characters
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.installation import installation_of
from airflow_provider_messaggisms.personal import personal_value

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many characters of an alarm's name are shown; an ``alarm_key`` may have any length.
_SHOWN_CHARACTERS = 200


class AlarmRequest(RedactedStruct, frozen=True, kw_only=True):
    """
    What a notifier asks for, its templates rendered. The parameters are those of the notifier.

    ``recipients``, ``body``, ``sender`` and ``alarm_key`` may be ``Personal`` values, which keep what went wrong.
    """

    recipients: Any
    body: Any
    sender: Any
    alarm_key: Any
    max_parts: int | None
    once_per: timedelta
    priority: float | None
    flash: bool | None
    test: bool


class Alarm(RedactedStruct, frozen=True, kw_only=True):
    """
    An alarm that is ready to send.

    :param key: What the message carries in ``options.custom``; messages with one key are one alarm.
    :param name: What logs call it.
    :param sender: Narrows the search at the gateway.
    :param once_per: How long an alarm with this key silences others. Zero: not at all.
    :param mark: Tells this message from others with its key; the message carries it too.
    :param text: A digest of its text; the message carries it too.
    :param has_own_key: The notifier has an ``alarm_key``.
    :param post: The call that sends it.
    :param cost: What it takes, for the log.
    """

    _shown = ("key", "name")
    key: str
    name: str
    sender: str
    once_per: timedelta
    mark: str
    text: str
    has_own_key: bool
    post: Call[Message]
    cost: str


def make_alarm(request: AlarmRequest, occasion: Occasion, settings: Settings) -> Alarm:
    """
    Make an alarm.

    :raises ConfigurationError: There is no recipient, or neither the notifier nor the connection has a valid sender.
    """
    event = occasion.event
    recipients = _recipients(request.recipients, settings)
    chosen = _optional("alarm_key", request.alarm_key, _checked_alarm_key, "using the default key")
    names = (chosen,) if chosen else (event.name, event.run_started, occasion.written_body)
    key = alarm_key_for(*names, installation=installation_of(settings), test=request.test, numbers=recipients.numbers)
    mark, shown = new_mark(), (chosen or event.name)[:_SHOWN_CHARACTERS]
    body, to = _text(request, event, recipients)
    content = _content(
        settings,
        request.sender,
        body=body,
        test=request.test,
        priority=request.priority,
        flash=request.flash,
        custom=with_key(key, mark, {**event.origin(), "alarm_key": shown, "text": digest(body)}, None),
    )
    _, cost = count_parts(body, to).fitted(None, "fail")
    return Alarm(
        key=key,
        name=mask_numbers(shown) if chosen else shown,
        sender=content.sender,
        once_per=request.once_per,
        mark=mark,
        text=digest(body),
        has_own_key=chosen is not None,
        post=calls.send_message(content, to),
        cost=cost.described(settings.price_per_part_eur),
    )


def alarm_key_for(*names: str, installation: str, test: bool, numbers: Iterable[str]) -> str:
    """
    Derive the key of an alarm.

    :param names: Its ``alarm_key``, or what identifies the event and the notifier.
    :param installation: Another Airflow that shares the account sends its own alarm.
    :param test: A simulated alarm silences no real one.
    :param numbers: A notifier with other recipients sends its own alarm.
    """
    return derived_key("test of an alarm" if test else "alarm", *names, installation=installation, numbers=numbers)


def digest(text: str) -> str:
    """Shorten a text to what tells it from other texts and does not show it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _recipients(written: Any, settings: Settings) -> RecipientList:
    try:
        region = known_region(settings.default_region)
    except ConfigurationError as error:
        log.error("%s; only numbers with their prefix get this alarm", error)
        region = None
    recipients = read_recipients(
        personal_value(written), default_region=region, validate="possible", on_invalid="drop", on_repeated="first"
    )
    for why in recipients.dropped:
        log.error("This recipient gets no alarm: %s", why)
    for why in recipients.conflicts:
        log.warning("This recipient gets the alarm with its first fields: %s", why)
    return recipients


def _text(request: AlarmRequest, event: Event, recipients: RecipientList) -> tuple[str, Sequence[Recipient]]:
    """Return the text, and its recipients with the fields that it needs."""

    def own(value: Any) -> tuple[str, Sequence[Recipient]] | None:
        body = whole_characters(str(value)).strip()
        if not body:
            raise ConfigurationError("body: the template renders to nothing")
        check_placeholders(body, recipients)
        to = plain_where_needed(body, recipients.valid, request.max_parts)
        fields = [one.fields for one in to]
        return fitted_text(body, event.error, max_parts=request.max_parts, fields=fields), to

    written = _optional("body", request.body, own, "sending the default text")
    return written or (default_text(event, max_parts=request.max_parts, links=links_of(event)), recipients.valid)


def _content(settings: Settings, sender: Any, **written: Any) -> MessageContent:
    """Compose the message; the connection's sender takes the place of an invalid one."""

    def composed(value: Any) -> MessageContent:
        return compose(settings, now=datetime.now(UTC), sender=value, **written)

    content = _optional("sender", sender, composed, "using the connection's sender") or composed(None)
    if warning := sender_warning(content.sender):
        log.warning(warning)
    return content


def _checked_alarm_key(written: Any) -> str:
    key = whole_characters(str(written)).strip()
    if key in ("", "None"):
        raise ConfigurationError("alarm_key: the template renders to nothing")
    return key


def _optional(name: str, field: Any, read: Callable[[Any], T], instead: str) -> T | None:
    """Read an argument that can be done without; ``None`` where it is not given or wrong."""
    try:
        value = personal_value(field)
        return None if value is None else read(value)
    except Exception as error:  # noqa: BLE001 (whatever is wrong, the alarm must go out)
        log.warning("%s; %s", _described(name, error), instead)
        return None


def _described(name: str, error: Exception) -> str:
    """Say in one line what is wrong with an argument; our own errors name it."""
    text = next(iter(error_text_without_numbers(error).splitlines()), "")
    if isinstance(error, MessaggiSmsError):
        return text
    return f"{name}: the template cannot be rendered: {type(error).__name__}: {text}"
