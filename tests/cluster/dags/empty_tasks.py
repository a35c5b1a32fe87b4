"""As many mapped tasks as a run asks for, that do nothing: what a send is measured against."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, BaseOperator, Param, task


class EmptyTask(BaseOperator):
    """Does nothing."""

    template_fields = ("argument",)

    def __init__(self, *, argument: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.argument = argument

    def execute(self, context: Any) -> None:
        """Return at once."""


with DAG(
    dag_id="empty_tasks",
    schedule=None,
    catchup=False,
    max_active_tasks=64,
    params={"count": Param(100, type="integer")},
):

    @task
    def numbers(params: Any = None) -> list[int]:
        """Count."""
        return list(range(params["count"]))

    EmptyTask.partial(task_id="empty").expand(argument=numbers())
