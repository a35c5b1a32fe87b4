"""The delivery sensor: a task that ends when the SMS have arrived, or cannot arrive any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.failing import failing_for_good
from airflow_provider_messaggisms.gateway.delivery import Fate, Rule, Verdict
from airflow_provider_messaggisms.gateway.watch import Watch
from airflow_provider_messaggisms.hooks import MessaggiSmsHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MessaggiSmsDeliverySensor(BaseSensorOperator):
    """
    Wait until every recipient of a message has a final delivery report.

    It succeeds when all are final and enough are delivered, and fails as soon as enough cannot be delivered any more;
    that failure is final and not retried. A gateway that does not answer, or answers 429 or 5XX, is waited for.
    ``DELIVERED_TO_OPERATOR`` is not final: the operator has the SMS, the phone does not.

    The report is the sensor's XCom: plain JSON with counts per state, the price, and for each failed recipient its
    index, masked number, state and reason.

    :param message_id: The gateway's id, as ``MessaggiSmsSendOperator`` returns it. Templated.
    :param messaggisms_conn_id: Id of the connection. Default ``messaggisms_default``. Templated.
    :param min_delivered: Share of the recipients that must be delivered, 0 to 1. Default 1.0.
    :param accept_delivered_to_operator: Count ``DELIVERED_TO_OPERATOR`` as delivered. Default ``False``.
    :param poke_interval: Seconds between two looks at the gateway. Default 60 (Airflow's).
    :param timeout: Seconds after which the sensor gives up. Default 7 days (Airflow's); an SMS can take two.
    :raises DeliveryError: Too many recipients' reports are final and negative; ``.report`` holds the report.
    """

    template_fields: Sequence[str] = ("messaggisms_conn_id", "message_id")
    ui_color = "#d9ead3"

    def __init__(
        self,
        *,
        message_id: str,
        messaggisms_conn_id: str = MessaggiSmsHook.default_conn_name,
        min_delivered: float = 1.0,
        accept_delivered_to_operator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id = message_id
        self.messaggisms_conn_id = messaggisms_conn_id
        self.min_delivered = min_delivered
        self.accept_delivered_to_operator = accept_delivered_to_operator
        self._watch: Watch | None = None
        self._hook: MessaggiSmsHook | None = None
        self._looks = 0
        self._said: set[str] = set()

    def execute(self, context: Context) -> Any:
        """Wait; return the report."""
        try:
            return super().execute(context)
        finally:
            if self._hook is not None:
                self._hook.close()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        with failing_for_good():
            if self._watch is None or self._hook is None:
                self._watch = Watch(self.message_id, Rule(self.min_delivered, self.accept_delivered_to_operator))
                self._hook = MessaggiSmsHook(self.messaggisms_conn_id)
            try:
                verdict = self._hook.follow(self._watch.look(self._look_number(context)))
            except MessaggiSmsError as error:
                if error.permanent:
                    raise
                self.log.warning("%s; waiting for the next look", error)
                return PokeReturnValue(is_done=False)
            return self._judged(verdict)

    def _judged(self, verdict: Verdict | None) -> PokeReturnValue:
        if verdict is None:
            return PokeReturnValue(is_done=False)
        self._say(verdict.sentence())
        for state in verdict.unknown_states:
            self._say(f"unknown state {state!r}: waiting on, as if it were intermediate", warn=True)
        if verdict.fate is Fate.FAILED:
            raise verdict.error()
        return PokeReturnValue(is_done=verdict.fate is Fate.DELIVERED, xcom_value=verdict.report)

    def _say(self, text: str, *, warn: bool = False) -> None:
        """Log each thing once: a line per change, not per look."""
        if text not in self._said:
            self._said.add(text)
            (self.log.warning if warn else self.log.info)(text)

    def _look_number(self, context: Context) -> int:
        """Count the looks; in reschedule mode, where each look is a new process, by the time that has passed."""
        self._looks += 1
        if self.reschedule:
            first = context["ti"].get_first_reschedule_date(context)
            passed = (datetime.now(UTC) - first).total_seconds() if first else 0.0
            return 1 + round(passed / max(float(self.poke_interval), 1.0))
        return self._looks
