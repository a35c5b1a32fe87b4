"""The sensors: tasks that end when SMS have arrived or cannot arrive any more, or when there is enough credit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseSensorOperator, PokeReturnValue

from airflow_provider_messaggisms.airflow_internals import ChoosesPokeIntervals
from airflow_provider_messaggisms.arguments import seconds_of
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.links import link_to_message
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.waiting.credit_sensor import MessaggiSmsCreditSensor
from airflow_provider_messaggisms.waiting.waiting_operator import WaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.polling import Poller
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

__all__ = ["MessaggiSmsCreditSensor", "MessaggiSmsDeliverySensor"]

#: In reschedule mode each poll is a new process and a new round of the scheduler.
_MIN_RESCHEDULE_SECONDS = 60.0


class _Pokes(NamedTuple):
    """What the pokes of one execution share; Airflow calls ``poke`` anew for each of them."""

    hook: MessaggiSmsHook
    poller: Poller


class MessaggiSmsDeliverySensor(ChoosesPokeIntervals, BaseSensorOperator, WaitingOperator):
    """
    Wait until every recipient of a message has a final delivery report.

    It succeeds when all are final and enough are delivered. It fails as soon as enough cannot be delivered any more;
    that failure is final and not retried. It goes on when the gateway does not answer, or answers 429 or 5XX.
    ``DELIVERED_TO_OPERATOR`` is not final: the operator has the SMS, the phone does not. Poked, rescheduled or
    deferred, the sensor comes to the same end in the same time.

    The report is the sensor's XCom: plain JSON with a summary in words, counts per state, the price, and for each
    failed recipient its index, masked number, state and reason. Its ``states``, ``failed`` and ``summary`` are XComs
    too, so that ``wait.output["failed"]`` works as an argument of the next task.

    :param message_id: The gateway's id, as ``MessaggiSmsSendOperator`` returns it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :param poke_interval: Seconds (or a ``timedelta``) between two polls. Default: 5 in the first minute, 15 up to ten
        minutes, 60 up to an hour, then 300; in reschedule mode never less than 60. A message that is scheduled for a
        later day is not polled before that day.
    :param timeout: Seconds (or a ``timedelta``) after which the sensor gives up with ``AirflowSensorTimeout``. Default
        7 days (Airflow's); an SMS can take two.
    :param deferrable: Wait in the triggerer, which holds ten thousand waits as easily as one, and not in a worker.
        Default: ``[operators] default_deferrable``. The worker polls once before.
    :param exponential_backoff: Pause as Airflow does; not while deferred, and not before a ``Retry-After`` is over or a
        scheduled day begins.

    See :class:`~airflow_provider_messaggisms.waiting.waiting_operator.WaitingOperator` for when it has succeeded.

    :raises DeliveryError: Too many recipients' reports are final and negative; ``.report`` holds the report.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "message_id")
    ui_color = "#d9ead3"

    def __init__(
        self,
        *,
        message_id: str,
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
        poke_interval: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        with without_retries(self):
            for name, value in (("poke_interval", poke_interval), ("timeout", kwargs.get("timeout"))):
                if value is not None:
                    seconds_of(name, value)
        super().__init__(poke_interval=_MIN_RESCHEDULE_SECONDS if poke_interval is None else poke_interval, **kwargs)
        self.message_id = message_id
        self.messaggisms_conn_id = messaggisms_conn_id
        self.slows_down = poke_interval is None
        self._pokes: _Pokes | None = None

    def fixed_interval(self) -> float | None:
        """Return the seconds between two polls, or ``None`` for an interval that grows with the age of the wait."""
        return None if self.slows_down else float(self.poke_interval)

    def limit_seconds(self) -> float:
        """Return the seconds after which the wait fails."""
        return float(self.timeout)

    def execute(self, context: Context) -> Any:
        """Wait; return the report."""
        try:
            report = super().execute(context)
        finally:
            if self._pokes is not None:
                self._pokes.hook.close()
                self._pokes = None
        self.log.info("%s", report["summary"])
        self.push_parts(context, report)
        return report

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; if that does not settle the wait and the sensor is deferrable, defer."""
        pokes = self._pokes
        if pokes is not None and pokes.poller.wait.is_over(time.time()):
            return PokeReturnValue(is_done=False)  # Airflow raises its timeout after this
        with without_retries(self):
            hook, poller = self._pokes = pokes or self._begin(context)
            steps = poller.poll(time.time())
            report = self.counted(context, hook.settings.environment, lambda: hook.run_steps(steps))
        if report is None and self.deferrable:
            self.defer_wait(poller.remaining_wait(), hook.settings)
        return PokeReturnValue(is_done=report is not None, xcom_value=report)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on when the trigger has told how the wait ended; return the report."""
        try:
            report = self.report_of(context, event, self.message_id)
        except Exception as error:
            if self.never_fail:  # Airflow 2.11 heeds only soft_fail here
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise
        self.push_parts(context, report)
        return report

    def next_poke_interval(self, passed: float, airflows: float) -> float:
        """Return the pause before the next poll, poked or rescheduled; never beyond the timeout."""
        if self._pokes is None:
            return airflows
        now, poller = time.time(), self._pokes.poller
        pause = poller.pause(now, began=now - passed)
        if self.reschedule:  # the next process does not know of a Retry-After
            least = _MIN_RESCHEDULE_SECONDS if self.slows_down else 0.0
            pause = max(pause, poller.outage.retry_after, least)
        if self.exponential_backoff:
            told_to_wait = poller.outage.retry_after or poller.is_scheduled(now)
            pause = max(pause, airflows) if told_to_wait else airflows
        return max(0.0, min(pause, self.timeout - passed))

    def _begin(self, context: Context) -> _Pokes:
        from airflow_provider_messaggisms.gateway.message_id import check_message_id

        check_message_id(self.message_id)
        hook = self.new_hook()
        link_to_message(self, context, hook.settings, self.message_id)
        polls_before = _reschedules(context) if self.reschedule else 0
        return _Pokes(hook, self.new_poller(self.new_wait(context, self.message_id), polls_before=polls_before))


def _reschedules(context: Context) -> int:
    """Count the polls that this try has made in other processes."""
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    if AIRFLOW_V_3_0_PLUS:
        return context.get("task_reschedule_count", 0)
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session

    ti: Any = context["ti"]
    with create_session() as session:
        return len(session.scalars(TaskReschedule.stmt_for_task_instance(ti)).all())
