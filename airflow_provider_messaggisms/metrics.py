"""
Numbers that people can graph, through Airflow's own metrics: StatsD, OpenTelemetry, or nothing where none is set up.

=====================================  =======  ================================================================
name (after Airflow's own prefix)      kind     what it counts
=====================================  =======  ================================================================
messaggisms.messages_sent              counter  messages that the gateway accepted, alarms included
messaggisms.recipients_sent            counter  valid recipients of these
messaggisms.parts_sent                 counter  SMS parts of these
messaggisms.price_eur                  counter  price of these, in EUR without VAT
messaggisms.recipients_delivered       counter  recipients who had their SMS when a wait ended
messaggisms.recipients_failed.STATE    counter  recipients who could not get it, by the state of their report
messaggisms.delivery_seconds           timer    from the first send to the last delivery that a wait has seen (in ms)
messaggisms.waits_held.HOST            gauge    deferred waits that a triggerer holds now
messaggisms.alarms_sent                counter  alarms that went out
messaggisms.alarms_silenced            counter  alarms that an earlier one had told already
messaggisms.retries                    counter  requests that were repeated
messaggisms.gateway_errors.CLASS       counter  requests that failed, by the class of the error (``exceptions``)
=====================================  =======  ================================================================

The tags are ``dag_id``, ``task_id``, ``conn_id`` and ``environment`` (``production``, ``sandbox`` or ``other``), as far
as they are known. No number, no text and no id of a message is ever part of a name, a tag or a value. A simulated send
(``test=True``) counts nothing, and a message that a later try finds sent is not counted again.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.models import Message

log = logging.getLogger(__name__)

_PREFIX = "messaggisms."

#: The states that are failures (see ``gateway.delivery``); what else the gateway may call one counts as ``OTHER``.
_FAILED_STATE = re.compile(r"(UNDELIVERABLE|EXPIRED|REJECTED)(_[A-Z_]{1,60})?")
_OTHER = "OTHER"


class Metrics(msgspec.Struct, frozen=True):
    """
    Counts with these tags. Nothing here ever raises: an SMS is worth more than its count.

    :param tags: Only names of things in Airflow, see this module's docstring.
    """

    tags: dict[str, str]

    @classmethod
    def of(
        cls,
        conn_id: str,
        environment: str,
        *,
        dag_id: str | None = None,
        task_id: str | None = None,
    ) -> Metrics:
        """
        Make it for a task.

        :param dag_id: Default: what Airflow exports to a task's process (``AIRFLOW_CTX_DAG_ID``), if it is one.
        :param task_id: Default: likewise.
        """
        tags = {
            "dag_id": dag_id or os.environ.get("AIRFLOW_CTX_DAG_ID"),
            "task_id": task_id or os.environ.get("AIRFLOW_CTX_TASK_ID"),
            "conn_id": conn_id,
            "environment": environment,
        }
        return cls({name: tag for name, tag in tags.items() if tag})

    def sent(self, message: Message) -> None:
        """Count a message that went out."""
        self._count("messages_sent")
        self._count("recipients_sent", message.recipients.valid.count)
        self._count("parts_sent", message.statistics.sms_total)
        self._count("price_eur", message.price)

    def delivered(self, report: Mapping[str, Any]) -> None:
        """Count what a wait has found out: its delivery report (see ``gateway.delivery``)."""
        self._count("recipients_delivered", report.get("delivered"))
        left = report.get("failed_count", 0)
        for state, count in report.get("states", {}).items():
            if _FAILED_STATE.fullmatch(state):
                self._count(f"recipients_failed.{state}", count)
                left -= count
        self._count(f"recipients_failed.{_OTHER}", left)
        if report.get("seconds") is not None:
            self._emit("timing", "delivery_seconds", timedelta(seconds=report["seconds"]))

    def waits(self, held: int) -> None:
        """Tell how many waits this triggerer holds."""
        host = re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())
        self._emit("gauge", f"waits_held.{host}", held)

    def alarm(self, sent: Message | None) -> None:
        """Count an alarm: the message that went out, or ``None`` if it stayed silent."""
        if sent is None:
            self._count("alarms_silenced")
        elif not sent.test:
            self._count("alarms_sent")
            self.sent(sent)

    def failed(self, error: MessaggiSmsError, is_repeated: bool) -> None:
        """Count a request that failed."""
        self._count(f"gateway_errors.{type(error).__name__}")
        self._count("retries", int(is_repeated))

    def _count(self, name: str, by: float | None = 1) -> None:
        if by:
            self._emit("incr", name, by)

    def _emit(self, kind: str, name: str, value: Any) -> None:
        try:
            getattr(_stats(), kind)(_PREFIX + name, value, tags=self.tags)
        except Exception as error:  # noqa: BLE001 (metrics must not stop an SMS)
            log.debug("Could not count %s: %s", name, type(error).__name__)


@cache
def _stats() -> Any:
    """
    Find Airflow's metrics, those that are set up in this process.

    Airflow 3.3 has them twice: the task SDK sets its own up in a task's process, Airflow itself another copy in the
    triggerer and the dag-processor. Only the module's ``_factory`` tells which; a test watches that it is still there.
    The look-up costs more than a count, so it is made once in a process.
    """
    from airflow.providers.common.compat.sdk import Stats

    if getattr(sys.modules[Stats.__module__], "_factory", True) is None:
        from airflow.observability.stats import Stats as StatsOfAirflow

        return StatsOfAirflow
    return Stats
