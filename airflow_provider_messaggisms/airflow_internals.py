"""
The private parts of Airflow that this package overrides or uses, each with the reason.

Everything else uses public methods of Airflow's base classes. ``tests/airflow/test_airflow_internals.py`` fails by name
when Airflow changes one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator as Templater
    from airflow.providers.common.compat.sdk import BaseSensorOperator as Sensor
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment
else:
    Sensor = Templater = object


class RendersOwnFields(Templater):
    """
    Render some of the template fields in a method of its own: overrides ``_do_render_template_fields``.

    The public ``render_template_fields`` is not enough, for three reasons. A mapped task renders its operator by
    calling the private method directly. Airflow logs the template of a field that cannot be rendered, and a template
    may hold a telephone number. Airflow calls a field that is a function, and logs its ``repr`` when it fails.
    """

    #: The fields that :meth:`render_own_field` renders, in this order, before all others.
    own_fields: ClassVar[tuple[str, ...]] = ()

    def render_own_field(self, name: str, context: Context, jinja_env: Environment, seen_oids: set[int]) -> None:
        """
        Render a field in place. It must not raise.

        :param seen_oids: ``id`` of each value that is not a template, for it comes from another task.
        """
        raise NotImplementedError

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> None:
        """Render our own fields, then let Airflow render the others."""
        fields = list(template_fields)
        own = [name for name in self.own_fields if parent is self and name in fields]
        for name in own:
            self.render_own_field(name, context, jinja_env, seen_oids)
        others = [name for name in fields if name not in own]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)


class ChoosesPokeIntervals(Sensor):
    """
    Choose each pause between two pokes: overrides ``_get_next_poke_interval``.

    The public ``poke_interval`` is not enough: it is one number for all pauses, and ours grow with the age of the wait,
    follow a ``Retry-After`` and lead to a scheduled day. Sleeping in ``poke`` would not do either: in reschedule mode
    only Airflow's own loop can free the worker slot, and it asks this method for how long.
    """

    def next_poke_interval(self, passed: float, airflows: float) -> float:
        """
        Return how many seconds to pause before the next poke. Called after each poke; it must not change anything.

        :param passed: Seconds since the first poke, in whichever process that was.
        :param airflows: The pause that Airflow would make, in seconds.
        """
        raise NotImplementedError

    def _get_next_poke_interval(self, started_at: Any, run_duration: Callable[[], float], poke_count: int) -> float:
        airflows = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        return self.next_poke_interval(run_duration(), float(airflows))


def never_map(begun: Any) -> None:
    """
    Tell what ``partial()`` returned that no ``expand()`` follows, because the DAG file fails.

    Otherwise Airflow warns that the task was never mapped, beside the error that says why.
    """
    begun._expand_called = True


def is_deferral_timeout(error: Exception) -> bool:
    """
    Tell whether Airflow fails a task because its deferral has lasted too long.

    Airflow 3 raises ``TaskDeferralTimeout``. Airflow 2.11 lacks it and raises ``TaskDeferralError`` with this text.
    """
    kind = _deferral_timeout()
    if kind is None:
        return type(error).__name__ == "TaskDeferralError" and str(error) == "Trigger/execution timeout"
    return isinstance(error, kind)


def _deferral_timeout() -> type[Exception] | None:
    try:
        from airflow.sdk.exceptions import TaskDeferralTimeout
    except ImportError:  # before Airflow 3.2
        from airflow import exceptions

        return getattr(exceptions, "TaskDeferralTimeout", None)
    return TaskDeferralTimeout
