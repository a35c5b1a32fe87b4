"""Templates find the DAG, the run, params and Variables in every context that Airflow gives."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.alarms.events import event_of
from airflow_provider_messaggisms.alarms.template_context import completed
from tests.airflow.alarms.occasions import RUN_ID, deadline_missed, task_failed


def complete(context: dict[str, Any]) -> Any:
    return completed(context, event_of(context))


def test_what_templates_use_is_added_where_it_is_missing() -> None:
    context = complete(deadline_missed())
    assert (context["dag"].dag_id, context["run_id"]) == ("etl", RUN_ID)


def test_what_is_there_is_left_alone() -> None:
    context = task_failed()
    assert complete(context) == context
    assert complete(context) is not context


def test_a_deadline_knows_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ON_CALL", '["+393491234567"]')
    var = complete(deadline_missed())["var"]
    assert var["json"].on_call == ["+393491234567"]
    assert var["value"].on_call == '["+393491234567"]'
    assert var["value"].get("missing", "default") == "default"
