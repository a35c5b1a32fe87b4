"""The private methods of Airflow that this package overrides are still what Airflow calls."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseNotifier, BaseOperator

from airflow_provider_messaggisms.airflow_internals import RendersOwnFields


@pytest.mark.parametrize("base", [BaseOperator, BaseNotifier])
def test_do_render_template_fields_has_the_parameters_that_we_override(base: type[Any]) -> None:
    expected = inspect.signature(RendersOwnFields._do_render_template_fields).parameters
    assert list(inspect.signature(base._do_render_template_fields).parameters) == list(expected)


class Recording(RendersOwnFields, BaseOperator):
    """Remembers what it renders itself."""

    template_fields = ("secret", "plain")
    own_fields = ("secret",)
    rendered: Any = None

    def __init__(self, *, secret: str = "", plain: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.secret, self.plain = secret, plain

    def render_own_field(self, name: str, context: Any, jinja_env: Any, seen_oids: set[int]) -> None:
        self.rendered = (name, getattr(self, name), id(self.secret) in seen_oids)


def test_do_render_template_fields_is_called_for_a_plain_task() -> None:
    task = Recording(task_id="task", secret="{{ x }}", plain="{{ x }}")
    task.render_template_fields({"x": "1"})  # type: ignore[typeddict-unknown-key]
    assert (task.rendered, task.secret, task.plain) == (("secret", "{{ x }}", False), "{{ x }}", "1")


def test_do_render_template_fields_is_called_for_a_mapped_task() -> None:
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        mapped: Any = Recording.partial(task_id="task").expand(secret=["{{ x }}"])
    ti = SimpleNamespace(map_index=0, task=mapped)
    context = {"x": "1", "ti": ti, "task": mapped, "dag": dag, "dag_run": SimpleNamespace(conf={}), "params": {}}
    mapped.render_template_fields(context)
    assert context["task"].rendered == ("secret", "{{ x }}", False)
