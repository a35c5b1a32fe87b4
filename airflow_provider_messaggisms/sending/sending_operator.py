"""
What every send operator shares: its options, their check before any money is spent, and the account of what was sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_messaggisms.arguments import as_flag, as_number, check_choice, check_timedelta
from airflow_provider_messaggisms.exceptions import ConfigurationError, DeliveryError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.cost import OnTooLong, PartsCounter, check_max_parts
from airflow_provider_messaggisms.gateway.idempotency import checked_key, with_key
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import (
    OnInvalid,
    Recipient,
    RecipientList,
    Validate,
    check_placeholders,
    read_recipients,
)
from airflow_provider_messaggisms.gateway.send_date import instant_of, send_day
from airflow_provider_messaggisms.gateway.sender import check_sender
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.links import store_page
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.personal import personal_value
from airflow_provider_messaggisms.personal_templates import PersonalTemplates
from airflow_provider_messaggisms.waiting.waiting_operator import OptionallyWaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce

#: How many left-out recipients the log names; the rest is counted.
_MAX_NAMED = 20


class SendingOperator(PersonalTemplates, OptionallyWaitingOperator):
    """
    Base of the send operators.

    :param body: The text. ``{{name}}`` where ``name`` is a field of the recipients is filled by the gateway for each of
        them; every other template is Airflow's. Templated.
    :param recipients: A number as people write it, ``{"number": ..., "fields": {...}}``, or a list of these. Numbers
        given twice are sent to once. Templated.
    :param sender: 3 to 11 letters and digits, or 3 to 14 digits. Default: the connection's. Templated.
    :param test: ``True`` simulates: the gateway sends nothing. Default ``False``. Templated.
    :param priority: 1.0 (the gateway's default) or more; a higher one costs more and is sent earlier. Templated.
    :param flash: Show the SMS at once on the screen instead of storing it. Templated.
    :param realtime: Skip all queues, for one-time passwords; one a minute. Templated.
    :param timestamp_send: The day to send on: a ``date``, ``2026-12-24``, ``24-12-2026``, or an instant that is
        midnight in the connection's time zone; kept at the gateway until then. Default: now. Templated.
    :param send_at: The moment to send at, to the second: an aware ``datetime`` or an ISO 8601 text with its offset. The
        task defers until then and holds no worker slot, unless it is but seconds away; the gateway sees nothing before.
        Templated.
    :param send_at_grace: How late it may still be sent when ``send_at`` is past. Default one hour.
    :param custom: Anything that JSON can hold, kept with the message. Templated.
    :param callback_url: http(s) address that the gateway tells each change of state. Templated.
    :param callback_field: Form field for that; without it the report is the raw body. Templated.
    :param max_parts: Most SMS parts that the text may take for any recipient, their fields filled in; 1 or more.
        Default: no limit.
    :param on_too_long: ``fail`` (default): a text that takes more fails the task before anything is sent. ``fit``: it
        is written in the plain alphabet of SMS where that saves parts, and cut in its middle.
    :param on_invalid: ``fail`` (default): a number that cannot be sent to fails the task before anything is sent.
        ``drop``: it is left out and reported. Says also what becomes of the task if the gateway calls a number invalid.
    :param validate: ``full`` asks whether a number can be a mobile or fixed line of its country; ``possible`` only
        whether its length can be right.
    :param idempotency_key: Replaces the key that is derived from dag, run, task, map index and recipients. The later
        tries of a task look for it, the first one does not, so it keeps no other task or run from sending. It is shown
        in the log: put no number in it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.

    With ``wait_for_delivery=True`` the task ends when the SMS have arrived; how it waits say the parameters of
    :class:`~airflow_provider_messaggisms.waiting.waiting_operator.OptionallyWaitingOperator`.
    """

    template_fields: Sequence[str] = (
        "messaggisms_conn_id",
        "recipients",
        "body",
        "sender",
        "test",
        "priority",
        "flash",
        "realtime",
        "timestamp_send",
        "send_at",
        "custom",
        "callback_url",
        "callback_field",
        "idempotency_key",
    )
    ui_color = "#d0e0e3"

    def __init__(
        self,
        *,
        body: str,
        recipients: Any = None,
        sender: str | None = None,
        test: bool | str = False,
        priority: float | str | None = None,
        flash: bool | str | None = None,
        realtime: bool | str | None = None,
        timestamp_send: Any = None,
        send_at: Any = None,
        send_at_grace: timedelta = timedelta(hours=1),
        custom: Any = None,
        callback_url: str | None = None,
        callback_field: str | None = None,
        max_parts: int | None = None,
        on_too_long: OnTooLong = "fail",
        on_invalid: OnInvalid = "fail",
        validate: Validate = "full",
        idempotency_key: str | None = None,
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.body = body
        self.recipients = recipients
        self.sender = sender
        self.test = test
        self.priority = priority
        self.flash = flash
        self.realtime = realtime
        self.timestamp_send = timestamp_send
        self.send_at = send_at
        self.send_at_grace = send_at_grace
        self.custom = custom
        self.callback_url = callback_url
        self.callback_field = callback_field
        self.max_parts = max_parts
        self.on_too_long = on_too_long
        self.on_invalid = on_invalid
        self.validate = validate
        self.idempotency_key = idempotency_key
        self.messaggisms_conn_id = messaggisms_conn_id
        self._last_once: ExactlyOnce | None = None

    def execute(self, context: Context) -> str:
        """Check everything, wait until ``send_at`` if there is one, send; return the message's id."""
        return self._execute(context)

    def execute_at(self, context: Context, event: Any = None) -> str:
        """
        Go on when the moment ``send_at`` has come.

        :param event: That moment. The template of ``send_at`` is rendered anew by now and may name a later one.
        """
        return self._execute(context, waited_until=event if isinstance(event, datetime) else None)

    def _execute(self, context: Context, waited_until: datetime | None = None) -> str:
        with without_retries(), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            self._check_arguments()
            once, send = self._prepare(hook, context)
            self._wait_until_due(once, waited_until)
            message_id = send()
            store_page(context, hook.settings, message_id)
        return self.deliver(context, message_id)

    def _prepare(self, hook: MessaggiSmsHook, context: Context) -> tuple[ExactlyOnce, Callable[[], str]]:
        """Check everything that can be checked without spending money; return what sends and gives the message's id."""
        raise NotImplementedError

    def _check_arguments(self) -> None:
        check_choice("on_invalid", self.on_invalid, get_args(OnInvalid))
        check_choice("validate", self.validate, get_args(Validate))
        check_choice("on_too_long", self.on_too_long, get_args(OnTooLong))
        check_max_parts(self.max_parts)
        check_timedelta("send_at_grace", self.send_at_grace)

    def _wait_until_due(self, once: ExactlyOnce, waited_until: datetime | None) -> None:
        """Wait until ``send_at``, without holding a worker slot for long. A moment that is long past is refused."""
        if self.send_at in (None, ""):
            return
        if self.timestamp_send not in (None, ""):
            raise ConfigurationError("send_at: timestamp_send is given too; one of them says when")
        moment = waited_until or instant_of("send_at", self.send_at)
        late = datetime.now(UTC) - moment
        if late < timedelta(0):
            self.log.info("Waiting until %s", moment.isoformat())
            if -late > timedelta(seconds=self.handover_seconds):
                from airflow.providers.common.compat.standard.triggers import TimeDeltaTrigger

                self.defer(trigger=TimeDeltaTrigger(-late), method_name="execute_at")
            time.sleep(-late / timedelta(seconds=1))
        if late > self.send_at_grace and not once.is_sent():
            raise ConfigurationError(
                f"send_at: {moment.isoformat()} is {late} ago, more than send_at_grace ({self.send_at_grace}) allows; "
                "nothing was sent"
            )

    def _once(self, hook: MessaggiSmsHook, context: Context, numbers: Iterable[str]) -> ExactlyOnce:
        from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce, Origin, send_key

        if self.idempotency_key:
            key = checked_key("idempotency_key", self.idempotency_key)
        else:
            key = send_key(Origin.of(context), numbers)
        if as_flag("test", self.test):
            key = f"test of {key}"
        self._last_once = ExactlyOnce(hook, context, key=key, sender=check_sender(self.sender or hook.settings.sender))
        return self._last_once

    def _read_listed(self, hook: MessaggiSmsHook) -> RecipientList:
        recipients = read_recipients(
            personal_value(self.recipients),
            default_region=hook.settings.default_region,
            validate=self.validate,
            on_invalid=self.on_invalid,
        )
        body = self._written_body()
        check_placeholders(body if isinstance(body, str) else "", recipients.addressees)
        return recipients

    def _send_plainly(
        self, hook: MessaggiSmsHook, once: ExactlyOnce, addressees: Sequence[Recipient], options: dict[str, Any]
    ) -> Message:
        """Send with one POST, unless an earlier try has sent."""
        message = once.settle()
        if message is not None and not message.transaction:
            return self._adopted(message, once)
        if message is not None:  # to several, by an earlier try
            once.discard(message)
        return once.send(lambda: hook.send_message(recipients=addressees, **options))

    def _options(self, hook: MessaggiSmsHook, once: ExactlyOnce) -> dict[str, Any]:
        """Check all options and give them in the form that the hook takes."""
        settings = hook.settings
        options: dict[str, Any] = {
            "sender": check_sender(self.sender or settings.sender),
            "body": self._written_body(),
            "test": as_flag("test", self.test) or False,
            "priority": as_number("priority", self.priority),
            "flash": as_flag("flash", self.flash),
            "realtime": as_flag("realtime", self.realtime),
            "timestamp_send": self._day(settings, once),
            "custom": with_key(once.key, once.origin.for_people(), personal_value(self.custom)),
            "callback_url": personal_value(self.callback_url) or None,
            "callback_field": self.callback_field or None,
        }
        MessageContent(**options)  # checks them
        return options

    def _written_body(self) -> Any:
        body = personal_value(self.body)
        return str(body) if isinstance(body, int | float) else body  # another task may give a number

    def _fitted(
        self, options: dict[str, Any], tally: PartsCounter, once: ExactlyOnce
    ) -> tuple[dict[str, Any], int | None]:
        """
        Make the text fit, and say what sending it will take.

        :returns: The options with that text, and the parts that it takes for all, if that is known.
        :raises ConfigurationError: It takes more parts than ``max_parts``, and ``on_too_long`` is ``fail``.
        """
        try:
            body, cost = tally.settle(self.max_parts, self.on_too_long)
        except ConfigurationError:
            if once.is_sent():  # a shorter one, by an earlier try
                return options, None
            raise
        if body != options["body"]:
            self.log.warning(
                "The text takes more than max_parts=%s; it was cut, as on_too_long='fit' says", self.max_parts
            )
        self.log.info("To send: %s", cost.described(once.hook.settings.price_per_part_eur))
        return {**options, "body": body}, cost.parts

    def _day(self, settings: Settings, once: ExactlyOnce) -> str | None:
        try:
            return send_day(
                self.timestamp_send,
                timezone=settings.timezone,
                now=datetime.now(UTC),
                time_format=settings.timestamp_send_format,
            )
        except ConfigurationError:
            if once.is_sent():  # in time, by an earlier try
                return None
            raise

    def _name_dropped(self, dropped: Sequence[str]) -> None:
        for why in dropped[:_MAX_NAMED]:
            self.log.warning("Left out, as on_invalid='drop' says: %s", why)
        if len(dropped) > _MAX_NAMED:
            self.log.warning("... and %d more are left out", len(dropped) - _MAX_NAMED)

    def _adopted(self, message: Message, once: ExactlyOnce) -> Message:
        """Say that an earlier try has sent already, and how to send again on purpose."""
        self.log.warning(
            "Message %s was sent by an earlier try of this task (key %s); not sending again. "
            "To send anew, give the task another idempotency_key",
            message.id,
            once.key,
        )
        once.remember(message)
        return message

    def _account(self, context: Context, message: Message, **left_out: int) -> None:
        """
        Push the XCom ``message``, say in the log what was sent, and judge what the gateway calls invalid.

        :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or nobody is left.
        """
        valid, invalid = message.recipients.valid.count, message.recipients.invalid.total
        asked_to_test = as_flag("test", self.test) or False
        simulated = asked_to_test if message.test is None else message.test
        account = {
            "message_id": message.id,
            "valid": valid,
            "invalid": invalid,
            "parts": message.statistics.sms_total,
            "price_eur": message.price,
            "credit_eur": message.credit,
            "state": message.state,
            "test": simulated,
            **left_out,
        }
        context["ti"].xcom_push(key="message", value=account)
        self.log.info(
            "Message %s: %d valid recipient(s), %s SMS part(s), price %s EUR, credit %s EUR",
            message.id, valid, account["parts"], message.price, message.credit,
        )  # fmt: skip
        if simulated:
            self.log.warning("TEST: message %s was simulated, no SMS is sent to anybody (test=True)", message.id)
        elif asked_to_test:
            self.log.warning(
                "NOT A TEST: despite test=True the gateway did not simulate message %s; SMS may have gone out",
                message.id,
            )
        if invalid:
            text = f"message {message.id}: the gateway calls {invalid} recipient(s) invalid; they get nothing"
            if not valid:
                raise DeliveryError(f"{text}, so nobody was sent to", report=account)
            if self.on_invalid != "drop":
                raise DeliveryError(
                    f"{text}. {valid} other(s) were sent to; on_invalid='drop' accepts that", report=account
                )
            self.log.warning(text)
