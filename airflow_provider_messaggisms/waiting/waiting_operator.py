"""
Waiting in a task: what the delivery sensor and the send operators share, so that there is one way of waiting.

A wait polls once in the worker. If that does not settle it, the task defers to the trigger, or polls on. Everything
about a poll belongs to ``gateway.polling``; this is what Airflow has to know of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    conf,
)

from airflow_provider_messaggisms.arguments import check_flag, seconds_of
from airflow_provider_messaggisms.exceptions import DeliveryError
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.outage import DEFAULT_OUTAGE_TOLERANCE_SECONDS
from airflow_provider_messaggisms.links import MessaggiSmsMessageLink
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.waiting import trigger_event
from airflow_provider_messaggisms.waiting.deferring import DeferringOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.polling import Poller, Wait
    from airflow_provider_messaggisms.gateway.settings import Settings
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook


R = TypeVar("R", dict[str, Any], dict[str, Any] | None)

#: Parts of the report that are XComs of their own.
_PUSHED_PARTS = ("states", "failed", "summary")


class WaitingOperator(DeferringOperator):
    """
    Base of all operators that wait for a delivery. A wrong argument fails when the DAG is parsed.

    :param min_delivered: Share of the recipients that must be delivered, 0 to 1. Default 1.0.
    :param accept_delivered_to_operator: Count ``DELIVERED_TO_OPERATOR`` as delivered. Default ``False``.
    :param outage_tolerance: For how many seconds (or a ``timedelta``) the gateway may give no successful response
        before the wait fails. Default one hour. In reschedule mode a poll knows nothing of the one before, so
        ``timeout`` is the limit.
    :param deferrable: Wait in the triggerer. Default: ``[operators] default_deferrable``.
    :raises ConfigurationError: An argument is out of its range.
    """

    operator_extra_links: tuple[MessaggiSmsMessageLink, ...] = (MessaggiSmsMessageLink(),)

    #: Least seconds between a deferral and its event. A task does not defer for less.
    handover_seconds: float = trigger_event.HANDOVER_SECONDS

    messaggisms_conn_id: str

    def __init__(
        self,
        *,
        min_delivered: float = 1.0,
        accept_delivered_to_operator: bool = False,
        outage_tolerance: float | timedelta = DEFAULT_OUTAGE_TOLERANCE_SECONDS,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with without_retries(self):  # a mapped task is made when it runs
            Rule(min_delivered, accept_delivered_to_operator)
            seconds_of("outage_tolerance", outage_tolerance)
            check_flag("deferrable", deferrable)
        self.min_delivered = min_delivered
        self.accept_delivered_to_operator = accept_delivered_to_operator
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable

    def pre_execute(self, context: Any) -> None:
        """Take the link away until the message is known (see ``links``)."""
        super().pre_execute(context)
        self.operator_extra_links = ()

    def fixed_interval(self) -> float | None:
        """Return the seconds between two polls, or ``None`` for an interval that grows with the age of the wait."""
        raise NotImplementedError

    def limit_seconds(self) -> float:
        """Return the seconds after which the wait fails."""
        raise NotImplementedError

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Go on when the trigger has told how the wait ended."""
        raise NotImplementedError

    def new_hook(self) -> MessaggiSmsHook:
        """Make a hook that repeats no call by itself: the next poll is the repeat, and it comes when it is due."""
        from airflow_provider_messaggisms.gateway.retry import RetryPolicy
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook

        return MessaggiSmsHook(self.messaggisms_conn_id, retry_policy=RetryPolicy(attempts=1))

    def new_wait(self, context: Context, message_id: str) -> Wait:
        """Say what to wait for, from now on."""
        from airflow_provider_messaggisms.gateway.polling import Wait

        now = time.time()
        return Wait(
            message_id=message_id,
            since=now,
            deadline=self._deadline(context, now),
            rule=Rule(self.min_delivered, self.accept_delivered_to_operator),
            poke_interval=self.fixed_interval(),
            outage_tolerance=seconds_of("outage_tolerance", self.outage_tolerance),
        )

    def new_poller(self, wait: Wait, *, polls_before: int = 0) -> Poller:
        """Make what polls in this process and logs each change."""
        from airflow_provider_messaggisms.gateway.polling import Poller

        return Poller(wait, lambda level, text: self.log.log(level, "%s", text), polls_before=polls_before)

    def defer_wait(self, wait: Wait, settings: Settings) -> NoReturn:
        """Leave a wait to the trigger."""
        from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger

        left = wait.seconds_left(time.time())
        self.defer(
            trigger=MessaggiSmsDeliveryTrigger(
                messaggisms_conn_id=self.messaggisms_conn_id,
                wait=wait.to_json(),
                handover_seconds=self.handover_seconds,
                environment=settings.environment,
            ),
            method_name="execute_complete",
            timeout=None if left is None else timedelta(seconds=max(left, 0.0)),
        )
        raise AssertionError("defer() always raises")

    def report_of(self, context: Context, event: Any, message_id: str | None) -> dict[str, Any]:
        """
        Read what the trigger told.

        :raises AirflowSensorTimeout: ``timeout`` is over.
        :raises AirflowTaskTimeout: The task's ``execution_timeout`` is over.
        :raises MessaggiSmsError: The error that the task would have met, had it polled itself.
        """
        report = None
        environment = trigger_event.environment_of(event)
        with without_retries(self), suppress(trigger_event.TimeIsUp):
            report = self.counted(context, environment, lambda: trigger_event.report_of(event, message_id))
        if report is None:
            self.give_up(context)
        self.log.info("%s", report["summary"])
        return report

    def counted(self, context: Context, environment: str, find: Callable[[], R]) -> R:
        """
        Return the report that *find* finds, if any; count what it or a ``DeliveryError`` says.

        :param environment: See ``metrics``.
        """
        from airflow_provider_messaggisms.metrics import Metrics

        ti = context["ti"]
        metrics = Metrics.of(self.messaggisms_conn_id, environment, dag_id=ti.dag_id, task_id=ti.task_id)
        try:
            report = find()
        except DeliveryError as error:
            metrics.delivered(error.report)
            raise
        if report is not None:
            metrics.delivered(report)
        return report

    def push_parts(self, context: Context, report: dict[str, Any]) -> None:
        """Push the parts of the report that a next task can use by themselves, as ``wait.output["failed"]``."""
        if self.do_xcom_push:
            for name in _PUSHED_PARTS:
                context["ti"].xcom_push(key=name, value=report.get(name))

    def give_up(self, context: Context) -> NoReturn:
        """Fail because the deadline has come."""
        ends = self._execution_ends(context)
        if ends is not None and ends <= time.time():
            raise AirflowTaskTimeout(f"The delivery is not known within execution_timeout ({self.execution_timeout})")
        raise AirflowSensorTimeout(f"The delivery is not known within timeout ({self.limit_seconds():g} s)")

    def _deadline(self, context: Context, now: float) -> float:
        # Airflow 3 does not bound a deferral by execution_timeout.
        ends = self._execution_ends(context)
        return min(now + self.limit_seconds(), ends or float("inf"))

    def _execution_ends(self, context: Context) -> float | None:
        started = getattr(context["ti"], "start_date", None)
        if self.execution_timeout is None or started is None:
            return None
        return float((started + self.execution_timeout).timestamp())


