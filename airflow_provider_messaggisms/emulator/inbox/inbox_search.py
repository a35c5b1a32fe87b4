"""
Search what the phones received: which SMS match, how many there are, which senders and DAGs there are to choose from.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from airflow_provider_messaggisms.emulator.account.message_states import ON_HANDSET
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.account.stored_message import StoredMessage, StoredRecipient
from airflow_provider_messaggisms.emulator.http.serialization import Json, parsed_json, utc_text

MAX_LIMIT = 10_000
_NUMBER_MARKS = str.maketrans("", "", " -+()./")
_AIRFLOW_NAMES = ("dag_id", "run_id", "task_id", "map_index")


class InboxQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    What to search for. An empty field matches everything.

    :param text: Part of the number, sender, text, state or message id, or of the names of DAG, run and task. Upper and
        lower case are the same. A number is found with any spacing.
    :param outcome: ``stuck`` means waiting until it is decided.
    :param limit: How many SMS to return, the newest first. Default 100, at most 10,000.
    """

    text: str = ""
    outcome: Literal["", "delivered", "failed", "waiting", "stuck"] = ""
    sender: str = ""
    dag: str = ""
    number: str = ""
    message_id: str = ""
    limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_LIMIT)] = 100


def search_inbox(account: SmsAccount, query: InboxQuery) -> Json:
    """
    Return what matches, the newest first.

    The result has the SMS (``sms``, up to the limit), how many match (``matching``), how many there are (``total``),
    the senders and DAGs, and what the gateway has without any SMS sent (``held``).
    """
    now, sent = account.clock.now(), account.sent_messages()
    shown: list[Json] = []
    matching = 0
    for message in sent:
        found = _matching(message, query, now)
        shown += [_entry(message, recipient, now) for recipient in found[: query.limit - len(shown)]]
        matching += len(found)
    return {
        "sms": shown,
        "matching": matching,
        "total": sum(len(message.recipients) for message in sent),
        "senders": sorted({message.sender for message in sent}),
        "dags": sorted({str(origin["dag_id"]) for origin in map(_origin, sent) if "dag_id" in origin}),
        "held": _held(account, now),
    }


def _held(account: SmsAccount, now: float) -> dict[str, int]:
    """Count the messages that reach no phone (yet), for users who look for them in the inbox."""
    messages = account.kept_messages()
    real = [message for message in messages if not message.test]
    is_open = sum(message.goes_out_at is None for message in real)
    scheduled = sum(message.elapsed(now) is None for message in real) - is_open
    return {"open": is_open, "scheduled": scheduled, "tests": len(messages) - len(real)}


def _matching(message: StoredMessage, query: InboxQuery, now: float) -> list[StoredRecipient]:
    """Return the recipients of a message whose SMS matches, the last one first."""
    origin, elapsed = _origin(message), message.elapsed(now) or 0.0
    wanted = (query.sender, query.message_id, query.dag)
    has = (message.sender, message.id, str(origin.get("dag_id")))
    if any(want not in ("", value) for want, value in zip(wanted, has, strict=True)):
        return []
    needle, digits = query.text.casefold(), query.text.translate(_NUMBER_MARKS)

    def matches(recipient: StoredRecipient) -> bool:
        state = recipient.timeline.at(elapsed).name
        words = [message.sender, message.id, *map(str, origin.values()), message.text_for(recipient), state]
        in_number = digits.isdecimal() and digits in recipient.number.translate(_NUMBER_MARKS)
        return in_number or needle in "\n".join(words).casefold()

    return [
        recipient
        for recipient in reversed(message.recipients)
        if query.number in ("", recipient.number)
        and (not query.outcome or query.outcome == recipient.timeline.outcome(elapsed))
        and (not needle or matches(recipient))
    ]


def _entry(message: StoredMessage, recipient: StoredRecipient, now: float) -> Json:
    """Show an SMS as the phone has it. ``pytest_plugin.Sms`` has the same fields."""
    elapsed = message.elapsed(now) or 0.0
    history = recipient.timeline.history(elapsed)
    state = history[-1][1]
    return {
        "number": recipient.number,
        "sender": message.sender,
        "text": message.text_for(recipient),
        "parts": recipient.size.parts,
        "encoding": recipient.size.encoding,
        "flash": message.options.flash,
        "state": state.name,
        "final": state.final,
        "delivered": state is ON_HANDSET,
        "history": [{"state": s.name, "at": utc_text(now - elapsed + after)} for after, s in history],
        "price_eur": message.price_eur(recipient.size.parts),
        "message_id": message.id,
        "index": recipient.index,
        "custom": message.options.custom or None,
        "airflow": _origin(message) or None,
        "outcome": recipient.timeline.outcome(elapsed),
    }


def _origin(message: StoredMessage) -> Json:
    """Return the task that sent a message, if its ``custom`` names it in the way of this project's client."""
    custom = message.options.custom
    parsed = parsed_json(custom) if custom else None
    key = parsed.get("airflow") if isinstance(parsed, dict) else None
    known = key if isinstance(key, dict) else {}
    return {name: known[name] for name in _AIRFLOW_NAMES if isinstance(known.get(name), str | int)}
