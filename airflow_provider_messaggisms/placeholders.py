"""
Render a body so that the gateway's placeholders survive. Pure functions: no Airflow class, no state.

The gateway fills ``{{name}}`` in a text for each recipient, and Jinja writes its variables in the same way. A name that
is a field of a recipient therefore stands for its own placeholder while the body is rendered; every other name is
Airflow's. Such a name must stand alone, because only the gateway knows its value: no filter, expression or condition
can use it. A placeholder that Jinja reads as something else, such as ``{{1}}`` or ``{{due date}}``, is replaced by a
marker before Jinja sees the body, and put back afterwards. The rules hold in templates that the body includes, imports
or extends, too.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import BaseLoader, TemplateNotFound, TemplateSyntaxError, nodes

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
    sources = _sources(body, env)
    markers = {name: f"\0{name}\0" for name in _own_names(sources, fields, context, env, any_name=fields_come_later)}
    trees = [env.parse(fill(source, markers)) for source in sources]
    used, taken = _names(trees, context, env)
    check_no_clash(taken, fields)
    kept = used - taken if fields_come_later else used.intersection(fields)
    _check_stand_alone(trees, kept)
    # A template whose name only rendering tells may use any of the fields.
    variables = kept.union(name for name in fields if name.isidentifier() and name not in context) - env.globals.keys()
    marked = env.overlay(loader=_MarkingLoader(env.loader, markers)) if env.loader else env
    text = render_text(fill(sources[0], markers), context, marked, {name: placeholder(name) for name in variables})
    for name, marker in markers.items():
        if marker in text:
            text = text.replace(marker, placeholder(name))
    return RenderedBody(text, taken)


def render_text(
    template: str, context: Mapping[str, Any], env: Environment, placeholders: Mapping[str, str] = MappingProxyType({})
) -> str:
    """
    Render to a text, also where the DAG has ``render_template_as_native_obj``.

    That would read ``12.50`` as 12.5 and ``+39349...`` as a number without a plus.

    :param placeholders: Further variables. They are Jinja's globals, so imported templates know them too.
    """
    compiled = env.from_string(template, globals=dict(placeholders))
    # As Airflow does: its context may compute values on access, so only the names that are used may be asked for.
    variables: Any = copy.copy(context)
    for name, value in compiled.globals.items():
        if name not in variables:
            variables[name] = value
    names = compiled.globals
    pieces = compiled.root_render_func(env.context_class(env, variables, compiled.name, compiled.blocks, names))
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


class _MarkingLoader(BaseLoader):
    """Loads templates with markers in the place of the placeholders that Jinja must not see."""

    def __init__(self, loader: BaseLoader, markers: Mapping[str, str]) -> None:
        self._loader = loader
        self._markers = markers

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Load a template."""
        source, filename, uptodate = self._loader.get_source(environment, template)
        return fill(unicodedata.normalize("NFC", source), self._markers), filename, uptodate


def _sources(body: str, env: Environment) -> list[str]:
    """Return a body, and after it all templates that it includes, imports or extends."""
    from jinja2 import meta

    sources, seen = [unicodedata.normalize("NFC", body)], set[str]()
    for source in sources:  # it grows meanwhile
        unreadable = [name for name in placeholders(source) if _is_odd(name) and _is_unreadable(name, env)]
        tree = env.parse(fill(source, dict.fromkeys(unreadable, "")))
        for name in meta.find_referenced_templates(tree):
            if name is None or name in seen or env.loader is None:  # only rendering tells, and fails if it is missing
                continue
            seen.add(name)
            with suppress(TemplateNotFound):
                sources.append(unicodedata.normalize("NFC", env.loader.get_source(env, name)[0]))
    return sources


def _own_names(
    sources: Sequence[str], fields: Collection[str], context: Any, env: Environment, *, any_name: bool
) -> frozenset[str]:
    """
    Return the placeholders that Jinja must not see: it would read them as something else than a variable.

    :param any_name: Any name may be a field's. Then a placeholder is one that Jinja cannot read, such as
        ``{{due date}}``, or a plain expression of names that Airflow does not know, such as ``{{first-name}}``.
    """
    known = frozenset(filter(_is_odd, fields))
    if not any_name:
        return known
    odd = {name for source in sources for name in placeholders(source) if _is_odd(name)}
    unreadable = known.union(name for name in odd if _is_unreadable(name, env))
    trees = [env.parse(fill(source, dict.fromkeys(unreadable, ""))) for source in sources]
    used, taken = _names(trees, context, env)
    return unreadable.union(name for name in odd - unreadable if _is_plain(name, env, used - taken))


def _is_odd(name: str) -> bool:
    return not name.isidentifier() or name.lower() in _NO_VARIABLES


def _is_unreadable(name: str, env: Environment) -> bool:
    """Tell whether Jinja cannot read ``{{name}}``, or reads a number or a constant."""
    return _expression(name, env) is None or re.fullmatch(r"\w+", name) is not None


def _expression(name: str, env: Environment) -> nodes.Template | None:
    """Parse ``{{name}}``; ``None`` if Jinja cannot."""
    try:
        return env.parse(f"{{{{{name}}}}}")
    except TemplateSyntaxError:
        return None


def _is_plain(written: str, env: Environment, free: Collection[str]) -> bool:
    """Tell whether an expression has nothing but free names, signs and numbers, as the name of a column may."""
    tree = _expression(written, env)
    if tree is None:
        return False
    names = {node.name for node in tree.find_all(nodes.Name)}
    computes = "[" in written or any(tree.find_all((nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Concat)))
    return bool(names) and names.issubset(free) and not computes


def _names(trees: Sequence[nodes.Template], context: Any, env: Environment) -> tuple[set[str], frozenset[str]]:
    """Return the names that templates use, without Airflow's macros, and those that Airflow gives, with them."""
    from jinja2 import meta

    used, *others = map(meta.find_undeclared_variables, trees)
    if others:  # an included template knows the variables of the one that includes it
        local = {node.name for tree in trees for node in tree.find_all(nodes.Name) if node.ctx != "load"}
        used = used.union(*(names - local for names in others))
    given = {name for name in used if name in context}
    given |= {node.name for tree in trees for node in tree.find_all(nodes.Name) if node.name in env.globals}
    return used, frozenset(given)


def _check_stand_alone(trees: Sequence[nodes.Template], kept: Collection[str]) -> None:
    """Refuse filters, expressions and conditions on what only the gateway knows."""
    for tree in trees:
        alone = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
        for name in tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name in kept and id(name) not in alone:
                raise ConfigurationError(
                    f"body: the gateway fills in {{{{{name.name}}}}} for each recipient, so Airflow cannot use it in a "
                    f"filter, expression or condition (line {name.lineno}); prepare the value in the recipients' fields"
                )
