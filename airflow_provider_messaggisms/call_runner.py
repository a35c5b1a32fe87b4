"""
How a hook makes a call: it opens a session on first use, and repeats the call only where ``gateway.retry`` allows it.

Every method of the hook comes down to :meth:`CallRunner.run` or :meth:`CallRunner.arun`, which make one call, or to
:meth:`CallRunner.run_steps` or :meth:`CallRunner.arun_steps`, which make several that depend on each other.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_messaggisms.connection import ConnectionReader
from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.attempts import Attempts, Refusals, Surroundings, attempts
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.price import Seen
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import Step, Steps, arun_steps, run_steps
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


class CallRunner(ConnectionReader):
    """
    The part of the hook that makes calls.

    :param messaggisms_conn_id: Id of a connection of type ``messaggisms``. Default ``messaggisms_default``.
    :param retry_policy: How often a call that may be repeated is repeated.
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
