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
import logging
import sys
from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow.providers.common.compat.sdk import BaseNotifier
from jinja2 import StrictUndefined

from airflow_provider_messaggisms.alarms.dag_processor import seconds_left
from airflow_provider_messaggisms.arguments import check_limit
from airflow_provider_messaggisms.exceptions import ConfigurationError, NotSentError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.personal import Personal, personal_value
from airflow_provider_messaggisms.personal_templates import PersonalTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment

    # They load what a DAG's parse does not need.
    from airflow_provider_messaggisms.alarms.alarm import AlarmRequest
    from airflow_provider_messaggisms.alarms.deadline import Deadline
    from airflow_provider_messaggisms.alarms.occasion import Occasion
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

log = logging.getLogger(__name__)

__all__ = ["MessaggiSmsNotifier", "send_messaggisms_notification"]

#: What Airflow 2 passes to a DAG's ``sla_miss_callback``, in this order.
_SLA_MISS = ("dag", "task_list", "blocking_task_list", "slas", "blocking_tis")

#: The template fields, and those of them that PersonalTemplates renders, in this order.
_FIELDS = ("messaggisms_conn_id", "recipients", "body", "sender", "alarm_key")
_PERSONAL = ("recipients", "body")

#: The share of the hand-over after which templates are given up that are not rendered yet.
_TEMPLATES = 0.9

#: What an alarm needs at least of the time that a dag-processor gives; the rest is for the hand-over.
_SENDING_SECONDS = 8.0

#: What a dag-processor needs to end a process in good order.
_SPARE_SECONDS = 1.0

#: How often a call is made at most; the time ends sooner.
_ATTEMPTS = 10


class MessaggiSmsNotifier(PersonalTemplates, BaseNotifier):
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

    template_fields: Sequence[str] = _FIELDS

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
        sender = "Airflow" if not self.sender or _is_template(self.sender) else self.sender
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

            others = [getattr(self, name, None) for name in self.template_fields if name not in _PERSONAL]
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
            ready = ready._as_far_as_rendered(self)
        return ready, context

    async def _aprepared(self, context: Context) -> tuple[Self, Context]:
        from airflow_provider_messaggisms.alarms.deadline import Deadline, abounded
        from airflow_provider_messaggisms.threads import in_thread

        ready, context, templates = self._copy_for(context, Deadline(self._async_handover_seconds))
        try:
            await abounded(in_thread(ready.render_template_fields, context), templates, TimeoutError())
        except TimeoutError:
            ready = ready._as_far_as_rendered(self)
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

    def _as_far_as_rendered(self, written: MessaggiSmsNotifier) -> Self:
        """Copy what is rendered so far; a template that is still what was written becomes an error of its field."""
        mine = copy.copy(self)
        for name in self.template_fields:
            value = getattr(mine, name)
            if name in _FIELDS and value is getattr(written, name) and _is_template(value):
                error = NotSentError(f"{name}: Airflow did not render the template in time")
                setattr(mine, name, Personal(None, error))
        return mine

    def resolve_template_files(self) -> None:
        """Look for no file: Airflow asks for it when the notifier is made, and there is no DAG to search yet."""

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """
        Render in place. An error is kept in its field and comes up where the field is needed.

        The further fields of a subclass come first, and the context gets them: the text may use them.
        """
        env = jinja_env or self._env(context)
        for name in [name for name in self.template_fields if name not in _FIELDS]:
            self._render_further_field(name, context, env)
        for name in [name for name in _FIELDS if name not in _PERSONAL and getattr(self, name)]:
            try:
                rendered = self.render_template(getattr(self, name), context, env, set())
            except Exception as error:  # noqa: BLE001 (a template may raise anything)
                rendered = Personal(None, error)
            setattr(self, name, rendered)
        for name in _PERSONAL:
            self.render_own_field(name, context, env, set())

    def _render_further_field(self, name: str, context: Any, env: Environment) -> None:
        from airflow_provider_messaggisms.alarms.events import error_text_without_numbers

        try:
            setattr(self, name, self.render_template(getattr(self, name), context, env, set()))
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the alarm must go out)
            log.warning("%s: the template cannot be rendered: %s", name, error_text_without_numbers(error))
        context[name] = getattr(self, name)

    def _env(self, context: Context) -> Environment:
        dag = context.get("dag")
        if hasattr(dag, "get_template_env"):
            return self.get_template_env(dag=dag)
        # A deadline has no DAG, and the DAG that `airflow dags test` gives to a DAG's callback makes no environment.
        env = self.get_template_env()
        env.undefined = StrictUndefined
        return env


send_messaggisms_notification = MessaggiSmsNotifier


def _written(body: Any) -> str:
    """Identify a body before it is rendered; a function by its name."""
    return "" if body is None else str(getattr(body, "__qualname__", body))


def _is_template(value: Any) -> bool:
    return callable(value) or any(sign in str(value) for sign in ("{{", "{%"))


def _span(once_per: Any) -> timedelta:
    if isinstance(once_per, timedelta):
        return once_per
    try:
        return timedelta(seconds=once_per)
    except (TypeError, ValueError, OverflowError):
        raise ConfigurationError(
            f"once_per: expected a timedelta or a number of seconds, got {str(once_per)[:40]!r}"
        ) from None
