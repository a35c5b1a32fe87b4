"""
The hook: the gateway's REST API through an Airflow connection.

It reads the connection on first use (``connection``), keeps one session, and makes its calls with it (``call_runner``).
Methods without a prefix block; methods with the prefix ``a`` are awaited, by triggers and asynchronous notifiers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_messaggisms.call_runner import CallRunner
from airflow_provider_messaggisms.connection import connection_form_widgets, ui_field_behaviour
from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.account import Account
from airflow_provider_messaggisms.gateway.content import MessageContent, compose
from airflow_provider_messaggisms.gateway.models import Message, MessageSummary, RecipientReport
from airflow_provider_messaggisms.gateway.phone import to_wire
from airflow_provider_messaggisms.gateway.price import MOST_MESSAGES_READ
from airflow_provider_messaggisms.gateway.recipients import Recipient, read_recipients
from airflow_provider_messaggisms.gateway.send_date import send_day
from airflow_provider_messaggisms.gateway.sender import sender_warning
from airflow_provider_messaggisms.gateway.token_calls import describe, get_wallet_credit


class MessaggiSmsHook(CallRunner):
    """
    Talk to the MessaggiSMS gateway through an Airflow connection.

    :param messaggisms_conn_id: Id of a connection of type ``messaggisms``. Default ``messaggisms_default``.
    :param retry_policy: How often a call that may be repeated is repeated.

    Use it as a context manager, or call :meth:`close`, in a process that outlives its use.
    Every method raises :class:`ConfigurationError` for an invalid connection or argument, :class:`TransportError` if no
    answer came, :class:`ProtocolError` for an answer outside the contract, and :class:`GatewayError` for a refusal.
    """

    # Airflow 2.11 looks for these two in this class itself, not in its bases.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow 2.11; Airflow 3 reads the provider's description instead."""
        return ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the widgets of the connection form for Airflow 2.11."""
        return connection_form_widgets()

    def again(self) -> MessaggiSmsHook:
        """Make a hook with its own session that does not ask Airflow for the connection again."""
        hook = MessaggiSmsHook(self.messaggisms_conn_id, retry_policy=self.retry_policy)
        hook._settings = self._settings
        return hook

    def test_connection(self) -> tuple[bool, str]:
        """List the messages: costs nothing, changes nothing; an empty account is a good connection."""
        try:
            found = len(self.list_messages())
            token = self._described_token()
        except MessaggiSmsError as error:
            return False, f"{type(error).__name__}: {error}"
        finally:
            self.close()  # Airflow's API server tests connections and does not close hooks
        return True, f"{self.settings.base_url} accepts {token}; the account has {found} message(s)"

    def _described_token(self) -> str:
        if (account := self.settings.account) is None:
            return "the token"
        from airflow_provider_messaggisms.tokens import tokens_of

        tokens = tokens_of(account)
        return tokens.ask(describe(account, tokens.get()))

    # --- the seven calls ----------------------------------------------------------------------------------------------

    def list_messages(self) -> list[MessageSummary]:
        """List the account's messages in the gateway's order; empty for an empty account."""
        return self.run(calls.list_messages())

    def send_message(
        self,
        *,
        body: str,
        recipients: Any,
        sender: str | None = None,
        test: bool = False,
        priority: float | None = None,
        flash: bool | None = None,
        realtime: bool | None = None,
        timestamp_send: Any = None,
        custom: Any = None,
        callback_url: str | None = None,
        callback_field: str | None = None,
        transaction: bool = False,
    ) -> Message:
        """
        Send a message, or open a transaction.

        Never repeated if the outcome is unknown: this method alone cannot tell whether the SMS went out.

        :param recipients: A number, ``{"number", "fields"}``, or a list of these; written as people write numbers.
            Each must have a field for every placeholder of the text; other fields are not sent.
        :param sender: Default: the connection's.
        :param timestamp_send: As ``gateway.schedule.send_day`` takes it; any text if the connection has a
            ``timestamp_send_format``.

        The other parameters are those of ``gateway.calls.send_message``.
        """
        content = self.compose(
            body=body,
            sender=sender,
            test=test,
            priority=priority,
            flash=flash,
            realtime=realtime,
            timestamp_send=timestamp_send,
            custom=custom,
            callback_url=callback_url,
            callback_field=callback_field,
        )
        read = self._read(recipients, content.body)
        return self.run(calls.send_message(content, read, transaction=transaction))

    def compose(self, **written: Any) -> MessageContent:
        """Make the content of a message, checked, with the connection's defaults (see ``gateway.content.compose``)."""
        content = compose(self.settings, now=datetime.now(UTC), **written)
        if warning := sender_warning(content.sender):
            self.log.warning(warning)
        return content

    def get_message(self, message_id: str) -> Message:
        """Read a message's summary."""
        return self.run(calls.get_message(message_id))

    def update_message(
        self,
        message_id: str,
        *,
        recipients: Any = (),
        transaction: bool | None = None,
        timestamp_send: Any = None,
    ) -> Message:
        """Add recipients to an open transaction, close it (``transaction=False``), or move a message to another day."""
        settings = self.settings
        day = send_day(
            timestamp_send,
            timezone=settings.timezone,
            now=datetime.now(UTC),
            time_format=settings.timestamp_send_format,
        )
        added = self._read(recipients) if recipients else ()
        return self.run(calls.update_message(message_id, recipients=added, transaction=transaction, timestamp_send=day))

    def delete_message(self, message_id: str) -> None:
        """Cancel a message that is not on its way yet. The gateway refunds nothing."""
        self.run(calls.delete_message(message_id))

    def get_recipients(self, message_id: str) -> list[RecipientReport]:
        """Read all recipients of a message with their delivery reports."""
        return self.run(calls.get_recipients(message_id))

    def get_numbers(self, message_id: str) -> set[str]:
        """Read all recipients of a message, but keep only their numbers, in the wire's form."""
        return self.run(calls.get_numbers(message_id))

    def get_recipient(self, message_id: str, number: str) -> RecipientReport:
        """Read one recipient of a message."""
        wire = to_wire(number, default_region=self.settings.default_region, validate="possible")
        return self.run(calls.get_recipient(message_id, wire))

    def _read(self, recipients: Any, body: str | None = None) -> tuple[Recipient, ...]:
        return read_recipients(recipients, body=body, default_region=self.settings.default_region).valid

    def get_credit(self) -> float | None:
        """
        Ask for the account's credit.

        With an account it is that of the wallet. With a token it is what the gateway tells beside the list of messages.

        :returns: EUR; ``None`` if no answer tells, as for an account that has no messages yet.
        """
        account = self.settings.account
        return self.run(calls.get_credit()) if account is None else self._ask_wallet(account)

    @property
    def price_per_part_eur(self) -> float | None:
        """What one SMS part costs, without VAT: as the connection says, or as an answer told last; else ``None``."""
        written = self.settings.price_per_part_eur
        return self._seen.price_per_part_eur if written is None else written

    def find_price_per_part(self) -> float | None:
        """Return the price of one SMS part; if it is unknown, read it from the newest messages of the account."""
        if self.price_per_part_eur is None:
            oldest = datetime.min.replace(tzinfo=UTC)
            newest = sorted(self.list_messages(), key=lambda one: one.timestamp or oldest, reverse=True)
            for message in newest[:MOST_MESSAGES_READ]:
                self.get_message(message.id)
                if self.price_per_part_eur is not None:
                    break
        return self.price_per_part_eur

    # --- awaited ------------------------------------------------------------------------------------------------------

    async def alist_messages(self) -> list[MessageSummary]:
        """Do what :meth:`list_messages` does."""
        return await self.arun(calls.list_messages())

    async def asend_message(self, *, body: str, recipients: Any, transaction: bool = False, **options: Any) -> Message:
        """Do what :meth:`send_message` does, with the same parameters."""
        await self.asettings()
        content = self.compose(body=body, **options)
        read = self._read(recipients, content.body)
        return await self.arun(calls.send_message(content, read, transaction=transaction))

    async def aget_message(self, message_id: str) -> Message:
        """Do what :meth:`get_message` does."""
        return await self.arun(calls.get_message(message_id))

    async def aget_credit(self) -> float | None:
        """Do what :meth:`get_credit` does."""
        from airflow_provider_messaggisms.threads import in_thread

        if (account := (await self.asettings()).account) is None:
            return await self.arun(calls.get_credit())
        return await in_thread(self._ask_wallet, account)

    def _ask_wallet(self, account: Account) -> float | None:
        from airflow_provider_messaggisms.tokens import tokens_of

        credit = tokens_of(account).ask(get_wallet_credit())
        if credit is not None:
            self._seen.credit_eur = credit
        return credit
