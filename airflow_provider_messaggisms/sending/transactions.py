"""
A message to many through the gateway's transaction, resumable after any crash.

The first chunk opens the transaction, the next ones add to it, and the last one goes with the call that closes it, so
no call carries an empty list of recipients, of which nobody documents that it is accepted. Until it is closed the
gateway sends nothing: what is wrong by then is deleted, and nothing half-built ever goes out.

Whatever a try left behind is found by its key. The numbers that the gateway has already are read back and only the
missing ones are added, for nobody documents whether it merges a number that it has. A close that is refused with 212
means that an earlier close worked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Set
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    InvalidRequestError,
    MessageLockedError,
    MessaggiSmsError,
    OutcomeUnknownError,
    ProtocolError,
)
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import OnInvalid, Recipient
from airflow_provider_messaggisms.gateway.sms_text import placeholders
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce, delete_open

log = logging.getLogger(__name__)

#: The code of a PUT to a transaction that is closed.
_CLOSED = 212


class Guards(msgspec.Struct, frozen=True):
    """
    What must hold while the transaction can still be deleted.

    :param on_invalid: ``fail``: no number may be invalid in the gateway's eyes.
    :param max_price_eur: What the whole message may cost, by the price that the gateway quotes; ``None`` for no limit.
    :param parts: SMS parts of the whole message, for texts differ in length; ``None`` where nobody has counted them.
    """

    on_invalid: OnInvalid = "fail"
    max_price_eur: float | None = None
    parts: int | None = None

    def check(self, message: Message, added: int, total: int) -> None:
        """
        Compare the gateway's account of the message so far with what it should be.

        :param added: How many recipients it should have by now.
        :param total: How many it will have in the end; the price is projected to all their parts.
        """
        valid, invalid = message.recipients.valid.count, message.recipients.invalid.total
        if invalid and self.on_invalid != "drop":
            raise DeliveryError(
                f"message {message.id}: the gateway calls {invalid} of {added} numbers invalid; nothing was sent. "
                "on_invalid='drop' sends to the others"
            )
        if valid + invalid != added:
            raise ProtocolError(
                f"message {message.id}: the gateway counts {valid} valid and {invalid} invalid recipients "
                f"where it was given {added}; nothing was sent"
            )
        if self.max_price_eur is None or not valid:
            return
        if message.price is None:
            raise ProtocolError(f"message {message.id}: the gateway quotes no price, so max_price_eur cannot be kept")
        expected = message.price + message.price / valid * (total - added)
        if self.parts and message.statistics.sms_total:
            counted = self.parts * valid / added  # what is invalid is not paid for
            expected = max(message.price, message.price / message.statistics.sms_total * counted)
        if expected > self.max_price_eur:
            raise ConfigurationError(
                f"max_price_eur: the gateway quotes {message.price:.2f} EUR for {valid} recipients, so "
                f"{expected:.2f} EUR for all {total}; the limit is {self.max_price_eur:.2f}. Nothing was sent"
            )

    def is_too_dear(self, message: Message) -> bool:
        """Tell whether a message that is closed has become dearer than was foreseen."""
        return self.max_price_eur is not None and (message.price or 0) > self.max_price_eur + 0.000_001


class Transaction:
    """
    One message to many, over all tries of its task.

    :param once: The send; its key finds what an earlier try left behind.
    :param total: How many recipients the message will have; at least 2.
    :param chunk_size: How many recipients one call carries at most.
    """

    def __init__(
        self,
        once: ExactlyOnce,
        guards: Guards,
        *,
        total: int,
        chunk_size: int,
    ) -> None:
        self.once = once
        self.hook: MessaggiSmsHook = once.hook
        self.guards = guards
        self.total = total
        self.chunk_size = chunk_size
        self.open_id: str | None = None
        self.stopped = False
        self._added = 0

    def send(self, addressees: Iterable[Recipient], options: dict[str, Any]) -> tuple[Message, bool]:
        """
        Send to all, resuming what an earlier try began.

        :param addressees: All of them, each number once, in any order; read as a stream.
        :param options: What ``hook.send_message`` takes beside the recipients.
        :returns: The closed message, and whether an earlier try had closed it already.
        """
        message = self.once.settle()
        if message is not None and not message.transaction:
            return self._complete(message), True
        if message is not None and message.body and _names(message.body) != _names(options["body"]):
            # Its text is fixed, and the fields of those who are missing would not fill it in.
            self.once.discard(message)
            message = None
        there: Set[str] = frozenset()
        if message is not None:
            self.open_id = message.id
            there = self._already_there(message)
            self._check(message)
            log.info("Message %s is open and has %d recipient(s); adding the missing ones", message.id, len(there))
        chunks = self._chunks(one for one in addressees if one.number not in there)
        self._heed_stop("before it was begun")
        if message is None:
            first, _ = next(chunks)
            message = self.once.send(lambda: self.hook.send_message(recipients=first, transaction=True, **options))
            self.open_id = message.id
            self._added = len(first)
            self._check(message)
        self.once.remember(message)
        closed = None
        for chunk, is_last in chunks:
            closed = self._add(message.id, chunk, close=is_last)
            if self.open_id is None:  # closed already
                break
        if closed is None:
            closed = self._add(message.id, (), close=True)
        self.open_id = None
        self.once.remember(closed)
        if (count := _count(closed)) > self.total:
            raise DeliveryError(
                f"message {closed.id} is closed with {count} recipients where there should be {self.total}: the "
                "gateway handled a call late, and somebody may get it twice"
            )
        if self.guards.is_too_dear(closed):
            log.warning("Message %s costs %s EUR, more than max_price_eur allows", closed.id, closed.price)
        return self._complete(closed), False

    def delete(self, hook: MessaggiSmsHook) -> None:
        """Delete the open transaction, best effort: nothing of it goes out. A closed one is out of reach."""
        message_id, self.open_id = self.open_id, None
        if message_id is not None:
            delete_open(hook, message_id)

    def _already_there(self, message: Message) -> Set[str]:
        there = self.hook.get_numbers(message.id)
        self._added = _count(message)
        listed = message.recipients.invalid.list
        return there | {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else there

    def _chunks(self, addressees: Iterable[Recipient]) -> Iterator[tuple[list[Recipient], bool]]:
        """
        Cut into chunks and say which is the last. A message that fits into one chunk is cut in two when it is opened:
        it takes one call to open the transaction and one, with somebody in it, to close it.
        """
        stream = iter(addressees)
        opening = self.open_id is None
        chunk = list(islice(stream, min(self.chunk_size, self.total - 1) if opening else self.chunk_size))
        while chunk:
            following = list(islice(stream, self.chunk_size))
            yield chunk, not following
            chunk = following

    def _add(self, message_id: str, chunk: Iterable[Recipient], *, close: bool) -> Message:
        """Add a chunk, and close the transaction with it if it is the last."""
        added = list(chunk)
        self._heed_stop(f"before message {message_id} was complete")
        if close and self._added + len(added) != self.total:
            self.delete(self.hook)
            raise ProtocolError(
                f"message {message_id} has {self._added + len(added)} recipients where there should be {self.total}; "
                "nothing was sent, and the next try builds it anew"
            )
        self.once.announce()
        try:
            message = self.hook.update_message(message_id, recipients=added, transaction=not close)
        except MessageLockedError as error:
            if error.code != _CLOSED:
                raise
            log.info("Message %s is closed already", message_id)
            self.open_id = None
            return self.hook.get_message(message_id)
        except InvalidRequestError as error:
            if added:
                raise
            self.delete(self.hook)
            raise OutcomeUnknownError(
                f"message {message_id}: all recipients were there, but the gateway does not close it without a further "
                f"one ({error}); it was deleted unsent, and the next try builds it anew"
            ) from error
        except OUTCOME_UNKNOWN as error:
            log.warning("%s; looking whether the gateway has the recipients", error)
            message = self._look_again(message_id, self._added + len(added), close=close, cause=error)
        self._added += len(added)
        if not close:
            self._check(message)
        return message

    def _look_again(self, message_id: str, expected: int, *, close: bool, cause: Exception) -> Message:
        for pause in self.once.pauses_seconds:
            time.sleep(pause)
            try:
                message = self.hook.get_message(message_id)
            except MessaggiSmsError as error:
                log.warning("%s; the look failed", error)
                continue
            if not message.transaction if close else _count(message) >= expected:
                return message
        raise OutcomeUnknownError(
            f"{cause}. Message {message_id} (key {self.once.key}) does not show what the lost call carried yet; "
            "the next try reads back which recipients are there and adds the missing ones"
        ) from cause

    def _heed_stop(self, when: str) -> None:
        if self.stopped:
            raise MessaggiSmsError(f"the task was told to stop {when}; nothing was sent")

    def _check(self, message: Message) -> None:
        """Ask the guards; what they refuse is deleted while it can be."""
        try:
            self.guards.check(message, self._added, self.total)
        except MessaggiSmsError:
            self.delete(self.hook)
            raise

    def _complete(self, message: Message) -> Message:
        """Make sure that nobody was left out: a closed message takes no more recipients."""
        count = _count(message)
        if count < self.total:
            raise DeliveryError(
                f"message {message.id} is closed with {count} of {self.total} recipients: somebody else closed it. "
                "The others get nothing; send to them with another idempotency_key"
            )
        return message


def _names(text: str) -> Set[str]:
    return frozenset(placeholders(text))


def _count(message: Message) -> int:
    """Count the recipients that the gateway has for a message, valid or not."""
    return message.recipients.valid.count + message.recipients.invalid.total
