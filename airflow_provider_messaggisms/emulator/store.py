"""
The gateway's memory and its rules: messages, credit, transactions, what may still be changed. No HTTP in here.

Every method is one call of the API and either returns what it asked for or raises a :class:`Refusal`. Time comes from
a clock that is handed in, and states are computed, never stored: what a recipient's state is follows from its fate and
from how long ago the message went out.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_messaggisms.emulator import refusals, texts
from airflow_provider_messaggisms.emulator.clock import Clock
from airflow_provider_messaggisms.emulator.fates import Fate, Status, fate_of
from airflow_provider_messaggisms.emulator.payload import Addressee, Amendment, Fields, Options, Order
from airflow_provider_messaggisms.emulator.personality import Personality

# Assumed: the vendor publishes no price list in its API file.
PRICE_PER_PART_EUR = 0.05
REALTIME_FACTOR = 1.5
_DECIMALS = 6  # of an amount in EUR: the last cent buys what it costs
REALTIME_INTERVAL_SECONDS = 60
# The bound on the state: the bytes of all requests kept, plus what a recipient costs beyond them. The oldest go first.
MEMORY_BYTES = 256 * 1024 * 1024
_BYTES_PER_MESSAGE = 2_000
_BYTES_PER_RECIPIENT = 300
_BYTES_PER_INVALID = 100
_BYTES_FOR_FIELDS = 250
_BYTES_PER_FIELD = 120
# The bound on the work of one call, which holds up all others: the characters of the text, once for each recipient that
# has fields. Takes half a second.
MAX_PERSONAL_CHARACTERS = 50_000_000
# How long the history of an SMS can become by deciding its fate again and again.
MAX_STEPS = 50
_MESSAGE_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(slots=True)
class Recipient:
    """One SMS to be. ``index`` counts within its message."""

    index: int
    number: str
    fields: Fields | None
    size: texts.Measure
    fate: Fate


@dataclass(slots=True)
class Message:
    """
    A message with everything that was said about it. Instants are in seconds since 1970.

    :param send_at: When it was told to go: at once, or the midnight with which its day begins.
    :param closed_at: When it was complete: as it was created, or when its transaction ended; None while that is open.
    :param weight: Its share of the memory, in bytes.
    """

    id: str
    test: bool
    sender: str
    body: str
    priority: float
    options: Options
    created_at: float
    send_at: float
    closed_at: float | None
    changed_at: float
    recipients: list[Recipient] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    by_number: dict[str, int] = field(default_factory=dict)
    fates: Counter[Fate] = field(default_factory=Counter)
    parts: int = 0
    weight: int = _BYTES_PER_MESSAGE
    hidden: bool = False

    @property
    def departs_at(self) -> float | None:
        """The instant at which it goes out, or None while its transaction is open."""
        return None if self.closed_at is None else max(self.closed_at, self.send_at)

    def elapsed(self, now: float) -> float | None:
        """Return the seconds since it went out, or None if it has not."""
        departs_at = self.departs_at
        return None if departs_at is None or departs_at > now else now - departs_at

    def changes(self, since: float, until: float) -> list[float]:
        """Return the instants after ``since`` and up to ``until`` at which a recipient's state changed."""
        if self.departs_at is None:
            return []
        steps = {after for fate, count in self.fates.items() if count for after, _ in fate.steps if after > 0}
        return sorted(at for at in (self.departs_at + after for after in steps) if since < at <= until)

    def is_final(self, now: float) -> bool:
        """Tell whether nothing will happen to this message any more."""
        elapsed = self.elapsed(now)
        return elapsed is not None and all(fate.at(elapsed).final for fate, count in self.fates.items() if count)

    def price_eur(self, parts: int) -> float:
        """Return what so many parts of this message cost."""
        factor = REALTIME_FACTOR if self.options.realtime else 1.0
        return round(parts * PRICE_PER_PART_EUR * self.priority * factor, _DECIMALS)

    def text_for(self, recipient: Recipient) -> str:
        """Return the text as this recipient's phone shows it."""
        return texts.fill(self.body, recipient.fields)


