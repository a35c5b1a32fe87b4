"""The operators: an SMS sent once, sent to many, cancelled, or moved to another day, as a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator

from airflow_provider_messaggisms.arguments import as_number, check_choice, check_count
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    InvalidRequestError,
    MessageLockedError,
    MessageNotFoundError,
    MessaggiSmsError,
)
from airflow_provider_messaggisms.gateway.cost import count_parts
from airflow_provider_messaggisms.gateway.idempotency import OUTCOME_UNKNOWN
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import RecipientList, Validate
from airflow_provider_messaggisms.gateway.send_date import send_day
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.personal import Personal, personal_value
from airflow_provider_messaggisms.sending.sending_operator import SendingOperator
from airflow_provider_messaggisms.waiting.waiting_operator import OptionallyWaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.sending.exactly_once import ExactlyOnce
    from airflow_provider_messaggisms.sending.recipient_files import RecipientFile
    from airflow_provider_messaggisms.sending.transactions import Guards, Transaction

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

    See :class:`~airflow_provider_messaggisms.sending.sending_operator.SendingOperator` for the parameters; ``validate``
    is ``full`` by default.

    :raises ConfigurationError: An argument or the connection is wrong; the text names the field.
    :raises OutcomeUnknownError: No answer, and the gateway does not show the message; the next try looks again.
    :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or nobody is left.
    :raises GatewayError: The gateway refused.
    """

    def _prepare(self, hook: MessaggiSmsHook, context: Context) -> tuple[ExactlyOnce, Callable[[], str]]:
        recipients = self._read_listed(hook)
        self._name_dropped(recipients.dropped)
        once = self._once(hook, context, recipients.numbers)
        options = self._options(hook, once)
        options, _ = self._fitted(options, count_parts(options["body"], recipients), once)

        def send() -> str:
            message = self._send_plainly(hook, once, recipients.addressees, options)
            self._account(context, message, dropped=len(recipients.dropped), repeated=recipients.repeated)
            return message.id

        return once, send


