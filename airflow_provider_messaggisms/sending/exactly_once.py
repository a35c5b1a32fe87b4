"""
No SMS twice, and none lost: the key of a send, and the search for it at the gateway.

Every send carries a **key** in ``options.custom``: dag, run, task, map index and the set of recipients, so all tries
of a task instance have the same one. The text is not part of it, for a template may render differently on a retry.

A first try sends at once. Whenever an SMS *may* have gone out already (a later try, a lost answer, a 5xx, an answer
that cannot be read), :class:`ExactlyOnce` settles first: it takes the message id from Airflow's task state where there
is one (Airflow 3.3), and asks the gateway, which is the authority, for the message that carries the key. Found, the
message is adopted. Not found after a lost answer, it looks again for some seconds, then fails the try with
:class:`OutcomeUnknownError`; Airflow's next try looks once more, and only then sends. A search that fails never leads
to a send. A message that was accepted and is not there any more was cancelled or forgotten; that is not sent again
either, where Airflow's task state remembers it.

How far this goes without help from the gateway, which offers no idempotency of its own:

* Kills, retries, clears, lost answers: one SMS, as long as the gateway shows an accepted message in its list by the
  time of the next try, and its list reaches back to this task instance's first try. Neither is documented.
* A worker that died leaves the task's process behind, and Airflow starts the next try beside it. Right before each
  write the process must tell Airflow what it is about to do; an orphan cannot, and stops. A request that it had sent
  already ends before Airflow's heartbeat time-out, after which the next try begins. What remains is a machine that
  stands still between that word and the request, for longer than the time-out.
* Who is written to belongs to the key. If a template, a Variable or a file names other recipients in a later try, that
  is another send, and whoever is named in both may get the SMS twice; an ``idempotency_key`` keeps it one. A simulated
  send (``test=True``) has a key of its own, so the real one after it is not kept back.
* If somebody changes the sender between two tries, the search looks among the messages of the sender that Airflow's
  task state recorded; without task state (before Airflow 3.3) it looks among those of the new one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from airflow_provider_messaggisms.exceptions import (
    DeliveryError,
    MessageNotFoundError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN, derived_key, search
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.hooks import MessaggiSmsHook

log = logging.getLogger(__name__)

#: The states in Airflow 2's database of a task whose try is over, though its process may go on.
_OVER = ("up_for_retry", "failed", "success", "skipped", "restarting", "removed")

#: Name of our record in Airflow's task state, and of the XCom that stands in for it before Airflow 3.3.
RECORD = "messaggisms_send"


class Origin(msgspec.Struct, frozen=True):
    """
    Which task instance sends.

    :param not_before: No try of it can have sent anything before this instant.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    not_before: datetime | None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Origin:
        """Read it from a task's context."""
        ti = context["ti"]
        return cls(ti.dag_id, ti.run_id, ti.task_id, getattr(ti, "map_index", -1), ti.try_number or 1, _began(context))

    def for_people(self) -> dict[str, Any]:
        """Give what helps a person to find the task from the message."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
        }


def _began(context: Mapping[str, Any]) -> datetime | None:
    """
    Find an instant before the first try. Clearing a run renews its start date, so that is of no use.

    A run's ``run_after`` (3.x) never changes; on 2.11 its logical date plays that part for a manual run and lies far
    before it for a scheduled one.
    """
    dag_run = context.get("dag_run")
    instants = [getattr(dag_run, "run_after", None)]
    if instants == [None]:
        instants = [getattr(dag_run, name, None) for name in ("logical_date", "execution_date", "start_date")]
    known = [at for at in instants if isinstance(at, datetime)]
    return min(known) if known else None


def left_open(context: Mapping[str, Any]) -> str | None:
    """Give the id of the message whose transaction an earlier try opened, as far as Airflow's task state knows."""
    return _opened(_record_of(context))


def _record_of(context: Mapping[str, Any]) -> dict[str, Any]:
    store = context.get("task_state_store")
    record = store.get(RECORD) if store is not None else None
    return record if isinstance(record, dict) else {}


def _opened(record: dict[str, Any]) -> str | None:
    return record.get("message_id") if record.get("open") else None


def delete_open(hook: MessaggiSmsHook, message_id: str) -> None:
    """Delete a message if its transaction is open, best effort: nothing of it goes out."""
    try:
        if hook.get_message(message_id).transaction:
            hook.delete_message(message_id)
            log.warning("Deleted the open transaction %s; nothing was sent. The gateway does not refund it", message_id)
    except MessageNotFoundError:
        pass
    except Exception as error:  # noqa: BLE001 (called where another error, or a signal, is being handled)
        why = str(error) if isinstance(error, MessaggiSmsError) else type(error).__name__
        log.warning("Could not delete the open transaction %s: %s", message_id, why)


def send_key(origin: Origin, numbers: Iterable[str]) -> str:
    """Derive the key of a send: the same for all tries of a task instance that writes to the same set of numbers."""
    return derived_key(origin.dag_id, origin.run_id, origin.task_id, str(origin.map_index), numbers=numbers)


