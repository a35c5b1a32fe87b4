"""The triggers: waits that hold no worker slot. They only read: they never send and cancel nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.credit_polling import AskCredit, CreditPoller, CreditWait
from airflow_provider_messaggisms.gateway.polling import Poller, Wait
from airflow_provider_messaggisms.gateway.steps import Pause, arun_steps
from airflow_provider_messaggisms.waiting import trigger_event
from airflow_provider_messaggisms.waiting.shared_client import shared_hook


class MessaggiSmsDeliveryTrigger(BaseTrigger):
    """
    Wait for the delivery of a message, and tell how it ended (see ``waiting.trigger_event``).

    All parameters are plain JSON. After a restart of the triggerer it begins anew from them, polls at the instants that
    ``since`` gives, and meets the same deadline.

    :param messaggisms_conn_id: Id of the connection.
    :param wait: What to wait for: the fields of ``gateway.polling.Wait``, as its ``to_json()`` returns them.
    :param handover_seconds: Least seconds before it tells anything (see ``waiting.trigger_event``). Default 5.
    :param environment: Goes into what it tells: which of the vendor's hosts this is, for metrics.
    :param flat: Instead of ``wait``, its fields one by one, with instants as ISO 8601 texts with offset:
        ``message_id``, ``since``, ``deadline``, ``min_delivered``, ``accept_delivered_to_operator``, ``poke_interval``,
        ``outage_tolerance`` and ``not_before``. A trigger that was stored in this form before an upgrade goes on.
    """

    def __init__(
        self,
        *,
        messaggisms_conn_id: str,
        wait: dict[str, Any] | None = None,
        handover_seconds: float = trigger_event.HANDOVER_SECONDS,
        environment: str = "",
        **flat: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.messaggisms_conn_id = messaggisms_conn_id
        self.wait = _from_flat(**flat) if wait is None else wait
        self.handover_seconds = handover_seconds
        self.environment = environment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to begin anew in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "messaggisms_conn_id": self.messaggisms_conn_id,
                "wait": self.wait,
                "handover_seconds": self.handover_seconds,
                "environment": self.environment,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell once how it ended."""
        began = time.monotonic()
        event = await self._event()
        await asyncio.sleep(began + self.handover_seconds - time.monotonic())
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _event(self) -> dict[str, Any]:
        try:
            report = await self._report(Wait.from_json(self.wait))
        except MessaggiSmsError as error:
            return trigger_event.failed(error, self.environment)
        return trigger_event.time_is_up() if report is None else trigger_event.delivered(report, self.environment)

    async def _report(self, wait: Wait) -> dict[str, Any] | None:
        """Poll until the end; return ``None`` at the deadline, even if a request is under way then."""
        poller = Poller(wait, lambda level, text: self.log.log(level, "%s", text))
        try:
            async with asyncio.timeout(wait.seconds_left(time.time())) as limit:
                async with shared_hook(self.messaggisms_conn_id) as hook:
                    return await hook.arun_steps(poller.resume(time.time))
        except TimeoutError:
            if not limit.expired():
                raise
            return None


class MessaggiSmsCreditTrigger(BaseTrigger):
    """
    Wait until the account has enough credit, and tell how it ended (see ``waiting.trigger_event``).

    All parameters are plain JSON. After a restart of the triggerer it begins anew from them and meets the same
    deadline.

    :param messaggisms_conn_id: Id of the connection.
    :param wait: The fields of ``gateway.credit_polling.CreditWait``, as its ``to_json()`` returns them.
    :param handover_seconds: Least seconds before it tells anything (see ``waiting.trigger_event``). Default 5.
    """

    def __init__(
        self,
        *,
        messaggisms_conn_id: str,
        wait: dict[str, Any],
        handover_seconds: float = trigger_event.HANDOVER_SECONDS,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.messaggisms_conn_id = messaggisms_conn_id
        self.wait = wait
        self.handover_seconds = handover_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to begin anew in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "messaggisms_conn_id": self.messaggisms_conn_id,
                "wait": self.wait,
                "handover_seconds": self.handover_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then tell once how it ended."""
        began = time.monotonic()
        try:
            report = await self._report(CreditWait.from_json(self.wait))
        except MessaggiSmsError as error:
            event = trigger_event.failed(error)
        else:
            event = trigger_event.time_is_up() if report is None else trigger_event.enough_credit(report)
        await asyncio.sleep(began + self.handover_seconds - time.monotonic())
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _report(self, wait: CreditWait) -> dict[str, Any] | None:
        """Poll until the end; return ``None`` at the deadline, even if a request is under way then."""
        poller = CreditPoller(wait, lambda level, text: self.log.log(level, "%s", text))
        try:
            async with asyncio.timeout(wait.seconds_left(time.time())) as limit:
                async with shared_hook(self.messaggisms_conn_id) as hook:

                    async def perform(step: AskCredit | Pause) -> float | None:
                        return await (asyncio.sleep(step.seconds) if isinstance(step, Pause) else hook.aget_credit())

                    return await arun_steps(poller.resume(time.time), perform)
        except TimeoutError:
            if not limit.expired():
                raise
            return None


def _from_flat(
    *,
    since: str,
    deadline: str,
    min_delivered: float = 1.0,
    accept_delivered_to_operator: bool = False,
    not_before: str | None = None,
    **same: Any,
) -> dict[str, Any]:
    """Make the fields of a wait from the arguments that a trigger had before it took a wait."""
    return {
        **same,
        "since": datetime.fromisoformat(since).timestamp(),
        "deadline": datetime.fromisoformat(deadline).timestamp(),
        "rule": {"min_delivered": min_delivered, "accept_delivered_to_operator": accept_delivered_to_operator},
        "not_before": datetime.fromisoformat(not_before).timestamp() if not_before else 0.0,
    }