class MessaggiSmsSendTransactionOperator(SendingOperator):
    """
    Send one text to many through the gateway's transaction, each exactly once, resuming after any crash.

    The recipients travel in chunks. Until the last chunk the gateway sends nothing, so whatever is found wrong by then
    (a number, the price) deletes the message, and nothing half-built ever goes out. A single recipient gets a plain
    send, of which the price is known only afterwards.

    Returns and pushes what :class:`MessaggiSmsSendOperator` does; the parameters not named here are those of
    :class:`~airflow_provider_messaggisms.sending.sending_operator.SendingOperator`.

    :param recipients_path: Instead of ``recipients``: a CSV or JSON-lines file anywhere Airflow's ``ObjectStoragePath``
        reaches (``file:///data/people.csv``, ``s3://conn@bucket/people.jsonl``), UTF-8, with a column ``number``; the
        other columns are that recipient's fields. It is read twice as a stream: once to check every row before
        anything is sent, once to send. Templated.
    :param chunk_size: How many recipients one call carries. Default 1,000; the gateway documents no maximum.
    :param max_price_eur: What the whole message may cost, by the price that the gateway quotes while the transaction
        is open. Default: no limit. Templated.
    :param validate: Default ``possible``: at 100,000 recipients the full check of a number costs minutes.
    :raises DeliveryError: As the send operator; also when a closed message lacks recipients.
    """

    template_fields: Sequence[str] = (*SendingOperator.template_fields, "recipients_path", "max_price_eur")

    def __init__(
        self,
        *,
        recipients_path: str | None = None,
        chunk_size: int = 1000,
        max_price_eur: float | str | None = None,
        validate: Validate = "possible",
        **kwargs: Any,
    ) -> None:
        super().__init__(validate=validate, **kwargs)
        self.recipients_path = recipients_path
        self.chunk_size = chunk_size
        self.max_price_eur = max_price_eur
        self._transaction: Transaction | None = None

    def fields_come_later(self) -> bool:
        """Tell that with a file, the names of the fields are not known while the body is rendered."""
        return self.recipients_path is not None

    def _prepare(self, hook: MessaggiSmsHook, context: Context) -> tuple[ExactlyOnce, Callable[[], str]]:
        check_count("chunk_size", self.chunk_size)
        limit = as_number("max_price_eur", self.max_price_eur)
        recipients = self._read_recipients(hook)
        self._name_dropped(recipients.dropped)
        total = len(recipients.numbers)
        left_out = {"dropped": len(recipients.dropped), "repeated": recipients.repeated}
        once = self._once(hook, context, recipients.numbers)
        options = self._options(hook, once)
        tally = count_parts(options["body"], recipients) if isinstance(recipients, RecipientList) else recipients.tally
        options, parts = self._fitted(options, tally, once)

        def send() -> str:
            if total == 1:
                message = self._send_plainly(hook, once, tuple(recipients), options)
            else:
                from airflow_provider_messaggisms.sending.transactions import Guards

                guards = Guards(self.on_invalid, limit, parts)
                message = self._send_in_chunks(once, guards, recipients, options)
            self._account(context, message, **left_out)
            return message.id

        return once, send

    def _send_in_chunks(
        self,
        once: ExactlyOnce,
        guards: Guards,
        recipients: RecipientList | RecipientFile,
        options: dict[str, Any],
    ) -> Message:
        from airflow_provider_messaggisms.sending.transactions import Transaction

        transaction = Transaction(once, guards, total=len(recipients.numbers), chunk_size=self.chunk_size)
        self._transaction = transaction
        message, adopted = transaction.send(recipients, options)
        return self._adopted(message, once) if adopted else message

    def _execute(self, context: Context, waited_until: datetime | None = None) -> str:
        try:
            return super()._execute(context, waited_until)
        except Exception as error:
            stopped = self._transaction is not None and self._transaction.stopped
            if getattr(error, "permanent", False) or stopped or _is_last_try(context):
                self._delete_open(context)
            raise

    def _delete_open(self, context: Context) -> None:
        """Delete what this task leaves open, best effort: no try comes to complete it."""
        from airflow_provider_messaggisms.sending.exactly_once import delete_open, left_open

        try:
            message_id = self._transaction.open_id if self._transaction is not None else None
            message_id = message_id or left_open(context)
            if message_id is None and self._last_once is not None:
                found = self._last_once.settle()
                message_id = found.id if found is not None and found.transaction else None
            if message_id is not None:
                with MessaggiSmsHook(self.messaggisms_conn_id) as hook:
                    delete_open(hook, message_id)
        except Exception as error:  # noqa: BLE001 (another error is being handled)
            self.log.warning("Could not look for an open transaction: %s", type(error).__name__)

    def _read_recipients(self, hook: MessaggiSmsHook) -> RecipientList | RecipientFile:
        body, written = self._written_body(), personal_value(self.recipients)
        if (self.recipients_path is None) == (written is None):
            raise ConfigurationError("recipients: give either recipients or recipients_path")
        if self.recipients_path is None:
            return self._read_listed(hook)
        from airflow_provider_messaggisms.sending.recipient_files import RecipientFile

        return RecipientFile(
            self.recipients_path,
            body=body if isinstance(body, str) else "",
            default_region=hook.settings.default_region,
            validate=self.validate,
            on_invalid=self.on_invalid,
            names_of_airflow=self.body.names_of_airflow if isinstance(self.body, Personal) else frozenset(),
        )

    def on_kill(self) -> None:
        """Delete the open transaction, best effort: Airflow does not want this task any more."""
        if self._transaction is not None:
            self._transaction.stopped = True
            # The task may be talking to Airflow just now; who asked it for the connection here would wait for himself.
            with self._transaction.hook.again() as hook:
                self._transaction.delete(hook)


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
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.if_too_late = if_too_late
        self.messaggisms_conn_id = messaggisms_conn_id

    def execute(self, context: Context) -> str:
        """Cancel; return the message's id."""
        with without_retries(), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            check_choice("if_too_late", self.if_too_late, ("fail", "skip"))
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
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.timestamp_send = timestamp_send
        self.messaggisms_conn_id = messaggisms_conn_id

    def execute(self, context: Context) -> str:
        """Reschedule; return the message's id."""
        with without_retries(), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
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
