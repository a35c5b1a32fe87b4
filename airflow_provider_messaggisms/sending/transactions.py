"""
A message to many through the gateway's transaction, resumable after any crash.

The first chunk opens the transaction, the next ones add to it, and the last one goes with the call that closes it, so
that no call carries an empty list of recipients: it is undocumented whether that is accepted. The gateway sends nothing
until the transaction is closed. If something is found wrong before that, the message is deleted, so nothing half-built
goes out.

What an earlier try left behind is found as ``exactly_once`` says. The numbers that the gateway has are read back and
only the missing ones are added: it is undocumented whether it merges a number that it has. A close that is refused with
212 means that an earlier close worked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice

import msgspec

from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    InsufficientCreditError,
    InvalidRequestError,
    MessageLockedError,
    MessaggiSmsError,
    OutcomeUnknownError,
    ProtocolError,
    reworded,
)
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import OnInvalid, Recipient
from airflow_provider_messaggisms.gateway.sms_text import placeholders
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce, delete_open
from airflow_provider_messaggisms.sending.progress import Progress

log = logging.getLogger(__name__)

#: The code of a PUT to a transaction that is closed.
_CLOSED = 212


class Guards(msgspec.Struct, frozen=True):
    """
    What must hold while the transaction can still be deleted.

    :param on_invalid: ``fail``: the gateway may call no number invalid.
    :param max_price_eur: What the whole message may cost, by the price that the gateway quotes; ``None`` for no limit.
    :param parts: SMS parts of the whole message, because texts differ in length; ``None`` if they are not counted.
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
                f"{expected:.2f} EUR for all {total}, without VAT; the limit is {self.max_price_eur:.2f}. Nothing "
                "was sent"
            )

    def is_too_expensive(self, message: Message) -> bool:
        """Tell whether a closed message costs more than was foreseen."""
        return self.max_price_eur is not None and (message.price or 0) > self.max_price_eur + 0.000_001


