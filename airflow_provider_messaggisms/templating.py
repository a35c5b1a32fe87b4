"""
How our operators' templates are rendered: the gateway's placeholders survive, and nothing personal is shown.

The gateway fills ``{{name}}`` in a text for each recipient; Jinja writes its variables in the same way. While the body
is rendered, each name that is a field of a recipient therefore stands for its own placeholder; everything else is
Airflow's. Such a name can only stand alone: what it will become, only the gateway knows. A placeholder that Jinja would
read as something else, such as ``{{1}}`` or ``{{due date}}``, is kept from it altogether.

Airflow shows rendered fields to everybody who may see the task. After rendering, ``recipients`` and ``body`` are
:class:`Personal` values: what they hold is in ``value``, what Airflow shows is masked. So are ``custom`` and
``callback_url``, where only numbers are masked. Whatever goes wrong while they are rendered is not raised there,
because Airflow would log the template; it is raised by :func:`personal_value`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateAssertionError, TemplateError, TemplateSyntaxError, nodes

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers
from airflow_provider_messaggisms.gateway.recipients import Recipient, field_names, listed
from airflow_provider_messaggisms.gateway.sms_text import fill, placeholder, placeholders

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator as Templater
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment
else:
    Templater = object

#: How many recipients the Rendered Templates view names; the rest is a count.
_SHOWN_RECIPIENTS = 20

# Rendered in this order: the fields of the recipients decide which placeholders survive in the body.
_PERSONAL = ("recipients", "body", "custom", "callback_url")
_READABLE = ("custom", "callback_url")

# Identifiers that are no variables in Jinja, whatever their case.
_NO_VARIABLES = frozenset({"true", "false", "none", "not", "self"})

# Jinja quotes what it found in the place of a sign that it missed: most likely a word of the text.
_FOUND = r"(?<= got | tag )'[^']*'"


class Personal:
    """
    A rendered value that holds personal data: Airflow shows :meth:`serialize`, we use :attr:`value`.

    :param readable: Only what could be a telephone number is masked. Default ``False``: fields and the like are too.
    """

    def __init__(self, value: Any, error: Exception | None = None, *, readable: bool = False) -> None:
        self.value = value
        self.error = error
        self.readable = readable

    def serialize(self) -> Any:
        """Give the masked form that Airflow's Rendered Templates view shows."""
        if self.error is None:
            return _readable(self.value) if self.readable else _masked(self.value)
        return str(self.error) if isinstance(self.error, ConfigurationError) else type(self.error).__name__

    def __str__(self) -> str:
        return str(self.serialize())

    def __repr__(self) -> str:
        return "Personal(***)"


