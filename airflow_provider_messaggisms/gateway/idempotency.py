"""
Idempotency: what a message carries so that it can be found again, and what "the outcome is unknown" means.

The gateway has no idempotency of its own, but it keeps ``options.custom`` and gives it back. Each message carries two
things there:

* a **key**: it says what the message is about. All attempts to send the same thing have the same key.
* a **mark**: it says which POST made the message. It is random, and made right before that POST.

A message with the same key may be from another sender, such as another Airflow with the same DAG. A message with our
own mark is ours.

A search reads the list of messages and then, one by one, those that could be it. It is a generator of calls, so that a
worker and an event loop search in the same way.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Set
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


def derived_key(*parts: str, installation: str, numbers: Iterable[str]) -> str:
    """
    Derive a key from what identifies an event and from its recipients.

    :param parts: Identify the event, such as dag, run, task and map index.
    :param installation: Identifies the Airflow (see ``installation.installation_of``): two Airflows may share one
        account.
    :param numbers: The recipients, in any order. A message to others has another key.
    """
    unique = numbers if isinstance(numbers, Set) else set(numbers)  # a copy of a million takes 30 MB
    named = "\n".join((installation, *parts, *sorted(unique)))
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def new_mark() -> str:
    """Make the mark of one POST: 16 random characters."""
    return secrets.token_hex(8)


def checked_key(name: str, key: Any) -> str:
    """
    Check a key that a user chose.

    :param name: What the parameter is called.
    :raises ConfigurationError: It is empty, or longer than 200 characters.
    """
    text = str(key).strip()
    if not text or len(text) > MAX_KEY_CHARACTERS or text == "None":
        raise ConfigurationError(f"{name}: expected a text of 1 to {MAX_KEY_CHARACTERS} characters")
    return text


def with_key(key: str, mark: str, about: Mapping[str, Any], custom: Any) -> dict[str, Any]:
    """
    Put key and mark beside the user's own ``custom``.

    :param about: What helps a person to find the task: ``dag_id``, ``run_id``, ``task_id``, ``map_index``.
    :param custom: The user's own, readable under ``custom``; ``None`` for none.
    """
    airflow = {"key": key, "mark": mark, **about}
    return {"airflow": airflow} if custom is None else {"airflow": airflow, "custom": custom}


def key_of(message: Message) -> str | None:
    """Read the key that a message carries; ``None`` if it carries none."""
    return carried(message, "key")


def mark_of(message: Message) -> str | None:
    """Read the mark that a message carries; ``None`` if it carries none."""
    return carried(message, "mark")


def carried(message: Message, name: str) -> str | None:
    """Read a text that :func:`with_key` put into a message; ``None`` if it is not there."""
    custom = message.options.custom
    airflow = custom.get("airflow") if isinstance(custom, dict) else None
    value = airflow.get(name) if isinstance(airflow, dict) else None
    return value if isinstance(value, str) else None


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
    is_ours: Callable[[Message], bool] | None = None,
) -> Steps[Message | None]:
    """
    Search for the newest message that carries *key*; to be driven by the hook's ``run_steps`` or ``arun_steps``.

    An error means that the search failed, which says nothing about the message. It is also an error if the gateway
    lists a message and does not show it.

    :param sender: Look only among the messages of this sender; ``None`` looks among all.
    :param not_before: Look only among messages from this instant on, less the skew.
    :param skew: By how much the gateway's clock may be behind. Default :data:`CLOCK_SKEW`.
    :param limit: Read at most so many messages; ``None`` reads all that could be it.
    :param others: Ids of messages that are known not to be it, which are not read; more are added to it.
    :param within_seconds: Asked before each call how long it may take; ``None`` for as long as the connection says.
    :param is_ours: Tells whether a message with the key is the one, such as by its mark. Default: any is.
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
        if key_of(message) == key and (is_ours is None or is_ours(message)):
            return message
        others.add(summary.id)
    if gone:  # cancelled since the list was read; if not, it is unknown what they carry
        denied = sorted(one.id for one in (yield timed(calls.list_messages())) if one.id in gone)
        if denied:
            raise ProtocolError(
                f"the gateway lists message {denied[0]} and does not show it; it may carry the key {key}"
            )
    return None
