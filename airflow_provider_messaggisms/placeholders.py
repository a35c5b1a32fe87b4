"""
Render a body so that the gateway's placeholders survive. Pure functions: no Airflow class, no state.

The gateway fills ``{{name}}`` in a text for each recipient, and Jinja writes its variables in the same way. A name that
is a field of a recipient therefore stands for its own placeholder while the body is rendered; every other name is
Airflow's. Such a name must stand alone, because only the gateway knows its value: no filter, expression or condition
can use it. A placeholder that Jinja reads as something else, such as ``{{1}}`` or ``{{due date}}``, is replaced by a
marker before Jinja sees the body, and put back afterwards.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import nodes

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.sms_text import fill, placeholder, placeholders

if TYPE_CHECKING:
    from jinja2 import Environment

#: Identifiers that are not variables in Jinja, in any case.
_NO_VARIABLES = frozenset({"true", "false", "none", "not", "self"})


class RenderedBody(NamedTuple):
    """
    What rendering a body found.

    :param text: The text, with the gateway's placeholders still in it.
    :param names_of_airflow: Names that the body took from Airflow. No field of a recipient may have such a name:
        it would be unclear which of the two is meant.
    """

    text: str
    names_of_airflow: frozenset[str]


def render_body(
    body: str, fields: Collection[str], context: Any, env: Environment, *, fields_come_later: bool = False
) -> RenderedBody:
    """
    Render a body and keep the gateway's placeholders.

    :param fields: Names of the recipients' fields.
    :param context: Airflow's context. It is not changed.
    :param fields_come_later: The names are not known yet: each name that Airflow does not know is a placeholder.
    :raises ConfigurationError: A name means two things, or a placeholder is computed with.
    :raises jinja2.TemplateError: The template is wrong, or a name is undefined.
    """
    markers = {
        name: f"\0{name}\0" for name in placeholders(body) if _is_only_ours(name, fields, any_name=fields_come_later)
    }
    marked = fill(body, markers)
    tree = env.parse(marked)
    used, taken = _names(tree, context, env)
    check_no_clash(taken, fields)
    kept = used - taken if fields_come_later else used.intersection(fields)
    _check_stand_alone(tree, kept)
    context = copy.copy(context)
    for name in kept:
        context[name] = placeholder(name)
    text = render_text(marked, context, env)
    for name, marker in markers.items():
        text = text.replace(marker, placeholder(name))
    return RenderedBody(text, taken)


def render_text(template: str, context: Mapping[str, Any], env: Environment) -> str:
    """
    Render to a text, also where the DAG has ``render_template_as_native_obj``.

    That would read ``12.50`` as 12.5 and ``+39349...`` as a number without a plus.
    """
    compiled = env.from_string(template)
    # As Airflow does: its context may compute values on access, so only the names that are used may be asked for.
    variables: Any = copy.copy(context)
    for name, value in compiled.globals.items():
        if name not in variables:
            variables[name] = value
    pieces = compiled.root_render_func(env.context_class(env, variables, compiled.name, compiled.blocks))
    return "".join(map(str, pieces))


def check_no_clash(names_of_airflow: Collection[str], fields: Collection[str]) -> None:
    """
    Check that no name in the body means two things.

    :raises ConfigurationError: A variable of Airflow that the body uses is a field of a recipient, too.
    """
    if both := sorted(set(names_of_airflow).intersection(fields)):
        raise ConfigurationError(
            f"body: {both[0]!r} is a field of a recipient and a template variable of Airflow; rename the field"
        )


def _is_only_ours(name: str, fields: Collection[str], *, any_name: bool) -> bool:
    """Tell whether ``{{name}}`` is a field of a recipient and not the name of a Jinja variable."""
    if name.isidentifier() and name.lower() not in _NO_VARIABLES:
        return False
    return name in fields or (any_name and re.fullmatch(r"\w+", name) is not None)


def _names(tree: nodes.Template, context: Any, env: Environment) -> tuple[set[str], frozenset[str]]:
    """Give the names that a template uses, without the macros of Airflow, and those that Airflow gives, with them."""
    from jinja2 import meta

    used = meta.find_undeclared_variables(tree)
    given = {name for name in used if name in context}
    given |= {node.name for node in tree.find_all(nodes.Name) if node.name in env.globals}
    return used, frozenset(given)


def _check_stand_alone(tree: nodes.Template, kept: Collection[str]) -> None:
    """Refuse filters, expressions and conditions on what only the gateway knows."""
    alone = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in kept and id(name) not in alone:
            raise ConfigurationError(
                f"body: the gateway fills in {{{{{name.name}}}}} for each recipient, so Airflow cannot use it in a "
                f"filter, expression or condition (line {name.lineno}); prepare the value in the recipients' fields"
            )
