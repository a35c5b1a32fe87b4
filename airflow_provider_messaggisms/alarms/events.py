"""
What Airflow's callbacks are about: the few facts that an alarm needs, out of every context that Airflow gives.

No two places of Airflow give the same context. A task's callback has ``ti`` and ``exception`` in the worker, but no
``exception`` after a kill, when the dag-processor runs it; a DAG's has a ``reason``; a deadline's has only ``dag_run``,
as a dict, and ``deadline``; a run without a logical date lacks all that hangs on it. :func:`event_of` takes what is
there and asks for nothing. It never looks at ``task_state_store``, which hangs in the dag-processor.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Literal

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.sms_text import whole_characters

Kind = Literal["failed", "retry", "succeeded", "skipped", "started", "late"]

#: The callbacks that a task or a DAG may have, and what each is called for.
_CALLBACKS: dict[str, Kind] = {
    "on_failure_callback": "failed",
    "on_retry_callback": "retry",
    "on_success_callback": "succeeded",
    "on_skipped_callback": "skipped",
    "on_execute_callback": "started",
}
_STATES: dict[str, Kind] = {
    "failed": "failed",
    "up_for_retry": "retry",
    "success": "succeeded",
    "skipped": "skipped",
    "running": "started",
}


class Event(msgspec.Struct, frozen=True):
    """
    What happened.

    :param task_id: ``None`` for what concerns a whole run.
    :param map_index: ``None`` for a task that is not mapped.
    :param tries: How many tries the task has in all.
    :param occasion: Tells events of one run apart that agree in all else: how often the run was cleared, or which
        deadline it is.
    :param why: One line: the error, why the run failed, or which deadline it was; empty where Airflow does not say.
    """

    kind: Kind
    dag_id: str
    run_id: str
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    tries: int | None = None
    occasion: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """The same text for the same event, whichever process asks: dag, run, task, map index, try, event."""
        task = f"/{self.task_id}{index_of(self.map_index)}/try {self.try_number}" if self.task_id else ""
        return f"{self.dag_id}/{self.run_id}{task}/{self.kind} {self.occasion}".strip()

    def for_people(self) -> dict[str, Any]:
        """Give what helps a person to find the event from the message."""
        about = {
            "event": self.kind,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
            "try_number": self.try_number,
        }
        return {name: value for name, value in about.items() if value is not None}


def index_of(map_index: int | None) -> str:
    """Write a map index behind a task's name, as in ``load[3]``; nothing for a task that is not mapped."""
    return "" if map_index is None else f"[{map_index}]"


def event_of(context: Mapping[str, Any], callback: Any = None) -> Event:
    """
    Read what happened out of a callback's context.

    :param callback: The very object that Airflow calls. Where it is known, the list that it stands in says what it is
        called for, which the context does not always.
    """
    if "deadline" in context:
        return _late(context)
    if "blocking_task_list" in context:  # Airflow 2's sla_miss_callback
        return Event("late", *_ids(context), why="missed its SLA")
    if "reason" in context or not context.get("ti"):
        return _of_run(context, callback)
    return _of_task(context, callback)


def _late(context: Mapping[str, Any]) -> Event:
    dag_id, run_id = _ids(context)
    due = _text_of(context["deadline"], "deadline_time")
    return Event("late", dag_id, run_id, occasion=_text_of(context["deadline"], "id"), why=f"was due {_minute(due)}")


def _of_run(context: Mapping[str, Any], callback: Any) -> Event:
    dag_id, run_id = _ids(context)
    reason = str(context.get("reason") or "")
    kind = _listed(context.get("dag"), callback) or ("succeeded" if reason == "success" else "failed")
    why = reason.replace("_", " ") if kind == "failed" else ""
    ti = context.get("ti")
    # Airflow 2 gives any task instance of the run, Airflow 3 the one to blame, without its state.
    if ti is not None and reason == "task_failure" and _text_of(ti, "state") in ("", "failed"):
        why += f": {ti.task_id}{index_of(_map_index(ti))}"
    return Event(kind, dag_id, run_id, occasion=_text_of(context.get("dag_run"), "clear_number"), why=why)


