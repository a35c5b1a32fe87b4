"""
The JSON of the gateway's responses, with the vendor's quirks: stored values in, plain JSON objects out.

The quirks are deliberate, and each is in the vendor's own examples: ``credit`` is a string in some responses and a
number in others, instants are epoch milliseconds in a string or MongoDB's dates, ``fields`` is a list, ``report`` is
missing before the message goes out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_messaggisms.emulator.account.message_states import ON_HANDSET, SmsState
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import ROME
from airflow_provider_messaggisms.emulator.account.stored_message import (
    PRICE_PER_PART_EUR,
    StoredMessage,
    StoredRecipient,
)

Json = dict[str, Any]

# Assumed, from the two values in the vendor's examples (0 and 2).
STATE_WAITING, STATE_UNDERWAY, STATE_DONE = 0, 1, 2


def success(data: Any, message: str, credit: str | float | None) -> Json:
    """Wrap a result in the envelope. The response to a DELETE has no ``credit``."""
    envelope = {"data": data, "success": True, "message": message, "error": None}
    return envelope if credit is None else envelope | {"credit": credit}


def failure(code: float | None, message: str) -> Json:
    """Wrap an error in the envelope. Without a code it has neither ``data`` nor ``error``."""
    envelope: Json = {"success": False, "message": message}
    return envelope if code is None else envelope | {"data": None, "error": code}


def result_count(count: int) -> str:
    """Write the envelope's message for so many results."""
    return f"{count} Result{'' if count == 1 else 's'}"


def list_entry(message: StoredMessage) -> Json:
    """Show a message as the list of messages does, with three fields only."""
    return {"sender": message.sender, "timestamp": _epoch_text(message.created_at), "id": message.id}


def message_object(message: StoredMessage, now: float, personality: Personality) -> Json:
    """Show a message."""
    statistics, last_change = _statistics(message, now)
    return {
        "id": message.id,
        "test": message.test,
        "sender": message.sender,
        "body": message.body,
        "recipients": {
            "valid": {"count": len(message.recipients)},
            "invalid": {"total": len(message.invalid), "list": message.invalid},
        },
        "priority": message.priority,
        "options": _options(message, personality),
        "transaction": message.closed_at is None,
        "statistics": statistics,
        "base_price": round(message.parts * PRICE_PER_PART_EUR, 6),
        "timestamp": _epoch_text(message.created_at),
        "last_update": _epoch_text(last_change),
        "price": message.price_eur(message.parts),
        "state": _message_state(message, now, statistics),
    }


def _statistics(message: StoredMessage, now: float) -> tuple[Json, float]:
    """
    Count the recipients by what happened to them; return the counts and the instant of the last change.

    Assumed: ``sent`` counts SMS that left the gateway, ``delivered`` those on a handset, ``error`` final failures.
    """
    counts = {"error": 0, "sent": 0, "delivered": 0, "total": len(message.recipients), "sms_total": message.parts}
    elapsed, last_change = message.elapsed(now), message.changed_at
    if elapsed is None:
        return counts, last_change
    for timeline, count in (+message.timelines).items():
        after, state = timeline.history(elapsed)[-1]
        last_change = max(last_change, now - elapsed + after)
        counts["sent"] += count if after > 0 else 0
        counts["delivered"] += count if state is ON_HANDSET else 0
        counts["error"] += count if state.final and state is not ON_HANDSET else 0
    return counts, last_change


def _message_state(message: StoredMessage, now: float, statistics: Json) -> int:
    """Assumed: the state is 0 until an SMS was sent, and 2 when the state of each recipient is final."""
    if not statistics["sent"]:
        return STATE_WAITING
    return STATE_DONE if message.is_final(now) else STATE_UNDERWAY


def _options(message: StoredMessage, personality: Personality) -> Json:
    options = message.options
    shown: Json = {
        "flash": options.flash,
        "realtime": options.realtime,
        "timestamp_send": _epoch_text(message.send_at),
    }
    if options.custom:
        shown["custom"] = _echo(options.custom, personality)
    if options.callback_url:
        shown["callback_url"] = options.callback_url
    if options.callback_field:
        shown["callback_field"] = options.callback_field
    return shown


def _echo(custom: str, personality: Personality) -> Any:
    """Show ``custom`` as it was sent, or as the object that it holds."""
    parsed = parsed_json(custom) if personality.custom_echo == "object" else None
    return parsed if isinstance(parsed, dict | list) else custom


def parsed_json(text: str | bytes) -> Any:
    """Read JSON. Return None if it is invalid, or holds half of a surrogate pair, which no response can contain."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def recipient_object(message: StoredMessage, recipient: StoredRecipient, now: float) -> Json:
    """Show a recipient. Fields that come from the report are missing before the message goes out."""
    price = message.price_eur(recipient.size.parts)
    elapsed = message.elapsed(now)
    state = recipient.timeline.at(elapsed or 0.0)
    shown: Json = {
        "number": recipient.number,
        "prefix": recipient.number.partition("-")[0],
        "send_id": f"{message.id}_{recipient.index}",
        "body": message.text_for(recipient),
        "sms": recipient.size.parts,
        "remaining_chr": recipient.size.remaining,
        "state": state.group,
        "state_description": state.name,
        "state_detail": state.description,
        "price": price,
        "real_cost": 0.0 if message.test else price,
        "fields": [recipient.fields] if recipient.fields else [],
        "message_id": message.id,
        "i": recipient.index,
        "id": _recipient_id(message, recipient),
    }
    if elapsed is None:
        return shown
    sent_at = now - elapsed
    last_at = sent_at + recipient.timeline.history(elapsed)[-1][0]
    shown["timestamp_sent"] = _mongo_date(sent_at)
    if state is ON_HANDSET:
        shown["timestamp_delivery"] = _mongo_date(last_at)
    shown["report"] = _report(shown["id"], recipient, price, state) | {
        "sentAt": _local_time(sent_at),
        "doneAt": _local_time(last_at),
    }
    return shown


def _report(report_id: str, recipient: StoredRecipient, price: float, state: SmsState) -> Json:
    error = state.error
    return {
        "price": {"pricePerMessage": price, "currency": "EUR"},
        "status": {
            "id": state.id,
            "groupId": state.group_id,
            "groupName": state.group,
            "name": state.name,
            "description": state.description,
        },
        "error": {
            "id": error.id,
            "name": error.name,
            "description": error.description,
            "groupId": error.group_id,
            "groupName": error.group,
            "permanent": error.permanent,
        },
        "messageId": report_id,
        "smsCount": recipient.size.parts,
        "to": recipient.number.replace("+", "").replace("-", ""),
    }


def utc_text(instant: float) -> str:
    """Write an instant for people."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _recipient_id(message: StoredMessage, recipient: StoredRecipient) -> str:
    return f"{int(message.id, 16) + 1 + recipient.index:024x}"


def _epoch_text(instant: float) -> str:
    return str(int(instant * 1000))


def _mongo_date(instant: float) -> Json:
    return {"$date": {"$numberLong": _epoch_text(instant)}}


def _local_time(instant: float) -> str:
    """Write an instant as reports do, in Rome: ``2026-12-24T12:00:00.000+0100``."""
    local = datetime.fromtimestamp(instant, ROME)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"
