"""
Alarm the people on call, without touching a DAG when the rota changes.

The numbers are in an Airflow Variable, ``on_call``, as a list in JSON: ``["+39 349 123 4567", "+44 7400 123456"]``. It
is read when the alarm goes out. A Param of the DAG works too: ``recipients="{{ params.on_call }}"``. An invalid number
is left out and logged; the others get their alarm.

The text is your own. If it cannot be rendered, the default text goes out: an alarm is never lost to a typo.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier

with DAG(
    dag_id="on_call_rota",
    doc_md=__doc__,
    schedule=None,
    tags=["messaggisms"],
    on_failure_callback=MessaggiSmsNotifier(
        recipients="{{ var.json.get('on_call', ['+39 349 123 4567']) }}",
        sender="Airflow",
        body="{{ dag.dag_id }} has failed, please look after {{ ti.task_id }}.",
    ),
) as dag:

    @task
    def bill() -> None:
        """Fail."""
        raise RuntimeError("no bills today")

    bill()
