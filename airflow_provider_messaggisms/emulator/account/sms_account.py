"""
The account and its rules: messages, credit, transactions, what may still be changed. No HTTP.

Each public method is one call of the API, and returns its result or raises an :class:`.api_errors.ApiError`. The time
comes from a clock that is passed in.
"""

from __future__ import annotations

import itertools
import re

from airflow_provider_messaggisms.emulator.account import api_errors, sms_parts
from airflow_provider_messaggisms.emulator.account.clock import Clock
from airflow_provider_messaggisms.emulator.account.message_states import SmsState, timeline_of
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import (
    MessageUpdate,
    NewMessage,
    RequestedRecipients,
)
from airflow_provider_messaggisms.emulator.account.stored_message import (
    EUR_DECIMALS,
    StoredMessage,
    StoredRecipient,
)

REALTIME_INTERVAL_SECONDS = 60
MAX_KEPT = 2_000_000
_MESSAGE_ID = re.compile(r"[0-9a-f]{24}")


class SmsAccount:
    """
    One account at the gateway.

    :param clock: The source of the time.
    :param credit_eur: The credit at the start. Default 100.
    :param max_kept: The bound on memory: how many recipients are kept. Each message counts as one more. The oldest
        messages are forgotten first.
    """

    def __init__(self, clock: Clock, credit_eur: float = 100.0, max_kept: int = MAX_KEPT) -> None:
        self.clock = clock
        self._max_kept = max_kept
        self._ids = itertools.count(1)
        self.reset(credit_eur, Personality())

    def reset(self, credit_eur: float, personality: Personality) -> None:
        """Forget all messages and start with this credit."""
        self.credit_eur = credit_eur
        self.personality = personality
        self._messages: dict[str, StoredMessage] = {}
        self._kept = 0
        self._last_realtime: float | None = None

    # --- the calls of the API -------------------------------------------------------------------------------------

    def list_messages(self) -> list[StoredMessage]:
        """Return all messages, in the order of the personality. Assumed: the list has no end date."""
        if not self._messages:
            raise api_errors.not_found(203)
        in_order = list(self._messages.values())
        return in_order[::-1] if self.personality.list_order == "newest" else in_order

    def create(self, new: NewMessage) -> StoredMessage:
        """Take a new message and charge for it."""
        now = self.clock.now()
        if new.options.realtime:
            self._check_realtime(now)
        message = StoredMessage(
            id=self._next_id(now),
            test=new.test,
            sender=new.sender,
            body=new.body,
            priority=new.priority,
            options=new.options,
            created_at=now,
            send_at=now if new.send_at is None else new.send_at,
            closed_at=None if new.transaction else now,
            changed_at=now,
        )
        self._add(message, new.recipients)
        self._messages[message.id] = message
        if new.options.realtime:
            self._last_realtime = now
        return message

    def message(self, message_id: str) -> StoredMessage:
        """Return one message. Assumed: an unknown id is as invalid as one in a wrong form."""
        return self._find(message_id, invalid=api_errors.id_invalid(202), unknown=api_errors.id_invalid(202))

    def update(self, message_id: str, update: MessageUpdate) -> StoredMessage:
        """
        Add recipients, move the day, close the transaction.

        Assumed: a message outside a transaction takes a PUT that moves its day, until that day begins. Any other PUT
        gets 422/212.
        """
        message = self._find(message_id, invalid=api_errors.id_invalid(210), unknown=api_errors.not_found(211))
        now = self.clock.now()
        may_move = update.send_at is not None and message.elapsed(now) is None
        if message.closed_at is not None and not may_move:
            raise api_errors.transaction_closed()
        self._add(message, update.recipients)
        message.changed_at = now
        if update.send_at is not None:
            message.send_at = update.send_at
        if update.transaction is False or message.closed_at is not None:
            message.closed_at = now  # an update never makes a message go out earlier than now
        return message

    def delete(self, message_id: str) -> None:
        """Cancel a message that has not gone out. Assumed: also one for a later day, until that day begins."""
        message = self._find(message_id, invalid=api_errors.id_invalid(218), unknown=api_errors.not_found(219))
        if message.elapsed(self.clock.now()) is not None:
            raise api_errors.already_sent()
        self._forget(message)

    def message_with_recipients(self, message_id: str) -> StoredMessage:
        """Return the message whose recipients are requested."""
        return self._find(message_id, invalid=api_errors.id_invalid(202), unknown=api_errors.not_found(203))

    def recipient(self, message_id: str, number: str) -> tuple[StoredMessage, StoredRecipient]:
        """Return one recipient of a message, the first one if the number is there twice."""
        message = self.message_with_recipients(message_id)
        index = message.by_number.get(number)
        if index is None:
            raise api_errors.not_found(203)
        return message, message.recipients[index]

    # --- beyond the API -------------------------------------------------------------------------------------------

    def kept_messages(self) -> list[StoredMessage]:
        """Return all messages, the oldest first. There may be none."""
        return list(self._messages.values())

    def find(self, message_id: str) -> StoredMessage | None:
        """Return a message, or None if it is unknown, deleted or forgotten."""
        return self._messages.get(message_id)

    def sent_messages(self) -> list[StoredMessage]:
        """Return the messages that really went out, the latest first. A test never does."""
        now = self.clock.now()
        newest_first = reversed(self._messages.values())
        sent = [m for m in newest_first if not (m.test or m.cleared) and m.elapsed(now) is not None]
        return sorted(sent, key=lambda message: message.goes_out_at or 0.0, reverse=True)

    def clear_inbox(self) -> None:
        """Clear what the phones received. The gateway still has its messages."""
        for message in self.sent_messages():
            message.cleared = True

    def decide(self, message_id: str, number: str, state: SmsState) -> StoredMessage:
        """Put a number's SMS in a message into this state, if they have gone out and are not final."""
        message, _ = self.recipient(message_id, number)
        elapsed = message.elapsed(self.clock.now())
        if elapsed is None:
            raise api_errors.already_sent()
        undecided = [r for r in message.recipients if r.number == number and not r.timeline.at(elapsed).final]
        if not undecided:
            raise api_errors.already_sent()
        for recipient in undecided:
            message.timelines[recipient.timeline] -= 1
            recipient.timeline = recipient.timeline.ending(elapsed, state)
            message.timelines[recipient.timeline] += 1
        return message

    # --- internal -------------------------------------------------------------------------------------------------

    def _find(self, message_id: str, *, invalid: api_errors.ApiError, unknown: api_errors.ApiError) -> StoredMessage:
        if message := self._messages.get(message_id):
            return message
        raise unknown if _MESSAGE_ID.fullmatch(message_id) else invalid

    def _next_id(self, now: float) -> str:
        """Make an id in the form of MongoDB's: the time, a constant, a counter with room for recipients' ids."""
        return f"{int(now) & 0xFFFFFFFF:08x}{(next(self._ids) << 24) & 0xFFFFFFFFFFFFFFFF:016x}"

    def _check_realtime(self, now: float) -> None:
        if self._last_realtime is not None:
            wait = self._last_realtime + REALTIME_INTERVAL_SECONDS - now
            if wait > 0:
                raise api_errors.realtime_limit(int(wait) + 1)

    def _add(self, message: StoredMessage, requested: RequestedRecipients) -> None:
        """Add recipients to a message and charge for them. Assumed: a test or a refused call costs nothing."""
        added = self._new_recipients(message, requested)
        parts = sum(recipient.size.parts for recipient in added)
        cost = round(message.price_eur(message.parts + parts) - message.price_eur(message.parts), EUR_DECIMALS)
        if not message.test and cost > self.credit_eur:
            raise api_errors.credit_too_low(cost, self.credit_eur)
        self._make_room(message, len(added) + len(requested.invalid))
        if not message.test:
            self.credit_eur = round(self.credit_eur - cost, EUR_DECIMALS)
        message.parts += parts
        message.invalid += requested.invalid
        message.recipients += added
        for recipient in added:
            message.by_number.setdefault(recipient.number, recipient.index)
            message.timelines[recipient.timeline] += 1

    def _new_recipients(self, message: StoredMessage, requested: RequestedRecipients) -> list[StoredRecipient]:
        valid = requested.valid
        if self.personality.repeats == "merged":
            unique = {number: (number, fields) for number, fields in reversed(valid) if number not in message.by_number}
            valid = list(unique.values())[::-1]
        try:
            common = sms_parts.measure(message.body)
            sizes = [
                sms_parts.measure(sms_parts.fill(message.body, fields)) if fields else common for _, fields in valid
            ]
        except sms_parts.TextTooLongError as error:
            raise api_errors.parameter_invalid("body", f"more than {sms_parts.MAX_PARTS} parts") from error
        first = len(message.recipients)
        return [
            StoredRecipient(first + i, number, fields, size, timeline_of(number))
            for i, ((number, fields), size) in enumerate(zip(valid, sizes, strict=True))
        ]

    def _make_room(self, message: StoredMessage, added: int) -> None:
        """Forget the oldest messages until this one fits."""
        before = _size(message) if message.id in self._messages else 0
        after = _size(message) + added
        if after > self._max_kept:
            raise api_errors.message_too_large(self._max_kept)
        while self._kept - before + after > self._max_kept:
            self._forget(next(other for other in self._messages.values() if other is not message))
        self._kept += after - before

    def _forget(self, message: StoredMessage) -> None:
        del self._messages[message.id]
        self._kept -= _size(message)


def _size(message: StoredMessage) -> int:
    """Count what a message adds to what is kept."""
    return 1 + len(message.recipients) + len(message.invalid)
