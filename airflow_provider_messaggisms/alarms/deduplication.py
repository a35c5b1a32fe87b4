"""
An alarm goes out once: not twice for one event, not four hundred times because a source is down, and never zero times.

Every alarm carries a key in ``options.custom``. Before it is sent, the gateway is asked for a message with that key
among those of the last ``once_per``. If there is one, the alarm stays silent. The gateway is the memory: it holds for
workers, dag-processors and triggerers alike, without a store of our own.

Callbacks that race on one machine wait for each other: the first one has a lock while it looks and sends, and leaves a
note for the others when its alarm is out. Across machines two that race within the same second can both find nothing
and both send; nobody but the gateway could prevent that. What lies within ``once_per`` is judged by the gateway's times
and this machine's clock, so it is as exact as the two agree.

Every doubt but one ends in sending, for a lost alarm is worse than a second one: no lock, no answer, no time left to
look. The exception is our own send whose answer was lost. Then the gateway is looked at again, and an error is raised
if it shows nothing: a second SMS would come at once, and the error says loudly that the first may be lost.

A :class:`Deadline` bounds all of it. :func:`send_once` is a generator of calls and pauses, as the search is, so that
workers and event loops do the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec.structs import replace

from airflow_provider_messaggisms.alarms.deadline import Deadline
from airflow_provider_messaggisms.alarms.local_lock import LocalLock
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.gateway.idempotency import CLOCK_SKEW, OUTCOME_UNKNOWN, derived_key, search, with_key
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sms_text import whole_characters
from airflow_provider_messaggisms.gateway.steps import Pause, Steps
from airflow_provider_messaggisms.gateway.wire import Call

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Most messages to read in one look. In a storm the key is on one of the newest.
MAX_LOOK_UPS = 50

_LOCK_POLL_SECONDS = 0.05
_SETTLE_PAUSES_SECONDS = (0.5, 2.0)

# By when, as a share of the whole time: whoever has the lock is done, so that the others need not wait longer; whoever
# waited in vain is done.
_WAITING, _ALL = 0.8, 0.95

# By when, as a share of the time that one has for the alarm alone, each phase is over.
_LOOKING, _SENDING, _SETTLING = 0.5, 0.85, 1.0

#: Longer than any gateway remembers, and short enough to reckon with.
_LONGEST_SILENCE = timedelta(days=36_500)


class Alarm(RedactedStruct, frozen=True):
    """
    An alarm that is ready to go.

    :param key: What it carries.
    :param name: What logs call it.
    :param sender: Narrows the look at the gateway.
    :param once_per: How long an alarm with this key silences others. Zero: not at all.
    :param attempt: Tells this very message from others with its key; it carries that too (see :func:`marks`).
    :param post: What sends it.
    :param cost: What that takes, for the log.
    """

    _shown = ("key", "name")
    key: str
    name: str
    sender: str
    once_per: timedelta
    attempt: str
    post: Call[Message]
    cost: str


def checked_alarm_key(written: Any) -> str:
    """
    Check a key that somebody chose; it may have any length.

    :raises ConfigurationError: It is empty.
    """
    key = whole_characters(str(written)).strip()
    if key in ("", "None"):
        raise ConfigurationError("alarm_key: the template renders to nothing")
    return key


def alarm_key_for(name: str, numbers: Iterable[str]) -> str:
    """Derive what the message carries. Whoever is called beside somebody else has to get an alarm of his own."""
    return derived_key("alarm", name, numbers=numbers)


def marks(alarm_key: str, attempt: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """
    Make what the message of an alarm carries in ``options.custom``.

    :param about: What helps a person to find the event.
    """
    return with_key(alarm_key, {**about, "attempt": attempt}, None)


def send_once(alarm: Alarm, deadline: Deadline) -> Steps[tuple[str, Message | None]]:
    """
    Send an alarm, unless one like it has gone out.

    :returns: The id of the message that tells it, and that message if this call sent it.
    :raises OutcomeUnknownError: It may be lost: it was sent, no answer came, and the gateway does not show it.
    :raises MessaggiSmsError: It is lost: the gateway refused, or could not be reached.
    """
    if not alarm.once_per:
        message = yield from _send(alarm, deadline.until(_ALL))
        return message.id, message
    with LocalLock(alarm.key) as lock:
        old = lock.note()
        share = yield from _wait(lock, deadline)
        new = lock.note()
        key, _, told = new.partition(" ")
        if key == alarm.key and new != old:  # sent while this one waited
            return told, None
        mine = deadline.until(share)
        if (found := (yield from _look(alarm, mine, _LOOKING))) is not None:
            return found.id, None
        message = yield from _send(alarm, mine)
        lock.leave(f"{alarm.key} {message.id}")
        return message.id, message


def _wait(lock: LocalLock, deadline: Deadline) -> Steps[float]:
    """Wait for the lock; return the share of the time within which to be done, with or without it."""
    while not lock.take():
        if deadline.left(_WAITING) < _LOCK_POLL_SECONDS:
            log.warning("Another process of this machine has been sending such an alarm for too long; not waiting")
            return _ALL
        yield Pause(_LOCK_POLL_SECONDS)
    return _WAITING


def _look(alarm: Alarm, deadline: Deadline, share: float) -> Steps[Message | None]:
    """Look for a message with the alarm's key; a look that fails counts as nothing found."""
    since = datetime.now(UTC) - min(alarm.once_per, _LONGEST_SILENCE)
    steps = search(alarm.key, sender=alarm.sender, not_before=since, skew=timedelta(0), limit=MAX_LOOK_UPS)
    try:
        found = yield from _within(steps, deadline, share)
    except MessaggiSmsError as error:
        log.warning("Cannot see whether this alarm has gone out already: %s", error)
        return None
    # A list without times leaves it to the message itself.
    return found if found is None or found.timestamp is None or found.timestamp >= since else None