class Transaction:
    """
    One message to many, as one try of its task sends it.

    :param exactly_once: The send; it finds what an earlier try left behind.
    :param total: How many recipients the message will have; at least 2.
    :param chunk_size: How many recipients one call carries at most.
    :param clock: Monotonic seconds, for the log lines that tell how far it is.
    """

    def __init__(
        self,
        exactly_once: ExactlyOnce,
        guards: Guards,
        *,
        total: int,
        chunk_size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hook: MessaggiSmsHook = exactly_once.hook
        self.stopped = False
        self._exactly_once = exactly_once
        self._guards = guards
        self._total = total
        self._chunk_size = chunk_size
        self._clock = clock
        self._open_id: str | None = None
        self._added = 0

    def send(self, recipients: Iterable[Recipient], content: MessageContent, earlier: Message | None) -> Message:
        """
        Send to all, resuming what an earlier try left open.

        :param recipients: All of them, each number once, in any order; read as a stream.
        :param earlier: What an earlier try left open, as ``ExactlyOnce.find_earlier`` gives it.
        :returns: The closed message.
        :raises InsufficientCreditError: The gateway refuses a chunk, or to close the transaction. Nothing was sent.
        """
        try:
            return self._send(recipients, content, earlier)
        except InsufficientCreditError as error:
            if error.after_lost_answer:
                raise
            raise reworded(error, f"{error}. The transaction was not closed: nothing was sent") from error

    def _send(self, recipients: Iterable[Recipient], content: MessageContent, earlier: Message | None) -> Message:
        message = self._usable(earlier, content)
        present = frozenset() if message is None else self._resume(message)
        missing = (one for one in recipients if one.number not in present)
        self._heed_stop("before it was begun")
        if message is None:
            message = self._open(missing, content)
        self._exactly_once.remember(message)
        closed = self._fill(message.id, missing)
        self._open_id = None
        self._exactly_once.remember(closed)
        self._check_closed(closed)
        return closed

    def stop(self) -> None:
        """
        Delete the open transaction, best effort, and write nothing any more: Airflow has stopped the task.

        It uses a hook of its own, because the task may be waiting for the answer of a call at this moment, and asking
        Airflow for the connection here could deadlock.
        """
        self.stopped = True
        with self.hook.again() as hook:
            self._delete(hook)

    def _usable(self, earlier: Message | None, content: MessageContent) -> Message | None:
        """Return what an earlier try left open; delete it if the fields of the missing would not fill in its text."""
        if earlier is None or not earlier.body or _names(earlier.body) == _names(content.body):
            return earlier
        self._exactly_once.discard(earlier)
        return None

    def _resume(self, message: Message) -> Set[str]:
        """Take over an open message; return the numbers that it has."""
        self._open_id = message.id
        present = self.hook.get_numbers(message.id)
        self._added = _count(message)
        invalid = message.recipients.invalid.list
        if isinstance(invalid, list):
            present.update(one for one in invalid if isinstance(one, str))
        self._check(message)
        log.info("Message %s is open and has %d recipient(s); adding the missing ones", message.id, len(present))
        return present

    def _open(self, missing: Iterator[Recipient], content: MessageContent) -> Message:
        """Open the transaction with the first chunk. It leaves at least one recipient for the call that closes it."""
        first = list(islice(missing, min(self._chunk_size, self._total - 1)))
        message = self._exactly_once.send(calls.send_message(content, first, transaction=True))
        self._open_id = message.id
        self._added = len(first)
        self._check(message)
        return message

    def _fill(self, message_id: str, missing: Iterator[Recipient]) -> Message:
        """Add the missing recipients chunk by chunk; the call with the last chunk closes the transaction."""
        progress, there = Progress(self._clock), self._added
        try:
            chunk = list(islice(missing, self._chunk_size))
            while following := list(islice(missing, self._chunk_size)):
                self._add(message_id, chunk, close=False)
                if progress.is_due():
                    left = progress.left(self._added - there, self._total - there)
                    log.info("%s of %s handed over, %s left", f"{self._added:,}", f"{self._total:,}", left)
                chunk = following
            return self._add(message_id, chunk, close=True)
        except MessageLockedError as error:
            if error.code != _CLOSED:
                raise
            log.info("Message %s is closed already", message_id)
            return self.hook.get_message(message_id)

    def _add(self, message_id: str, chunk: Sequence[Recipient], *, close: bool) -> Message:
        self._heed_stop(f"before message {message_id} was complete")
        expected = self._added + len(chunk)
        if close:
            self._check_count(message_id, expected)
        put = calls.update_message(message_id, recipients=chunk, transaction=not close)
        self._exactly_once.announce()
        try:
            message = self.hook.run(put)
        except InvalidRequestError as error:
            if chunk:
                raise
            raise self._not_closable(message_id, error) from error
        except OUTCOME_UNKNOWN as error:
            log.warning("%s; looking whether the gateway has the recipients", error)
            message = self._look_again(message_id, expected, close=close, cause=error)
        self._added = expected
        if not close:
            self._check(message)
        return message

    def _look_again(self, message_id: str, expected: int, *, close: bool, cause: Exception) -> Message:
        for pause in self._exactly_once.pauses_seconds:
            time.sleep(pause)
            try:
                message = self.hook.get_message(message_id)
            except MessaggiSmsError as error:
                log.warning("%s; the look failed", error)
                continue
            if not message.transaction if close else _count(message) >= expected:
                return message
        raise OutcomeUnknownError(
            f"{cause}. Message {message_id} (key {self._exactly_once.key}) does not show what the lost call carried "
            "yet; the next try reads back which recipients are there and adds the missing ones"
        ) from cause

    def _not_closable(self, message_id: str, error: InvalidRequestError) -> OutcomeUnknownError:
        """Delete a message that has all its recipients and that the gateway does not close without a further one."""
        self._delete(self.hook)
        return OutcomeUnknownError(
            f"message {message_id}: all recipients were there, but the gateway does not close it without a further "
            f"one ({error}); it was deleted unsent, and the next try builds it anew"
        )

    def _heed_stop(self, when: str) -> None:
        if self.stopped:
            raise MessaggiSmsError(f"the task was told to stop {when}; nothing was sent")

    def _check(self, message: Message) -> None:
        """Ask the guards; what they refuse is deleted while it can be."""
        try:
            self._guards.check(message, self._added, self._total)
        except MessaggiSmsError:
            self._delete(self.hook)
            raise

    def _check_count(self, message_id: str, count: int) -> None:
        """Check before the close that the message will have each recipient once; delete it if it will not."""
        if count != self._total:
            self._delete(self.hook)
            raise ProtocolError(
                f"message {message_id} has {count} recipients where there should be {self._total}; "
                "nothing was sent, and the next try builds it anew"
            )

    def _check_closed(self, message: Message) -> None:
        if (count := _count(message)) > self._total:
            raise DeliveryError(
                f"message {message.id} is closed with {count} recipients where there should be {self._total}: the "
                "gateway handled a call late, and a recipient may get it twice"
            )
        if self._guards.is_too_expensive(message):
            log.warning("Message %s costs %s EUR, more than max_price_eur allows", message.id, message.price)
        check_complete(message, self._total)

    def _delete(self, hook: MessaggiSmsHook) -> None:
        """Delete the open transaction, best effort: nothing of it goes out. A closed one is out of reach."""
        message_id, self._open_id = self._open_id, None
        if message_id is not None:
            delete_open(hook, message_id)


def check_complete(message: Message, total: int) -> None:
    """
    Check that a closed message left out no recipient: it takes no more of them.

    :raises DeliveryError: It has fewer than *total*.
    """
    count = _count(message)
    if count < total:
        raise DeliveryError(
            f"message {message.id} is closed with {count} of {total} recipients: another client closed it. "
            "The others get nothing; send to them with another idempotency_key"
        )


def _names(text: str) -> Set[str]:
    return frozenset(placeholders(text))


def _count(message: Message) -> int:
    """Count the recipients that the gateway has for a message, valid or not."""
    return message.recipients.valid.count + message.recipients.invalid.total
