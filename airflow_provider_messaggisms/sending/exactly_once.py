"""
A send that happens exactly once over all tries of its task, although the gateway offers no idempotency of its own.

Every message carries a **key** in ``options.custom``. It is derived from dag, run, task, map index and the set of
recipients, so all tries of a task instance have the same key. The text is not part of it, because a template may render
differently on a retry.

**States** of a send, as a try sees it::

    new ──announce, POST──▶ posted ──answer read──▶ sent        (a plain send)
                              │   └────────────────▶ open ──PUTs──▶ sent   (a transaction)
                              └──no usable answer──▶ unknown

* *new*: no try has announced a write. The first try starts here and makes no look-up.
* *posted*: a write was announced and may have reached the gateway. A try that is killed leaves this behind.
* *unknown*: the answer was lost, was a 5XX or cannot be read. The try looks for the message for some ten seconds, then
  fails with :class:`OutcomeUnknownError`.
* *open*: the message is a transaction. The gateway sends nothing of it until it is closed.
* *sent*: final.

A later try starts in *posted* or *unknown* without knowing which. It reads the id from Airflow's task state where there
is one, or searches the gateway for the key. If it finds the message, it adopts it; if not, it is in *new*.

**Invariants**

1. No write without an announcement right before it (see ``task_state``). An orphan cannot announce, so it cannot write.
2. No POST unless the search before it succeeded and found nothing. A search that fails never leads to a send.
3. A write that was under way when its process lost Airflow ends before the next try begins: the hook bounds it by
   Airflow's heartbeat timeout.
4. A message that was accepted and is gone was cancelled or forgotten. It is not sent again, if the task state knows it.

**What this depends on**

* The gateway shows an accepted message in its list by the time of the next try, and its list reaches back to the first
  try. Neither is documented.
* No machine stands still between announcement and request for longer than the heartbeat timeout.
* The recipients stay the same. If a template, a Variable or a file names others in a later try, that is another send
  and recipients named in both may get the SMS twice; an ``idempotency_key`` keeps it one send.
* Without task state (before Airflow 3.3), the sender stays the same: the search looks among the messages of one sender.

A simulated send (``test=True``) has its own key, so it does not keep the real one from being sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
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
    derived_key,
    new_mark,
    search,
    with_key,
)
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.sending.task_state import Origin, SendRecord, TaskState

log = logging.getLogger(__name__)


def send_key(origin: Origin, numbers: Iterable[str]) -> str:
    """Derive the key of a send: the same for all tries of a task instance that writes to the same set of numbers."""
    return derived_key(
        origin.dag_id, origin.run_id, origin.task_id, str(origin.map_index), installation="", numbers=numbers
    )


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
    :param key: See :func:`send_key`.
    :param sender: Look only among the messages of this sender.
    :param pauses_seconds: Seconds to wait before each look for a message whose answer was lost.
    """

    def __init__(
        self,
        hook: MessaggiSmsHook,
        context: Mapping[str, Any],
        *,
        key: str,
        sender: str | None,
        pauses_seconds: tuple[float, ...] = LOOKUP_PAUSES_SECONDS,
    ) -> None:
        self.hook = hook
        self.key = key
        self.pauses_seconds = pauses_seconds
        self._origin = Origin.of(context)
        self._task_state = TaskState(context)
        written = self._task_state.read()
        self._record = written if written.key == key else SendRecord(key=key, sender=sender)
        self._abandoned_id = None if written.key == key else written.open_id
        self._sent: Message | None = None
        self._others: set[str] = set()

    def custom(self, written: Any) -> dict[str, Any]:
        """Return what the message carries in ``options.custom``: the key, the task, and the user's own value."""
        return with_key(self.key, new_mark(), self._origin.for_people(), written)

    def find_earlier(self) -> Message | None:
        """
        Find the message of an earlier try, open or sent. A first try makes no look-up.

        :raises MessaggiSmsError: The search failed: nothing may be sent.
        """
        first_try = self._origin.try_number <= 1 and self._record.last is None
        if self._sent is not None or first_try:
            return self._sent
        message = self._recorded() or self._search()
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
        known = self._record.open_id or self._abandoned_id
        if known is not None:
            return known
        message = self.find_earlier()
        return message.id if message is not None and message.transaction else None

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
        if self._abandoned_id is not None:  # to other recipients, by an earlier try
            delete_open(self.hook, self._abandoned_id)
            self._abandoned_id = None
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

    def _search(self) -> Message | None:
        not_before = self._record.first or self._origin.not_before
        steps = search(self.key, sender=self._record.sender, not_before=not_before, others=self._others)
        return self.hook.run_steps(steps)

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
            if (message := self._search()) is not None:
                return message
        return None