def _of_task(context: Mapping[str, Any], callback: Any) -> Event:
    ti = context["ti"]
    dag_id, run_id = _ids(context)
    try_number = _get(ti, "try_number")
    tries = (_get(ti, "max_tries") or 0) + 1
    error = context.get("exception")
    kind = _listed(context.get("task"), callback) or _STATES.get(_text_of(ti, "state"))
    if kind is None:  # in the dag-processor, which runs the callbacks of failures only
        kind = "retry" if try_number and try_number < tries else "failed"
    why = _first_line(error)
    if not why and kind in ("failed", "retry"):
        why = "no error known: killed, lost or cleared"
    return Event(
        kind,
        dag_id,
        run_id,
        task_id=ti.task_id,
        map_index=_map_index(ti),
        try_number=try_number,
        tries=max(tries, try_number or 0),
        why=why,
    )


def _ids(context: Mapping[str, Any]) -> tuple[str, str]:
    dag_run, ti, dag = context.get("dag_run"), context.get("ti"), context.get("dag")
    dag_id = _text_of(dag_run, "dag_id") or _text_of(ti, "dag_id") or _text_of(dag, "dag_id")
    run_id = context.get("run_id") or _text_of(dag_run, "run_id") or _text_of(dag_run, "dag_run_id")
    return dag_id, str(run_id or _text_of(ti, "run_id"))


def _listed(owner: Any, callback: Any) -> Kind | None:
    """Find the only list of callbacks that *callback* stands in."""
    kinds = set()
    for name, kind in _CALLBACKS.items():
        listed = _get(owner, name) or ()
        if any(one is callback for one in (listed if isinstance(listed, list | tuple) else (listed,))):
            kinds.add(kind)
    return kinds.pop() if len(kinds) == 1 else None


def _first_line(error: Any) -> str:
    """Describe an error in one line, with the secrets that Airflow knows of masked."""
    if error is None:
        return ""
    from airflow.providers.common.compat.sdk import redact

    lines = [line.strip() for line in said(error).splitlines()]
    first = next(filter(None, lines), "")
    if isinstance(error, BaseException):
        first = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return str(redact(first))


def said(error: Any) -> str:
    """Read an error's text; empty where there is none, or where the error cannot tell it."""
    try:
        return "" if error is None else whole_characters(str(error))
    except Exception:  # noqa: BLE001 (an error's own __str__ may raise anything)
        return ""


def said_safely(error: BaseException) -> str:
    """Read an error's text without numbers; our own errors have none, but keys and ids that look like them."""
    return str(error) if isinstance(error, MessaggiSmsError) else mask_numbers(said(error))


def _map_index(ti: Any) -> int | None:
    map_index = _get(ti, "map_index")
    return map_index if isinstance(map_index, int) and map_index >= 0 else None


def _minute(instant: str) -> str:
    """Shorten an instant to what a person reads: ``2026-12-24 08:30 UTC``."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return instant
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment.tzinfo else instant


def _get(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)


def _text_of(owner: Any, name: str) -> str:
    """Read an attribute or a key as a text; empty where there is none. An enumeration counts as its value."""
    value = _get(owner, name)
    return "" if value is None else str(getattr(value, "value", value))


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


def _params(context: Mapping[str, Any]) -> dict[str, Any]:
    """Read the DAG's params, as far as they have values, and what the run was triggered with instead."""
    params = {}
    declared = getattr(context.get("dag"), "params", None) or {}
    for name in declared:
        with suppress(Exception):  # one without a default
            params[name] = declared[name]
    conf = _get(context.get("dag_run"), "conf")
    return {**params, **conf} if isinstance(conf, Mapping) else params


def completed(context: Any) -> Any:
    """
    Add ``dag``, ``run_id``, ``params`` and ``var`` where they are missing: templates work everywhere then.

    A deadline knows no DAG, so of the params only those that its run was triggered with.
    """
    event = event_of(context)
    context = copy.copy(context)
    missing = {
        "dag": SimpleNamespace(dag_id=event.dag_id, render_template_as_native_obj=False),
        "run_id": event.run_id,
        "params": _params(context),
        "var": {"value": _Variables(json=False), "json": _Variables(json=True)},
    }
    for name, value in missing.items():
        if name not in context:
            context[name] = value
    return context
