"""
Random interleavings of failures, kills and retries, against a simulated gateway whose undocumented behaviour varies.

The gateway here is a page of code that knows nothing of the emulator, and time costs nothing, so thousands of
histories are tried: each request of each try may get through, be lost on either way, be answered by a 502 after it was
accepted, be answered by rubbish, or see its process killed before or after it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
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
from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce, send_key
from airflow_provider_messaggisms.sending.task_state import Origin
from airflow_provider_messaggisms.sending.transactions import Guards, Transaction, check_complete
from tests.airflow.conftest import TaskState


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Habits:
    """What nobody outside the vendor knows."""

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

    def phones(self) -> Counter[str]:
        """Count the SMS that went out to each number."""
        return Counter(number for message in self.messages.values() if not message["open"] for number in message["to"])

    def _make(self, content: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        recipients = content["recipients"]
        message = {
            "id": f"m{self.made}",
            "sender": content["sender"],
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


def attempt(number: int, transport: UnreliableTransport, context: dict[str, Any], people: int, chunk_size: int) -> bool:
    """Make one try of a task; tell whether it ended green."""
    context["ti"].try_number = number
    addressees = read_recipients([f"+39-349{1000000 + i}" for i in range(people)], validate="possible").addressees
    numbers = [one.number for one in addressees]
    hook = HookToSimulation(transport)
    key = send_key(Origin.of(context), numbers)
    send = ExactlyOnce(hook, context, key=key, sender="Airflow", pauses_seconds=(0.0, 0.0))
    content = hook.compose(sender="Airflow", body="Hello", custom=send.custom(None))
    try:
        with without_retries():
            earlier = send.find_earlier()
            if earlier is not None and not earlier.transaction:
                check_complete(earlier, people)
            elif people > 1:
                Transaction(send, Guards(), total=people, chunk_size=chunk_size).send(addressees, content, earlier)
            else:
                send.send(calls.send_message(content, addressees))
    except AirflowFailException:
        raise
    except (MessaggiSmsError, Killed):
        return False
    return True


@settings(max_examples=600, deadline=None)
@given(
    fates=st.lists(st.sampled_from(FATES), max_size=24),
    habits=st.builds(Habits, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([200, 201])),
    people=st.integers(1, 7),
    chunk_size=st.integers(1, 4),
    with_task_state=st.booleans(),
    clears=st.integers(0, 2),
)
def test_each_sms_is_sent_once_in_every_history(
    fates: list[str], habits: Habits, people: int, chunk_size: int, with_task_state: bool, clears: int
) -> None:
    gateway = SimulatedGateway(habits)
    transport = UnreliableTransport(gateway, list(fates))
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, max_tries=99, xcom_push=lambda **_: None)
    context: dict[str, Any] = {"ti": ti}
    if with_task_state:
        context["task_state_store"] = TaskState()
    number = 0
    for _ in range(1 + clears):
        green = False
        while not green:
            number += 1
            green = attempt(number, transport, context, people, chunk_size)
            assert max(gateway.phones().values(), default=0) <= 1, "somebody got it twice"
            assert number < 60, "the task never ends"
        assert gateway.phones().total() == people, "a green task has sent to everybody, once"