def personal_value(field: Any) -> Any:
    """
    Take the value out of a templated field, rendered or not.

    :raises Exception: What went wrong while it was rendered; :class:`ConfigurationError` if the template is at fault.
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
        raise ConfigurationError(f"{name}: expected True or False, got {mask_numbers(str(value)[:40])!r}")
    return text == "true"


def as_number(name: str, value: Any) -> float | None:
    """
    Read a number that a template may have turned into a text.

    :raises ConfigurationError: It is neither a number nor empty.
    """
    if value is None or str(value).strip() in ("", "None"):
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise ConfigurationError(f"{name}: expected a number, got {mask_numbers(str(value)[:40])!r}")
    return number


def one_of(name: str, value: Any, choices: Collection[str]) -> None:
    """
    Check a word.

    :raises ConfigurationError: It is none of the choices.
    """
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ConfigurationError(f"{name}: expected {expected}, got {mask_numbers(str(value)[:40])!r}")


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, Recipient):
        return mask(value.number)
    if isinstance(value, Mapping):
        return {mask_numbers(str(key)): mask(str(part)) if key == "number" else "***" for key, part in value.items()}
    if isinstance(value, Collection):
        shown = [mask(one) if isinstance(one, str) else _masked(one) for one in list(value)[:_SHOWN_RECIPIENTS]]
        return shown if len(value) <= _SHOWN_RECIPIENTS else [*shown, f"and {len(value) - _SHOWN_RECIPIENTS} more"]
    return "***"


def _readable(value: Any) -> Any:
    """Mask only what could be a telephone number."""
    if isinstance(value, Mapping):
        return {mask_numbers(str(key)): _readable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(part) for part in value]
    masked = mask_numbers(str(value))
    return value if isinstance(value, int | float | None) and masked == str(value) else masked


class PersonalTemplates(Templater):
    """For operators with ``recipients`` and ``body``: renders both as this module's docstring says."""

    recipients: Any
    body: Any

    #: What the body took from Airflow. No field of a recipient may have such a name: which of the two is meant?
    names_of_airflow: frozenset[str] = frozenset()

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
        """Render as Airflow does; a personal field is hidden afterwards, and the body keeps its placeholders."""
        if content is None or isinstance(content, Personal):
            return content
        env, seen = jinja_env or self.get_template_env(), set() if seen_oids is None else seen_oids
        if content is self.body:
            return _kept_quiet("body", lambda: self._body(content, context, env, seen))
        if content is self.recipients:
            return _kept_quiet("recipients", lambda: self._recipients(content, context, env, seen))
        return super().render_template(content, context, env, seen)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Environment, seen_oids: set[int]
    ) -> None:
        """Render or call the personal fields here: Airflow logs what fails, and leaves what is empty as it is."""
        mine = [name for name in _PERSONAL if parent is self and name in template_fields]
        for name in mine:
            setattr(self, name, self._rendered(name, getattr(self, name), context, jinja_env, seen_oids))
        others = [name for name in template_fields if name not in mine]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids)

    def _rendered(self, name: str, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        def render() -> Any:
            if callable(written):
                return _whole(written(context=context, jinja_env=env))
            return self.render_template(written, context, env, seen)

        return None if written is None else _kept_quiet(name, render)

    def _body(self, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        if not isinstance(written, str) or id(written) in seen:  # comes from another task: a value, no template
            return super().render_template(written, context, env, seen)
        fields = field_names(personal_value(self.recipients))
        marks = {name: f"\0{name}\0" for name in placeholders(written) if self._is_only_ours(name, fields)}
        marked = fill(written, marks)
        text = self._text(marked, self._with_placeholders(marked, fields, context, env), env)
        for name, mark in marks.items():
            text = text.replace(mark, placeholder(name))
        return text

    def _is_only_ours(self, name: str, fields: Collection[str]) -> bool:
        """Tell whether what stands as ``{{name}}`` is a field but nothing that Jinja takes for a variable's name."""
        if name.isidentifier() and name.lower() not in _NO_VARIABLES:
            return False
        return name in fields or (self.fields_come_later() and re.fullmatch(r"\w+", name) is not None)

    def _recipients(self, written: Any, context: Context, env: Environment, seen: set[int]) -> Any:
        """Render recipients. A template may give a list of them; a number stays the text that it is."""
        if id(written) in seen:
            return written
        if isinstance(written, Mapping):
            return {key: self._recipients(part, context, env, seen) for key, part in written.items()}
        if isinstance(written, list | tuple | set):
            return [self._recipients(part, context, env, seen) for part in written]
        rendered = super().render_template(written, context, env, seen)
        if isinstance(written, str) and _has_number(rendered):
            rendered = self._text(written, context, env)
        if isinstance(written, str) and isinstance(rendered, str) and rendered.lstrip().startswith(("[", "{")):
            return listed(rendered)  # what a Variable or Param with a list becomes in a DAG that renders to texts
        return _whole(rendered)

    def _text(self, template: str, context: Context, env: Environment) -> str:
        """
        Render to a text, also where the DAG has ``render_template_as_native_obj``.

        That would read ``12.50`` as 12.5 and ``+39349...`` as a number without a plus. With a NUL in front, a text is
        no Python literal and comes out as it is.
        """
        text: str = super().render_template("\0" + template, context, env)
        return text[1:]

    def _with_placeholders(self, body: str, fields: Collection[str], context: Any, jinja_env: Environment) -> Any:
        from jinja2 import meta

        tree = jinja_env.parse(body)
        used = meta.find_undeclared_variables(tree)  # without the macros
        known = {name for name in used if name in context}
        known |= {node.name for node in tree.find_all(nodes.Name) if node.name in jinja_env.globals}
        self.names_of_airflow = frozenset(known)
        check_no_clash(known, fields)
        kept = used - known if self.fields_come_later() else used.intersection(fields)
        _check_stand_alone(tree, kept)
        context = copy.copy(context)
        for name in kept:
            context[name] = placeholder(name)
        return context


def _has_number(value: Any) -> bool:
    """Tell whether ``+39349...``, or several of these with commas between them, were read as Python's numbers."""
    return isinstance(value, int | float) or (isinstance(value, list | tuple) and any(map(_has_number, value)))


def _whole(value: Any) -> Any:
    """Make a list of what gives its parts one by one, as what mapped tasks push does: it is read more than once."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Recipient):
        return list(value)
    return value


def check_no_clash(names_of_airflow: Collection[str], fields: Collection[str]) -> None:
    """
    Make sure that no name in the body means two things.

    :raises ConfigurationError: A variable of Airflow that the body uses is a field of a recipient, too.
    """
    if both := sorted(set(names_of_airflow).intersection(fields)):
        raise ConfigurationError(
            f"body: {both[0]!r} is a field of a recipient and a template variable of Airflow; rename the field"
        )


def _check_stand_alone(tree: nodes.Template, kept: Collection[str]) -> None:
    """Refuse filters, expressions and conditions on what only the gateway knows."""
    alone = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in kept and id(name) not in alone:
            raise ConfigurationError(
                f"body: the gateway fills in {{{{{name.name}}}}} for each recipient, so Airflow cannot use it in a "
                f"filter, expression or condition (line {name.lineno}); prepare the value in the recipients' fields"
            )


def _kept_quiet(field: str, render: Callable[[], Any]) -> Personal:
    """Render; keep what goes wrong for :func:`personal_value`."""
    try:
        value = render()
        return value if isinstance(value, Personal) else Personal(value, readable=field in _READABLE)
    except TemplateError as error:
        # The library's error shows lines of the template; its message names the variable or the sign at fault.
        line = f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        why = error.message or type(error).__name__
        if not isinstance(error, TemplateAssertionError):  # which names a filter or a test
            why = re.sub(_FOUND, "'…'", why)
        text = f"{field}: the template cannot be rendered{line}: {mask_numbers(why)}"
        return Personal(None, ConfigurationError(text))
    except Exception as error:  # noqa: BLE001 (a Variable that is not there, a macro that fails...)
        return Personal(None, error)
