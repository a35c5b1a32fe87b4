"""The operators: an SMS sent once, sent to many, cancelled, or moved to another day, as a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator

from airflow_provider_messaggisms.arguments import as_number, check_choice, check_count, check_encoding
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    InvalidRequestError,
    MessageLockedError,
    MessageNotFoundError,
    MessaggiSmsError,
)
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.personal import Personal, personal_value
from airflow_provider_messaggisms.sending.sending_operator import Outgoing, SendingOperator
from airflow_provider_messaggisms.waiting.waiting_operator import OptionallyWaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.cost import PartsCounter
    from airflow_provider_messaggisms.gateway.models import Message
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook
    from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
    from airflow_provider_messaggisms.sending.remaining_recipients import Recipients
    from airflow_provider_messaggisms.sending.transactions import Transaction

__all__ = [
    "MessaggiSmsCancelOperator",
    "MessaggiSmsRescheduleOperator",
    "MessaggiSmsSendOperator",
    "MessaggiSmsSendTransactionOperator",
]


class MessaggiSmsSendOperator(SendingOperator):
    """
    Send one text to one or several recipients, once, whatever happens to the task.

    All input is checked before any money is spent. Over retries, kills, lost answers and clears the SMS goes out at
    most once, and a task that ends green has sent it (see ``sending.exactly_once``): a later try that finds the
    message at the gateway adopts it. To send again on purpose, give the task another ``idempotency_key``.

    Returns the message's id, so ``message_id=send.output`` works; the XCom ``message`` holds counts of valid and
    invalid recipients, parts, price, credit and state, but no number and no text. Errors that no retry can cure fail
    the task at once.

    See :class:`~airflow_provider_messaggisms.sending.send_arguments.SendArguments` for the parameters.

    :raises ConfigurationError: An argument or the connection is wrong; the text names the field.
    :raises OutcomeUnknownError: No answer, and the gateway does not show the message; the next try looks again.
    :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or none is left.
    :raises GatewayError: The gateway refused.
    """


class MessaggiSmsSendTransactionOperator(SendingOperator):
    """
    Send one text to many through the gateway's transaction, each exactly once, resuming after any crash.

    The recipients travel in chunks. Until the last chunk the gateway sends nothing, so whatever is found wrong by then
    (a number, the price) deletes the message, and nothing half-built ever goes out. A single recipient gets a plain
    send, of which the price is known only afterwards.

    Returns and pushes what :class:`MessaggiSmsSendOperator` does; the parameters not named here are those of
    :class:`~airflow_provider_messaggisms.sending.send_arguments.SendArguments`.

    :param recipients_path: Instead of ``recipients``: a CSV or JSON-lines file anywhere Airflow's ``ObjectStoragePath``
        reaches (``file:///data/people.csv``, ``s3://conn@bucket/people.jsonl.gz``), with a column ``number``; every
        other column is a field that the body may use. It is read twice as a stream: once to check every row before
        anything is sent, once to send. Templated.
    :param number_column: The column of that file with the number. Default ``number``.
    :param encoding: How that file is encoded, such as ``cp1252``. Default: UTF-8, or what the file's byte order mark
        says.
    :param chunk_size: How many recipients one call carries. Default 1,000; the gateway documents no maximum.
    :param max_price_eur: What the whole message may cost, by the price that the gateway quotes while the transaction
        is open. Default: no limit. Templated.
    :raises DeliveryError: As the send operator; also when a closed message lacks recipients.
    """

    template_fields: Sequence[str] = (*SendingOperator.template_fields, "recipients_path")

    _recipients_required = False

    def __init__(
        self,
        *,
        recipients_path: str | None = None,
        number_column: str = "number",
        encoding: str | None = None,
        chunk_size: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients_path = recipients_path
        self.number_column = number_column
        self.encoding = encoding
        self.chunk_size = chunk_size
        #: What :meth:`on_kill` stops.
        self._running: Transaction | None = None
        with without_retries(self):  # in a mapped task, this runs in the task
            check_count("chunk_size", chunk_size)
            check_encoding(encoding)
            if (recipients_path is None) == (self.recipients is None):
                raise ConfigurationError("recipients: give either recipients or recipients_path")

    def fields_come_later(self) -> bool:
        """Tell that with a file, the names of the fields are not known while the body is rendered."""
        return self.recipients_path is not None

    def on_kill(self) -> None:
        """Delete the open transaction, best effort: Airflow has stopped this task."""
        if self._running is not None:
            self._running.stop()

    def _read_recipients(self, hook: MessaggiSmsHook) -> Recipients:
        if self.recipients_path is None:
            return super()._read_recipients(hook)
        from airflow_provider_messaggisms.sending.recipient_files import RecipientFile

        body = self._as_text(personal_value(self.body))
        return RecipientFile(
            self.recipients_path,
            body=body if isinstance(body, str) else "",
            default_region=hook.settings.default_region,
            validate=self.validate,
            on_invalid=self.on_invalid,
            on_repeated=self.on_repeated,
            number_column=self.number_column,
            encoding=self.encoding,
            names_of_airflow=self.body.names_of_airflow if isinstance(self.body, Personal) else frozenset(),
        )

    def _count_parts(self, body: str, recipients: Recipients) -> PartsCounter:
        # A file was counted while it was read.
        return getattr(recipients, "parts_counter", None) or super()._count_parts(body, recipients)

    def _price_limit(self, recipients: Recipients) -> float | None:
        """Leave a transaction's price to the gateway's own quote."""
        limit = super()._price_limit(recipients)
        return limit if len(recipients.numbers) == 1 else None

    def _send(self, exactly_once: ExactlyOnce, outgoing: Outgoing, earlier: Message | None) -> Message:
        from airflow_provider_messaggisms.sending.transactions import Guards, Transaction

        total = len(outgoing.recipients.numbers)
        if total == 1:
            return super()._send(exactly_once, outgoing, earlier)
        guards = Guards(self.on_invalid, as_number("max_price_eur", self.max_price_eur), outgoing.parts)
        self._running = Transaction(exactly_once, guards, total=total, chunk_size=self.chunk_size)
        return self._running.send(outgoing.recipients, outgoing.content, earlier)

    def _adopt(self, exactly_once: ExactlyOnce, message: Message, recipients: Recipients) -> Message:
        from airflow_provider_messaggisms.sending.transactions import check_complete

        if len(recipients.numbers) > 1:
            check_complete(message, len(recipients.numbers))
        return super()._adopt(exactly_once, message, recipients)

    def _clean_up(
        self, context: Context, hook: MessaggiSmsHook, exactly_once: ExactlyOnce | None, error: Exception
    ) -> None:
        """Delete what this task leaves open, best effort, if no further try comes to complete it."""
        from airflow_provider_messaggisms.sending.exactly_once import delete_open
        from airflow_provider_messaggisms.sending.task_state import TaskState

        stopped = self._running is not None and self._running.stopped
        is_final = getattr(error, "permanent", False) or isinstance(error, AirflowSkipException)
        if not (is_final or stopped or _is_last_try(context)):
            return
        try:
            open_id = TaskState(context).read().open_id if exactly_once is None else exactly_once.find_open()
            if open_id is not None:
                delete_open(hook, open_id)
        except Exception as failed:  # noqa: BLE001 (another error is being handled)
            self.log.warning("Could not look for an open transaction: %s", type(failed).__name__)


#: Name in Airflow's task state of the message that may have been cancelled already.
_CANCELLING = "messaggisms_cancel"


def _is_last_try(context: Context) -> bool:
    ti = context["ti"]
    return ti.try_number > (getattr(ti, "max_tries", None) or 0)


class MessaggiSmsCancelOperator(BaseOperator):
    """
    Cancel a message that is not on its way yet. The gateway refunds nothing.

    Returns the message's id. A message that is not there any more after a lost answer counts as cancelled.

    :param message_id: The gateway's id, as a send operator returns it. Templated.
    :param if_too_late: What to do if the message is on its way already: ``fail`` (default) or ``skip`` the task.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :raises MessageLockedError: It is too late.
    :raises MessageNotFoundError: There is no such message.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "message_id")
    ui_color = "#f4cccc"

    def __init__(
        self,
        *,
        message_id: str,
        if_too_late: Literal["fail", "skip"] = "fail",
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.if_too_late = if_too_late
        self.messaggisms_conn_id = messaggisms_conn_id
        with without_retries():  # in a mapped task, this runs in the task
            check_choice("if_too_late", if_too_late, ("fail", "skip"))

    def execute(self, context: Context) -> str:
        """Cancel; return the message's id."""
        from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
        from airflow_provider_messaggisms.gateway.message_id import check_message_id
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook

        with without_retries(self), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            check_message_id(self.message_id)
            asked_before = self._asked_before(context)
            try:
                self._note(context, self.message_id)
                hook.delete_message(self.message_id)
            except MessageNotFoundError as error:
                # Gone: if an earlier request got no answer, in this try or one before, that request did it.
                if error.status != 404 or not (error.after_lost_answer or asked_before):
                    self._note(context, "")
                    raise
                self.log.info(
                    "Message %s is gone already: an earlier request, of unknown outcome, did it", self.message_id
                )
            except MessaggiSmsError as error:
                if not (asked_before or error.after_lost_answer or isinstance(error, OUTCOME_UNKNOWN)):
                    self._note(context, "")
                if isinstance(error, MessageLockedError) and self.if_too_late == "skip":
                    raise AirflowSkipException(f"Too late to cancel message {self.message_id}: {error}") from error
                raise
        self.log.info("Message %s is cancelled. The gateway does not refund it", self.message_id)
        return self.message_id

    def _asked_before(self, context: Context) -> bool:
        """Tell whether an earlier try may have cancelled. Before Airflow 3.3 only its number is known."""
        store = context.get("task_state_store")
        return context["ti"].try_number > 1 if store is None else store.get(_CANCELLING) == self.message_id

    def _note(self, context: Context, message_id: str) -> None:
        store = context.get("task_state_store")
        if store is not None:
            store.set(_CANCELLING, message_id)


class MessaggiSmsRescheduleOperator(OptionallyWaitingOperator):
    """
    Move a message that is not on its way yet to another day.

    No recipient is repeated, for some gateways would send to it twice. Doing it again does no harm, so an unknown
    outcome is left to Airflow's retry. Returns the message's id. It can wait for the delivery as the send operators do.

    :param message_id: The gateway's id, as a send operator returns it. Templated.
    :param timestamp_send: The new day, as the send operators take it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :raises MessageLockedError: It is too late.
    :raises InvalidRequestError: The gateway wants recipients in such a call; cancel the message and send it anew.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "message_id", "timestamp_send")
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        message_id: str,
        timestamp_send: Any,
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.timestamp_send = timestamp_send
        self.messaggisms_conn_id = messaggisms_conn_id

    def execute(self, context: Context) -> str:
        """Reschedule; return the message's id."""
        from airflow_provider_messaggisms.gateway.message_id import check_message_id
        from airflow_provider_messaggisms.gateway.send_date import send_day
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook

        with without_retries(self), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            check_message_id(self.message_id)
            settings = hook.settings
            day = send_day(
                self.timestamp_send,
                timezone=settings.timezone,
                now=datetime.now(UTC),
                time_format=settings.timestamp_send_format,
            )
            if day is None:
                raise ConfigurationError("timestamp_send: missing; give the day to move the message to")
            try:
                hook.update_message(self.message_id, timestamp_send=day)
            except (InvalidRequestError, MessageLockedError) as error:
                hint = f"{error.message}. If it is not too late: cancel the message and send it anew on the new day"
                raise type(error)(error.status, error.code, hint, route="PUT /messages/{id}") from error
        self.log.info("Message %s is to be sent on %s", self.message_id, day)
        return self.deliver(context, self.message_id)
