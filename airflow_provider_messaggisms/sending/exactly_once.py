"""
A send that happens exactly once over all tries of its task, although the gateway offers no idempotency of its own.

Every message carries a **key** and a **mark** in ``options.custom`` (see ``gateway.idempotency``). The key is derived
from the installation, dag, run, task, map index and the set of recipients, so all tries of a task instance have the
same key. The text is not part of it, because a template may render differently on a retry. The mark is random; each
POST has its own.

**States** of a send, as a try sees it::

    new ──announce, POST──▶ posted ──answer read──▶ sent        (a plain send)
                              │   └────────────────▶ open ──PUTs──▶ sent   (a transaction)
                              └──no usable answer──▶ unknown

* *new*: no try has announced a POST. The first try starts here and makes no look-up.
* *posted*: a POST was announced and may have reached the gateway. A try that is killed leaves this behind.
* *unknown*: the answer was lost, was a 5XX or cannot be read. The try looks for the message for some ten seconds, then
  fails with :class:`OutcomeUnknownError`.
* *open*: the message is a transaction. The gateway sends nothing of it until it is closed.
* *sent*: final.

A later try starts in *posted* or *unknown* without knowing which. It reads the id from Airflow's task state, or
searches the gateway. If it finds its own message, it adopts it; if not, it is in *new*.

**Invariants**

1. No write without an announcement right before it (see ``task_state``). An orphan cannot announce, so it cannot write.
   The announcement of a POST holds its mark, so no message is out whose mark is not written down.
2. No POST unless the search before it succeeded and found nothing. A search that fails never leads to a send.
3. A message is adopted, or deleted, only if this task instance posted it. Its mark says so: in the same try the mark in
   memory, in a later try one from the task state.
4. A write that was under way when its process lost Airflow ends before the next try begins: the hook bounds it by
   Airflow's heartbeat timeout.
5. A message that was accepted and is gone was cancelled or forgotten. It is not sent again, if the task state knows it.

**How far a later try knows its own message**

* *Airflow 3.3 and later*: by its mark. Another Airflow with the same account, and a run that was deleted and made anew,
  have other marks. A run that was cleared has the same ones. If the task state is empty on a later try, because
  Airflow's ``[state_store] clear_on_success`` or a clean-up has emptied it, the rule of 3.0 to 3.2 holds.
* *3.0 to 3.2*: by its key, and by the start of the run if the run was never cleared. A run that was made anew *and then
  cleared* may therefore adopt the message of the deleted run. If a running run is set back to "queued" by hand, its
  later tries take the message of an earlier try for another run's.
* *2.11*: by its key, which holds the id of the run's row in Airflow's database. On SQLite, a new run's row may have the
  id of a deleted one.
* Before 3.3, the installation in the key tells two Airflows apart only if their base addresses or the connections'
  fields ``installation`` differ.

**What this depends on**

* The gateway shows an accepted message in its list by the time of the next try, and its list reaches back to the first
  try. Neither is documented.
* No machine stands still between announcement and request for longer than the heartbeat timeout.
* The recipients stay the same. If a template, a Variable or a file names others in a later try or after a clear, that
  is another send. Where the task state holds the recipients that the earlier one reached, they do not get it again (see
  :meth:`ExactlyOnce.reached_before`); before 3.3, recipients named in both may get it twice. An ``idempotency_key``
  keeps it one send.
* Before 3.3, the sender stays the same: the search looks among the messages of one sender.

A simulated send (``test=True``) has its own key, so it does not keep the real one from being sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from airflow_provider_messaggisms.exceptions import (
    DeliveryError,
    MessageNotFoundError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.idempotency import (
    LOOKUP_PAUSES_SECONDS,
    OUTCOME_UNKNOWN,
    mark_of,
    new_mark,
    search,
    with_key,
)
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.sending.task_state import Origin, SendRecord, TaskState

log = logging.getLogger(__name__)


def delete_open(hook: MessaggiSmsHook, message_id: str) -> None:
    """Delete a message if its transaction is open, best effort: nothing of it goes out."""
    try:
        if hook.get_message(message_id).transaction:
            hook.delete_message(message_id)
            log.warning("Deleted the open transaction %s; nothing was sent. The gateway does not refund it", message_id)
    except MessageNotFoundError:
        pass
    except Exception as error:  # noqa: BLE001 (another error, or a signal, is being handled)
        why = str(error) if isinstance(error, MessaggiSmsError) else type(error).__name__
        log.warning("Could not delete the open transaction %s: %s", message_id, why)


class ExactlyOnce:
    """
    One send of one task instance, as one try of it makes it.

    :param context: The task's context.
    :param key: ``origin.key(numbers)``, or an ``idempotency_key``.
    :param sender: Look only among the messages of this sender.
    :param is_derived: Whether *key* was derived from the recipients, for a send that is not simulated.
    :param pauses_seconds: Seconds to wait before each look for a message whose answer was lost. Default: those of
        ``gateway.idempotency``.
    """

    def __init__(
        self,
        hook: MessaggiSmsHook,
        context: Mapping[str, Any],
        origin: Origin,
        *,
        key: str,
        sender: str | None,
        is_derived: bool = False,
        pauses_seconds: tuple[float, ...] | None = None,
    ) -> None:
        self.hook = hook
        self.key = key
        self.pauses_seconds = LOOKUP_PAUSES_SECONDS if pauses_seconds is None else pauses_seconds
        self._origin = origin
        self._mark = new_mark()
        self._task_state = TaskState(context)
        written = self._task_state.read()
        self._has_memory = bool(written.key)
        self._other = SendRecord() if written.key == key else written
        fresh = SendRecord(key=key, sender=sender, is_derived=is_derived, reached=written.reached)
        self._record = written if written.key == key else fresh
        self._sent: Message | None = None
        self._not_ours: set[str] = set()

    def custom(self, written: Any) -> dict[str, Any]:
        """Return what the message carries in ``options.custom``: key, mark, the task, and the user's own value."""
        return with_key(self.key, self._mark, self._origin.on_the_message(), written)

    def find_earlier(self) -> Message | None:
        """
        Find the message of an earlier try, open or sent. A first try makes no look-up.

        :raises MessaggiSmsError: The search failed: nothing may be sent.
        """
        if self._sent is not None or not self._may_have_posted():
            return self._sent
        message = self._recorded() or self._search(self._record)
        if message is None and self._may_still_be_on_its_way():
            message = self._look_again()
        if message is not None and not message.transaction:
            self._sent = message
        return message

    def find_sent(self) -> Message | None:
        """
        Find the message that an earlier try sent; a transaction that is open has not been sent.

        :raises MessaggiSmsError: The search failed.
        """
        self.find_earlier()
        return self._sent

    def find_open(self) -> str | None:
        """
        Find the message whose transaction this task instance left open; return its id.

        :raises MessaggiSmsError: The search failed.
        """
        known = self._record.open_id or self._other.open_id
        if known is not None:
            return known
        message = self.find_earlier()
        return message.id if message is not None and message.transaction else None

    def reached_before(self) -> dict[str, Set[str]]:
        """
        Find the recipients of an earlier life of this task instance, if that wrote to others than this one.

        Only the task state knows that, and only of keys that are derived from the recipients: another
        ``idempotency_key`` is meant to send anew.

        :returns: The numbers that each such message went to, by its id, the latest message first.
        :raises MessaggiSmsError: The search failed: nothing may be sent.
        """
        if not self._record.is_derived:
            return {}
        self._settle_other()
        reached: dict[str, Set[str]] = {}
        for message_id in reversed(self._record.reached):
            with suppress(MessageNotFoundError):  # cancelled or forgotten
                reached[message_id] = self.hook.get_numbers(message_id)
        return reached

    def _settle_other(self) -> None:
        """Find out what became of the message to other recipients, if its tries left that open."""
        other, self._other = self._other, SendRecord()
        if not other.key or other.open_id:
            self._other = other  # ``send`` deletes what is open
            return
        message_id = other.message_id
        if message_id is None and other.marks:
            message = self._search(other)
            if message is not None and message.transaction:
                self._other = replace(other, message_id=message.id, open=True)
                return
            message_id = message.id if message is not None else None
        if message_id is not None and other.is_derived:
            self._record = replace(self._record, reached=[*self._record.reached, message_id])

    def discard(self, message: Message) -> None:
        """
        Delete a message that an earlier try left open and this one cannot use; nothing of it has gone out.

        :raises MessaggiSmsError: It could not be deleted, so nothing may be sent in its place.
        """
        log.warning("Message %s is open and not what is to be sent now; deleting it", message.id)
        with suppress(MessageNotFoundError):
            self.hook.delete_message(message.id)

    def send(self, post: Call[Message]) -> Message:
        """
        Make the call that asks the gateway to accept the message, and find out what became of it.

        :param post: As ``calls.send_message`` makes it.
        :raises OutcomeUnknownError: No answer, and the gateway does not show the message (yet).
        """
        if self._other.open_id is not None:  # to other recipients, by an earlier try
            delete_open(self.hook, self._other.open_id)
        self._record = replace(self._record, marks=[*self._record.marks, self._mark])
        self.announce()
        try:
            message = self.hook.run(post)
        except OUTCOME_UNKNOWN as error:
            log.warning("%s; looking whether the gateway has the message", error)
            message = self._found_after(error)
        self.remember(message)
        return message

    def announce(self) -> None:
        """
        Tell Airflow what is about to be written; call this right before each write.

        :raises Exception: This process is an orphan, or Airflow cannot be reached.
        """
        now = datetime.now(UTC)
        knows_all_tries = self._task_state.remembers or self._origin.try_number <= 1
        first = self._record.first or (now if knows_all_tries else self._origin.not_before)
        self._record = replace(self._record, first=first, last=now)
        self._task_state.announce(self._record)

    def remember(self, message: Message) -> None:
        """Write the message's id down for the next try."""
        if not message.transaction:
            self._sent = message
        known = replace(self._record, message_id=message.id, open=bool(message.transaction))
        if known != self._record:
            self._record = known
            self._task_state.write(known)

    def _recorded(self) -> Message | None:
        message_id = self._record.message_id
        if message_id is None:
            return None
        try:
            return self.hook.get_message(message_id)
        except MessageNotFoundError as error:
            if self._record.open:  # deleted, unsent
                return None
            raise DeliveryError(
                f"message {message_id} (key {self.key}) was accepted by the gateway, and is not there any more: it was "
                "cancelled, or forgotten. It is not sent again; to send anew, give the task another idempotency_key"
            ) from error

    def _may_have_posted(self) -> bool:
        """Tell whether there may be a message of this send: only what was announced can have been posted."""
        if self._has_memory or self._origin.try_number <= 1:
            return bool(self._record.marks)
        return True

    def _search(self, record: SendRecord) -> Message | None:
        steps = search(
            record.key,
            sender=record.sender,
            not_before=record.first or self._origin.not_before,
            others=self._not_ours if record is self._record else None,
            is_ours=lambda message: self._is_ours(message, record),
        )
        return self.hook.run_steps(steps)

    def _is_ours(self, message: Message, record: SendRecord) -> bool:
        """Tell whether a message that carries the key is one that this task instance posted."""
        if mark_of(message) in record.marks:
            return True
        if self._has_memory or self._origin.try_number <= 1:
            return False
        return self._origin.may_have_sent(message)

    def _found_after(self, lost: MessaggiSmsError) -> Message:
        try:
            message = self._look_again()
        except MessaggiSmsError as error:
            log.warning("%s; the search failed", error)
            message = None
        if message is None:
            raise OutcomeUnknownError(
                f"{lost}. The gateway does not show a message with the key {self.key} yet. The next try looks for it "
                "again before it sends; if there is none, look for that key in options.custom of the account's messages"
            ) from lost
        return message

    def _may_still_be_on_its_way(self) -> bool:
        """Tell whether an earlier try announced a write moments ago, so that its message may not be listed yet."""
        last = self._record.last
        return last is not None and datetime.now(UTC) - last < timedelta(seconds=sum(self.pauses_seconds))

    def _look_again(self) -> Message | None:
        for pause in self.pauses_seconds:
            time.sleep(pause)
            if (message := self._search(self._record)) is not None:
                return message
        return None
