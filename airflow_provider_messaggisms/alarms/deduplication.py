r"""
De-duplication: an alarm goes out once, neither twice for one event nor not at all.

Every alarm carries a key in ``options.custom``, and the gateway keeps it. So the gateway is the memory that workers,
dag-processors and triggerers share. A lock and a note keep the processes of one machine apart (``local_lock``).

States of one alarm::

    waiting ----> silent       another process of this machine leaves a note that the alarm has gone out
       |
       v   the lock is free, or has been taken for too long
    looking ----> silent       the gateway has a message with this key, sent within ``once_per``
       |
       v   it has none, or cannot say
    sending ----> sent         the gateway accepted it
       |    \---> refused      an error: it is lost, and why is known
       v   no readable answer: the outcome is unknown
    settling ---> sent         the gateway shows this very attempt
            \---> unknown      an error: it may be lost

Invariants:

1. One alarm is posted at most once. It is not posted again when the outcome is unknown, because a second SMS would come
   at once; the error says that the first may be lost.
2. It stays silent only on evidence: the gateway shows a message, or a process of this machine has seen one and left a
   note. Every doubt ends in sending, because a lost alarm is worse than a second one: no lock, no answer, no time.
3. Each process that sends or finds an alarm leaves a note. Those that wait read it and do not ask the gateway. Those
   that come later ask the gateway for the message that the note names; if it does not answer, the note is enough.
4. The holder of the lock is done before the processes that wait for it give up, if they began at the same time. A
   process that gets the lock too late, or never, still makes its one attempt.
5. Everything ends within the :class:`Deadline`.

Two machines that race within the same second may both find nothing and both send: the gateway has no lock. Whether a
message is older than ``once_per`` is judged by the gateway's times and this machine's clock.

:func:`send_once` is a generator of calls and pauses (see ``gateway.steps``), the same for workers and event loops.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from airflow_provider_messaggisms.alarms.alarm import Alarm
from airflow_provider_messaggisms.alarms.deadline import Deadline
from airflow_provider_messaggisms.alarms.local_lock import LocalLock
from airflow_provider_messaggisms.exceptions import MessageNotFoundError, MessaggiSmsError, OutcomeUnknownError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.idempotency import (
    CLOCK_SKEW,
    OUTCOME_UNKNOWN,
    carried,
    key_of,
    mark_of,
    search,
)
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.steps import Pause, Steps

log = logging.getLogger(__name__)

#: Most messages to read in one search. In a storm the key is on one of the newest.
MAX_LOOK_UPS = 50

_LOCK_POLL_SECONDS = 0.05
_SETTLE_PAUSES_SECONDS = (0.5, 2.0)

#: The share of the whole time within which the holder of the lock is done, and one that waited for it in vain.
_HOLDER, _WITHOUT_LOCK = 0.8, 0.95

#: The share of its own time within which an alarm is done looking, and sending; the rest is for settling. One that
#: waited too long for the lock looks more briefly.
_LOOKING, _LOOKING_LATE, _SENDING = 0.5, 0.3, 0.85

#: A holder with less of its time left than this share is as late as one without the lock.
_LATE = 0.25

#: Longer than any gateway remembers, and short enough to subtract from a date.
_LONGEST_SILENCE = timedelta(days=36_500)


class Result(RedactedStruct, frozen=True):
    """
    What became of an alarm.

    :param message_id: The message that tells it.
    :param text: The digest of what that message says; ``None`` if it is unknown.
    :param sent: That message, if this call sent it; ``None`` if it had gone out already.
    """

    _shown = ("message_id", "sent")
    message_id: str
    text: str | None
    sent: Message | None = None


class Note(msgspec.Struct, frozen=True):
    """
    What a process leaves for the others of its machine: an alarm has gone out.

    :param text: The digest of what the message says; ``None`` if it is unknown.
    :param sent_at: When the message was sent, in seconds since the epoch.
    :param left_at: When the note was left.
    """

    key: str
    message_id: str
    text: str | None
    sent_at: float
    left_at: float


def send_once(alarm: Alarm, deadline: Deadline) -> Steps[Result]:
    """
    Send an alarm, unless one with its key has gone out.

    :raises OutcomeUnknownError: It may be lost: it was sent, no answer came, and the gateway does not show it.
    :raises MessaggiSmsError: It is lost: the gateway refused it, or could not be reached.
    """
    if not alarm.once_per:
        message = yield from _send(alarm, deadline.first(_WITHOUT_LOCK))
        return Result(message.id, alarm.text, message)
    with LocalLock(alarm.key) as lock:
        before, holder = _note(lock, alarm), deadline.first(_HOLDER)
        yield from _wait(lock, alarm, before, holder)
        note = _note(lock, alarm)
        if note is not None and note != before:
            return Result(note.message_id, note.text)
        if holder.left() < _LATE * holder.seconds:
            return (yield from _look_and_send(alarm, lock, note, deadline.first(_WITHOUT_LOCK), _LOOKING_LATE))
        return (yield from _look_and_send(alarm, lock, note, holder.first(1.0), _LOOKING))


def _look_and_send(
    alarm: Alarm, lock: LocalLock, note: Note | None, deadline: Deadline, looking: float
) -> Steps[Result]:
    sent = None
    evidence = yield from _look(alarm, note, deadline.first(looking))
    if evidence is None:
        sent = yield from _send(alarm, deadline)
        evidence = _seen(alarm, sent, alarm.text)
    lock.leave(msgspec.json.encode(replace(evidence, left_at=time.time())).decode())
    return Result(evidence.message_id, evidence.text, sent)


def _wait(lock: LocalLock, alarm: Alarm, before: Note | None, deadline: Deadline) -> Steps[None]:
    """Wait for the lock or for a new note, until the time is over."""
    while not lock.take() and _note(lock, alarm) == before:
        if deadline.left() < _LOCK_POLL_SECONDS:
            log.warning("Another process of this machine has been sending such an alarm for too long; not waiting")
            return
        yield Pause(_LOCK_POLL_SECONDS)


def _note(lock: LocalLock, alarm: Alarm) -> Note | None:
    """Read the note about this alarm; ``None`` where there is none, or one about another alarm."""
    try:
        note = msgspec.json.decode(lock.note(), type=Note)
    except msgspec.DecodeError:
        return None
    return note if note.key == alarm.key else None


def _seen(alarm: Alarm, message: Message, text: str | None) -> Note:
    now = time.time()
    return Note(alarm.key, message.id, text, message.timestamp.timestamp() if message.timestamp else now, now)


def _look(alarm: Alarm, note: Note | None, deadline: Deadline) -> Steps[Note | None]:
    """Look whether the alarm has gone out; a search that fails counts as nothing found."""
    since = datetime.now(UTC) - min(alarm.once_per, _LONGEST_SILENCE)
    if note is not None and note.sent_at >= since.timestamp() and (yield from _is_confirmed(note, deadline)):
        return note
    try:
        found = yield from _search(alarm, since, deadline)
    except MessaggiSmsError as error:
        log.warning("Cannot see whether this alarm has gone out already: %s", error)
        return None
    return None if found is None else _seen(alarm, found, carried(found, "text"))


def _is_confirmed(note: Note, deadline: Deadline) -> Steps[bool]:
    """Ask the gateway for the message that a note names; ``False`` if it has no such message any more."""
    try:
        call = calls.get_message(note.message_id)
        message: Message = yield replace(call, within_seconds=_seconds_to_look(deadline))
    except MessageNotFoundError:
        return False
    except MessaggiSmsError as error:
        log.warning(
            "Cannot ask the gateway for message %s: %s. It was seen there %.0f s ago, and it told this",
            note.message_id, error, time.time() - note.left_at,
        )  # fmt: skip
        return True
    return key_of(message) == note.key


def _search(alarm: Alarm, since: datetime, deadline: Deadline) -> Steps[Message | None]:
    """Search for a message with the alarm's key that was sent since then."""
    found = yield from search(
        alarm.key,
        sender=alarm.sender,
        not_before=since,
        skew=timedelta(0),
        limit=MAX_LOOK_UPS,
        within_seconds=lambda: _seconds_to_look(deadline),
    )
    # The list may come without times; the message itself has one.
    return found if found is None or found.timestamp is None or found.timestamp >= since else None


