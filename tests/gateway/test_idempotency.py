"""The search for a key: which messages are read, in which order, and what it means when one cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import MessageNotFoundError, ProtocolError
from airflow_provider_messaggisms.gateway.idempotency import (
    CLOCK_SKEW,
    derived_key,
    key_of,
    mark_of,
    new_mark,
    search,
    with_key,
)
from airflow_provider_messaggisms.gateway.models import Message, MessageSummary, Options
from airflow_provider_messaggisms.gateway.steps import Step, run_steps
from airflow_provider_messaggisms.gateway.wire import Call

NOON = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def listed(message_id: str, *, minutes: float = 0, sender: str | None = "Airflow") -> MessageSummary:
    return MessageSummary(id=message_id, sender=sender, timestamp=NOON + timedelta(minutes=minutes))


def carrying(message_id: str, key: str) -> Message:
    return Message(id=message_id, options=Options(custom=with_key(key, f"mark of {message_id}", {}, None)))


class Shelf:
    """A gateway that answers from what it is given, and notes which messages are asked for."""

    def __init__(self, *summaries: MessageSummary, messages: dict[str, Message] | None = None) -> None:
        self.lists = [list(summaries)]
        self.messages = messages or {}
        self.read: list[str] = []

    def perform(self, step: Step) -> Any:
        assert isinstance(step, Call)
        if step.request.path == "/messages/":
            return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        message_id = step.request.path.rsplit("/", 1)[1]
        self.read.append(message_id)
        if message_id in self.messages:
            return self.messages[message_id]
        raise MessageNotFoundError(404, 203, "gone")

    def search(self, **arguments: Any) -> Message | None:
        return run_steps(search("mine", **{"sender": None, "not_before": None} | arguments), self.perform)


def full(*ids: str, mine: str | None = None) -> dict[str, Message]:
    return {one: carrying(one, "mine" if one == mine else "other") for one in ids}


@pytest.mark.parametrize(
    ("parts", "different"),
    [
        (("dag", "other"), {}),
        (("dag", "run"), {"installation": "https://other.example"}),
        (("dag", "run"), {"numbers": ["+39-3491231001"]}),
    ],
)
def test_a_key_tells_events_installations_and_recipients_apart(parts: Any, different: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"installation": "https://airflow.example", "numbers": ["+39-3491231000"]}
    assert derived_key("dag", "run", **usual) == derived_key("dag", "run", **usual)
    assert derived_key(*parts, **usual | different) != derived_key("dag", "run", **usual)


def test_a_message_tells_its_key_and_its_mark() -> None:
    message = carrying("a", "mine")
    assert (key_of(message), mark_of(message)) == ("mine", "mark of a")
    for custom in (None, "text", {"airflow": "text"}, {"airflow": {"key": 7, "mark": None}}):
        stranger = Message(id="b", options=Options(custom=custom))
        assert (key_of(stranger), mark_of(stranger)) == (None, None)


def test_no_two_marks_are_the_same() -> None:
    assert len({new_mark() for _ in range(1000)}) == 1000


def test_of_messages_with_the_same_key_the_one_that_is_ours_is_found() -> None:
    shelf = Shelf(listed("a"), listed("b", minutes=1), messages={one: carrying(one, "mine") for one in "ab"})
    found = shelf.search(is_ours=lambda message: mark_of(message) == "mark of a")
    assert found
    assert (found.id, shelf.read) == ("a", ["b", "a"])
    assert shelf.search(is_ours=lambda message: False) is None


def test_the_newest_are_read_first_whatever_the_order_of_the_list() -> None:
    shelf = Shelf(listed("b", minutes=1), listed("c", minutes=2), listed("a"), messages=full("a", "b", "c", mine="b"))
    found = shelf.search()
    assert found
    assert (found.id, shelf.read) == ("b", ["c", "b"])


def test_only_messages_of_the_sender_are_read_and_those_that_name_none() -> None:
    shelf = Shelf(
        listed("theirs", sender="Marketing"),
        listed("ours", sender=" airflow "),
        listed("unnamed", sender=None),
        messages=full("theirs", "ours", "unnamed"),
    )
    assert shelf.search(sender="Airflow") is None
    assert set(shelf.read) == {"ours", "unnamed"}


def test_only_messages_since_the_instant_are_read_give_or_take_the_clocks() -> None:
    skew = CLOCK_SKEW / timedelta(minutes=1)
    shelf = Shelf(
        listed("long ago", minutes=-skew - 1), listed("skewed", minutes=-skew + 1), listed("after", minutes=1),
        messages=full("long ago", "skewed", "after"),
    )  # fmt: skip
    shelf.search(not_before=NOON)
    assert shelf.read == ["after", "skewed"]


def test_what_is_known_to_carry_another_key_is_not_read_again() -> None:
    shelf = Shelf(listed("a"), listed("b"), messages=full("a", "b"))
    others: set[str] = set()
    assert shelf.search(others=others) is None
    shelf.messages["c"] = carrying("c", "mine")
    shelf.lists[0].append(listed("c", minutes=-1))
    found = shelf.search(others=others)
    assert found
    assert (found.id, shelf.read) == ("c", ["a", "b", "c"])


def test_what_was_cancelled_since_the_list_was_read_is_no_concern() -> None:
    shelf = Shelf(listed("cancelled"), listed("other"), messages=full("other"))
    shelf.lists.append([listed("other")])
    assert shelf.search() is None


def test_what_is_listed_and_denied_may_be_the_one() -> None:
    shelf = Shelf(listed("denied"), listed("other"), messages=full("other"))
    with pytest.raises(ProtocolError, match="lists message denied and does not show it; it may carry the key mine"):
        shelf.search()
    shelf = Shelf(listed("denied"), listed("other"), messages=full("other", mine="other"))
    assert shelf.search()
