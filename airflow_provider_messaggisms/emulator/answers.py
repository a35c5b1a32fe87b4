"""
The shapes of the gateway's answers, with the vendor's quirks: the store's values in, plain JSON objects out.

The quirks are on purpose, each seen in the vendor's own examples: ``credit`` is a string here and a number there,
instants are epoch milliseconds in a string or MongoDB's dates, ``fields`` is a list, ``report`` is missing before the
message goes out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_messaggisms.emulator.fates import ON_HANDSET, Status
from airflow_provider_messaggisms.emulator.payload import ROME
from airflow_provider_messaggisms.emulator.personality import Personality
from airflow_provider_messaggisms.emulator.store import PRICE_PER_PART_EUR, Message, Recipient

Json = dict[str, Any]

# Assumed, from the two values that the vendor's examples show (0 and 2).
STATE_WAITING, STATE_UNDERWAY, STATE_DONE = 0, 1, 2


def success(data: Any, message: str, credit: str | float | None) -> Json:
    """Wrap an answer in the envelope. A DELETE has no ``credit``."""
    envelope = {"data": data, "success": True, "message": message, "error": None}
    return envelope if credit is None else envelope | {"credit": credit}


def failure(code: int, message: str) -> Json:
    """Wrap a refusal in the envelope."""
    return {"data": None, "success": False, "message": message, "error": code}


def results(count: int) -> str:
    """Say how many there are."""
    return f"{count} Result{'' if count == 1 else 's'}"


def list_entry(message: Message) -> Json:
    """Show a message as the list of messages does: hardly at all."""
    return {"sender": message.sender, "timestamp": _epoch_text(message.created_at), "id": message.id}


def message_object(message: Message, now: float, personality: Personality) -> Json:
    """Show a message."""
    counts = _count(message, now)
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
        "statistics": counts["statistics"],
        "base_price": round(message.parts * PRICE_PER_PART_EUR, 6),
        "timestamp": _epoch_text(message.created_at),
        "last_update": _epoch_text(counts["last_change"]),
        "price": message.price_eur(message.parts),
        "state": counts["state"],
    }


def _count(message: Message, now: float) -> Json:
    """
    Sum up the recipients without looking at each: all that share a fate are in the same state.

    Assumed: ``sent`` counts whatever left the gateway, ``delivered`` what reached a handset, ``error`` what failed for
    good; ``state`` is 0 until something was sent and 2 once every recipient's state is final.
    """
    sent = delivered = error = final = 0
    last_change = message.changed_at
    elapsed = message.elapsed(now)
    if elapsed is not None:
        for fate, count in message.fates.items():
            if not count:
                continue
            after, status = fate.history(elapsed)[-1]
            last_change = max(last_change, (message.departs_at or now) + after)
            sent += count if after > 0 else 0
            final += count if status.final else 0
            delivered += count if status is ON_HANDSET else 0
            error += count if status.final and status is not ON_HANDSET else 0
    total = len(message.recipients)
    state = STATE_WAITING
    if sent:
        state = STATE_DONE if final == total else STATE_UNDERWAY
    statistics = {"error": error, "sent": sent, "delivered": delivered, "total": total, "sms_total": message.parts}
    return {"statistics": statistics, "state": state, "last_change": last_change}


def _options(message: Message, personality: Personality) -> Json:
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
    """Show ``custom`` as it came, or as the object that it holds."""
    if personality.custom_echo == "string":
        return custom
    parsed = parsed_json(custom)
    return parsed if isinstance(parsed, dict | list) else custom


def parsed_json(text: str) -> Any:
    """Read JSON that may not be any; None if it is not, or if it holds half a character, which no answer can."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def recipient_object(message: Message, recipient: Recipient, now: float) -> Json:
    """Show a recipient; what only a report can tell is missing before the message goes out."""
    price = message.price_eur(recipient.size.parts)
    elapsed = message.elapsed(now)
    status = recipient.fate.at(elapsed or 0.0)
    shown: Json = {
        "number": recipient.number,
        "prefix": recipient.number.partition("-")[0],
        "send_id": f"{message.id}_{recipient.index}",
        "body": message.text_for(recipient),
        "sms": recipient.size.parts,
        "remaining_chr": recipient.size.remaining,
        "state": status.group,
        "state_description": status.name,
        "state_detail": status.description,
        "price": price,
        "real_cost": 0.0 if message.test else price,
        "fields": [recipient.fields] if recipient.fields else [],
        "message_id": message.id,
        "i": recipient.index,
        "id": _recipient_id(message, recipient),
    }
    if elapsed is None:
        return shown
    departed_at = message.departs_at or now
    last_at = departed_at + recipient.fate.history(elapsed)[-1][0]
    shown["timestamp_sent"] = _mongo_date(departed_at)
    if status is ON_HANDSET:
        shown["timestamp_delivery"] = _mongo_date(last_at)
    shown["report"] = _report(shown["id"], recipient, price, status, departed_at, last_at)
    return shown