def _seconds_to_look(deadline: Deadline) -> float:
    """
    Say how long the next call may take.

    :raises MessaggiSmsError: The time to look is over.
    """
    if not (left := deadline.left()):
        raise MessaggiSmsError(f"no time left to look: {deadline.seconds:.0f} s are over")
    return left


def _send(alarm: Alarm, deadline: Deadline) -> Steps[Message]:
    began, sending = datetime.now(UTC), deadline.first(_SENDING)
    if not (left := sending.left()):
        raise MessaggiSmsError("the time was over before it could be sent; nothing was sent")
    log.info("To send: %s", alarm.cost)
    try:
        message: Message = yield replace(alarm.post, within_seconds=left)
    except OUTCOME_UNKNOWN as error:
        log.warning("%s; looking whether the gateway has the alarm", error)
        return (yield from _settle(alarm, deadline, began, error))
    return message


def _settle(alarm: Alarm, deadline: Deadline, began: datetime, cause: MessaggiSmsError) -> Steps[Message]:
    """Look whether the gateway accepted this attempt."""
    for pause in _SETTLE_PAUSES_SECONDS:
        if deadline.left() <= pause:
            break
        yield Pause(pause)
        try:
            found = yield from _search(alarm, began - CLOCK_SKEW, deadline)
        except MessaggiSmsError as error:
            log.warning("Cannot see whether the gateway has this alarm: %s", error)
        else:
            if found is not None and mark_of(found) == alarm.mark:
                return found
    raise OutcomeUnknownError(
        f"this alarm may be lost: {cause}. The gateway does not show a message with the key {alarm.key} in "
        "options.custom. It was not sent again, because it may still arrive"
    ) from cause
