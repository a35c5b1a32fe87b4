"""
Random interleavings of failures, kills and retries, against a simulated gateway whose undocumented behaviour varies.

The gateway here is a page of code that knows nothing of the emulator, and time costs nothing, so thousands of
histories are tried: each request of each try may get through, be lost on either way, be answered by a 502 after it was
accepted, be answered by rubbish, or see its process killed before or after it. Beside the task, another Airflow runs
the same DAG through the same account, and before it the same run was deleted at some point.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_messaggisms.clients import BlockingClient
from airflow_provider_messaggisms.exceptions import MessaggiSmsError, NotSentError, OutcomeUnknownError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.recipients import read_recipients
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.wire import Request, Response
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
from airflow_provider_messaggisms.sending.task_state import Origin
from airflow_provider_messaggisms.sending.transactions import Guards, Transaction, check_complete
from tests.airflow.conftest import TaskState


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Habits:
    """What is unknown outside the vendor."""

    newest_first: bool = True
    custom_as_object: bool = True
    merges: bool = False
    accepts_empty_put: bool = True
    put_status: int = 200


@dataclass
class SimulatedGateway:
    """Just enough of a gateway to send and count."""

    habits: Habits
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        content = json.loads(request.body or b"null")
        _, _, message_id, *rest = unquote(request.path).split("/")
        if request.method == "POST":
            return self._answer(201, [self._shown(self._make(content))])
        if not message_id:
            found = list(self.messages.values())
            listed = [{name: message[name] for name in ("id", "sender", "timestamp")} for message in found]
            return self._answer(200, listed[::-1] if self.habits.newest_first else listed)
        message = self.messages.get(message_id)
        if message is None:
            return self._refuse(404, 211)
        if request.method == "DELETE":
            return self._delete(message)
        if rest:
            return self._answer(200, [{"number": number, "state": "PENDING"} for number in message["to"]])
        return self._put(message, content) if request.method == "PUT" else self._answer(200, [self._shown(message)])

    def phones(self, text: str) -> Counter[str]:
        """Count the SMS with a text that went out to each number."""
        sent = [one for one in self.messages.values() if not one["open"] and one["body"] == text]
        return Counter(number for message in sent for number in message["to"])

    def _make(self, content: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        recipients = content["recipients"]
        message = {
            "id": f"m{self.made}",
            "sender": content["sender"],
            "body": content["body"],
            "timestamp": str(int(time.time() * 1000) + self.made),
            "open": content.get("transaction", False),
            "to": [recipients] if isinstance(recipients, str) else list(recipients),
            "custom": content["options"]["custom"],
        }
        self.messages[message["id"]] = message
        return message

    def _put(self, message: dict[str, Any], content: dict[str, Any]) -> Response:
        if not message["open"]:
            return self._refuse(422, 212)
        if not content["recipients"] and not self.habits.accepts_empty_put:
            return self._refuse(422, 302)
        added = [n for n in content["recipients"] if not (self.habits.merges and n in message["to"])]
        message["to"] += added
        message["open"] = content.get("transaction", True)
        return self._answer(self.habits.put_status, self._shown(message))

    def _delete(self, message: dict[str, Any]) -> Response:
        if not message["open"]:
            return self._refuse(422, 221)
        del self.messages[message["id"]]
        return self._answer(200, [])

    def _shown(self, message: dict[str, Any]) -> dict[str, Any]:
        custom = json.loads(message["custom"]) if self.habits.custom_as_object else message["custom"]
        return {
            "id": message["id"],
            "transaction": message["open"],
            "options": {"custom": custom},
            "recipients": {"valid": {"count": len(message["to"])}, "invalid": {"total": 0, "list": []}},
        }

    @staticmethod
    def _answer(status: int, data: Any) -> Response:
        return Response(status, {}, json.dumps({"data": data, "success": True, "error": None}).encode())

    @staticmethod
    def _refuse(status: int, code: int) -> Response:
        return Response(status, {}, json.dumps({"data": None, "success": False, "error": code}).encode())


FATES = ["ok", "never left", "lost before", "lost after", "502 after", "rubbish", "killed before", "killed after"]


@dataclass
class UnreliableTransport:
    """Carries requests to the gateway until its list of fates says otherwise; when that is used up, all goes well."""

    gateway: SimulatedGateway
    fates: list[str]

    def send(self, request: Request, *_: Any) -> Response:
        """Make one exchange, or spoil it."""
        fate = self.fates.pop(0) if self.fates else "ok"
        if fate == "killed before":
            raise Killed
        if fate == "never left":
            raise NotSentError("refused")
        if fate == "lost before":
            raise OutcomeUnknownError("reset")
        answer = self.gateway.handle(request)
        if fate == "killed after":
            raise Killed
        if fate == "lost after":
            raise OutcomeUnknownError("reset")
        if fate == "502 after":
            return Response(502, {}, b"<html>Bad gateway</html>")
        return Response(answer.status, {}, answer.body[:9]) if fate == "rubbish" else answer

    def close(self) -> None:
        """Do nothing: there is no connection."""


class HookToSimulation(MessaggiSmsHook):
    """The real hook over the simulated wire."""

    def __init__(self, transport: UnreliableTransport) -> None:
        super().__init__(retry_policy=RetryPolicy(attempts=2, first_delay_seconds=0))
        self._settings = Settings.from_connection(host=None, schema=None, port=None, password="token", extra={})
        wire: Any = transport
        self._client = BlockingClient(wire, self._settings, read_again=lambda: self.settings, heard=lambda *_: None)


@dataclass
class Actor:
    """
    A task instance that sends through an account that others use, too: all of them have the same ids and recipients.

    :param airflow: ``3.3`` has a task state; ``3.0`` to ``3.2`` know when a run started; ``2.11`` knows its row.
    :param life: How often the run was deleted and made anew.
    """

    gateway: SimulatedGateway
    fates: list[str]
    airflow: str
    people: int
    chunk_size: int
    installation: str = "production"
    life: int = 1
    tries: int = 0
    clears: int = 0
    is_green: bool = False
    store: TaskState = field(default_factory=TaskState)

    @property
    def text(self) -> str:
        """What it sends: no other actor sends the same."""
        return f"{self.installation} {self.life}"

    def attempt(self) -> None:
        """Make one try, and check that what it promises holds."""
        self.tries += 1
        assert self.tries < 60, "the task never ends"
        try:
            with without_retries():
                self._send()
        except AirflowFailException:
            raise
        except (MessaggiSmsError, Killed):
            pass
        else:
            self.is_green = True
        phones = self.gateway.phones(self.text)
        assert max(phones.values(), default=0) <= 1, "one recipient got it twice"
        assert not self.is_green or phones.total() == self.people, "green means: its own text, to each recipient"

    def be_cleared(self) -> None:
        """Be run again, by a user who clears the run."""
        self.clears += 1
        self.is_green = False

    def _send(self) -> None:
        hook = HookToSimulation(UnreliableTransport(self.gateway, self.fates))
        context, people = self._context(), [f"+39-349{1000000 + i}" for i in range(self.people)]
        recipients = read_recipients(people, validate="possible").valid
        origin = Origin.of(context, self.installation)
        key = origin.key(one.number for one in recipients)
        send = ExactlyOnce(hook, context, origin, key=key, sender="Airflow", pauses_seconds=(0.0, 0.0))
        content = hook.compose(sender="Airflow", body=self.text, custom=send.custom(None))
        earlier = send.find_earlier()
        if earlier is not None and not earlier.transaction:
            check_complete(earlier, self.people)
        elif self.people > 1:
            transaction = Transaction(send, Guards(), total=self.people, chunk_size=self.chunk_size)
            transaction.send(recipients, content, earlier)
        else:
            send.send(calls.send_message(content, recipients))

    def _context(self) -> dict[str, Any]:
        ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=self.tries, max_tries=99)
        run = SimpleNamespace(run_after=None, clear_number=self.clears)
        run.start_date = datetime(2020, self.life, 1 + self.clears, tzinfo=UTC)
        if self.airflow == "2.11":
            run.id = self.life
            ti.state, ti.refresh_from_db = "running", lambda: None
        else:
            ti.xcom_push = lambda **_: None
        return {"ti": ti, "dag_run": run} | ({"task_state_store": self.store} if self.airflow == "3.3" else {})


def play(actors: list[Actor], turns: list[int], until: Callable[[], bool]) -> None:
    """Let the actors that are not green try in turns until a condition holds."""
    while not until():
        waiting = [actor for actor in actors if not actor.is_green]
        waiting[(turns.pop(0) if turns else 0) % len(waiting)].attempt()


fates_of_one = st.lists(st.sampled_from(FATES), max_size=16)


@settings(max_examples=600, deadline=None)
@given(
    fates=st.tuples(fates_of_one, fates_of_one, fates_of_one),
    habits=st.builds(Habits, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([200, 201])),
    people=st.integers(1, 7),
    chunk_size=st.integers(1, 4),
    airflow=st.sampled_from(["3.3", "3.0", "2.11"]),
    clears=st.integers(0, 2),
    turns=st.lists(st.integers(0, 1), max_size=20),
    tries_before_deletion=st.integers(0, 3),
)
def test_each_sends_its_own_sms_once_in_every_history(
    fates: tuple[list[str], list[str], list[str]],
    habits: Habits,
    people: int,
    chunk_size: int,
    airflow: str,
    clears: int,
    turns: list[int],
    tries_before_deletion: int,
) -> None:
    gateway = SimulatedGateway(habits)
    deleted = Actor(gateway, fates[0], airflow, people, chunk_size)
    other = Actor(gateway, fates[1], airflow, people, chunk_size, installation="staging")
    remade = Actor(gateway, fates[2], airflow, people, chunk_size, life=2)
    play([deleted, other], turns, until=lambda: deleted.is_green or deleted.tries >= tries_before_deletion)
    for round_ in range(1 + clears):
        for actor in (remade, other):
            if round_:
                actor.be_cleared()
        play([remade, other], turns, until=lambda: remade.is_green and other.is_green)
