"""
The hook: the gateway's REST API through an Airflow connection.

It reads the connection on first use, keeps one session, and repeats a call only where ``gateway.retry`` allows it.
Methods without a prefix block; methods with the prefix ``a`` are awaited, by triggers and asynchronous notifiers.

Every method comes down to :meth:`MessaggiSmsHook.run` or :meth:`MessaggiSmsHook.arun`, which make one call, or to
:meth:`MessaggiSmsHook.run_steps` or :meth:`MessaggiSmsHook.arun_steps`, which make several that depend on each other.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_messaggisms.connection import ConnectionReader, connection_form_widgets, ui_field_behaviour
from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.account import Account
from airflow_provider_messaggisms.gateway.attempts import Attempts, Refusals, Surroundings, attempts
from airflow_provider_messaggisms.gateway.content import MessageContent, compose
from airflow_provider_messaggisms.gateway.models import Message, MessageSummary, RecipientReport
from airflow_provider_messaggisms.gateway.phone import to_wire
from airflow_provider_messaggisms.gateway.price import MOST_MESSAGES_READ, Seen
from airflow_provider_messaggisms.gateway.recipients import Recipient, read_recipients
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.send_date import send_day
from airflow_provider_messaggisms.gateway.sender import sender_warning
from airflow_provider_messaggisms.gateway.steps import Step, Steps, arun_steps, run_steps
from airflow_provider_messaggisms.gateway.token_calls import describe, get_wallet_credit
from airflow_provider_messaggisms.gateway.wire import Call, Response
from airflow_provider_messaggisms.metrics import Metrics

if TYPE_CHECKING:
    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.clients import AwaitedClient, BlockingClient, Turn
    from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
    from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

T = TypeVar("T")

#: What the answers about each account have told last, for all hooks of this process; by address and token or login.
SEEN: dict[tuple[str, str], Seen] = {}


def _left_until(end: float | None) -> float | None:
    return None if end is None else max(end - time.monotonic(), 0.01)


class MessaggiSmsHook(ConnectionReader):
    """
    Talk to the MessaggiSMS gateway through an Airflow connection.

    :param messaggisms_conn_id: Id of a connection of type ``messaggisms``. Default ``messaggisms_default``.
    :param retry_policy: How often a call that may be repeated is repeated.

    Use it as a context manager, or call :meth:`close`, in a process that outlives its use.
    Every method raises :class:`ConfigurationError` for an invalid connection or argument, :class:`TransportError` if no
    answer came, :class:`ProtocolError` for an answer outside the contract, and :class:`GatewayError` for a refusal.
    """

    def __init__(
        self,
        messaggisms_conn_id: str = ConnectionReader.default_conn_name,
        *,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(messaggisms_conn_id, **kwargs)
        self.retry_policy = retry_policy or RetryPolicy()
        self._client: BlockingClient | None = None
        self._awaited_client: AwaitedClient | None = None
        self._opening = asyncio.Lock()

    # Airflow 2.11 looks for these two in this class itself, not in its bases.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow 2.11; Airflow 3 reads the provider's description instead."""
        return ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the widgets of the connection form for Airflow 2.11."""
        return connection_form_widgets()

    # --- sessions -----------------------------------------------------------------------------------------------------

    def get_conn(self) -> SyncTransport:
        """Return the transport, connected lazily and kept until :meth:`close`."""
        return (self._client or self._new_client()).transport

    async def aget_conn(self) -> AsyncTransport:
        """Return the transport of the methods that are awaited, connected lazily and kept until :meth:`aclose`."""
        return (self._awaited_client or await self._new_awaited_client()).transport

    def _new_client(self) -> BlockingClient:
        from airflow_provider_messaggisms.clients import BlockingClient
        from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

        transport = SyncTransport(self.settings, total_seconds=self._longest_exchange)
        self._client = BlockingClient(transport, self.settings, read_again=self._read_connection, heard=self._heard)
        return self._client

    async def _new_awaited_client(self) -> AwaitedClient:
        from airflow_provider_messaggisms.clients import AwaitedClient
        from airflow_provider_messaggisms.transport.async_transport import AsyncTransport

        async with self._opening:  # many calls may begin at once
            if self._awaited_client is None:
                settings = await self.asettings()
                transport = AsyncTransport(settings, total_seconds=self._longest_exchange)
                await transport.prepare()
                self._awaited_client = AwaitedClient(
                    transport, settings, read_again=self._aread_connection, heard=self._heard
                )
        return self._awaited_client

    def again(self) -> MessaggiSmsHook:
        """Make a hook with its own session that does not ask Airflow for the connection again."""
        hook = MessaggiSmsHook(self.messaggisms_conn_id, retry_policy=self.retry_policy)
        hook._settings = self._settings
        return hook

    def close(self) -> None:
        """Close the kept session."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Close the kept session of the methods that are awaited."""
        if self._awaited_client is not None:
            await self._awaited_client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

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
        return read_recipients(recipients, body=body, default_region=self.settings.default_region).addressees

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

    # --- one call -----------------------------------------------------------------------------------------------------

    @cached_property
    def _longest_exchange(self) -> float:
        """
        Bound an exchange, and a write with all its repeats, so that it ends before Airflow starts the next try.

        Airflow starts it ``[scheduler] task_instance_heartbeat_timeout`` seconds after the last heartbeat.
        """
        from airflow_provider_messaggisms.transport.exchange import MAX_EXCHANGE_SECONDS

        given_up_after: float = conf.getfloat("scheduler", "task_instance_heartbeat_timeout", fallback=300.0)
        return min(MAX_EXCHANGE_SECONDS, 0.8 * given_up_after)

    def _end_of(self, call: Call[Any]) -> float | None:
        seconds = call.within_seconds
        if seconds is None and not call.repeatable:
            seconds = self._longest_exchange
        return None if seconds is None else time.monotonic() + seconds

    def run(self, call: Call[T]) -> T:
        """
        Make one call (see ``gateway.calls``), repeated as far as the retry policy allows; return its value.

        :raises MessaggiSmsError: As every method of the hook; ``after_lost_answer`` tells whether an earlier attempt
            may have reached the gateway.
        """
        client = self._client or self._new_client()
        return client.run(self._attempts(call, client.refusals))

    async def arun(self, call: Call[T]) -> T:
        """Do what :meth:`run` does without blocking the event loop."""
        client = self._awaited_client or await self._new_awaited_client()
        async with client.turn() as turn:
            return await self._arun_in_turn(call, client, turn)

    async def _arun_in_turn(self, call: Call[T], client: AwaitedClient, turn: Turn) -> T:
        return await client.run(self._attempts(call, client.refusals), turn)

    def _attempts(self, call: Call[T], refusals: Refusals) -> Attempts[T]:
        left = partial(_left_until, self._end_of(call))
        around = Surroundings(
            self.retry_policy, refusals, left, time.monotonic, random.random, self.log.warning, self._failed
        )
        return attempts(call, around)

    def _heard(self, response: Response, value: Any) -> None:
        """Keep what an answer tells beside its value."""
        if response.credit_eur is not None:
            self._seen.credit_eur = response.credit_eur
        if isinstance(value, Message):
            self._seen.note(value)

    @property
    def last_credit_eur(self) -> float | None:
        """The account's credit in EUR, as an answer in this process told it last; ``None`` if none has."""
        return None if self._settings is None else self._seen.credit_eur

    @property
    def _seen(self) -> Seen:
        settings = self.settings
        name = settings.token if settings.account is None else settings.account.login
        return SEEN.setdefault((settings.base_url, name), Seen())

    # --- several calls that depend on each other ----------------------------------------------------------------------

    def run_steps(self, steps: Steps[T]) -> T:
        """Make the calls and pauses that *steps* yields; return what it returns (see ``gateway.steps``)."""
        return run_steps(steps, self._perform)

    async def arun_steps(self, steps: Steps[T]) -> T:
        """Do what :meth:`run_steps` does without blocking the event loop."""
        return await arun_steps(steps, self._aperform)

    def _perform(self, step: Step) -> Any:
        return self.run(step) if isinstance(step, Call) else time.sleep(step.seconds)

    async def _aperform(self, step: Step) -> Any:
        return await (self.arun(step) if isinstance(step, Call) else asyncio.sleep(step.seconds))

    def _failed(self, error: MessaggiSmsError, is_repeated: bool) -> None:
        self.metrics().failed(error, is_repeated)

    def metrics(self, *, dag_id: str | None = None, task_id: str | None = None) -> Metrics:
        """
        Return what counts for this connection, in Airflow's own metrics.

        :param dag_id: Default: that of the task which this process runs, if it runs one; ``task_id`` likewise.
        """
        environment = self.settings.environment  # read before the first call
        return Metrics.of(self.messaggisms_conn_id, environment, dag_id=dag_id, task_id=task_id)
