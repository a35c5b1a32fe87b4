"""Waits for the tests: messages to wait for, triggers, and tasks that are resumed without Airflow's machinery."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.polling import Wait
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger

NUMBER = "+39 349 123 4567"
SUMMARY, RECIPIENTS = "/messages/{id}", "/messages/{id}/recipients/"


def send(recipients: Any = NUMBER, **options: Any) -> str:
    """Send a message through the hook; return its id."""
    with MessaggiSmsHook() as hook:
        return hook.send_message(sender="Airflow", body="Hello", recipients=recipients, **options).id


def asked(gateway: Gateway) -> list[str]:
    """Return the paths of the GETs: the calls that waits have made."""
    return [exchange.path for exchange in gateway.requests() if exchange.method == "GET"]


def trigger(
    message_id: str, *, ends: float = 30.0, began: float = 0.0, handover_seconds: float = 0.0, **wait: Any
) -> MessaggiSmsDeliveryTrigger:
    """Make a trigger that polls often and ends after so many seconds."""
    wait.setdefault("poke_interval", 0.1)
    now = time.time()
    return MessaggiSmsDeliveryTrigger(
        messaggisms_conn_id="messaggisms_default",
        wait=Wait(message_id=message_id, since=now - began, deadline=now + ends, **wait).to_json(),
        handover_seconds=handover_seconds,
    )


async def told_by(waiting: Any) -> Any:
    """Run a trigger to its end; return what its one event says."""
    events = [event async for event in waiting.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0].payload))


def taken_up_again(waiting: Any) -> Any:
    """Store a trigger as plain JSON and make it anew, as Airflow does."""
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

    :param between: What happens while it is deferred; returns the event. By default its trigger runs.
    """
    task.handover_seconds = 0.0  # there is no scheduler that must notice the deferral
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
