"""
The notifier: an SMS when a task or a DAG fails, or whenever else Airflow calls back.

.. code-block:: python

    DAG("etl", on_failure_callback=MessaggiSmsNotifier(recipients="+39 349 123 4567"))

It has to arrive, once, and say what happened; the package ``alarms`` has what that takes. Nobody repeats a callback, so
whatever can go wrong on the way is settled in favour of sending: a template that cannot be rendered, a placeholder
without a field, one bad number among good ones.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.providers.common.compat.sdk import BaseNotifier
from jinja2 import StrictUndefined

from airflow_provider_messaggisms.alarms.deadline import Deadline, abounded, bounded, in_thread
from airflow_provider_messaggisms.alarms.events import Event, completed, event_of, said, said_safely
from airflow_provider_messaggisms.alarms.wording import default_text, fitted_text, links_of, plain_where_needed
from airflow_provider_messaggisms.exceptions import ConfigurationError, DeliveryError, MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.cost import check_max_parts, count_parts
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.phone import known_region, mask_numbers
from airflow_provider_messaggisms.gateway.recipients import (
    Recipient,
    RecipientList,
    check_placeholders,
    listed,
    read_recipients,
)
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.sender import check_sender
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.sms_text import whole_characters
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.personal import Personal, personal_value
from airflow_provider_messaggisms.personal_templates import PersonalTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment

    # Imported where it is needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.alarms.deduplication import Alarm

log = logging.getLogger(__name__)

__all__ = ["MessaggiSmsNotifier", "send_messaggisms_notification"]

#: What Airflow 2 hands to a DAG's ``sla_miss_callback``, in this order.
_SLA_MISS = ("dag", "task_list", "blocking_task_list", "slas", "blocking_tis")

#: The fields that PersonalTemplates renders, in this order.
_PERSONAL = ("recipients", "body")

#: How long the event loop waits for a Variable or the connection. A triggerer that has just started takes some ten
#: seconds to hand over the first one, twice that on a busy machine; nobody is blocked meanwhile.
_PREPARING_SECONDS = 60.0

#: How much of an alarm's key is shown; the key itself may have any length.
_SHOWN_KEY_CHARACTERS = 200

#: What can be repeated without harm is, for as long as there is time.
_PATIENCE = RetryPolicy(attempts=10)


class MessaggiSmsNotifier(PersonalTemplates, BaseNotifier):
    """
    Send an alarm by SMS, as any callback of a task or a DAG, or for a missed deadline.

    Airflow itself has three gaps to know of. It does not call back a task whose *last* try was killed (3.3), but it
    does call its DAG: give the DAG a notifier too. What was killed is called back in the dag-processor, where all
    callbacks of one file have 50 s together. For a deadline take an ``AsyncCallback``: a ``SyncCallback`` cannot read
    connections from Airflow's database.

    :param recipients: A number as people write it, ``{"number": ..., "fields": {...}}``, or a list of these. A template
        may render to a list, to its JSON, or to numbers with commas between them, so ``"{{ var.value.on_call }}"``
        takes a rota from an Airflow Variable. A number that cannot be one is left out and logged. Templated.
    :param body: The text. Default: what failed, in which run, on which try, why, and a link if it fits. That is also
        what goes out when this template cannot be rendered. Templated.
    :param sender: 3 to 11 letters and digits, or 3 to 14 digits. Default: the connection's. Templated.
    :param max_parts: How many SMS parts the text may take, so what it may cost; it is made plain and cut to fit. 1 or
        more, default 1 (160 characters). ``None`` sends it as it is.
    :param alarm_key: Alarms with the same key, to the same recipients, are one alarm. Default: dag, run, task, map
        index, try and event. ``"{{ dag.dag_id }}"`` makes one alarm of all failures of a DAG. It is kept with
        the message, and shown in the log with its numbers masked. Templated.
    :param once_per: For how long an alarm that went out silences others with its key: a ``timedelta`` or seconds.
        Default 60 minutes. Zero never silences.
    :param timeout_seconds: How long Airflow waits for all of it, templates, look-ups and repeats included. 1 to 300,
        default 20.
    :param priority: 1.0 (the gateway's default) or more; a higher one costs more and is sent earlier.
    :param flash: Show the SMS at once on the screen instead of storing it.
    :param test: ``True`` simulates: the gateway sends nothing.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :param kwargs: What Airflow's ``BaseNotifier`` takes: the ``context``, which deadlines hand over here.
    :raises ConfigurationError: An argument is wrong. Raised when the DAG is read, not when the alarm is needed, as far
        as it can be told then: what a template or the connection says cannot.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "recipients", "body", "sender", "alarm_key")

    def __init__(
        self,
        *,
        recipients: Any,
        body: str | None = None,
        sender: str | None = None,
        max_parts: int | None = 1,
        alarm_key: str | None = None,
        once_per: timedelta | float = timedelta(minutes=60),
        timeout_seconds: float = 20.0,
        priority: float | None = None,
        flash: bool | None = None,
        test: bool = False,
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients = recipients
        self.body = body
        self.sender = sender
        self.max_parts = max_parts
        self.alarm_key = alarm_key
        self.once_per = _span(once_per)
        self.timeout_seconds = timeout_seconds
        self.priority = priority
        self.flash = flash
        self.test = test
        self.messaggisms_conn_id = messaggisms_conn_id
        self._called: MessaggiSmsNotifier = self
        self._check()

    def _check(self) -> None:
        check_max_parts(self.max_parts)
        if self.once_per < timedelta(0):
            raise ConfigurationError(f"once_per: {self.once_per} is negative; zero never silences")
        if not 1 <= self.timeout_seconds <= 300:
            raise ConfigurationError(f"timeout_seconds: {str(self.timeout_seconds)[:40]!r} is not from 1 to 300")
        if self.sender and "{" not in str(self.sender):
            check_sender(self.sender)
        if not self.recipients:
            raise ConfigurationError("recipients: nobody is named")
        MessageContent(sender="Airflow", body="x", priority=self.priority, flash=self.flash, test=self.test)

    # --- the two faces ------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any) -> None:
        """
        Render and send, on a copy: Airflow renders in place, and one notifier serves many failures.

        :param args: The context, or what Airflow 2 gives its ``sla_miss_callback``.
        """
        context: Any = args[0] if len(args) == 1 else dict(zip(_SLA_MISS, args, strict=False))
        self._copy()._notify(context, render=True)

    def __await__(self) -> Generator[Any, Any, None]:
        """Render and send, on a copy, without blocking the event loop."""
        return self._copy()._awaited().__await__()

    def notify(self, context: Context) -> None:
        """
        Send the alarm, or stay silent if it has gone out.

        :raises MessaggiSmsError: It could not be sent, or nobody knows whether it was.
        """
        self._notify(context, render=False)

    def _notify(self, context: Context, *, render: bool) -> None:
        from airflow_provider_messaggisms.alarms.deduplication import send_once

        deadline = Deadline(self.timeout_seconds)

        def send() -> tuple[Alarm, str, Message | None]:
            if render:
                self.render_template_fields(context)
            with self._hook() as hook:
                alarm = self._alarm(hook.settings, context)
                return alarm, *hook.run_steps(send_once(alarm, deadline.until(1.0)))

        with self._naming_failures(context):
            self._tell(*bounded(send, deadline))

    async def async_notify(self, context: Context) -> None:
        """Do what :meth:`notify` does. ``timeout_seconds`` begins when Airflow has handed over the connection."""
        from airflow_provider_messaggisms.alarms.deduplication import send_once

        with self._naming_failures(context):
            async with self._hook() as hook:
                settings = await abounded(hook.asettings(), Deadline(_PREPARING_SECONDS))
                alarm = await in_thread(self._alarm, settings, context)
                deadline = Deadline(self.timeout_seconds)
                self._tell(alarm, *await abounded(hook.arun_steps(send_once(alarm, deadline)), deadline))

    async def _awaited(self) -> None:
        context: Any = getattr(self, "context", None) or {}
        try:
            with self._naming_failures(context):
                await abounded(in_thread(self.render_template_fields, context), Deadline(_PREPARING_SECONDS))
            await self.async_notify(context)
        except Exception:
            await in_thread(_hide, self._called.recipients, self._called.body)
            raise

    def _copy(self) -> MessaggiSmsNotifier:
        mine = copy.copy(self)
        mine._called = self
        return mine

    def _hook(self) -> MessaggiSmsHook:
        return MessaggiSmsHook(personal_value(self.messaggisms_conn_id), retry_policy=_PATIENCE)

    # --- templates ----------------------------------------------------------------------------------------------------

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """Render; what is wrong with a field comes up where the field is needed."""
        context = completed(context)
        env = jinja_env or self._env(context)
        for name in self.template_fields:
            if name not in _PERSONAL and (template := getattr(self, name)):
                try:
                    rendered = self.render_template(template, context, env, set())
                except Exception as error:  # noqa: BLE001 (a template may raise anything)
                    rendered = Personal(None, error)
                setattr(self, name, rendered)
        for name in _PERSONAL:
            self.render_own_field(name, context, env, set())

    def render_recipients(self, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        """Render; what recipients render to is a list, so that the body knows their fields."""
        return listed(super().render_recipients(written, context, env, seen))

    def _env(self, context: Context) -> Environment:
        dag = context.get("dag")
        if hasattr(dag, "get_template_env"):
            return self.get_template_env(dag=dag)
        # A deadline has no DAG, and what `airflow dags test` gives a DAG's callback cannot make an environment.
        env = self.get_template_env()
        env.undefined = StrictUndefined
        return env

    # --- the alarm ----------------------------------------------------------------------------------------------------

    def _alarm(self, settings: Settings, context: Context) -> Alarm:
        from airflow_provider_messaggisms.alarms.deduplication import Alarm, alarm_key_for, checked_alarm_key, marks

        event = event_of(context, self._called)
        recipients = self._read_recipients(settings)
        chosen = self._or_default("alarm_key", "the default key", checked_alarm_key)
        name = chosen or event.name
        sender = self._or_default("sender", "the connection's", check_sender)
        sender = sender or check_sender(settings.sender)
        key, attempt = alarm_key_for(f"test of {name}" if self.test else name, recipients.numbers), uuid4().hex[:12]
        body, addressees = self._words(event, context, recipients)
        shown = name[:_SHOWN_KEY_CHARACTERS]
        content = MessageContent(
            sender=sender,
            body=body,
            test=self.test,
            priority=self.priority,
            flash=self.flash,
            custom=marks(key, attempt, {**event.for_people(), "alarm_key": shown}),
        )
        post = calls.send_message(content, addressees)
        _, cost = count_parts(body, addressees).fitted(None, "fail")
        return Alarm(
            key,
            mask_numbers(shown) if chosen else shown,
            sender,
            self.once_per,
            attempt,
            post,
            cost.described(settings.price_per_part_eur),
        )

    def _read_recipients(self, settings: Settings) -> RecipientList:
        try:
            region = known_region(settings.default_region)
        except ConfigurationError as error:
            log.error("%s; only numbers with their prefix get this alarm", error)
            region = None
        recipients = read_recipients(
            listed(personal_value(self.recipients)),
            default_region=region,
            validate="possible",
            on_invalid="drop",
        )
        for why in recipients.dropped:
            log.error("This recipient gets no alarm: %s", why)
        return recipients

    def _or_default(self, name: str, default: str, check: Callable[[Any], str]) -> str | None:
        """Take a field that can be done without."""
        try:
            value = personal_value(getattr(self, name))
            return check(value) if value else None
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the alarm must go out)
            log.warning("%s; using %s", _described(name, error), default)
            return None

    def _words(self, event: Event, context: Context, recipients: RecipientList) -> tuple[str, Sequence[Recipient]]:
        """Give the text, and to whom it goes."""
        try:
            body = whole_characters(str(personal_value(self.body) or "")).strip()
            if body:
                check_placeholders(body, recipients)
                addressees = plain_where_needed(body, recipients.addressees, self.max_parts)
                fields = [one.fields for one in addressees]
                why = said(context.get("exception"))
                return fitted_text(body, why, max_parts=self.max_parts, fields=fields), addressees
            if self.body:
                log.warning("body: the template renders to nothing; sending a plain text instead")
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the alarm must go out)
            log.warning("%s; sending a plain text instead", _described("body", error))
        return default_text(event, max_parts=self.max_parts, links=links_of(event)), recipients.addressees

    # --- the log ------------------------------------------------------------------------------------------------------

    def _tell(self, alarm: Alarm, message_id: str, message: Message | None) -> None:
        """
        Say what became of the alarm.

        :param message: What was sent; ``None`` if message *message_id* had told it already.
        :raises DeliveryError: The gateway calls every number invalid.
        """
        if message is None:
            log.info(
                "Staying silent: message %s told this already (alarm_key %r, once per %s)",
                message_id, alarm.name, alarm.once_per,
            )  # fmt: skip
            return
        valid, invalid = message.recipients.valid.count, message.recipients.invalid.total
        log.info(
            "Alarm sent as message %s to %d recipient(s): %s SMS part(s), price %s EUR (alarm_key %r)",
            message.id, valid, message.statistics.sms_total, message.price, alarm.name,
        )  # fmt: skip
        if message.test:
            log.warning("TEST: message %s was simulated, nobody gets this alarm (test=True)", message.id)
        if invalid:
            text = f"message {message.id}: the gateway calls {invalid} recipient(s) invalid; they get no alarm"
            if not valid:
                raise DeliveryError(text)
            log.error(text)

    @contextmanager
    def _naming_failures(self, context: Context) -> Iterator[None]:
        """Say loudly whom an alarm does not reach. What Airflow logs of the error names neither them nor the event."""
        try:
            yield
        except Exception as error:
            recipients = self.recipients if isinstance(self.recipients, Personal) else Personal(self.recipients)
            name = event_of(context, self._called).name
            log.error("ALARM NOT SENT: %s, to %s: %s", name, recipients, said_safely(error))
            raise


send_messaggisms_notification = MessaggiSmsNotifier


def _span(once_per: Any) -> timedelta:
    if isinstance(once_per, timedelta):
        return once_per
    try:
        return timedelta(seconds=once_per)
    except (TypeError, ValueError, OverflowError):
        raise ConfigurationError(
            f"once_per: expected a timedelta or a number of seconds, got {str(once_per)[:40]!r}"
        ) from None


def _described(field: str, error: Exception) -> str:
    """Say in one line what is wrong with a field; our own errors name it."""
    text = next(iter(said_safely(error).splitlines()), "")
    if isinstance(error, MessaggiSmsError):
        return text
    return f"{field}: the template cannot be rendered: {type(error).__name__}: {text}"


def _hide(*arguments: Any) -> None:
    """Hide what a deadline's callback was given: when it fails, Airflow logs the ``repr`` of all its arguments."""
    with suppress(ImportError):  # an older common-compat
        from airflow.providers.common.compat.sdk import mask_secret

        for argument in filter(None, arguments):
            mask_secret(repr(argument))
