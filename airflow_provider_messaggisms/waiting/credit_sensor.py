"""The credit sensor: a task that ends when the account has enough credit, or fails when it has not in time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_messaggisms.airflow_internals import ChoosesPokeIntervals
from airflow_provider_messaggisms.arguments import as_number, check_flag, literal, seconds_of
from airflow_provider_messaggisms.gateway.outage import DEFAULT_OUTAGE_TOLERANCE_SECONDS
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID
from airflow_provider_messaggisms.permanent_errors import without_retries
from airflow_provider_messaggisms.waiting import trigger_event
from airflow_provider_messaggisms.waiting.deferring import DeferringOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    # Imported where they are needed: every parse of a DAG file imports this module.
    from airflow_provider_messaggisms.gateway.credit_polling import AskCredit, CreditPoller, CreditWait
    from airflow_provider_messaggisms.gateway.steps import Pause
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook


class MessaggiSmsCreditSensor(ChoosesPokeIntervals, BaseSensorOperator, DeferringOperator):
    """
    Wait until the account has enough credit. Poked, rescheduled or deferred, it comes to the same end.

    Put it before a large send; or let it look once with ``timeout=0`` and warn with ``on_failure_callback``. The XCom
    is plain JSON: ``credit_eur``, ``min_credit_eur`` and ``summary``.

    :param min_credit_eur: The least credit, in EUR. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. With ``auth: account`` the wallet
        is asked, else the gateway's list of messages, beside which the credit stands. Templated.
    :param poke_interval: Seconds (or a ``timedelta``) between two polls. Default 300.
    :param timeout: Seconds (or a ``timedelta``) after which it gives up with ``AirflowSensorTimeout``. Default 7 days.
    :param outage_tolerance: For how many seconds (or a ``timedelta``) no answer may tell the credit before it fails.
        Default one hour. In reschedule mode ``timeout`` is the limit.
    :param deferrable: Wait in the triggerer. Default: ``[operators] default_deferrable``. The worker polls once before.
    :raises ConfigurationError: An argument is out of its range.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "min_credit_eur")
    ui_color = "#d9ead3"

    #: Least seconds between a deferral and its event. A task does not defer for less.
    handover_seconds: float = trigger_event.HANDOVER_SECONDS

    def __init__(
        self,
        *,
        min_credit_eur: float | str,
        messaggisms_conn_id: str = DEFAULT_CONN_ID,
        poke_interval: float | timedelta = 300.0,
        outage_tolerance: float | timedelta = DEFAULT_OUTAGE_TOLERANCE_SECONDS,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        from airflow_provider_messaggisms.gateway.credit import check_min_credit

        super().__init__(poke_interval=poke_interval, **kwargs)
        with without_retries(self):  # a mapped task is made when it runs
            check_min_credit(as_number("min_credit_eur", literal(min_credit_eur, 0.0)))
            seconds_of("poke_interval", poke_interval)
            seconds_of("outage_tolerance", outage_tolerance)
            check_flag("deferrable", deferrable)
        self.min_credit_eur = min_credit_eur
        self.messaggisms_conn_id = messaggisms_conn_id
        self.outage_tolerance = outage_tolerance
        self.deferrable = deferrable
        self._pokes: tuple[MessaggiSmsHook, CreditPoller] | None = None

    def execute(self, context: Context) -> Any:
        """Wait; return the report."""
        try:
            return super().execute(context)
        finally:
            if self._pokes is not None:
                self._pokes[0].close()
                self._pokes = None

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; if there is too little credit and the sensor is deferrable, defer."""
        from airflow_provider_messaggisms.gateway.steps import run_steps

        with without_retries(self):
            if self._pokes is None:
                self._pokes = self._begin()
            hook, poller = self._pokes

            def perform(step: AskCredit | Pause) -> float | None:
                return hook.get_credit()  # a single poll never pauses

            report = run_steps(poller.poll(time.time()), perform)
        if report is None and self.deferrable and not poller.wait.is_over(time.time()):
            self._defer(poller.remaining_wait())
        return PokeReturnValue(is_done=report is not None, xcom_value=report)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """
        Go on when the trigger has told how the wait ended; return the report.

        :raises AirflowSensorTimeout: ``timeout`` is over.
        """
        try:
            with without_retries(self):
                return trigger_event.credit_report_of(event)
        except trigger_event.TimeIsUp:
            error: Exception = AirflowSensorTimeout(f"There is too little credit after {self.timeout:g} s")
        except Exception as failed:
            if not self.never_fail:
                raise
            error = failed
        if self.never_fail:  # Airflow 2.11 heeds only soft_fail here
            raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
        raise error

    def next_poke_interval(self, passed: float, airflows: float) -> float:
        """Return the pause before the next poll: no earlier than a ``Retry-After`` allows, never beyond the timeout."""
        retry_after = 0.0 if self._pokes is None else self._pokes[1].outage.retry_after
        return max(0.0, min(max(airflows, retry_after), self.timeout - passed))

    def _begin(self) -> tuple[MessaggiSmsHook, CreditPoller]:
        from airflow_provider_messaggisms.gateway.credit import check_min_credit
        from airflow_provider_messaggisms.gateway.credit_polling import CreditPoller, CreditWait
        from airflow_provider_messaggisms.gateway.retry import RetryPolicy
        from airflow_provider_messaggisms.hooks import MessaggiSmsHook

        now = time.time()
        wait = CreditWait(
            min_credit_eur=check_min_credit(as_number("min_credit_eur", self.min_credit_eur)),
            since=now,
            deadline=now + float(self.timeout),
            poke_interval=float(self.poke_interval),
            outage_tolerance=seconds_of("outage_tolerance", self.outage_tolerance),
        )
        hook = MessaggiSmsHook(self.messaggisms_conn_id, retry_policy=RetryPolicy(attempts=1))
        return hook, CreditPoller(wait, lambda level, text: self.log.log(level, "%s", text))

    def _defer(self, wait: CreditWait) -> None:
        from airflow_provider_messaggisms.triggers import MessaggiSmsCreditTrigger

        left = wait.seconds_left(time.time()) or 0.0
        self.defer(
            trigger=MessaggiSmsCreditTrigger(
                messaggisms_conn_id=self.messaggisms_conn_id,
                wait=wait.to_json(),
                handover_seconds=self.handover_seconds,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(left, 0.0)),
        )