def _send(alarm: Alarm, deadline: Deadline) -> Steps[Message]:
    began = datetime.now(UTC)
    if deadline.left(_SENDING) <= 0:
        raise MessaggiSmsError("the time was over before it could be sent; nothing was sent")
    log.info("To send: %s", alarm.cost)
    try:
        message: Message = yield replace(alarm.post, within_seconds=deadline.left(_SENDING))
    except OUTCOME_UNKNOWN as error:
        log.warning("%s; looking whether the gateway has the alarm", error)
        return (yield from _settle(alarm, deadline, began, error))
    return message


def _settle(alarm: Alarm, deadline: Deadline, began: datetime, cause: MessaggiSmsError) -> Steps[Message]:
    """Look whether our own send was accepted."""
    since_then = replace(alarm, once_per=datetime.now(UTC) - began + CLOCK_SKEW)
    for pause in _SETTLE_PAUSES_SECONDS:
        if deadline.left(_SETTLING) <= pause:
            break
        yield Pause(pause)
        found = yield from _look(since_then, deadline, _SETTLING)
        if found is not None and _attempt_of(found) == alarm.attempt:
            return found
    raise OutcomeUnknownError(
        f"this alarm may be lost: {cause}. The gateway does not show a message with the key {alarm.key} "
        "in options.custom, and it was not sent again, for it may be on its way"
    ) from cause


def _attempt_of(message: Message) -> str | None:
    custom = message.options.custom
    airflow = custom.get("airflow") if isinstance(custom, dict) else None
    return airflow.get("attempt") if isinstance(airflow, dict) else None


def _within(steps: Steps[T], deadline: Deadline, share: float) -> Steps[T]:
    """Give each call of *steps* the time that is left, and no more of it when there is none."""
    try:
        step = next(steps)
        while True:
            left = deadline.left(share)
            if left <= 0:
                raise MessaggiSmsError(f"no time left to look: {share * deadline.seconds:.0f} s are over")
            try:
                answer = yield replace(step, within_seconds=left) if isinstance(step, Call) else step
            except MessaggiSmsError as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
