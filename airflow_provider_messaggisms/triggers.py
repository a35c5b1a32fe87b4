"""The delivery trigger: a wait that holds no worker slot. It only reads; it never sends, and it cancels nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.delivery import Rule
from airflow_provider_messaggisms.gateway.poll_interval import DEFAULT_OUTAGE_TOLERANCE_SECONDS, Pace
from airflow_provider_messaggisms.gateway.polling import Watch
from airflow_provider_messaggisms.waiting import trigger_event
from airflow_provider_messaggisms.waiting.shared_client import Seat


class MessaggiSmsDeliveryTrigger(BaseTrigger):
    """
    Wait for the delivery of a message, and tell how it ended (see ``waiting.trigger_event``).

    All parameters are plain JSON. After a restart of the triggerer it begins anew from them, keeps to the rhythm that
    ``since`` gives, and meets the same deadline.

    :param messaggisms_conn_id: Id of the connection.
    :param message_id: The gateway's id.
    :param since: When the wait began, or the day begins for which the message is scheduled: ISO 8601 with offset. The
        gateway is not asked before.
    :param deadline: When the wait is over at the latest: ISO 8601 with offset.
    :param min_delivered: Share of the recipients that must be delivered, 0 to 1. Default 1.0.
    :param accept_delivered_to_operator: Count ``DELIVERED_TO_OPERATOR`` as delivered. Default ``False``.
    :param poke_interval: Seconds between two looks. Default: growing with the age of the wait (see ``pace``).
    :param outage_tolerance: For how many seconds the gateway may fail to answer. Default 3600.
    :param not_before: Until when the gateway has asked to be left alone: ISO 8601 with offset. Default ``None``.
    """

    def __init__(
        self,
        *,
        messaggisms_conn_id: str,
        message_id: str,
        since: str,
        deadline: str,
        min_delivered: float = 1.0,
        accept_delivered_to_operator: bool = False,
        poke_interval: float | None = None,
        outage_tolerance: float = DEFAULT_OUTAGE_TOLERANCE_SECONDS,
        not_before: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.messaggisms_conn_id = messaggisms_conn_id
        self.message_id = message_id
        self.since = since
        self.deadline = deadline
        self.min_delivered = min_delivered
        self.accept_delivered_to_operator = accept_delivered_to_operator
        self.poke_interval = poke_interval
        self.outage_tolerance = outage_tolerance
        self.not_before = not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what it takes to begin anew in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "messaggisms_conn_id": self.messaggisms_conn_id,
                "message_id": self.message_id,
                "since": self.since,
                "deadline": self.deadline,
                "min_delivered": self.min_delivered,
                "accept_delivered_to_operator": self.accept_delivered_to_operator,
                "poke_interval": self.poke_interval,
                "outage_tolerance": self.outage_tolerance,
                "not_before": self.not_before,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and tell once how it ended; not sooner than a task may be told."""
        began = time.monotonic()
        event = await self._outcome()
        await asyncio.sleep(began + trigger_event.HANDOVER_SECONDS - time.monotonic())
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _outcome(self) -> dict[str, Any]:
        left = datetime.fromisoformat(self.deadline).timestamp() - time.time()
        try:
            async with asyncio.timeout(left) as limit:
                return trigger_event.delivered(await self._report())
        except MessaggiSmsError as error:
            return trigger_event.failed(error)
        except TimeoutError:
            if not limit.expired():
                raise
            return trigger_event.time_is_up()

    async def _report(self) -> dict[str, Any]:
        watch = Watch(
            self.message_id,
            datetime.fromisoformat(self.since).timestamp(),
            Rule(self.min_delivered, self.accept_delivered_to_operator),
            Pace(self.poke_interval),
            self.outage_tolerance,
            not_before=datetime.fromisoformat(self.not_before).timestamp() if self.not_before else 0.0,
            say=lambda level, text: self.log.log(level, "%s", text),
        )
        async with Seat(self.messaggisms_conn_id, self.message_id) as seat:
            await asyncio.sleep(watch.first_pause(time.time()))
            while True:
                report = await seat.follow(watch.look(time.time()))
                if report is not None:
                    return report
                await asyncio.sleep(seat.left(watch.pause(time.time())))
