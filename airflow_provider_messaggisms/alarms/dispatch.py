"""
Dispatch: a notifier's request becomes an SMS in time, for workers and for event loops.

Two clocks run, one after the other. Airflow has so long to hand over the connection; after that the alarm has its own
deadline. So a slow Airflow costs the alarm nothing, and a slow gateway costs Airflow no more than the deadline.
"""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_messaggisms.alarms.alarm import Alarm, AlarmRequest, make_alarm
from airflow_provider_messaggisms.alarms.deadline import Deadline, abounded, bounded
from airflow_provider_messaggisms.alarms.deduplication import Result, send_once
from airflow_provider_messaggisms.alarms.occasion import Occasion
from airflow_provider_messaggisms.alarms.reporting import report
from airflow_provider_messaggisms.exceptions import NotSentError, OutcomeUnknownError
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.threads import in_thread


def dispatch(
    hook: MessaggiSmsHook, request: AlarmRequest, occasion: Occasion, new_deadline: Callable[[], Deadline]
) -> None:
    """
    Send an alarm, or stay silent if it has gone out; log which.

    :param new_deadline: Makes the deadline of the alarm, once Airflow has handed over the connection.
    :raises MessaggiSmsError: It was not sent, or it is unknown whether it was.
    """
    settings = bounded(lambda: hook.settings, occasion.handover, _no_connection(occasion.handover))
    deadline = new_deadline()
    alarm = make_alarm(request, occasion, settings)
    result = bounded(lambda: _send(hook, alarm, deadline), deadline, _may_be_lost(deadline))
    _count(hook, occasion, result)
    report(alarm, result)


async def adispatch(
    hook: MessaggiSmsHook, request: AlarmRequest, occasion: Occasion, new_deadline: Callable[[], Deadline]
) -> None:
    """Do what :func:`dispatch` does without blocking the event loop."""
    settings = await abounded(hook.asettings(), occasion.handover, _no_connection(occasion.handover))
    deadline = new_deadline()
    alarm = await in_thread(make_alarm, request, occasion, settings)
    result = await abounded(_asend(hook, alarm, deadline), deadline, _may_be_lost(deadline))
    _count(hook, occasion, result)
    report(alarm, result)


def _send(hook: MessaggiSmsHook, alarm: Alarm, deadline: Deadline) -> Result:
    with hook:
        return hook.run_steps(send_once(alarm, deadline))


async def _asend(hook: MessaggiSmsHook, alarm: Alarm, deadline: Deadline) -> Result:
    async with hook:
        return await hook.arun_steps(send_once(alarm, deadline))


def _count(hook: MessaggiSmsHook, occasion: Occasion, result: Result) -> None:
    event = occasion.event
    hook.metrics(dag_id=event.dag_id, task_id=event.task_id).alarm(result.sent)


def _no_connection(handover: Deadline) -> NotSentError:
    seconds = f"{handover.seconds:.0f} s"
    return NotSentError(f"Airflow did not hand over the connection within {seconds}; this alarm is lost")


def _may_be_lost(deadline: Deadline) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"this alarm may be lost: it was not done within {deadline.seconds:.0f} s")
