"""A hundred mapped tasks that do nothing: what a send is measured against."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, BaseOperator


class EmptyTask(BaseOperator):
    """Does nothing."""

    template_fields = ("argument",)

    def __init__(self, *, argument: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.argument = argument

    def execute(self, context: Any) -> None:
        """Return at once."""


with DAG("empty_tasks", schedule=None, catchup=False, max_active_tasks=64):
    EmptyTask.partial(task_id="empty").expand(argument=list(range(100)))
