"""Rendering a body is a pure function: it returns what it found and leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined
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
