"""
The parameters of the send operators, and what is wrong with them however the task runs.

An argument that no template can change is checked here, so that it fails when the DAG is parsed. A template is checked
when the task runs, before any money is spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Literal, get_args

from airflow_provider_messaggisms.airflow_internals import never_map
from airflow_provider_messaggisms.arguments import (
    as_number,
    check_choice,
    check_limit,
    check_literals,
    check_timedelta,
    literal,
)
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.quiet_hours import read_quiet_hours
from airflow_provider_messaggisms.gateway.recipients import OnInvalid, OnRepeated, Validate
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.gateway.sms_text import OnTooLong
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.personal_templates import PersonalTemplates
from airflow_provider_messaggisms.sending.run_age import check_send_only_within
from airflow_provider_messaggisms.waiting.waiting_operator import OptionallyWaitingOperator


class SendArguments(PersonalTemplates, OptionallyWaitingOperator):
    """
    Parameters of the send operators.

    :param body: The text. ``{{name}}`` where ``name`` is a field of the recipients is filled by the gateway for each of
        them; every other template is Airflow's. Templated.
    :param recipients: A number as people write it, ``{"number": ..., "fields": {...}}``, or a list of these; a template
        may render to them, to their JSON, or to numbers with commas between them. Each number gets one SMS. Templated.
    :param sender: 3 to 11 letters and digits, or 3 to 14 digits. Default: the connection's. Templated.
    :param test: ``True`` simulates: the gateway sends nothing. Default ``False``. Templated.
    :param priority: 1.0 (the gateway's default) or more; a higher one costs more and is sent earlier. Templated.
    :param flash: Show the SMS at once on the screen instead of storing it. Templated.
    :param realtime: Skip all queues, for one-time passwords; one a minute. Templated.
    :param timestamp_send: The day to send on: a ``date``, ``2026-12-24``, ``24-12-2026``, or an instant that is
        midnight in the connection's time zone; kept at the gateway until then. Default: now. Templated.
    :param send_at: The moment to send at, to the second: an aware ``datetime`` or an ISO 8601 text with its offset. The
        task defers until then and holds no worker slot, unless it is only seconds away; the gateway sees nothing
        before. Templated.
    :param send_at_grace: How late it may still be sent when ``send_at`` is past. Default one hour.
    :param if_too_late: What to do when it is later than that: ``fail`` (default) or ``skip`` the task.
    :param send_only_within: Skip the task if its run is about a moment longer ago than this ``timedelta``, as in a
        backfill or a catch-up: the end of its data interval, else the time for which it was scheduled, else its logical
        date; with ``send_at``, that moment if it is later. Default: send however old it is.
    :param quiet_hours: When no SMS goes out, such as ``21:00-08:00``, in the connection's time zone; the recipients'
        own zones do not matter. The task defers until they end and holds no worker slot, then it sends. A ``send_at``
        or ``timestamp_send`` that lies in them is refused if it is literal; otherwise it is moved to their end, with a
        warning. Default: the connection's; ``""``: none.
    :param custom: Anything that JSON can hold, kept with the message. Templated.
    :param callback_url: http(s) address that the gateway tells each change of state. Templated.
    :param callback_field: Form field for that; without it the report is the raw body. Templated.
    :param max_parts: Most SMS parts that the text may take for any recipient, their fields filled in; 1 or more.
        Default: no limit.
    :param max_price_eur: What the message may cost, in EUR without VAT. Before anything is sent, it is held against the
        SMS parts times the price of a part: ``price_per_part_eur`` of the connection, else the price of a part in the
        account's newest messages. With ``priority``, ``flash`` or ``realtime`` the message costs more than that.
        Default: no limit. Templated.
    :param on_too_long: ``fail`` (default): a text that takes more fails the task before anything is sent. ``fit``: it
        is written in the plain alphabet of SMS where that saves parts, and cut in the middle.
    :param on_invalid: ``fail`` (default): a number that cannot be sent to fails the task before anything is sent.
        ``drop``: it is left out and reported. The same holds for a number that the gateway calls invalid.
    :param on_repeated: What to do if a number is there twice with different texts, as a parent with two children may
        be. ``fail`` (default): the task fails before anything is sent. ``first``: only the first text is sent, and the
        log warns.
    :param validate: ``full`` (default) checks that a number is a mobile, fixed or VoIP line of its country;
        ``possible`` only that its length can be right.
    :param idempotency_key: Replaces the key that is derived from dag, run, task, map index and recipients; 1 to 200
        characters. Change it to send again on purpose. It keeps no other task or run from sending. Without it, a task
        that is cleared and finds other recipients sends to those that it has not reached before (Airflow 3.3 and
        later). It is shown in the log: put no number in it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.

    With ``wait_for_delivery=True`` the task ends when the SMS have arrived. See
    :class:`~airflow_provider_messaggisms.waiting.waiting_operator.OptionallyWaitingOperator` for the waiting
    parameters.
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
        "max_price_eur",
    )
    ui_color = "#d0e0e3"

    #: Whether ``recipients`` is the only way to name them.
    _recipients_required: ClassVar[bool] = True

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
        if_too_late: Literal["fail", "skip"] = "fail",
        send_only_within: timedelta | None = None,
        quiet_hours: str | None = None,
        custom: Any = None,
        callback_url: str | None = None,
        callback_field: str | None = None,
        max_parts: int | None = None,
        max_price_eur: float | str | None = None,
        on_too_long: OnTooLong = "fail",
        on_invalid: OnInvalid = "fail",
        on_repeated: OnRepeated = "fail",
        validate: Validate = "full",
        idempotency_key: str | None = None,
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
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
        self.if_too_late = if_too_late
        self.send_only_within = send_only_within
        self.quiet_hours = quiet_hours
        #: Whether the moment to send at is the same in every run.
        self._is_moment_literal = _is_literal_moment(send_at) or _is_literal_moment(timestamp_send)
        self.custom = custom
        self.callback_url = callback_url
        self.callback_field = callback_field
        self.max_parts = max_parts
        self.max_price_eur = max_price_eur
        self.on_too_long = on_too_long
        self.on_invalid = on_invalid
        self.on_repeated = on_repeated
        self.validate = validate
        self.idempotency_key = idempotency_key
        self.messaggisms_conn_id = messaggisms_conn_id
        with without_retries(self):  # in a mapped task, this runs in the task
            self._check_arguments()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """
        Begin a mapped task as Airflow does.

        :raises ConfigurationError: The file of the body is missing. A file that ``expand()`` names is looked for when
            the task runs.
        """
        begun = super().partial(**kwargs)
        if (dag := begun.kwargs.get("dag")) is not None:
            try:
                cls.check_body_file(begun.kwargs.get("body"), dag.get_template_env)
            except ConfigurationError:
                never_map(begun)
                raise
        return begun

    def _check_arguments(self) -> None:
        """
        Refuse what is wrong however the task runs.

        :raises ConfigurationError: An argument is wrong.
        """
        check_choice("on_invalid", self.on_invalid, get_args(OnInvalid))
        check_choice("on_repeated", self.on_repeated, get_args(OnRepeated))
        check_choice("validate", self.validate, get_args(Validate))
        check_choice("on_too_long", self.on_too_long, get_args(OnTooLong))
        check_limit("max_parts", self.max_parts)
        as_number("max_price_eur", literal(self.max_price_eur))
        check_timedelta("send_at_grace", self.send_at_grace)
        check_choice("if_too_late", self.if_too_late, ("fail", "skip"))
        check_send_only_within(self.send_only_within)
        read_quiet_hours(self.quiet_hours, timezone="UTC")
        if self._recipients_required and _is_nothing(self.recipients):
            raise ConfigurationError("recipients: at least one is required")
        check_literals(
            sender=self.sender,
            body=self.body,
            test=self.test,
            priority=self.priority,
            flash=self.flash,
            realtime=self.realtime,
            callback_url=self.callback_url,
            callback_field=self.callback_field,
        )


def _is_nothing(recipients: Any) -> bool:
    """Compare by type first: an array compares with a text element by element."""
    return recipients is None or (isinstance(recipients, str | list | tuple) and not recipients)


def _is_literal_moment(value: Any) -> bool:
    return isinstance(value, date) or bool(literal(value, ""))
