"""What has passed the check is what travels: nothing is read or checked again on its way to the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.conftest import TaskState
from tests.airflow.sending.impatient import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.sending.many import people

OPERATORS = {"send": MessaggiSmsSendOperator, "transaction": MessaggiSmsSendTransactionOperator}


def operator(kind: str, **arguments: Any) -> Any:
    """Make a send operator that is right but for what a test adds."""
    usual = {"task_id": "send", "sender": "Airflow", "body": "Hello", "recipients": people(2)}
    return OPERATORS[kind](**usual | arguments)


class Counted(list[Any]):
    """Recipients that count how often they are read."""

    readings = 0

    def __iter__(self) -> Iterator[Any]:
        self.readings += 1
        return super().__iter__()


@pytest.mark.parametrize("kind", OPERATORS)
def test_recipients_are_read_once_per_try(kind: str, context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    send = operator(kind)
    send.recipients = Counted(people(2))
    send.recipients.readings = 0  # Airflow has looked for outputs of other tasks in it
    send.execute(context)
    assert send.recipients.readings == 1
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.personality(send_times="accepted")
@pytest.mark.parametrize("kind", OPERATORS)
def test_a_send_that_was_checked_in_time_goes_out_late(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UntilThen(TaskState):
        """A task state whose first write, between the check and the POST, lasts until the moment is past."""

        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            while datetime.now(UTC) <= moment:
                time.sleep(0.05)
            super().set(key, value)

    connection = json.loads(messaggisms_gateway.connection) | {
        "extra": {"timestamp_send_format": "%Y-%m-%dT%H:%M:%S%z"}
    }
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))
    context["task_state_store"] = UntilThen()
    send = operator(kind)
    moment = send.timestamp_send = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    message_id = send.execute(context)
    with MessaggiSmsHook() as hook:
        assert hook.get_message(message_id).options.timestamp_send == moment


WRONG_BY_NOW: dict[str, dict[str, Any]] = {
    "the day is past": {"timestamp_send": "2020-01-01"},
    "the moment is past": {"send_at": "2020-01-01T00:00:00Z"},
    "the text is too long": {"body": "x" * 161, "max_parts": 1},
    "the sender is invalid": {"sender": "{{ invalid }}"},
}


@pytest.mark.parametrize("wrong", WRONG_BY_NOW)
@pytest.mark.parametrize("kind", OPERATORS)
def test_what_is_wrong_by_now_does_not_matter_once_it_is_sent(
    kind: str, wrong: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError):
        operator(kind, **WRONG_BY_NOW[wrong]).execute(context)
    first = operator(kind).execute(context)
    context["ti"].try_number = 2
    assert operator(kind, **WRONG_BY_NOW[wrong]).execute(context) == first
    assert len(messaggisms_gateway.inbox()) == 2
