"""
The context that a notifier's templates see: what Airflow gives, completed by what it leaves out in some places.

``{{ dag.dag_id }}``, ``{{ run_id }}``, ``{{ params.x }}`` and ``{{ var.value.x }}`` then work in every callback.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from airflow_provider_messaggisms.alarms.events import Event


def completed(context: Any, event: Event) -> Any:
    """
    Copy a context and add ``dag``, ``run_id``, ``ti``, ``params`` and ``var`` where they are missing.

    The context of a deadline has no DAG, so its ``params`` are only what the run was triggered with.
    """
    context = copy.copy(context)
    missing = {
        "dag": SimpleNamespace(dag_id=event.dag_id, render_template_as_native_obj=False),
        "run_id": event.run_id,
        "params": _params(context),
        "var": {"value": _Variables(json=False), "json": _Variables(json=True)},
    }
    if (ti := context.get("ti") or context.get("task_instance")) is not None:
        missing |= {"ti": ti, "task_instance": ti}
    for name, value in missing.items():
        if name not in context:
            context[name] = value
    return context


def _params(context: Mapping[str, Any]) -> dict[str, Any]:
    """Read the DAG's params that have a value, and what the run was triggered with instead."""
    params = {}
    declared = getattr(context.get("dag"), "params", None) or {}
    for name in declared:
        with suppress(Exception):  # one without a default
            params[name] = declared[name]
    dag_run = context.get("dag_run")
    conf = dag_run.get("conf") if isinstance(dag_run, Mapping) else getattr(dag_run, "conf", None)
    return {**params, **conf} if isinstance(conf, Mapping) else params


class _Variables:
    """Airflow's Variables, as templates know them under ``var.value`` and ``var.json``."""

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def __getattr__(self, name: str) -> Any:
        from airflow.providers.common.compat.sdk import Variable

        return Variable.get(name, deserialize_json=self._json)

    def get(self, name: str, default: Any = None) -> Any:
        """Read a Variable that may be missing."""
        from airflow.providers.common.compat.sdk import Variable

        return Variable.get(name, default, deserialize_json=self._json)