class Store:
    """
    The state of one gateway account.

    :param clock: Where the time comes from.
    :param credit_eur: What the account holds at the start. Default 100.
    """

    def __init__(self, clock: Clock, credit_eur: float = 100.0) -> None:
        self.clock = clock
        self._ids = itertools.count(1)
        self.reset(credit_eur, Personality())

    def reset(self, credit_eur: float, personality: Personality) -> None:
        """Forget everything."""
        self.credit_eur = credit_eur
        self.personality = personality
        self._messages: dict[str, Message] = {}
        self._weight = 0
        self._last_realtime: float | None = None

    # --- the calls of the API -------------------------------------------------------------------------------------

    def messages(self) -> list[Message]:
        """Return all messages, in the order that the personality wants. Assumed: the list forgets nothing."""
        if not self._messages:
            raise refusals.nothing_found(203)
        in_order = list(self._messages.values())
        return in_order[::-1] if self.personality.list_order == "newest" else in_order

    def create(self, order: Order, weight: int) -> Message:
        """Take a new message, and the money for it. ``weight`` is the size of the request in bytes."""
        now = self.clock.now()
        self._check_realtime(order, now)
        message = Message(
            id=self._next_id(now),
            test=order.test,
            sender=order.sender,
            body=order.body,
            priority=order.priority,
            options=order.options,
            created_at=now,
            send_at=now if order.send_at is None else order.send_at,
            closed_at=None if order.transaction else now,
            changed_at=now,
        )
        self._add(message, order.addressees.valid, order.addressees.invalid, weight)
        self._messages[message.id] = message
        if order.options.realtime:
            self._last_realtime = now
        return message

    def message(self, message_id: str) -> Message:
        """Return one message. Assumed: an id in the right form that is not there is as invalid as any other."""
        return self._find(message_id, invalid=refusals.id_invalid(202), unknown=refusals.id_invalid(202))

    def amend(self, message_id: str, amendment: Amendment, weight: int) -> Message:
        """
        Add recipients, move the day, close the transaction.

        Assumed: a message that was never, or is no longer, in a transaction takes a PUT that moves its day, until
        that day begins; any other PUT meets 422/212.
        """
        message = self._find(message_id, invalid=refusals.id_invalid(210), unknown=refusals.nothing_found(211))
        now = self.clock.now()
        may_move = amendment.send_at is not None and message.elapsed(now) is None
        if message.closed_at is not None and not may_move:
            raise refusals.transaction_closed()
        self._add(message, amendment.addressees.valid, amendment.addressees.invalid, weight)
        message.changed_at = now
        if amendment.send_at is not None:
            message.send_at = amendment.send_at
        if amendment.transaction is False or message.closed_at is not None:
            message.closed_at = now  # nothing that is said now makes it go out earlier
        return message

    def delete(self, message_id: str) -> None:
        """Cancel a message that has not gone out. Assumed: until its day begins, also one for a later day."""
        message = self._find(message_id, invalid=refusals.id_invalid(218), unknown=refusals.nothing_found(219))
        if message.elapsed(self.clock.now()) is not None:
            raise refusals.too_late()
        self._forget(message)

    def message_with_recipients(self, message_id: str) -> Message:
        """Return the message whose recipients are asked for."""
        return self._find(message_id, invalid=refusals.id_invalid(202), unknown=refusals.nothing_found(203))

    def recipient(self, message_id: str, number: str) -> tuple[Message, Recipient]:
        """Return one recipient of a message, the first one where the number is there twice."""
        message = self.message_with_recipients(message_id)
        index = message.by_number.get(number)
        if index is None:
            raise refusals.nothing_found(203)
        return message, message.recipients[index]

    # --- beyond the API -------------------------------------------------------------------------------------------

    def known(self, message_id: str) -> Message | None:
        """Return a message, or nothing where it was deleted or forgotten."""
        return self._messages.get(message_id)

    def departed(self) -> Iterator[Message]:
        """Yield what really went out, the latest first; never a test."""
        now = self.clock.now()
        gone = [m for m in self._messages.values() if not m.test and not m.hidden and m.elapsed(now) is not None]
        gone.reverse()
        gone.sort(key=lambda message: message.departs_at or 0.0, reverse=True)
        return iter(gone)

    def hide_departed(self) -> None:
        """Clear the phones' inboxes; the gateway still knows its messages."""
        for message in self.departed():
            message.hidden = True

    def decide(self, message_id: str, number: str, status: Status) -> Message:
        """Settle what becomes of a number's SMS, as far as they are out and not final yet."""
        message, _ = self.recipient(message_id, number)
        elapsed = message.elapsed(self.clock.now())
        theirs = [recipient for recipient in message.recipients if recipient.number == number]
        undecided = [] if elapsed is None else [r for r in theirs if not r.fate.at(elapsed).final]
        if elapsed is None or not undecided or any(len(r.fate.steps) >= MAX_STEPS for r in undecided):
            raise refusals.too_late()
        for recipient in undecided:
            message.fates[recipient.fate] -= 1
            recipient.fate = recipient.fate.ending(elapsed, status)
            message.fates[recipient.fate] += 1
        return message

    # --- how ------------------------------------------------------------------------------------------------------

    def _find(self, message_id: str, *, invalid: refusals.Refusal, unknown: refusals.Refusal) -> Message:
        if message := self._messages.get(message_id):
            return message
        raise unknown if _MESSAGE_ID.fullmatch(message_id) else invalid

    def _next_id(self, now: float) -> str:
        """Make an id in the form of MongoDB's: the time, a constant, a counter with room for recipients' ids."""
        return f"{int(now) & 0xFFFFFFFF:08x}{(next(self._ids) << 24) & 0xFFFFFFFFFFFFFFFF:016x}"

    def _check_realtime(self, order: Order, now: float) -> None:
        if order.options.realtime and self._last_realtime is not None:
            wait = self._last_realtime + REALTIME_INTERVAL_SECONDS - now
            if wait > 0:
                raise refusals.one_realtime_a_minute(int(wait) + 1)

    def _add(self, message: Message, valid: list[Addressee], invalid: list[str], weight: int) -> None:
        """Put recipients on a message and charge them. Assumed: a test, or what a refusal stopped, costs nothing."""
        newcomers = self._measured(message, valid)
        parts = sum(recipient.size.parts for recipient in newcomers)
        cost = round(message.price_eur(message.parts + parts) - message.price_eur(message.parts), _DECIMALS)
        if not message.test and cost > self.credit_eur:
            raise refusals.credit_too_low(cost, self.credit_eur)
        self._make_room(message, weight + _weight_of(newcomers) + _BYTES_PER_INVALID * len(invalid))
        if not message.test:
            self.credit_eur = round(self.credit_eur - cost, _DECIMALS)
        message.parts += parts
        message.invalid += invalid
        for recipient in newcomers:
            message.by_number.setdefault(recipient.number, recipient.index)
        message.recipients += newcomers
        message.fates.update(recipient.fate for recipient in newcomers)

    def _measured(self, message: Message, valid: list[Addressee]) -> list[Recipient]:
        """Make recipients of numbers and fields; a text without placeholders is measured once for all."""
        if self.personality.repeats == "merged":
            unique = {number: (number, fields) for number, fields in reversed(valid) if number not in message.by_number}
            valid = list(unique.values())[::-1]
        try:
            personal = texts.has_placeholders(message.body)
            common = texts.measure(message.body)
            if personal and len(message.body) * sum(1 for _, fields in valid if fields) > MAX_PERSONAL_CHARACTERS:
                raise refusals.too_much_to_fill(MAX_PERSONAL_CHARACTERS)
            return [
                Recipient(
                    index,
                    number,
                    fields,
                    texts.measure(texts.fill(message.body, fields)) if personal and fields else common,
                    fate_of(number),
                )
                for index, (number, fields) in enumerate(valid, start=len(message.recipients))
            ]
        except texts.TextTooLongError as error:
            raise refusals.parameter_bad("body", f"more than {texts.MAX_PARTS} parts") from error

    def _make_room(self, message: Message, weight: int) -> None:
        """Forget the oldest messages until this one fits."""
        if message.weight + weight > MEMORY_BYTES:
            raise refusals.memory_full(MEMORY_BYTES)
        others = (m for m in list(self._messages.values()) if m is not message)
        known = message.id in self._messages
        needed = weight + (0 if known else message.weight)
        while self._weight + needed > MEMORY_BYTES:
            self._forget(next(others))
        self._weight += needed
        message.weight += weight

    def _forget(self, message: Message) -> None:
        del self._messages[message.id]
        self._weight -= message.weight


def _weight_of(recipients: list[Recipient]) -> int:
    """Estimate the memory that recipients take beyond the bytes of their request."""
    fields = [recipient.fields for recipient in recipients if recipient.fields]
    return (
        _BYTES_PER_RECIPIENT * len(recipients)
        + _BYTES_FOR_FIELDS * len(fields)
        + _BYTES_PER_FIELD * sum(map(len, fields))
    )
