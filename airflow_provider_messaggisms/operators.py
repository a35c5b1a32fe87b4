"""The operators: an SMS, sent once, as a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_messaggisms.failing import failing_for_good
from airflow_provider_messaggisms.gateway.recipients import check_placeholders, read_recipients
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.sending import SendingOperator, account_of
from airflow_provider_messaggisms.templating import personal_value

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["MessaggiSmsSendOperator"]


class MessaggiSmsSendOperator(SendingOperator):
    """
    Send one text to one or several recipients, once, whatever happens to the task.

    All input is checked before any money is spent. Over retries, kills, lost answers and clears the SMS goes out at
    most once, and a task that ends green has sent it (see ``once``): a later try that finds the message at the gateway
    adopts it. To send again on purpose, give the task another ``idempotency_key``.

    Returns the message's id, so ``message_id=send.output`` works; the XCom ``message`` holds counts of valid and
    invalid recipients, parts, price, credit and state, but no number and no text. Errors that no retry can cure fail
    the task at once.

    The parameters are those of :class:`~airflow_provider_messaggisms.sending.SendingOperator`; ``validate`` is
    ``full`` by default.

    :raises ConfigurationError: An argument or the connection is wrong; the text names the field.
    :raises OutcomeUnknownError: No answer, and the gateway does not show the message; the next try looks again.
    :raises DeliveryError: The gateway calls recipients invalid, and ``on_invalid`` is ``fail`` or nobody is left.
    :raises GatewayError: The gateway refused.
    """

    def execute(self, context: Context) -> str:
        """Send, or adopt what an earlier try has sent; return the message's id."""
        with failing_for_good(), MessaggiSmsHook(self.messaggisms_conn_id) as hook:
            recipients = read_recipients(
                personal_value(self.recipients),
                default_region=hook.settings.default_region,
                validate=self.validate,
                on_invalid=self.on_invalid,
            )
            for why in recipients.dropped:
                self.log.warning("Left out, as on_invalid='drop' says: %s", why)
            once = self._once(hook, context, [one.number for one in recipients.addressees])
            options = self._options(hook, once)
            check_placeholders(options["body"], recipients.addressees)
            if (message := once.settle()) is not None:
                self._adopted(message, once)
            else:
                message = once.send(lambda: hook.send_message(recipients=recipients.addressees, **options))
            self._account(context, message, account_of(recipients))
        return message.id
