"""
The contexts that Airflow's callbacks get, shaped as Airflow 3.3 shapes them, without Airflow's machinery around them.

What only a real Airflow can show is in ``tests/system/test_alarms.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator

RUN_ID = "manual__2026-12-24T06:00:00+00:00"
RUN_STARTED = datetime(2026, 12, 24, 6, 0, 1, 234567, tzinfo=UTC)


def task_failed(
    error: BaseException | str | None = None,
    *,
    dag_id: str = "etl",
    task_id: str = "load",
    map_index: int = -1,
    try_number: int = 3,
    max_tries: int = 2,
    state: str | None = "failed",
    run_started: datetime | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Make what a task's callback gets in the worker: everything, in a run without a logical date."""
    dag = DAG(dag_id, schedule=None)
    ti = SimpleNamespace(
        dag_id=dag_id,
        run_id=RUN_ID,
        task_id=task_id,
        map_index=map_index,
        try_number=try_number,
        max_tries=max_tries,
        state=state,
    )
    dag_run = SimpleNamespace(dag_id=dag_id, run_id=RUN_ID, clear_number=0, start_date=run_started or RUN_STARTED)
    context = {"dag": dag, "task": BaseOperator(task_id=task_id), "ti": ti, "task_instance": ti, "dag_run": dag_run}
    context |= {"run_id": RUN_ID, "params": {}, "var": {"value": {}, "json": {}}, "task_state_store": Untouchable()}
    if error is not None:
        context["exception"] = error
    return context | more


def killed(**ti: Any) -> dict[str, Any]:
    """Make what it gets in the dag-processor, after a kill: no state, and no ``exception``."""
    return task_failed(None, **({"state": None} | ti))


def dag_failed(reason: str = "task_failure", *, clear_number: int = 0, **ti: Any) -> dict[str, Any]:
    """Make what a DAG's callback gets in the dag-processor: a ``reason``, and the task instance to blame."""
    context = killed(**ti)
    context["dag_run"].clear_number = clear_number
    return context | {"reason": reason}


def deadline_missed(*, dag_id: str = "etl", deadline_id: str = "0197-abcd") -> dict[str, Any]:
    """Make what a deadline's callback gets in the triggerer: two dicts, and no more."""
    return {
        "dag_run": {"dag_id": dag_id, "dag_run_id": RUN_ID, "logical_date": None, "state": "running"},
        "deadline": {"id": deadline_id, "deadline_time": "2026-12-24T07:30:00.123456Z"},
    }


class Asking(BaseOperator):
    """A task that asks a person, shaped as Airflow's human-in-the-loop operators are."""

    def __init__(self, *, subject: str, notifiers: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.options = ["Approve", "Reject"]
        self.notifiers = list(notifiers)


def asked(subject: str = "Deploy 2.4 to production?", *, notifiers: Any = (), **ti: Any) -> dict[str, Any]:
    """Make what a notifier gets that a human-in-the-loop operator calls."""
    task = Asking(task_id="approve", subject=subject, notifiers=notifiers)
    return task_failed(**({"task_id": "approve", "state": "running"} | ti)) | {"task": task}


class Untouchable:
    """The task state store of the dag-processor: using it hangs, and the alarm is lost."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"task_state_store.{name} was used")
