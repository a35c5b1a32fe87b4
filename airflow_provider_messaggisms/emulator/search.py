"""
Find SMS in the phones, for the inbox page: which ones, how many in all, and what there is to choose from.

Fast enough to be asked once a second over many thousands: a message is looked at once for all its recipients wherever
that is possible, and only what the page shows is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from airflow_provider_messaggisms.emulator import answers, texts
from airflow_provider_messaggisms.emulator.fates import ON_HANDSET, Fate
from airflow_provider_messaggisms.emulator.refusals import Refusal
from airflow_provider_messaggisms.emulator.store import Message, Recipient, Store

MAX_SHOWN = 1_000
MAX_CHOICES = 500
_NUMBER_MARKS = str.maketrans("", "", " -+()./")


class Wish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    What to look for. An empty field stands for everything.

    :param text: Anywhere in number, sender, text, state, message id, or the names of dag, run and task; upper and lower
        case are the same, and a number is found however it is spaced.
    :param outcome: ``stuck`` is waiting for ever, unless somebody decides.
    :param limit: How many SMS to show, the newest first. Default 50, at most 1,000.
    """

    text: str = ""
    outcome: Literal["", "delivered", "failed", "waiting", "stuck"] = ""
    sender: str = ""
    dag: str = ""
    number: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHOWN)] = 50


class Search:
    """
    Look for SMS.

    :param store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._origins: dict[str, dict[str, Any]] = {}

    def find(self, wish: Wish) -> dict[str, Any]:
        """Return the SMS wished for, how many more there are, and the senders and DAGs that there are."""
        now = self._store.clock.now()
        departed = list(self._store.departed())
        self._learn_origins(departed, now)
        shown: list[dict[str, Any]] = []
        matching = 0
        for message in departed:
            recipients = self._matching(message, wish, now)
            room = wish.limit - len(shown)
            if room and recipients:
                shown += _entries(message, recipients[-room:], now)
            matching += len(recipients)
        return {
            "sms": shown,
            "matching": matching,
            "total": sum(len(message.recipients) for message in departed),
            "senders": sorted({message.sender for message in departed})[:MAX_CHOICES],
            "dags": sorted({str(o["dag_id"]) for o in self._origins.values() if "dag_id" in o})[:MAX_CHOICES],
            "held": self._held(now),
        }

    def _learn_origins(self, departed: list[Message], now: float) -> None:
        """Remember which task sent each message; reading that out of all of them every second would take too long."""
        known = self._origins
        self._origins = {m.id: known[m.id] if m.id in known else _origin(m, now) for m in departed}

    def _held(self, now: float) -> dict[str, int]:
        """Count what is at the gateway and on no phone: a newcomer would look for it in the inbox."""
        try:
            messages = self._store.messages()
        except Refusal:
            return {"open": 0, "scheduled": 0, "tests": 0}
        real = [message for message in messages if not message.test]
        is_open = sum(message.departs_at is None for message in real)
        scheduled = sum(message.elapsed(now) is None for message in real) - is_open
        return {"open": is_open, "scheduled": scheduled, "tests": len(messages) - len(real)}

    def _matching(self, message: Message, wish: Wish, now: float) -> Sequence[Recipient]:
        """Return those of a message's recipients whose SMS is wished for, in the message's order."""
        origin = self._origins[message.id]
        if wish.sender not in ("", message.sender) or wish.dag not in ("", str(origin.get("dag_id"))):
            return ()
        recipients: Sequence[Recipient] = message.recipients
        if wish.number:
            if wish.number not in message.by_number:
                return ()
            recipients = [recipient for recipient in recipients if recipient.number == wish.number]
        if wish.outcome:
            recipients = _with_outcome(message, recipients, wish.outcome, now)
        if wish.text:
            recipients = _with_text(message, recipients, wish.text, origin, now)
        return recipients


def outcome_of(fate: Fate, elapsed: float) -> str:
    """Say what became of an SMS in one of the page's four words."""
    status = fate.at(elapsed)
    if status.final:
        return "delivered" if status is ON_HANDSET else "failed"
    return "stuck" if fate.next_change(elapsed) is None else "waiting"


def _with_outcome(message: Message, recipients: Sequence[Recipient], outcome: str, now: float) -> Sequence[Recipient]:
    elapsed = message.elapsed(now) or 0.0
    good = {fate for fate, count in message.fates.items() if count and outcome_of(fate, elapsed) == outcome}
    return [recipient for recipient in recipients if recipient.fate in good] if good else ()


def _with_text(
    message: Message, recipients: Sequence[Recipient], text: str, origin: dict[str, Any], now: float
) -> Sequence[Recipient]:
    needle = text.casefold()
    personal = texts.has_placeholders(message.body)
    common = [message.sender, message.id, *map(str, origin.values()), "" if personal else message.body]
    if needle in "\n".join(common).casefold():
        return recipients
    elapsed = message.elapsed(now) or 0.0
    states = {fate for fate in message.fates if needle in fate.at(elapsed).name.casefold()}
    has_number = _number_test(text)
    return [
        recipient
        for recipient in recipients
        if recipient.fate in states
        or has_number(recipient.number)
        or (personal and needle in message.text_for(recipient).casefold())
    ]


def _number_test(text: str) -> Callable[[str], bool]:
    """Return what tells whether a number has these digits in it, however they were typed."""
    digits = text.translate(_NUMBER_MARKS)
    if not digits.isdecimal():
        return lambda _: False
    return lambda number: digits in number.translate(_NUMBER_MARKS)


def _entries(message: Message, recipients: Sequence[Recipient], now: float) -> list[dict[str, Any]]:
    """Write out some of a message's SMS, the latest first, as the control plane's inbox does."""
    entries = answers.inbox_entries([replace(message, recipients=list(recipients))], now, None)
    elapsed = message.elapsed(now) or 0.0
    pairs = zip(reversed(recipients), entries, strict=True)
    return [entry | {"outcome": outcome_of(recipient.fate, elapsed)} for recipient, entry in pairs]


def _origin(message: Message, now: float) -> dict[str, Any]:
    first = next(iter(answers.inbox_entries([message], now, None)), None)
    return (first and first["airflow"]) or {}