class ExactlyOnce:
    """
    One send of one task instance, over all its tries.

    :param context: The task's context.
    :param key: See :func:`send_key`.
    :param sender: Narrows the search at the gateway.
    """

    #: Pauses between the looks after a lost answer: about 10 s in all.
    pauses_seconds: ClassVar[tuple[float, ...]] = (0.5, 1.5, 3.0, 5.0)

    def __init__(self, hook: MessaggiSmsHook, context: Mapping[str, Any], *, key: str, sender: str | None) -> None:
        self.hook = hook
        self.key = key
        self.origin = Origin.of(context)
        self._context = context
        self._store = context.get("task_state_store")
        record = _record_of(context)
        self._record = record if record.get("key") == key else {}
        self._abandoned = None if self._record else _opened(record)
        self._sender = self._record.get("sender", sender)
        self._sent: Message | None = None
        self._others: set[str] = set()

    def settle(self) -> Message | None:
        """
        Find what an earlier try may have sent; a first try has nothing to look for and asks nobody.

        :raises MessaggiSmsError: The search failed: nothing may be sent on the strength of it.
        """
        if self._sent is not None or (self.origin.try_number <= 1 and not self._record):
            return self._sent
        message = self._recorded() or self._found()
        if message is None and self._may_still_be_on_its_way():
            message = self._look_again()
        if message is not None and not message.transaction:
            self._sent = message
        return message

    def discard(self, message: Message) -> None:
        """
        Delete what an earlier try left open and this one cannot use; nothing of it has gone out.

        :raises MessaggiSmsError: It could not be deleted, so nothing may be sent in its place.
        """
        log.warning("Message %s is open and not what is to be sent now; deleting it", message.id)
        with suppress(MessageNotFoundError):
            self.hook.delete_message(message.id)

    def is_sent(self) -> bool:
        """Tell whether an earlier try has sent; a message whose transaction is open has not gone out."""
        self.settle()
        return self._sent is not None

    def send(self, post: Callable[[], Message]) -> Message:
        """
        Call *post*, which asks the gateway to accept the message, and make sure what became of it.

        :raises OutcomeUnknownError: No answer, and the gateway does not show the message (yet).
        """
        if self._abandoned is not None:  # to other recipients, by an earlier try
            delete_open(self.hook, self._abandoned)
            self._abandoned = None
        self.announce()
        try:
            message = post()
        except OUTCOME_UNKNOWN as error:
            log.warning("%s; looking whether the gateway has the message", error)
            message = self._found_after(error)
        self.remember(message)
        return message

    def announce(self) -> None:
        """
        Tell Airflow what is about to be sent; call it right before every write.

        It leaves a trace for the next try, and it stops an orphan: a process whose supervisor is dead, or whose
        task instance has moved on to another try, cannot get this word through.
        """
        ti = self._context["ti"]
        if self._store is not None:
            now = datetime.now(UTC).isoformat()
            self._record = {
                "key": self.key,
                "sender": self._sender,
                "first": self._record.get("first", now),
                "last": now,
                "message_id": self._record.get("message_id"),
                "open": self._record.get("open", False),
            }
            self._store.set(RECORD, self._record)
        elif hasattr(ti, "refresh_from_db"):  # Airflow 2
            mine = ti.try_number
            ti.refresh_from_db()
            if ti.try_number != mine or ti.state in _OVER:
                raise MessaggiSmsError(
                    f"try {mine} of this task has been superseded: try {ti.try_number} is {ti.state}; stopping"
                )
        else:  # Airflow 3.0 to 3.2
            ti.xcom_push(key=RECORD, value={"key": self.key})

    def remember(self, message: Message) -> None:
        """Write the message's id down. The gateway remembers it too, so a failure here costs a search and no more."""
        if not message.transaction:
            self._sent = message
        known = {**self._record, "message_id": message.id, "open": bool(message.transaction)}
        if self._store is None or known == self._record:
            return
        self._record = known
        try:
            self._store.set(RECORD, self._record)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with the store, the SMS is sent)
            log.warning("Cannot write message %s to the task state: %s", message.id, type(error).__name__)

    def _recorded(self) -> Message | None:
        message_id = self._record.get("message_id")
        if not message_id:
            return None
        try:
            return self.hook.get_message(message_id)
        except MessageNotFoundError as error:
            if self._record.get("open"):  # deleted, unsent
                return None
            raise DeliveryError(
                f"message {message_id} (key {self.key}) was accepted by the gateway, and is not there any more: it was "
                "cancelled, or forgotten. It is not sent again; to send anew, give the task another idempotency_key"
            ) from error

    def _found(self) -> Message | None:
        first = self._record.get("first")
        not_before = datetime.fromisoformat(first) if first else self.origin.not_before
        steps = search(self.key, sender=self._sender, not_before=not_before, others=self._others)
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
        """Tell whether an earlier try was about to send just now, so that the gateway may not show its message yet."""
        last = self._record.get("last")
        patience = timedelta(seconds=sum(self.pauses_seconds))
        return last is not None and datetime.now(UTC) - datetime.fromisoformat(last) < patience

    def _look_again(self) -> Message | None:
        for pause in self.pauses_seconds:
            time.sleep(pause)
            if (message := self._found()) is not None:
                return message
        return None
