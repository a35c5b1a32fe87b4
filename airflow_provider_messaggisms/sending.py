"""
What every send operator shares: its options, their check before any money is spent, and the account of what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_messaggisms.exceptions import DeliveryError
from airflow_provider_messaggisms.gateway.calls import check_sender
from airflow_provider_messaggisms.gateway.key import checked_key, with_key
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import OnInvalid, Recipients, Validate
from airflow_provider_messaggisms.gateway.schedule import send_day
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.once import Once, Origin, key_for
from airflow_provider_messaggisms.templating import PersonalTemplates, as_flag, as_number, personal_value

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class SendingOperator(PersonalTemplates, BaseOperator):
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
        midnight in the connection's time zone. Default: now. Templated.
    :param custom: Anything that JSON can hold, kept with the message. Templated.
    :param callback_url: http(s) address that the gateway tells each change of state. Templated.
    :param callback_field: Form field for that; without it the report is the raw body. Templated.
    :param on_invalid: ``fail`` (default): a number that cannot be sent to fails the task before anything is sent.
        ``drop``: it is left out and reported. Says also what becomes of the task if the gateway calls a number invalid.
    :param validate: ``full`` asks whether a number can be a mobile or fixed line of its country; ``possible`` only
        whether its length can be right.
    :param idempotency_key: Replaces the key that is derived from dag, run, task, map index and recipients. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    """

    template_fields: Sequence[str] = (
        "messaggisms_conn_id",
        "recipients",  # before body: its fields decide which placeholders survive there
        "body",
        "sender",
        "test",
        "priority",
        "flash",
        "realtime",
        "timestamp_send",
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
        custom: Any = None,
        callback_url: str | None = None,
        callback_field: str | None = None,
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
        self.custom = custom
        self.callback_url = callback_url
        self.callback_field = callback_field
        self.on_invalid = on_invalid
        self.validate = validate
        self.idempotency_key = idempotency_key
        self.messaggisms_conn_id = messaggisms_conn_id

    def _key(self, context: Context, numbers: Sequence[str]) -> str:
        if self.idempotency_key:
            return checked_key("idempotency_key", self.idempotency_key)
        return key_for(Origin.of(context), numbers)

    def _once(self, hook: MessaggiSmsHook, context: Context, numbers: Sequence[str]) -> Once:
        return Once(
            hook, context, key=self._key(context, numbers), sender=check_sender(self.sender or hook.settings.sender)
        )

    def _options(self, hook: MessaggiSmsHook, once: Once) -> dict[str, Any]:
        """Check all options and give them in the form that the hook takes."""
        settings = hook.settings
        body = personal_value(self.body)
        return {
            "sender": check_sender(self.sender or settings.sender),
            "body": str(body) if isinstance(body, int | float) else body,  # a native template makes a number of "42"
            "test": as_flag("test", self.test) or False,
            "priority": as_number("priority", self.priority),
            "flash": as_flag("flash", self.flash),
            "realtime": as_flag("realtime", self.realtime),
            "timestamp_send": send_day(
                self.timestamp_send,
                timezone=settings.timezone,
                now=datetime.now(UTC),
                time_format=settings.timestamp_send_format,
            ),
            "custom": with_key(once.key, once.origin.for_people(), self.custom),
            "callback_url": self.callback_url or None,
            "callback_field": self.callback_field or None,
        }

    def _adopted(self, message: Message, once: Once) -> Message:
        """Say that an earlier try has sent already, and how to send again on purpose."""
        self.log.warning(
            "Message %s was sent by an earlier try of this task (key %s); not sending again. "
            "To send anew, give the task another idempotency_key",
            message.id,
            once.key,
        )
        once.remember(message.id)
        return message

    def _account(self, context: Context, message: Message, recipients: Mapping[str, Any]) -> None:
        """
        Push the XCom ``message``, say in the log what was sent, and judge what the gateway calls invalid.

        :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or nobody is left.
        """
        valid, invalid = message.recipients.valid.count, message.recipients.invalid.total
        account = {
            "message_id": message.id,
            "valid": valid,
            "invalid": invalid,
            "parts": message.statistics.sms_total,
            "price_eur": message.price,
            "credit_eur": message.credit,
            "state": message.state,
            "test": bool(message.test),
            **recipients,
        }
        context["ti"].xcom_push(key="message", value=account)
        self.log.info(
            "Message %s: %d valid recipient(s), %s SMS part(s), price %s EUR, credit %s EUR",
            message.id, valid, account["parts"], message.price, message.credit,
        )  # fmt: skip
        if message.test:
            self.log.warning("TEST: message %s was simulated, no SMS is sent to anybody (test=True)", message.id)
        if invalid:
            text = f"message {message.id}: the gateway calls {invalid} recipient(s) invalid; they get nothing"
            if self.on_invalid != "drop" or not valid:
                raise DeliveryError(
                    f"{text}. {valid} other(s) were sent to; on_invalid='drop' accepts that", report=account
                )
            self.log.warning(text)


def account_of(recipients: Recipients) -> dict[str, Any]:
    """Count what was left out before sending."""
    return {"dropped": len(recipients.dropped), "repeated": recipients.repeated}
