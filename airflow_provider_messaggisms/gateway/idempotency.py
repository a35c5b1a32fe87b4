"""
Idempotency: the key that a message carries, the search for it, and what "the outcome is unknown" means.

The gateway has no idempotency of its own, but it keeps ``options.custom`` and gives it back. A search reads the list of
messages and then, one by one, those that could be it; like ``watch`` it is a generator of calls, so that a worker and
an event loop search in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from msgspec.structs import replace

from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    GatewayUnavailableError,
    MessageNotFoundError,
    OutcomeUnknownError,
    ProtocolError,
)
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.models import Message, MessageSummary
from airflow_provider_messaggisms.gateway.steps import Steps
from airflow_provider_messaggisms.gateway.wire import Call

T = TypeVar("T")

#: The gateway's clock and ours may differ by this much.
CLOCK_SKEW = timedelta(minutes=10)

MAX_KEY_CHARACTERS = 200

#: Seconds to wait before each look for a message whose answer was lost: about 10 s in all.
LOOKUP_PAUSES_SECONDS = (0.5, 1.5, 3.0, 5.0)

#: Errors after which the gateway may have acted on a call: no answer, a 5XX (a proxy may send one after the gateway
#: accepted), an answer that cannot be read.
OUTCOME_UNKNOWN = (OutcomeUnknownError, GatewayUnavailableError, ProtocolError)


def derived_key(*parts: str, numbers: Iterable[str]) -> str:
    """
    Derive a key from what identifies an event and from whom it is sent to.

    :param parts: Identify the event, such as dag, run, task and map index.
    :param numbers: The recipients, in any order. A message to others has another key.
    """
    return hashlib.sha256("\n".join((*parts, *sorted(set(numbers)))).encode()).hexdigest()[:32]


def checked_key(name: str, key: Any) -> str:
    """
    Check a key that somebody chose.

    :param name: What the parameter is called.
    :raises ConfigurationError: It is empty, or longer than 200 characters.
    """
    text = str(key).strip()
    if not text or len(text) > MAX_KEY_CHARACTERS or text == "None":
        raise ConfigurationError(f"{name}: expected a text of 1 to {MAX_KEY_CHARACTERS} characters")
    return text


def with_key(key: str, origin: Mapping[str, Any], custom: Any) -> dict[str, Any]:
    """
    Put a key beside the user's own ``custom``.

    :param origin: What helps a person to find the task: ``dag_id``, ``run_id``, ``task_id``, ``map_index``.
    :param custom: The user's own, readable under ``custom``; ``None`` for none.
    """
    airflow = {"key": key, **origin}
    return {"airflow": airflow} if custom is None else {"airflow": airflow, "custom": custom}


def key_of(message: Message) -> str | None:
    """Read the key that a message carries; ``None`` if it is not one of ours."""
    custom = message.options.custom
    airflow = custom.get("airflow") if isinstance(custom, dict) else None
    key = airflow.get("key") if isinstance(airflow, dict) else None
    return key if isinstance(key, str) else None


def candidates(
    messages: Iterable[MessageSummary],
    *,
    sender: str | None,
    not_before: datetime | None,
    skew: timedelta = CLOCK_SKEW,
) -> list[MessageSummary]:
    """
    Choose the messages that could carry a key, newest first, whatever the order of the gateway's list.

    What the list leaves open (no sender, no time) stays in.
    """
    since = not_before - skew if not_before else None
    possible = (
        message
        for message in messages
        if (sender is None or message.sender is None or message.sender.strip().casefold() == sender.strip().casefold())
        and (since is None or message.timestamp is None or message.timestamp >= since)
    )
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(possible, key=lambda message: message.timestamp or latest, reverse=True)


def search(
    key: str,
    *,
    sender: str | None,
    not_before: datetime | None,
    skew: timedelta = CLOCK_SKEW,
    limit: int | None = None,
    others: set[str] | None = None,
    within_seconds: Callable[[], float | None] = lambda: None,
) -> Steps[Message | None]:
    """
    Search for the newest message that carries *key*; to be driven by the hook's ``run_steps`` or ``arun_steps``.

    An error means that the search failed, which says nothing about the message; so does a message that the gateway
    lists and does not show.

    :param sender: Look only among the messages of this sender; ``None`` looks among all.
    :param not_before: Look only among messages from this instant on, less the skew.
    :param skew: By how much the gateway's clock may be behind. Default :data:`CLOCK_SKEW`.
    :param limit: Read at most so many messages; ``None`` reads all that could be it.
    :param others: Ids of messages that are known to carry another key, which are not read; more are added to it.
    :param within_seconds: Asked before each call how long it may take; ``None`` for as long as the connection says.
    :raises ProtocolError: The gateway lists a message, and denies having it.
    """

    def timed(call: Call[T]) -> Call[T]:
        return replace(call, within_seconds=within_seconds())

    others = set() if others is None else others
    gone = set()
    listed = yield timed(calls.list_messages())
    possible = candidates(listed, sender=sender, not_before=not_before, skew=skew)
    for summary in islice((one for one in possible if one.id not in others), limit):
        try:
            message: Message = yield timed(calls.get_message(summary.id))
        except MessageNotFoundError:
            gone.add(summary.id)
            continue
        if key_of(message) == key:
            return message
        others.add(summary.id)
    if gone:  # cancelled since the list was read, or else nobody knows what they carry
        denied = sorted(one.id for one in (yield timed(calls.list_messages())) if one.id in gone)
        if denied:
            raise ProtocolError(
                f"the gateway lists message {denied[0]} and does not show it; it may carry the key {key}"
            )
    return None
