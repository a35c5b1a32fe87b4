"""
The private methods of Airflow that this package overrides, each with the reason.

Everything else uses public methods of Airflow's base classes. ``tests/airflow/test_airflow_internals.py`` fails by name
when Airflow changes one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator as Templater
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment
else:
    Templater = object


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
