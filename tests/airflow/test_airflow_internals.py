"""The private methods of Airflow that this package overrides are still what Airflow calls."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG, BaseNotifier, BaseOperator, BaseSensorOperator

from airflow_provider_messaggisms.airflow_internals import ChoosesPokeIntervals, RendersOwnFields, is_deferral_timeout
from tests.airflow.conftest import Run


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


class Reporting(Recording):
    """Reports what it has rendered itself when it runs."""

    rendered_in_runs: ClassVar[list[Any]] = []

    def execute(self, context: Any) -> None:
        self.rendered_in_runs.append(self.rendered)


def test_do_render_template_fields_is_called_for_a_mapped_task(run_dag: Run) -> None:
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        Reporting.partial(task_id="task").expand(secret=["{{ x }}"])
    run_dag(dag)
    assert Reporting.rendered_in_runs == [("secret", "{{ x }}", False)]


def test_airflow_has_not_changed_get_next_poke_interval() -> None:
    airflows = inspect.signature(BaseSensorOperator._get_next_poke_interval)
    assert list(airflows.parameters) == ["self", "started_at", "run_duration", "poke_count"]
    assert list(inspect.signature(ChoosesPokeIntervals._get_next_poke_interval).parameters) == list(airflows.parameters)


class Brisk(ChoosesPokeIntervals, BaseSensorOperator):
    """A sensor with a pause of its own, which succeeds at its third poke."""

    asked: list[tuple[float, float]]

    def next_poke_interval(self, passed: float, airflows: float) -> float:
        self.asked.append((passed, airflows))
        return 0.01

    def poke(self, context: Any) -> bool:
        return len(self.asked) == 2


def test_airflow_still_asks_get_next_poke_interval_for_each_pause(context: Any) -> None:
    sensor = Brisk(task_id="brisk", poke_interval=3_600, timeout=60)
    sensor.asked = []
    sensor.execute(context)
    assert [airflows for _, airflows in sensor.asked] == [3_600, 3_600]
    assert 0 <= sensor.asked[0][0] <= sensor.asked[1][0] < 60


@pytest.mark.parametrize(("reason", "timed_out"), [("timeout", True), ("Trigger failure", False)])
def test_airflow_still_raises_its_deferral_timeout(context: Any, reason: str, timed_out: bool) -> None:
    text = "Trigger/execution timeout" if airflow_version.startswith("2.") else "Trigger timeout"
    with pytest.raises(Exception, match=r"^Trigger") as caught:
        BaseOperator(task_id="any").resume_execution("__fail__", {"error": text if timed_out else reason}, context)
    assert is_deferral_timeout(caught.value) is timed_out