class OptionallyWaitingOperator(WaitingOperator):
    """
    Base of operators that can wait for the delivery of what they did.

    The report becomes the XCom ``delivery``; its ``states``, ``failed`` and ``summary`` are XComs too. The wait does
    not change what the operator returns.

    :param wait_for_delivery: ``True`` waits as :class:`MessaggiSmsDeliverySensor` does. Default ``False``.
    :param poke_interval: Seconds (or a ``timedelta``) between two polls. Default: growing with the age of the wait.
    :param timeout: Seconds (or a ``timedelta``) after which the wait, and the task, fails. Default: that of Airflow's
        sensors, ``[sensors] default_timeout``, 7 days.
    """

    def __init__(
        self,
        *,
        wait_for_delivery: bool = False,
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        with without_retries(self):
            check_flag("wait_for_delivery", wait_for_delivery)
            for name, value in (("poke_interval", poke_interval), ("timeout", timeout)):
                if value is not None:
                    seconds_of(name, value)
        super().__init__(**kwargs)
        self.wait_for_delivery = wait_for_delivery
        self.poke_interval = poke_interval
        self.timeout = timeout

    def fixed_interval(self) -> float | None:
        """Return the seconds between two polls, or ``None`` for an interval that grows with the age of the wait."""
        return None if self.poke_interval is None else seconds_of("poke_interval", self.poke_interval)

    def limit_seconds(self) -> float:
        """Return the seconds after which the wait fails."""
        if self.timeout is None:
            return float(conf.getfloat("sensors", "default_timeout"))
        return seconds_of("timeout", self.timeout)

    def deliver(self, context: Context, message_id: str) -> str:
        """Wait for the delivery of a message, if the operator was told to; return its id."""
        if self.wait_for_delivery:
            with without_retries(self), self.new_hook() as hook:
                report = self._wait(context, hook, message_id)
            self.log.info("%s", report["summary"])
            self._push(context, report)
        return message_id

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Go on when the trigger has told how the wait ended; return the message's id."""
        report = self.report_of(context, event, None)
        self._push(context, report)
        return str(report["message_id"])

    def _wait(self, context: Context, hook: MessaggiSmsHook, message_id: str) -> dict[str, Any]:
        poller = self.new_poller(self.new_wait(context, message_id))
        steps = poller.poll(time.time()) if self.deferrable else poller.run(time.time)
        report = self.counted(context, hook.settings.environment, lambda: hook.run_steps(steps))
        if report is None and self.deferrable:
            self.defer_wait(poller.remaining_wait(), hook.settings)
        if report is None:
            self.give_up(context)
        return report

    def _push(self, context: Context, report: dict[str, Any]) -> None:
        context["ti"].xcom_push(key="delivery", value=report)
        self.push_parts(context, report)
