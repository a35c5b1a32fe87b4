"""
Waiting in a task: what the delivery sensor and the send operators share, so that there is one way of waiting.

A wait looks once in the worker. If that does not settle it, the task defers to the trigger, or looks on. Looks, pace,
patience and errors are the watch's (``gateway.polling``) here and there; this is what Airflow has to know of it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowTaskTimeout, BaseOperator, conf

from airflow_provider_messaggisms.gateway.delivery import Rule
from airflow_provider_messaggisms.gateway.poll_interval import DEFAULT_OUTAGE_TOLERANCE_SECONDS, Pace, checked_seconds
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.links import MessaggiSmsMessageLink
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.waiting import trigger_event

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.polling import Watch

#: How Airflow calls the method by which it tells a resumed task that its deferral has failed.
_AIRFLOW_FAILS_IT = "__fail__"


class WaitingOperator(BaseOperator):
    """
    Base of whatever waits for a delivery.

    :param min_delivered: Share of the recipients that must be delivered, 0 to 1. Default 1.0.
    :param accept_delivered_to_operator: Count ``DELIVERED_TO_OPERATOR`` as delivered. Default ``False``.
    :param outage_tolerance: For how many seconds (or a ``timedelta``) the gateway may fail to give a good answer before
        the wait fails. Default one hour. In reschedule mode, where no look knows of the one before, ``timeout`` rules.
    :param deferrable: Wait in the triggerer. Default: ``[operators] default_deferrable``.
    """

    operator_extra_links = (MessaggiSmsMessageLink(),)

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
        self.min_delivered = min_delivered
        self.accept_delivered_to_operator = accept_delivered_to_operator
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable

    def fixed_interval(self) -> float | None:
        """Give the seconds between two looks, or ``None`` for a pace that slows down."""
        raise NotImplementedError

    def limit_seconds(self) -> float:
        """Give the seconds after which the wait fails."""
        raise NotImplementedError

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Go on when the trigger has told how the wait ended."""
        raise NotImplementedError

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Take Airflow's own end of a deferral for the trigger's: it has the same deadline, and looks now and then."""
        error = str((next_kwargs or {}).get("error", ""))
        if next_method == _AIRFLOW_FAILS_IT and "timeout" in error.lower():
            next_method, next_kwargs = "execute_complete", {"event": trigger_event.time_is_up()}
        return super().resume_execution(next_method, next_kwargs, context)

    def new_hook(self) -> MessaggiSmsHook:
        """Make a hook that repeats nothing by itself: the next look is the repeat, and not sooner than it may be."""
        return MessaggiSmsHook(self.messaggisms_conn_id, retry_policy=RetryPolicy(attempts=1))

    def new_watch(self, message_id: str, *, since: float, looks: int = 0) -> Watch:
        """Begin to watch a message."""
        from airflow_provider_messaggisms.gateway.polling import Watch

        return Watch(
            message_id,
            since,
            Rule(self.min_delivered, self.accept_delivered_to_operator),
            Pace(self.fixed_interval()),
            seconds_of("outage_tolerance", self.outage_tolerance),
            looks,
            say=lambda level, text: self.log.log(level, "%s", text),
        )

    def defer_watch(self, context: Context, watch: Watch, began: float) -> NoReturn:
        """Leave the rest of a wait that began at *began* to the trigger."""
        from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger

        deadline, now = self._deadline(context, began), time.time()
        self.defer(
            trigger=MessaggiSmsDeliveryTrigger(
                messaggisms_conn_id=self.messaggisms_conn_id,
                message_id=watch.message_id,
                since=_iso(watch.since),
                deadline=_iso(deadline),
                min_delivered=self.min_delivered,
                accept_delivered_to_operator=self.accept_delivered_to_operator,
                poke_interval=watch.pace.poke_interval,
                outage_tolerance=watch.outage_tolerance,
                not_before=_iso(now + watch.retry_after) if watch.retry_after else None,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(deadline - now, 0.0)),
        )
        raise AssertionError("defer() always raises")

    def report_of(self, context: Context, event: Any, message_id: str | None) -> dict[str, Any]:
        """
        Read what the trigger told.

        :raises AirflowSensorTimeout: The time was up.
        :raises AirflowTaskTimeout: The task's ``execution_timeout`` was.
        :raises MessaggiSmsError: As when the task had looked itself.
        """
        report = None
        with without_retries(), suppress(trigger_event.TimeIsUp):
            report = trigger_event.report_of(event, message_id)
        if report is None:
            self.give_up(context)
        self.log.info("%s", report["summary"])
        return report

    def give_up(self, context: Context) -> NoReturn:
        """Fail because the time is up."""
        ends = self._execution_ends(context)
        if ends is not None and ends <= time.time():
            raise AirflowTaskTimeout(f"The delivery is not known within execution_timeout ({self.execution_timeout})")
        raise AirflowSensorTimeout(f"The delivery is not known within timeout ({self.limit_seconds():g} s)")

    def _deadline(self, context: Context, began: float) -> float:
        # Airflow 3 does not bound a deferral by execution_timeout.
        ends = self._execution_ends(context)
        return min(began + self.limit_seconds(), ends or float("inf"))

    def _execution_ends(self, context: Context) -> float | None:
        started = getattr(context["ti"], "start_date", None)
        if self.execution_timeout is None or started is None:
            return None
        return float((started + self.execution_timeout).timestamp())


class OptionallyWaitingOperator(WaitingOperator):
    """
    Base of operators that wait for the delivery of what they did, if asked.

    The report becomes the XCom ``delivery``; what the operator returns is not touched by the wait.

    :param wait_for_delivery: ``True`` waits as :class:`MessaggiSmsDeliverySensor` does. Default ``False``.
    :param poke_interval: Seconds (or a ``timedelta``) between two looks. Default: growing with the age of the wait.
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
        super().__init__(**kwargs)
        self.wait_for_delivery = wait_for_delivery
        self.poke_interval = poke_interval
        self.timeout = timeout

    def fixed_interval(self) -> float | None:
        """Give the seconds between two looks, or ``None`` for a pace that slows down."""
        return None if self.poke_interval is None else seconds_of("poke_interval", self.poke_interval)

    def limit_seconds(self) -> float:
        """Give the seconds after which the wait fails."""
        if self.timeout is None:
            return float(conf.getfloat("sensors", "default_timeout"))
        return seconds_of("timeout", self.timeout)

    def check_wait(self) -> None:
        """
        Check what concerns the wait, before anything is sent.

        :raises ConfigurationError: An argument is wrong.
        """
        self.new_watch("", since=0.0)
        self.limit_seconds()

    def deliver(self, context: Context, message_id: str) -> str:
        """Wait for the delivery of a message, if that is wanted; return its id."""
        if self.wait_for_delivery:
            with without_retries(), self.new_hook() as hook:
                self._delivered(context, self._wait(context, hook, message_id))
        return message_id

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Go on when the trigger has told how the wait ended."""
        report = self.report_of(context, event, None)
        self._delivered(context, report)
        return str(report["message_id"])

    def _wait(self, context: Context, hook: MessaggiSmsHook, message_id: str) -> dict[str, Any]:
        began = time.time()
        ends = began + self.limit_seconds()
        watch = self.new_watch(message_id, since=began)
        while (report := hook.run_steps(watch.look(time.time()))) is None:
            if self.deferrable:
                self.defer_watch(context, watch, began)
            time.sleep(max(0.0, min(watch.pause(time.time()), ends - time.time())))
            if time.time() >= ends:
                self.give_up(context)
        self.log.info("%s", report["summary"])
        return report

    def _delivered(self, context: Context, report: dict[str, Any]) -> None:
        context["ti"].xcom_push(key="delivery", value=report)


def seconds_of(name: str, value: Any) -> float:
    """
    Read a duration, in seconds or as a ``timedelta``.

    :raises ConfigurationError: It is none.
    """
    return checked_seconds(name, value.total_seconds() if isinstance(value, timedelta) else value)


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()
