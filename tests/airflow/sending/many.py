"""What the tests of transactions share: who gets the message, a try and the next, and what is at the gateway then."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.sending.impatient import MessaggiSmsSendTransactionOperator

PERSONALITIES = [
    {switch: value} for switch, values in Personality.choices().items() if switch != "send_times" for value in values
]
"""What is undocumented, one switch after the other, either way."""


def people(count: int) -> list[str]:
    """Name so many recipients."""
    return [f"+39349123{1000 + i}" for i in range(count)]


def transaction(**arguments: Any) -> MessaggiSmsSendTransactionOperator:
    """Make a transaction of three calls that is right but for what a test adds."""
    usual: dict[str, Any] = {"sender": "Airflow", "body": "Hello", "chunk_size": 2}
    if "recipients_path" not in arguments:
        usual["recipients"] = people(5)
    return MessaggiSmsSendTransactionOperator(task_id="send", **usual | arguments)


def execute(context: dict[str, Any], **arguments: Any) -> str:
    """Run one try."""
    return str(transaction(**arguments).execute(context))  # type: ignore[arg-type]


def again(context: dict[str, Any], **arguments: Any) -> str:
    """Run the next try."""
    context["ti"].try_number += 1
    return execute(context, **arguments)


def writes(gateway: Gateway) -> list[str]:
    """List the calls that change something."""
    return [exchange.method for exchange in gateway.requests() if exchange.method != "GET"]


def phones(gateway: Gateway) -> Counter[str]:
    """Count the SMS that each phone has."""
    return Counter(sms.number.replace("-", "") for sms in gateway.inbox())


def left_open(gateway: Gateway) -> list[str]:
    """List the messages that are still there and have not gone out."""
    with MessaggiSmsHook() as hook:
        return [one.id for one in hook.list_messages() if hook.get_message(one.id).transaction]
