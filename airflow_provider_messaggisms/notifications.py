"""
The notifier: an SMS when a task or a DAG fails, or for any other of Airflow's callbacks.

.. code-block:: python

    DAG("etl", on_failure_callback=MessaggiSmsNotifier(recipients="+39 349 123 4567"))

An alarm must arrive, once, and say what happened; the package ``alarms`` does that. Airflow does not repeat a callback,
so every problem on the way is solved in favour of sending: a template that cannot be rendered, a placeholder without a
field, one wrong number among good ones.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_messaggisms.alarms.alarm_templates import FIELDS, PERSONAL, AlarmTemplates, is_template
from airflow_provider_messaggisms.alarms.dag_processor import seconds_left
from airflow_provider_messaggisms.arguments import check_limit
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.personal import personal_value

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # They load what a DAG's parse does not need.
    from airflow_provider_messaggisms.alarms.alarm import AlarmRequest
    from airflow_provider_messaggisms.alarms.deadline import Deadline
    from airflow_provider_messaggisms.alarms.occasion import Occasion
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

__all__ = ["MessaggiSmsNotifier", "send_messaggisms_notification"]

#: What Airflow 2 passes to a DAG's ``sla_miss_callback``, in this order.
_SLA_MISS = ("dag", "task_list", "blocking_task_list", "slas", "blocking_tis")

#: The share of the hand-over after which templates are given up that are not rendered yet.
_TEMPLATES = 0.9

#: What an alarm needs at least of the time that a dag-processor gives; the rest is for the hand-over.
_SENDING_SECONDS = 8.0

#: What a dag-processor needs to end a process in good order.
_SPARE_SECONDS = 1.0

#: How often a call is made at most; the time ends sooner.
_ATTEMPTS = 10


class MessaggiSmsNotifier(AlarmTemplates, BaseNotifier):
    """
    Send an alarm by SMS, as any callback of a task or a DAG, or for a missed deadline.

    Airflow itself has three gaps. It does not call back a task whose *last* try was killed (3.3), but it does call its
    DAG: give the DAG a notifier too. A killed task is called back in the dag-processor, where all callbacks of one file
    have 50 s together. For a deadline use an ``AsyncCallback``: a ``SyncCallback`` cannot read connections from
    Airflow's database.

    A subclass may override :meth:`notify` and :meth:`async_notify`; ``super()`` sends the alarm. It may add
    ``template_fields``.

    :param recipients: A number as people write it, ``{"number": ..., "fields": {...}}``, or a list of these. A template
        may render to a list, to its JSON, or to numbers with commas between them, so ``"{{ var.value.on_call }}"``
        takes a rota from an Airflow Variable. An invalid number is left out and logged. Templated.
    :param body: The text. Default: what failed, in which run, on which try, why, and a link if it fits. The default
        text is sent, too, when this template cannot be rendered. Templated.
    :param sender: 3 to 11 letters and digits, or 3 to 14 digits. Default: the connection's. Templated.
    :param max_parts: How many SMS parts the text may take, so what it may cost; it is made plain and cut to fit. 1 or
        more, default 1 (160 characters). ``None`` sends it as it is.
    :param alarm_key: Alarms with the same key, to the same recipients, are one alarm. Default: dag, run and when it
        began, task, map index, try, event, and the body as it is written. ``"{{ dag.dag_id }}"`` makes one alarm of all
        failures of a DAG. The message carries it; the log shows it with its numbers masked. Templated.
    :param once_per: How long an alarm silences others with its key: a ``timedelta`` or seconds. Default 60 minutes.
        Zero never silences.
    :param timeout_seconds: How long it may take to send, searches and repeats included. It begins when Airflow has
        handed over Variables and the connection. 1 to 300, default 20.
    :param priority: 1.0 (the gateway's default) or more; a higher one costs more and is sent earlier.
    :param flash: Show the SMS at once on the screen instead of storing it.
    :param test: ``True`` simulates: the gateway sends nothing.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :param kwargs: The arguments of Airflow's ``BaseNotifier``: the ``context``, which deadlines pass.
    :raises ConfigurationError: An argument is wrong whatever the templates and the connection say. Raised when the DAG
        is parsed.
    """

    # How long Airflow may take to hand over Variables and the connection. With the default timeout_seconds all is done
    # within the 50 s that Airflow gives to the callbacks of a file. In an event loop nothing else has to wait: a
    # triggerer that has just started takes some ten seconds for the first one, twice that on a busy machine.
    _handover_seconds = 25.0
    _async_handover_seconds = 60.0
    _seconds_left = staticmethod(seconds_left)

    # On a rendered copy: what it was rendered for, set when the copy is made. None: not rendered yet.
    _occasion: Occasion | None = None

    # What is wrong with the arguments of a deadline's callback, and the values of those that do not exist. The error is
    # kept until the arguments can be hidden, because Airflow logs them with it.
    _refusal: Exception | None = None
    _misnamed: Sequence[Any] = ()

    template_fields: Sequence[str] = FIELDS

    def __init__(
        self,
        *,
        recipients: Any = (),  # required; without it Python would refuse, and a misspelt name would reach Airflow's log
        body: str | None = None,
        sender: str | None = None,
        max_parts: int | None = 1,
        alarm_key: str | None = None,
        once_per: timedelta | float = timedelta(minutes=60),
        timeout_seconds: float = 20.0,
        priority: float | None = None,
        flash: bool | None = None,
        test: bool = False,
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        self.recipients = recipients
        self.body = body
        self.sender = sender
        self.max_parts = max_parts
        self.alarm_key = alarm_key
        self.timeout_seconds = timeout_seconds
        self.priority = priority
        self.flash = flash
        self.test = test
        self.messaggisms_conn_id = messaggisms_conn_id
        try:
            super().__init__(**kwargs)
            self.once_per = _span(once_per)
            self._check()
        except (TypeError, ConfigurationError) as error:
            if "context" not in kwargs:
                raise
            self._refusal = error
            self._misnamed = [value for name, value in kwargs.items() if name != "context"]

    def _check(self) -> None:
        check_limit("max_parts", self.max_parts)
        if self.once_per < timedelta(0):
            raise ConfigurationError(f"once_per: {self.once_per} is negative; use zero to never silence")
        if not 1 <= self.timeout_seconds <= 300:
            raise ConfigurationError(f"timeout_seconds: {str(self.timeout_seconds)[:40]!r} is not from 1 to 300")
        if not self.recipients:
            raise ConfigurationError("recipients: at least one is required")
        sender = "Airflow" if not self.sender or is_template(self.sender) else self.sender
        MessageContent(sender=sender, body="x", priority=self.priority, flash=self.flash, test=self.test)

    # --- called by Airflow --------------------------------------------------------------------------------------------

    def __call__(self, *args: Any) -> None:
        """
        Render a copy and notify with it: one notifier serves many events.

        :param args: The context, or what Airflow 2 passes to its ``sla_miss_callback``.
        """
        context: Any = args[0] if len(args) == 1 else dict(zip(_SLA_MISS, args, strict=False))
        ready, context = self._prepared(context)
        ready.notify(context)

    def __await__(self) -> Generator[Any, Any, None]:
        """Do what :meth:`__call__` does without blocking the event loop; the context is ``self.context``."""
        return self._awaited().__await__()

    async def _awaited(self) -> None:
        try:
            context: Any = getattr(self, "context", None) or {}
            ready, context = await self._aprepared(context)
            await ready.async_notify(context)
        except Exception as error:  # noqa: BLE001 (it is raised again, where Airflow can hide the arguments)
            from airflow_provider_messaggisms.alarms.callback_log import raise_unless_it_tells

            others = [getattr(self, name, None) for name in self.template_fields if name not in PERSONAL]
            await raise_unless_it_tells(error, [self.recipients, self.body, *self._misnamed], others)

    def notify(self, context: Context) -> None:
        """
        Send the alarm, or stay silent if it has gone out. Renders the templates if they are not rendered yet.

        :raises MessaggiSmsError: It was not sent, or it is unknown whether it was.
        """
        if self._occasion is None:
            ready, context = self._prepared(context)
            MessaggiSmsNotifier.notify(ready, context)
        else:
            self._notify(self._occasion)

    async def async_notify(self, context: Context) -> None:
        """Do what :meth:`notify` does without blocking the event loop."""
        if self._occasion is None:
            ready, context = await self._aprepared(context)
            await MessaggiSmsNotifier.async_notify(ready, context)
        else:
            await self._anotify(self._occasion)

    # --- the alarm ----------------------------------------------------------------------------------------------------

    def _notify(self, occasion: Occasion) -> None:
        from airflow_provider_messaggisms.alarms.dispatch import dispatch
        from airflow_provider_messaggisms.alarms.reporting import failures_reported

        with failures_reported(occasion.event, self.recipients):
            dispatch(self._hook(), self._request(), occasion, self._deadline)

    async def _anotify(self, occasion: Occasion) -> None:
        from airflow_provider_messaggisms.alarms.dispatch import adispatch
        from airflow_provider_messaggisms.alarms.reporting import failures_reported

        with failures_reported(occasion.event, self.recipients):
            await adispatch(self._hook(), self._request(), occasion, self._deadline)

    def _deadline(self) -> Deadline:
        from airflow_provider_messaggisms.alarms.deadline import Deadline

        left = self._seconds_left()
        return Deadline(self.timeout_seconds if left is None else min(self.timeout_seconds, left - _SPARE_SECONDS))

    def _hook(self) -> MessaggiSmsHook:
        from airflow_provider_messaggisms.gateway.retry import RetryPolicy
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook

        policy = RetryPolicy(attempts=_ATTEMPTS)
        return MessaggiSmsHook(personal_value(self.messaggisms_conn_id), retry_policy=policy)

    def _request(self) -> AlarmRequest:
        from airflow_provider_messaggisms.alarms.alarm import AlarmRequest

        return AlarmRequest(
            recipients=self.recipients,
            body=self.body,
            sender=self.sender,
            alarm_key=self.alarm_key,
            max_parts=self.max_parts,
            once_per=self.once_per,
            priority=self.priority,
            flash=self.flash,
            test=self.test,
        )

    # --- templates ----------------------------------------------------------------------------------------------------

    def _prepared(self, context: Context) -> tuple[Self, Context]:
        """Make a rendered copy, and the context that its templates see."""
        from airflow_provider_messaggisms.alarms.deadline import Deadline, bounded

        left = self._seconds_left()
        handover = self._handover_seconds if left is None else max(left - _SENDING_SECONDS, left / 2)
        ready, context, templates = self._copy_for(context, Deadline(handover))
        try:
            bounded(lambda: ready.render_template_fields(context), templates, TimeoutError())
        except TimeoutError:
            ready = ready.as_far_as_rendered(self)
        return ready, context

    async def _aprepared(self, context: Context) -> tuple[Self, Context]:
        from airflow_provider_messaggisms.alarms.deadline import Deadline, abounded
        from airflow_provider_messaggisms.threads import in_thread

        ready, context, templates = self._copy_for(context, Deadline(self._async_handover_seconds))
        try:
            await abounded(in_thread(ready.render_template_fields, context), templates, TimeoutError())
        except TimeoutError:
            ready = ready.as_far_as_rendered(self)
        return ready, context

    def _copy_for(self, context: Context, handover: Deadline) -> tuple[Self, Context, Deadline]:
        """Make a copy to render, the context to render it with, and how long that may take."""
        from airflow_provider_messaggisms.alarms.events import event_of
        from airflow_provider_messaggisms.alarms.occasion import Occasion
        from airflow_provider_messaggisms.alarms.template_context import completed

        if self._refusal is not None:
            raise self._refusal
        event = event_of(context, self, sys.exception())
        ready = copy.copy(self)
        ready._occasion = Occasion(event, _written(self.body), handover)
        return ready, completed(context, event), handover.first(_TEMPLATES)


send_messaggisms_notification = MessaggiSmsNotifier


def _written(body: Any) -> str:
    """Identify a body before it is rendered; a function by its name."""
    return "" if body is None else str(getattr(body, "__qualname__", body))


def _span(once_per: Any) -> timedelta:
    if isinstance(once_per, timedelta):
        return once_per
    try:
        return timedelta(seconds=once_per)
    except (TypeError, ValueError, OverflowError):
        raise ConfigurationError(
            f"once_per: expected a timedelta or a number of seconds, got {str(once_per)[:40]!r}"
        ) from None
