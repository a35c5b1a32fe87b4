"""Waits to test with: messages to wait for, triggers, and tasks that are resumed without Airflow's machinery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger
from tests.progress import SILENCE_SECONDS

NUMBER = "+39 349 123 4567"
SUMMARY, RECIPIENTS = "/messages/{id}", "/messages/{id}/recipients/"


def send(recipients: Any = NUMBER, **options: Any) -> str:
    """Send a message through the hook; return its id."""
    with MessaggiSmsHook() as hook:
        return hook.send_message(sender="Airflow", body="Hello", recipients=recipients, **options).id


def asked(gateway: Gateway) -> list[str]:
    """List the calls that a wait has made: paths of the GETs."""
    return [exchange.path for exchange in gateway.requests() if exchange.method == "GET"]


def after(seconds: float) -> str:
    """Write the instant that comes after so many seconds."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def trigger(
    message_id: str, *, ends: float = SILENCE_SECONDS, began: float = 0.0, **arguments: Any
) -> MessaggiSmsDeliveryTrigger:
    """Make a trigger that looks often and ends after so many seconds."""
    return MessaggiSmsDeliveryTrigger(
        **{
            "messaggisms_conn_id": "messaggisms_default",
            "message_id": message_id,
            "since": after(-began),
            "deadline": after(ends),
            "poke_interval": 0.1,
            **arguments,
        }
    )


async def told_by(waiting: Any) -> Any:
    """Run a trigger to its end; return what its one event says."""
    events = [event async for event in waiting.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0].payload))


def taken_up_again(waiting: Any) -> Any:
    """Do with a trigger what Airflow does: store it as plain JSON and make it anew."""
    path, arguments = waiting.serialize()
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))


def finished(
    task: Any,
    context: Any,
    *,
    between: Callable[[TaskDeferred], Any] = lambda deferred: asyncio.run(told_by(taken_up_again(deferred.trigger))),
) -> Any:
    """
    Execute a task to its end, through all its deferrals.

    :param between: What happens while it is deferred; gives the event. By default its trigger runs.
    """
    try:
        return task.execute(context)
    except TaskDeferred as first:
        deferred = first
    while True:
        event = between(deferred)
        try:
            return task.resume_execution(deferred.method_name, {"event": event, **(deferred.kwargs or {})}, context)
        except TaskDeferred as again:
            deferred = again
