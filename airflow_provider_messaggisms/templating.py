"""
How our operators' templates are rendered: the gateway's placeholders survive, and nothing personal is shown.

The gateway fills ``{{name}}`` in a text for each recipient; Jinja writes its variables in the same way. While the body
is rendered, each name that is a field of a recipient therefore stands for its own placeholder; everything else is
Airflow's.

Airflow shows rendered fields to everybody who may see the task. After rendering, ``recipients`` and ``body`` are
:class:`Personal` values: what they hold is in ``value``, what Airflow shows is masked. A template that cannot be
rendered is not raised there, because Airflow would log the template; it is raised by :func:`personal_value`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError, meta

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers
from airflow_provider_messaggisms.gateway.recipients import Addressee, field_names
from airflow_provider_messaggisms.gateway.text import placeholder

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator as Templater
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment
else:
    Templater = object

#: How many recipients the Rendered Templates view names; the rest is a count.
_SHOWN_RECIPIENTS = 20


class Personal:
    """A rendered value that holds personal data: Airflow shows :meth:`serialize`, we use :attr:`value`."""

    def __init__(self, value: Any, error: ConfigurationError | None = None) -> None:
        self.value = value
        self.error = error

    def serialize(self) -> Any:
        """Give the masked form that Airflow's Rendered Templates view shows."""
        return str(self.error) if self.error else _masked(self.value)

    def __str__(self) -> str:
        return str(self.serialize())

    __repr__ = __str__


def personal_value(field: Any) -> Any:
    """
    Take the value out of a templated field, rendered or not.

    :raises ConfigurationError: Its template could not be rendered.
    """
    if not isinstance(field, Personal):
        return field
    if field.error is not None:
        raise field.error
    return field.value


def as_flag(name: str, value: Any) -> bool | None:
    """
    Read a truth value that a template may have turned into a text.

    :raises ConfigurationError: It is neither true, false nor empty.
    """
    text = str(value).strip().lower()
    if value is None or text in ("", "none"):
        return None
    if text not in ("true", "false"):
        raise ConfigurationError(f"{name}: expected True or False, got {str(value)[:40]!r}")
    return text == "true"


def as_number(name: str, value: Any) -> float | None:
    """
    Read a number that a template may have turned into a text.

    :raises ConfigurationError: It is neither a number nor empty.
    """
    if value is None or str(value).strip() in ("", "None"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}: expected a number, got {str(value)[:40]!r}") from None


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, Addressee):
        return mask(value.number)
    if isinstance(value, Mapping):
        return {key: mask(str(part)) if key == "number" else "***" for key, part in value.items()}
    if isinstance(value, Collection):
        shown = [mask(one) if isinstance(one, str) else _masked(one) for one in list(value)[:_SHOWN_RECIPIENTS]]
        return shown if len(value) <= _SHOWN_RECIPIENTS else [*shown, f"and {len(value) - _SHOWN_RECIPIENTS} more"]
    return "***"


class PersonalTemplates(Templater):
    """
    For operators with ``recipients`` and ``body``: renders both as this module's docstring says.

    ``recipients`` must stand before ``body`` in ``template_fields``, for Airflow renders them in that order.
    """

    recipients: Any
    body: Any

    def fields_come_later(self) -> bool:
        """Tell whether the recipients are not known yet: any name that Airflow does not know is a placeholder then."""
        return False

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render as Airflow does; ``body`` with the placeholders kept, and personal fields masked afterwards."""
        is_body = content is self.body and isinstance(content, str)
        if content is None or not (is_body or content is self.recipients):
            return super().render_template(content, context, jinja_env, seen_oids)
        jinja_env = jinja_env or self.get_template_env()
        field = "body" if is_body else "recipients"
        try:
            if is_body:
                context = self._with_placeholders(content, context, jinja_env)
            return Personal(super().render_template(content, context, jinja_env, seen_oids))
        except ConfigurationError as error:
            return Personal(None, error)
        except TemplateError as error:
            # The library's error shows lines of the template; its message names the variable or the sign at fault.
            line = f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            why = (
                f"{field}: the template cannot be rendered{line}: {mask_numbers(error.message or type(error).__name__)}"
            )
            return Personal(None, ConfigurationError(why))

    def _with_placeholders(self, body: str, context: Any, jinja_env: Environment) -> Any:
        used = meta.find_undeclared_variables(jinja_env.parse(body))
        known = {name for name in used if name in context or name in jinja_env.globals}
        fields = field_names(personal_value(self.recipients))
        if both := sorted(known & fields):
            raise ConfigurationError(
                f"body: {both[0]!r} is a field of a recipient and a template variable of Airflow; rename the field"
            )
        kept = used - known if self.fields_come_later() else used & fields
        context = copy.copy(context)
        for name in kept:
            context[name] = placeholder(name)
        return context
