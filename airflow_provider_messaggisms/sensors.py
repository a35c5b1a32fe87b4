"""The delivery sensor: a task that ends when the SMS have arrived, or cannot arrive any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseSensorOperator, PokeReturnValue

from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.links import show_page
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.waiting.waiting_operator import WaitingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.polling import Watch

#: In reschedule mode each look is a new process and a new round of the scheduler.
_MIN_RESCHEDULE_SECONDS = 60.0


class MessaggiSmsDeliverySensor(WaitingOperator, BaseSensorOperator):
    """
    Wait until every recipient of a message has a final delivery report.

    It succeeds when all are final and enough are delivered, and fails as soon as enough cannot be delivered any more;
    that failure is final and not retried. A gateway that does not answer, or answers 429 or 5XX, is waited for.
    ``DELIVERED_TO_OPERATOR`` is not final: the operator has the SMS, the phone does not. Poked, rescheduled or
    deferred, the sensor comes to the same end in the same time.

    The report is the sensor's XCom: plain JSON with a summary in words, counts per state, the price, and for each
    failed recipient its index, masked number, state and reason.

    :param message_id: The gateway's id, as ``MessaggiSmsSendOperator`` returns it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :param poke_interval: Seconds (or a ``timedelta``) between two looks. Default: 5 in the first minute, 15 up to ten
        minutes, 60 up to an hour, then 300; in reschedule mode never less than 60. A message that is scheduled for a
        later day is not asked about before that day.
    :param timeout: Seconds (or a ``timedelta``) after which the sensor gives up with ``AirflowSensorTimeout``. Default
        7 days (Airflow's); an SMS can take two.
    :param deferrable: Wait in the triggerer, which holds ten thousand waits as easily as one, and not in a worker.
        Default: ``[operators] default_deferrable``. The message is looked at once before.
    :param exponential_backoff: Airflow's own pace; not while deferred, and not before the gateway allows it or a
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
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        poke_interval: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=_MIN_RESCHEDULE_SECONDS if poke_interval is None else poke_interval, **kwargs)
        self.message_id = message_id
        self.messaggisms_conn_id = messaggisms_conn_id
        self.slows_down = poke_interval is None
        self._began: float | None = None
        self._watch: Watch | None = None
        self._hook: MessaggiSmsHook | None = None

    def fixed_interval(self) -> float | None:
        """Give the seconds between two looks, or ``None`` for a pace that slows down."""
        return None if self.slows_down else float(self.poke_interval)

    def limit_seconds(self) -> float:
        """Give the seconds after which the wait fails."""
        return float(self.timeout)

    def execute(self, context: Context) -> Any:
        """Wait; return the report."""
        self._began, self._watch = time.time(), None
        try:
            report = super().execute(context)
        finally:
            if self._hook is not None:
                self._hook.close()
        self.log.info("%s", report["summary"])
        return report

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; if that does not settle it, defer where that is wanted."""
        began = self._began = self._began or time.time()
        if self._watch is not None and not self.reschedule and time.time() >= began + self.timeout:
            return PokeReturnValue(is_done=False)  # Airflow raises its time-out after this
        with without_retries():
            hook = self._hook = self._hook or self.new_hook()
            watch = self._watch = self._watch or self._begin(context, began, hook)
            report = hook.run_steps(watch.look(time.time()))
        if report is None and self.deferrable:
            self.defer_watch(context, watch, began)
        return PokeReturnValue(is_done=report is not None, xcom_value=report)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on when the trigger has told how the wait ended; return the report."""
        try:
            return self.report_of(context, event, self.message_id)
        except Exception as error:
            if self.never_fail:  # Airflow 2.11 knows of soft_fail alone here
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def _begin(self, context: Context, began: float, hook: MessaggiSmsHook) -> Watch:
        show_page(self, context, hook.settings, self.message_id)
        looks = _looks_before(context) if self.reschedule else 0
        return self.new_watch(self.message_id, since=began, looks=looks)

    def _get_next_poke_interval(self, started_at: Any, run_duration: Callable[[], float], poke_count: int) -> float:
        """Pace the looks, poked or rescheduled; never beyond the time-out."""
        airflows = float(super()._get_next_poke_interval(started_at, run_duration, poke_count))
        if self._watch is None:
            return airflows
        now, passed = time.time(), run_duration()
        if self._watch.since <= now:
            self._watch.since = now - passed  # when rescheduled, the wait began in another process
        pause = self._watch.pause(now)
        if self.reschedule:  # the next process will not know what the gateway has asked for
            pause = max(pause, self._watch.retry_after, _MIN_RESCHEDULE_SECONDS if self.slows_down else 0.0)
        if self.exponential_backoff:
            told_to_wait = self._watch.retry_after or self._watch.since > now
            pause = max(pause, airflows) if told_to_wait else airflows
        return max(0.0, min(pause, self.timeout - passed))


def _looks_before(context: Context) -> int:
    """Count the looks that this try has made in other processes."""
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    if AIRFLOW_V_3_0_PLUS:
        return context.get("task_reschedule_count", 0)
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session

    ti: Any = context["ti"]
    with create_session() as session:
        return len(session.scalars(TaskReschedule.stmt_for_task_instance(ti)).all())
