"""
How a notifier's templates are rendered: whatever goes wrong with one, the alarm must go out.

An error is kept in its field and comes up where the field is needed. There the default text takes the place of a body
that cannot be rendered.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any, Self

from jinja2 import StrictUndefined

from airflow_provider_messaggisms.exceptions import NotSentError
from airflow_provider_messaggisms.personal import Personal
from airflow_provider_messaggisms.personal_templates import PersonalTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment

log = logging.getLogger(__name__)

#: The template fields of a notifier, and those of them that PersonalTemplates renders, in this order.
FIELDS = ("messaggisms_conn_id", "recipients", "body", "sender", "alarm_key")
PERSONAL = ("recipients", "body")


class AlarmTemplates(PersonalTemplates):
    """The part of the notifier that renders its templates."""

    def as_far_as_rendered(self, written: AlarmTemplates) -> Self:
        """Copy what is rendered so far; a template that is still what was written becomes an error of its field."""
        mine = copy.copy(self)
        for name in self.template_fields:
            value = getattr(mine, name)
            if name in FIELDS and value is getattr(written, name) and is_template(value):
                error = NotSentError(f"{name}: Airflow did not render the template in time")
                setattr(mine, name, Personal(None, error))
        return mine

    def resolve_template_files(self) -> None:
        """Look for no file: Airflow asks for it when the notifier is made, and there is no DAG to search yet."""

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """
        Render in place. An error is kept in its field and comes up where the field is needed.

        The further fields of a subclass come first, and the context gets them: the text may use them.
        """
        env = jinja_env or self._env(context)
        for name in [name for name in self.template_fields if name not in FIELDS]:
            self._render_further_field(name, context, env)
        for name in [name for name in FIELDS if name not in PERSONAL and getattr(self, name)]:
            try:
                rendered = self.render_template(getattr(self, name), context, env, set())
            except Exception as error:  # noqa: BLE001 (a template may raise anything)
                rendered = Personal(None, error)
            setattr(self, name, rendered)
        for name in PERSONAL:
            self.render_own_field(name, context, env, set())

    def _render_further_field(self, name: str, context: Any, env: Environment) -> None:
        from airflow_provider_messaggisms.alarms.events import error_text_without_numbers

        try:
            setattr(self, name, self.render_template(getattr(self, name), context, env, set()))
        except Exception as error:  # noqa: BLE001 (whatever is wrong, the alarm must go out)
            log.warning("%s: the template cannot be rendered: %s", name, error_text_without_numbers(error))
        context[name] = getattr(self, name)

    def _env(self, context: Context) -> Environment:
        dag = context.get("dag")
        if hasattr(dag, "get_template_env"):
            return self.get_template_env(dag=dag)
        # A deadline has no DAG, and the DAG that `airflow dags test` gives to a DAG's callback makes no environment.
        env = self.get_template_env()
        env.undefined = StrictUndefined
        return env


def is_template(value: Any) -> bool:
    """Tell whether a value has to be rendered."""
    return callable(value) or any(sign in str(value) for sign in ("{{", "{%"))
