"""
What the send operators share: from arguments to a message that is checked, sent exactly once, and told of.

:meth:`SendingOperator.execute` is the walk: read the recipients, compose the content, wait for ``send_at``, send. What
has passed a check is a value, and that value is what travels on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException
from msgspec.structs import replace

from airflow_provider_messaggisms.arguments import as_flag, as_number
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.quiet_hours import read_quiet_hours
from airflow_provider_messaggisms.gateway.recipients import read_recipients
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.send_date import instant_of
from airflow_provider_messaggisms.links import link_to_message
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.personal import personal_value
from airflow_provider_messaggisms.sending.run_age import why_too_old
from airflow_provider_messaggisms.sending.send_arguments import SendArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.content import MessageContent
    from airflow_provider_messaggisms.gateway.cost import PartsCounter
    from airflow_provider_messaggisms.gateway.models import Message
    from airflow_provider_messaggisms.gateway.settings import Settings
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook
    from airflow_provider_messaggisms.sending.due_time import Plan, Wishes
    from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
    from airflow_provider_messaggisms.sending.remaining_recipients import Recipients


class Outgoing(RedactedStruct, frozen=True):
    """
    A message that has passed every check and may be sent.

    :param recipients: Its recipients, each number once.
    :param parts: SMS parts that it takes for all of them, at most.
    """

    _shown = ("content", "parts")
    content: MessageContent
    recipients: Recipients
    parts: int


class SendingOperator(SendArguments):
    """
    Base of the send operators.

    See :class:`~airflow_provider_messaggisms.sending.send_arguments.SendArguments` for the parameters.
    """

    #: Seconds to wait before each look for a message whose answer was lost; ``None``: as ``gateway.idempotency`` says.
    lookup_pauses_seconds: ClassVar[tuple[float, ...] | None] = None

    def execute(self, context: Context) -> str:
        """Check everything, wait until ``send_at`` or the end of quiet hours, send; return the message's id."""
        return self._execute(context)

    def execute_at(self, context: Context, event: Any = None) -> str:
        """
        Go on when the moment to send has come.

        :param event: That moment. The template of ``send_at`` is rendered again by now and may name a later one.
        """
        return self._execute(context, waited_until=event if isinstance(event, datetime) else None)

    def _execute(self, context: Context, waited_until: datetime | None = None) -> str:
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook
        from airflow_provider_messaggisms.sending.summary import log_dropped, log_repeated

        with without_retries(self), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            if context["ti"].try_number <= 1 and not (self.send_at or self.timestamp_send):
                self._skip_old_news(context, self._now())  # a backfill reads nothing and asks for nothing
            exactly_once: ExactlyOnce | None = None
            try:
                recipients = self._read_recipients(hook)
                log_dropped(recipients.dropped)
                log_repeated(recipients.repeated, recipients.conflicts)
                exactly_once = self._exactly_once(hook, context, recipients.numbers)
                message = self._send_once(context, exactly_once, recipients, waited_until)
            except Exception as error:
                self._clean_up(context, hook, exactly_once, error)
                raise
            self._tell(context, message, recipients)
            link_to_message(self, context, hook.settings, message.id)
        return self.deliver(context, message.id)

    def _send_once(
        self, context: Context, exactly_once: ExactlyOnce, recipients: Recipients, waited_until: datetime | None
    ) -> Message:
        from airflow_provider_messaggisms.sending.remaining_recipients import RemainingRecipients

        if reached := exactly_once.reached_before():
            recipients = RemainingRecipients(recipients, reached)
            if not recipients.numbers:
                return exactly_once.hook.get_message(next(iter(reached)))
        try:
            outgoing = self._compose(exactly_once, recipients)
            outgoing = self._wait_until_due(context, exactly_once, outgoing, waited_until)
        except (ConfigurationError, AirflowSkipException):
            # What is wrong now, such as a day that is past, does not matter if an earlier try has sent the message.
            if (sent := exactly_once.find_sent()) is None:
                raise
            return self._adopt(exactly_once, sent, recipients)
        earlier = exactly_once.find_earlier()
        if earlier is not None and not earlier.transaction:
            return self._adopt(exactly_once, earlier, recipients)
        message = self._send(exactly_once, outgoing, earlier)
        if not (outgoing.content.test if message.test is None else message.test):
            ti = context["ti"]
            exactly_once.hook.metrics(dag_id=ti.dag_id, task_id=ti.task_id).sent(message)
        return message

    # --- checks -------------------------------------------------------------------------------------------------------

    def _read_recipients(self, hook: MessaggiSmsHook) -> Recipients:
        body = self._as_text(personal_value(self.body))
        return read_recipients(
            personal_value(self.recipients),
            body=body if isinstance(body, str) else "",
            default_region=hook.settings.default_region,
            validate=self.validate,
            on_invalid=self.on_invalid,
            on_repeated=self.on_repeated,
        )

    def _compose(self, exactly_once: ExactlyOnce, recipients: Recipients) -> Outgoing:
        """
        Make the message, and say in the log what sending it will take.

        :raises ConfigurationError: A part of it is wrong, or takes more than ``max_parts`` and may not be cut.
        """
        from airflow_provider_messaggisms.sending.price_limit import check_price

        hook = exactly_once.hook
        content = hook.compose(
            body=self._as_text(personal_value(self.body)),
            sender=self.sender,
            test=as_flag("test", self.test) or False,
            priority=as_number("priority", self.priority),
            flash=as_flag("flash", self.flash),
            realtime=as_flag("realtime", self.realtime),
            timestamp_send=self.timestamp_send,
            custom=exactly_once.custom(personal_value(self.custom)),
            callback_url=personal_value(self.callback_url) or None,
            callback_field=self.callback_field or None,
        )
        text, cost = self._count_parts(content.body, recipients).fitted(self.max_parts, self.on_too_long)
        if text != content.body:
            self.log.warning(
                "The text takes more than max_parts=%s; it was cut, as on_too_long='fit' says", self.max_parts
            )
            content = replace(content, body=text)
        count = len(recipients.numbers)
        parts = cost.parts * count // cost.recipients
        if count < cost.recipients:  # a file was counted before it was known who has the SMS already
            cost = replace(cost, recipients=count, exact=False)
        check_price(hook, content, cost, self._price_limit(recipients))
        return Outgoing(content, recipients, parts)

    def _price_limit(self, recipients: Recipients) -> float | None:
        """Return the limit for the estimate, in EUR without VAT; ``None`` for no limit."""
        return as_number("max_price_eur", self.max_price_eur)

    def _count_parts(self, body: str, recipients: Recipients) -> PartsCounter:
        from airflow_provider_messaggisms.gateway.cost import count_parts

        return count_parts(body, recipients)

    @staticmethod
    def _as_text(body: Any) -> Any:
        return str(body) if isinstance(body, int | float) else body  # another task may give a number

    def _exactly_once(self, hook: MessaggiSmsHook, context: Context, numbers: Iterable[str]) -> ExactlyOnce:
        from airflow_provider_messaggisms.gateway.idempotency import checked_key
        from airflow_provider_messaggisms.installation import installation_of
        from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
        from airflow_provider_messaggisms.sending.task_state import Origin

        origin = Origin.of(context, installation_of(hook.settings))
        chosen, test = self.idempotency_key, as_flag("test", self.test)
        key = checked_key("idempotency_key", chosen) if chosen else origin.key(numbers)
        return ExactlyOnce(
            hook,
            context,
            origin,
            key=f"test of {key}" if test else key,
            sender=self.sender or hook.settings.sender,
            is_derived=not (chosen or test),
            pauses_seconds=self.lookup_pauses_seconds,
        )

    # --- sending ------------------------------------------------------------------------------------------------------

    def _wait_until_due(
        self, context: Context, exactly_once: ExactlyOnce, outgoing: Outgoing, waited_until: datetime | None
    ) -> Outgoing:
        """
        Wait until the message may go out, without holding a worker slot for long; give it as it may then be sent.

        :raises ConfigurationError: The moment is long past or quiet, or ``timestamp_send`` is given too.
        :raises AirflowSkipException: It is too late, or the news too old, and the DAG author wants to skip it then.
        """
        from airflow_provider_messaggisms.sending.due_time import plan

        wishes = self._wishes(context, exactly_once.hook.settings, outgoing.content.timestamp_send, waited_until)
        now = self._now()
        when = plan(wishes, now)
        self._skip_old_news(context, when.at, when.planned)
        if wishes.send_at is not None:
            self._check_grace(when, now)
        if when.at > now:
            is_due = when.planned is None or when.planned <= now  # only quiet hours delay it
            if is_due and exactly_once.find_sent() is not None:
                return outgoing  # there is nothing to send any more
            self._sleep_until(when.at, when.at - now)
        return replace(outgoing, content=replace(outgoing.content, timestamp_send=when.timestamp_send))

    def _wishes(
        self, context: Context, settings: Settings, timestamp_send: str | None, waited_until: datetime | None
    ) -> Wishes:
        from airflow_provider_messaggisms.sending.due_time import Wishes

        send_at = None if self.send_at in (None, "") else waited_until or instant_of("send_at", self.send_at)
        if send_at is not None and timestamp_send is not None:
            raise ConfigurationError("send_at: timestamp_send is given too; one of them says when")
        is_mapped = getattr(context["ti"], "map_index", -1) >= 0  # then another task may have given the moment
        quiet = read_quiet_hours(self.quiet_hours, timezone=settings.timezone)
        return Wishes(
            send_at,
            timestamp_send,
            self._is_moment_literal and not is_mapped and waited_until is None,
            settings.quiet_hours if self.quiet_hours is None else quiet,
            settings.timezone,
            settings.timestamp_send_format,
        )

    def _skip_old_news(self, context: Context, at: datetime, planned: datetime | None = None) -> None:
        why = why_too_old(context, self.send_only_within, at=at, planned=planned)
        if why is not None:
            self._skip(why)

    def _check_grace(self, when: Plan, now: datetime) -> None:
        if when.late <= self.send_at_grace:
            return
        how = f"{when.planned} is {when.late} ago"
        if when.at > now:
            how = f"the quiet hours end {when.late} after {when.planned}"
        text = f"send_at: {how}, more than send_at_grace ({self.send_at_grace}) allows; nothing was sent"
        if self.if_too_late == "skip":
            self._skip(text)
        raise ConfigurationError(text)

    def _skip(self, why: str) -> NoReturn:
        self.log.info("%s", why)  # Airflow 3 does not show the text of the exception
        raise AirflowSkipException(why)

    def _sleep_until(self, moment: datetime, left: timedelta) -> None:
        self.log.info("Waiting until %s", moment.isoformat())
        if left > timedelta(seconds=self.handover_seconds):
            from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

            self.defer(trigger=TimeDeltaTrigger(left), method_name="execute_at")
        time.sleep(left / timedelta(seconds=1))

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _send(self, exactly_once: ExactlyOnce, outgoing: Outgoing, earlier: Message | None) -> Message:
        """
        Send with one POST.

        :param earlier: What an earlier try left open: a message to several, under the same ``idempotency_key``.
        """
        from airflow_provider_messaggisms.gateway import calls

        post = calls.send_message(outgoing.content, tuple(outgoing.recipients))
        if earlier is not None:
            exactly_once.discard(earlier)
        return exactly_once.send(post)

    def _adopt(self, exactly_once: ExactlyOnce, message: Message, recipients: Recipients) -> Message:
        """Take the message of an earlier try for this one's, and say how to send again on purpose."""
        self.log.warning(
            "Message %s was sent by an earlier try of this task (key %s); not sending again. "
            "To send anew, give the task another idempotency_key",
            message.id,
            exactly_once.key,
        )
        exactly_once.remember(message)
        return message

    def _clean_up(
        self, context: Context, hook: MessaggiSmsHook, exactly_once: ExactlyOnce | None, error: Exception
    ) -> None:
        """Handle the end of a try that failed. A plain send leaves nothing behind that the next try does not find."""

    def _tell(self, context: Context, message: Message, recipients: Recipients) -> None:
        """
        Push the XCom ``message``, and say in the log what was sent.

        :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or none is left.
        """
        from airflow_provider_messaggisms.sending.summary import check_accepted, log_summary, summary_of

        asked_to_test = as_flag("test", self.test) or False
        summary = summary_of(
            message,
            asked_to_test=asked_to_test,
            dropped=len(recipients.dropped),
            repeated=recipients.repeated,
        )
        context["ti"].xcom_push(key="message", value=summary)
        log_summary(summary, asked_to_test=asked_to_test)
        check_accepted(summary, self.on_invalid)