def _report(report_id: str, recipient: Recipient, price: float, status: Status, sent_at: float, done_at: float) -> Json:
    cause = status.cause
    return {
        "price": {"pricePerMessage": price, "currency": "EUR"},
        "status": {
            "id": status.id,
            "groupId": status.group_id,
            "groupName": status.group,
            "name": status.name,
            "description": status.description,
        },
        "error": {
            "id": cause.id,
            "name": cause.name,
            "description": cause.description,
            "groupId": cause.group_id,
            "groupName": cause.group,
            "permanent": cause.permanent,
        },
        "messageId": report_id,
        "doneAt": _local_time(done_at),
        "smsCount": recipient.size.parts,
        "sentAt": _local_time(sent_at),
        "to": recipient.number.replace("+", "").replace("-", ""),
    }


def inbox_entries(messages: Iterable[Message], now: float, number: str | None) -> Iterable[Json]:
    """Show what went out as the phones and the inbox page see it, the latest first."""
    for message in messages:
        elapsed, departed_at = message.elapsed(now) or 0.0, message.departs_at or now
        for recipient in reversed(message.recipients):
            if number is not None and recipient.number != number:
                continue
            history = recipient.fate.history(elapsed)
            yield {
                "number": recipient.number,
                "sender": message.sender,
                "text": message.text_for(recipient),
                "parts": recipient.size.parts,
                "encoding": recipient.size.encoding,
                "flash": message.options.flash,
                "state": history[-1][1].name,
                "final": history[-1][1].final,
                "delivered": history[-1][1] is ON_HANDSET,
                "history": [{"state": s.name, "at": utc_text(departed_at + after)} for after, s in history],
                "price_eur": message.price_eur(recipient.size.parts),
                "message_id": message.id,
                "index": recipient.index,
                "custom": message.options.custom or None,
                "airflow": _airflow_key(message.options.custom),
            }


def _airflow_key(custom: str) -> Json | None:
    """Find out which task sent a message, if its ``custom`` says so in the way that our client writes it."""
    parsed = parsed_json(custom)
    key = parsed.get("airflow") if isinstance(parsed, dict) else None
    if not isinstance(key, dict):
        return None
    return {
        name: key[name] for name in ("dag_id", "run_id", "task_id", "map_index") if isinstance(key.get(name), str | int)
    }


def utc_text(instant: float) -> str:
    """Write an instant for people."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _recipient_id(message: Message, recipient: Recipient) -> str:
    return f"{int(message.id, 16) + 1 + recipient.index:024x}"


def _epoch_text(instant: float) -> str:
    return str(int(instant * 1000))


def _mongo_date(instant: float) -> Json:
    return {"$date": {"$numberLong": _epoch_text(instant)}}


@functools.lru_cache(maxsize=1_000)
def _local_time(instant: float) -> str:
    """Write an instant as reports do. The recipients of a message share theirs, hence the cache."""
    local = datetime.fromtimestamp(instant, ROME)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"
