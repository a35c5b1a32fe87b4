"""Rendering a body is a pure function: it returns what it found and leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined, TemplateNotFound
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.placeholders import RenderedBody, check_no_clash, render_body, render_text

CONTEXT = {"ds": "2026-05-01", "params": {"city": "Turin"}}


@pytest.fixture(params=[Environment, NativeEnvironment])
def env(request: pytest.FixtureRequest) -> Environment:
    environment: Environment = request.param(undefined=StrictUndefined)
    environment.globals["shop"] = lambda: "Bar Sport"
    return environment


def test_the_text_and_the_names_of_airflow_come_back_as_one_value(env: Environment) -> None:
    found = render_body("{{name}} in {{ params.city }}, {{ shop() }}", ["name", "ds"], CONTEXT, env)
    assert found == RenderedBody("{{name}} in Turin, Bar Sport", frozenset({"params", "shop"}))


def test_rendering_a_body_changes_neither_context_nor_environment(env: Environment) -> None:
    context, names = dict(CONTEXT), set(env.globals)
    render_body("{{name}} {{due date}} {{ ds }}", ["name", "due date"], context, env)
    assert (context, set(env.globals)) == (CONTEXT, names)


def test_fields_that_come_later_are_all_names_that_airflow_lacks(env: Environment) -> None:
    found = render_body("{{name}} {{1}} {{ ds }}", (), CONTEXT, env, fields_come_later=True)
    assert found == RenderedBody("{{name}} {{1}} 2026-05-01", frozenset({"ds"}))


@pytest.mark.parametrize("text", ["12.50", "+393491234567", "[1, 2]", "True"])
def test_a_text_stays_a_text_in_either_environment(text: str, env: Environment) -> None:
    assert render_text("{{ text }}", {"text": text}, env) == text


def test_only_the_variables_in_use_are_asked_for(env: Environment) -> None:
    class Reluctant(dict[str, Any]):
        """A context that computes its values on access, as Airflow 2 has it."""

        def __getitem__(self, name: str) -> Any:
            assert name == "ds"
            return "2026-05-01"

    context = Reluctant(ds=None, conf=None)
    assert render_text("{{ ds }}", context, env) == "2026-05-01"


def test_a_name_that_means_two_things_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"^body: 'ds' is a field of a recipient and a template variable"):
        check_no_clash({"ds", "params"}, {"name", "ds"})
    check_no_clash({"params"}, {"name", "ds"})


PARTS = {
    "part.j2": "Dear {{ name }} ({{ ds }})",
    "nested.j2": "{% include 'part.j2' %}!",
    "macros.j2": "{% macro greet() %}Dear {{ name }}{% endmacro %}",
    "base.j2": "{% block greeting %}{% endblock %} from {{ shop_name }}",
    "loud.j2": "{{ name | upper }}",
    "local.j2": "{{ one | upper }}",
}


@pytest.fixture
def env_with_parts(env: Environment) -> Environment:
    env.loader = DictLoader(PARTS)
    return env


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{% include 'part.j2' %}", "Dear {{name}} (2026-05-01)"),
        ("{% include 'nested.j2' %}", "Dear {{name}} (2026-05-01)!"),
        ("{% include ['gone.j2', 'part.j2'] %}", "Dear {{name}} (2026-05-01)"),
        ("{% include 'gone.j2' ignore missing %}{{ name }}", "{{name}}"),
        ("{% from 'macros.j2' import greet %}{{ greet() }}", "Dear {{name}}"),
        ("{% from 'macros.j2' import greet with context %}{{ greet() }}", "Dear {{name}}"),
        ("{% import 'macros.j2' as macros %}{{ macros.greet() }}", "Dear {{name}}"),
        ("{% extends 'base.j2' %}{% block greeting %}Hi {{ name }}{% endblock %}", "Hi {{name}} from {{shop_name}}"),
        ("{% for one in ['a'] %}{% include 'local.j2' %}{% endfor %}{{ name }}", "A{{name}}"),
        ("{% set one = 'a' %}{% include 'local.j2' %}{{ name }}", "A{{name}}"),
    ],
)  # fmt: skip
def test_a_field_stays_a_placeholder_in_other_templates(
    body: str, text: str, later: bool, env_with_parts: Environment
) -> None:
    fields = () if later else ("name", "shop_name")
    assert render_body(body, fields, CONTEXT, env_with_parts, fields_come_later=later).text == text


def test_a_field_stays_a_placeholder_in_a_template_named_at_run_time(env_with_parts: Environment) -> None:
    context = {**CONTEXT, "params": {"part": "part.j2"}}
    found = render_body("{% include params.part %}", ["name"], context, env_with_parts)
    assert found.text == "Dear {{name}} (2026-05-01)"


def test_the_rules_hold_in_other_templates(env_with_parts: Environment) -> None:
    with pytest.raises(ConfigurationError, match=r"the gateway fills in \{\{name\}\} .* \(line 1\)"):
        render_body("{% include 'loud.j2' %}", ["name"], CONTEXT, env_with_parts)
    with pytest.raises(ConfigurationError, match="'ds' is a field of a recipient and a template variable"):
        render_body("{% include 'nested.j2' %}", ["name", "ds"], CONTEXT, env_with_parts)
    with pytest.raises(TemplateNotFound):
        render_body("{% include 'gone.j2' %}", ["name"], CONTEXT, env_with_parts)


@pytest.mark.parametrize(
    "name",
    ["Due date", "first-name", "Amount (EUR)", "Nome/Ragione", "Tel. 1", "cliente.nome", "it's", "50%", "n°", "a, b"],
)
def test_a_column_of_a_file_may_have_any_name(name: str, env: Environment) -> None:
    found = render_body(f"{{{{ {name} }}}} {{{{ ds }}}}", (), CONTEXT, env, fields_come_later=True)
    assert found == RenderedBody(f"{{{{{name}}}}} 2026-05-01", frozenset({"ds"}))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ ds + '-x' }} {{ params.city }} {{ 1 + 1 }} {{ 'x' }}", "2026-05-01-x Turin 2 x"),
        ("{% for row in [params] %}{{ row.city }}{% endfor %}", "Turin"),
        ("{% set row = params %}{{ row.city }} {{Due date}}", "Turin {{Due date}}"),
        ("{{ shop() }} {{ shop().lower() }}", "Bar Sport bar sport"),
    ],
)
def test_with_a_file_an_expression_of_known_names_is_airflows(body: str, text: str, env: Environment) -> None:
    assert render_body(body, (), CONTEXT, env, fields_come_later=True).text == text


@pytest.mark.parametrize(
    "body", ["{{ name | upper }}", "{{ name[:1] }}", "{{ name ~ 'x' }}", "{{ name if vip else '' }}"]
)
def test_with_a_file_a_placeholder_cannot_be_computed_with(body: str, env: Environment) -> None:
    with pytest.raises(ConfigurationError, match="the gateway fills in"):
        render_body(body, (), CONTEXT, env, fields_come_later=True)


def test_a_name_matches_whichever_way_its_accents_are_written(env: Environment) -> None:
    found = render_body("{{ citta\u0300 }} {{ la citta\u0300 }}", ["citt\u00e0", "la citt\u00e0"], CONTEXT, env)
    assert found.text == "{{citt\u00e0}} {{la citt\u00e0}}"
