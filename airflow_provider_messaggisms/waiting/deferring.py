"""Airflow's own deferral timeout, which a wait treats like the timeout that its trigger tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator

from airflow_provider_messaggisms.airflow_internals import is_deferral_timeout
from airflow_provider_messaggisms.waiting import trigger_event

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class DeferringOperator(BaseOperator):
    """A base of operators that defer. In a sensor it comes after Airflow's sensor, which converts the error too."""

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Go on when the trigger has told how the wait ended."""
        raise NotImplementedError

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Treat Airflow's deferral timeout like our trigger's: one deadline, which Airflow checks less often."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            if not is_deferral_timeout(error):
                raise
        return self.execute_complete(context, trigger_event.time_is_up())
