"""Which send is which, what a later try asks before it sends, and who may not send any more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.idempotency import LOOKUP_PAUSES_SECONDS, with_key
from airflow_provider_messaggisms.gateway.models import Message, Options
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
from airflow_provider_messaggisms.sending.task_state import RECORD, Origin
from tests.airflow.sending.impatient import MessaggiSmsSendOperator
from tests.airflow.sending.tries import Tries

ORIGIN: dict[str, Any] = {
    "installation": "https://airflow.example",
    "dag_id": "dag",
    "run_id": "run",
    "task_id": "task",
    "map_index": 1,
    "try_number": 1,
}
NUMBERS = ["+39-3491231000", "+39-3491231001"]


def key(numbers: list[str] = NUMBERS, **different: Any) -> str:
    return Origin(**ORIGIN | different).key(numbers)


@pytest.mark.parametrize(
    "different",
    [
        {"installation": "https://staging.example"},
        {"dag_id": "other"},
        {"run_id": "other"},
        {"run_row": "7"},
        {"task_id": "other"},
        {"map_index": 2},
        {"numbers": NUMBERS[:1]},
    ],
    ids=lambda different: next(iter(different)),
)
def test_another_task_instance_or_other_recipients_have_another_key(different: dict[str, Any]) -> None:
    assert key(**different) != key()


def test_all_tries_have_the_same_key_whatever_the_order_of_the_people() -> None:
    assert key(try_number=2, run_started="2026-01-01", not_before=datetime.now(UTC)) == key()
    assert key([*reversed(NUMBERS), NUMBERS[0]]) == key()


def message_of(**different: Any) -> Message:
    """Make a message that an origin has sent."""
    custom = with_key("key", "mark", Origin(**ORIGIN | different).on_the_message(), None)
    return Message(id="1", options=Options(custom=custom))


UNCLEARED = {"run_started": "2026-01-01T00:00:00+00:00"}
EARLIER_LIFE = {"run_started": "2025-12-31T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("mine", "sender_of_the_message", "is_mine"),
    [
        ({}, {"try_number": 3}, True),
        ({}, {"installation": "https://staging.example"}, False),
        ({}, {"run_id": "other"}, False),
        ({}, {"map_index": 2}, False),
        (UNCLEARED, UNCLEARED, True),
        (UNCLEARED, EARLIER_LIFE, False),
        (UNCLEARED, {}, False),  # sent after a clear, in an earlier life
        ({}, UNCLEARED, True),  # cleared since
        ({"run_row": "7"}, {"run_row": "7"} | UNCLEARED, True),
        ({"run_row": "7"} | UNCLEARED, {"run_row": "7"} | EARLIER_LIFE, True),  # started anew, but not deleted
        ({"run_row": "7"}, {"run_row": "6"}, False),
    ],
)
def test_a_message_is_from_the_same_life_of_the_same_run(
    mine: dict[str, Any], sender_of_the_message: dict[str, Any], is_mine: bool
) -> None:
    assert Origin(**ORIGIN | mine).may_have_sent(message_of(**sender_of_the_message)) == is_mine
    assert not Origin(**ORIGIN | mine).may_have_sent(Message(id="2"))


def test_the_origin_is_read_from_the_context() -> None:
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", try_number=2)
    run = SimpleNamespace(id=7, start_date=datetime(2026, 1, 1, tzinfo=UTC), clear_number=0, logical_date=None)
    origin = Origin.of({"ti": ti, "dag_run": run}, "here")
    assert (origin.installation, origin.map_index, origin.try_number) == ("here", -1, 2)
    assert (origin.run_row, origin.run_started) == ("7", "2026-01-01T00:00:00+00:00")
    run.clear_number, run.id = 1, None
    assert Origin.of({"ti": ti, "dag_run": run}, "here").run_started == ""
    assert Origin.of({"ti": ti}, "here").run_row == ""


def test_the_mark_is_written_before_the_message_is_posted() -> None:
    store: dict[str, Any] = {}

    class Posting(Hook):
        def run(self, call: Call[Message]) -> Message:
            custom = json.loads(json.loads(call.request.body or b"")["options"]["custom"])
            assert store["written"][0]["marks"] == [custom["airflow"]["mark"]]
            return Message(id="1")

    writes: list[Any] = store.setdefault("written", [])
    fake = SimpleNamespace(get=lambda key: None, set=lambda key, value, retention: writes.append(value))
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", try_number=1)
    context: dict[str, Any] = {"ti": ti, "task_state_store": fake}
    send = ExactlyOnce(Posting(), context, Origin.of(context, "here"), key="mine", sender="Airflow")  # type: ignore[arg-type]
    content = MessageContent(sender="Airflow", body="Hello", custom=send.custom(None))
    send.send(calls.send_message(content, [Recipient(NUMBERS[0])]))
    assert len(writes) == 2  # the announcement and the id


class Hook:
    """A gateway whose searches find what they are told to, one after the other."""

    def __init__(self, *found: Message | None) -> None:
        self.found = list(found)

    def run_steps(self, steps: Any) -> Message | None:
        steps.close()
        return self.found.pop(0)

    def run(self, call: Call[Message]) -> Message | None:
        assert call.request.method == "POST"
        return self.found.pop(0)


def later_try(hook: Hook, *, seconds_ago: float | None) -> ExactlyOnce:
    last = datetime.now(UTC) - timedelta(seconds=seconds_ago or 0)
    record = {"key": "mine", "sender": "Airflow", "first": last.isoformat(), "last": last.isoformat(), "marks": ["m"]}
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", try_number=2)
    context: dict[str, Any] = {"ti": ti, "dag_run": None}
    if seconds_ago is not None:
        context["task_state_store"] = {RECORD: record}
    origin = Origin.of(context, "https://airflow.example")
    return ExactlyOnce(hook, context, origin, key="mine", sender="Airflow", pauses_seconds=(0.0, 1.0))  # type: ignore[arg-type]


def test_what_may_still_be_on_its_way_is_waited_for() -> None:
    message = Message(id="1")
    hook = Hook(None, None, message)
    assert later_try(hook, seconds_ago=0).find_earlier() is message
    assert hook.found == []


@pytest.mark.parametrize("seconds_ago", [60, None], ids=["long ago", "unknown"])
def test_what_is_not_there_after_a_while_is_not_waited_for(seconds_ago: float | None) -> None:
    hook = Hook(None, Message(id="1"))
    assert later_try(hook, seconds_ago=seconds_ago).find_earlier() is None
    assert len(hook.found) == 1


def test_a_lost_answer_is_looked_for_some_ten_seconds() -> None:
    assert 8 <= sum(LOOKUP_PAUSES_SECONDS) <= 12


def test_a_sender_that_changes_between_two_tries_hides_nothing(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    def make(sender: str) -> Callable[[], Any]:
        return lambda: MessaggiSmsSendOperator(task_id="task", sender=sender, body="Hello", recipients=NUMBERS[0])

    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("status_before", method="GET", times=9)
    tries = Tries(make("Airflow"), tmp_path)
    assert tries.attempt().kind == "red"
    messaggisms_gateway.heal()
    tries.make = make("Clinic")
    assert tries.attempt().kind == "green"
    assert Counter(sms.number for sms in messaggisms_gateway.inbox()) == {NUMBERS[0]: 1}


@pytest.mark.parametrize(
    ("try_number", "state", "may_send"),
    [
        (1, "running", True),
        (1, "scheduled", True),  # in `dag.test()`
        (1, None, True),  # in `airflow tasks test`
        (2, "running", False),
        (2, "scheduled", False),
        (1, "up_for_retry", False),
        (1, "failed", False),
    ],
)
def test_on_airflow_2_an_orphan_finds_out_that_it_is_one(try_number: int, state: str | None, may_send: bool) -> None:
    class InDatabase(SimpleNamespace):
        """A task instance as Airflow 2 has it, whose row has been changed since."""

        def refresh_from_db(self) -> None:
            self.try_number, self.state = try_number, state

    ti = InDatabase(dag_id="dag", run_id="run", task_id="task", try_number=1, state="running")
    hook = Hook(Message(id="1"))
    origin = Origin.of({"ti": ti}, "https://airflow.example")
    send = ExactlyOnce(hook, {"ti": ti}, origin, key="mine", sender="Airflow")  # type: ignore[arg-type]
    post = calls.send_message(MessageContent(sender="Airflow", body="Hello"), [Recipient(NUMBERS[0])])
    if may_send:
        assert send.send(post).id == "1"
    else:
        with pytest.raises(MessaggiSmsError, match=r"try 1 of this task has been superseded: try . is \w+; stopping"):
            send.send(post)
        assert hook.found, "it sent"
