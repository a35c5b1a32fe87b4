"""
Events: what happened, read from the context of any of Airflow's callbacks.

Airflow gives a different context in each place:

- A task's callback in the worker has ``ti`` and ``exception``.
- A task's callback in the dag-processor, after a kill, has ``ti`` without a state and no ``exception``.
- A task's callback in ``airflow dags test`` before Airflow 3.3 has ``ti`` and no ``exception``.
- A DAG's callback has a ``reason``.
- A deadline's callback has only ``dag_run``, as a dict, and ``deadline``.
- A notifier that a task calls itself gets the task's own context, or a part of it such as ``task_instance``.
- A run without a logical date lacks ``ds``, ``ts`` and the like.

:func:`event_of` uses what is there and asks Airflow for nothing. It never touches ``task_state_store``, which hangs in
the dag-processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sms_text import whole_characters

Kind = Literal["failed", "retry", "succeeded", "skipped", "started", "late", "question"]

#: The callbacks that a task or a DAG may have, and the event of each.
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


class Event(RedactedStruct, frozen=True):
    """
    What happened.

    :param task_id: ``None`` for an event of a whole run.
    :param map_index: ``None`` for a task that is not mapped.
    :param tries: How many tries the task has in all.
    :param occasion: Tells events of one run apart that agree in all else: how often the run was cleared, or the id of
        the deadline.
    :param why: One line: the error, why the run failed, when it was due, or what is asked; empty where Airflow does not
        say.
    :param error: The whole text of the error.
    :param run_started: When the run began. A run that is deleted and made again under its id begins anew, and one that
        is cleared after its end does. Empty where Airflow does not say.
    """

    _shown = ("name",)
    kind: Kind
    dag_id: str
    run_id: str
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None
    tries: int | None = None
    occasion: str = ""
    why: str = ""
    error: str = ""
    run_started: str = ""

    @property
    def name(self) -> str:
        """Name the event by dag, run, task, map index, try and kind; the same in every process."""
        task = f"/{self.task_id}{index_of(self.map_index)}/try {self.try_number}" if self.task_id else ""
        return f"{self.dag_id}/{self.run_id}{task}/{self.kind} {self.occasion}".strip()

    def origin(self) -> dict[str, Any]:
        """Give what leads a person from the message to the event."""
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


def event_of(context: Mapping[str, Any], callback: Any = None, raised: BaseException | None = None) -> Event:
    """
    Read what happened from a callback's context.

    :param callback: The object that is called. The list of callbacks that holds it tells the kind of event, which the
        context does not always do.
    :param raised: The error that is being handled where it is called.
    """
    if "deadline" in context:
        return _late(context)
    if "blocking_task_list" in context:  # Airflow 2's sla_miss_callback
        dag_id, run_id = _ids(context)
        return Event("late", dag_id, run_id, why="missed its SLA")
    if "reason" in context or not _task_instance(context):
        return _of_run(context, callback)
    return _of_task(context, callback, raised)


def _late(context: Mapping[str, Any]) -> Event:
    dag_id, run_id = _ids(context)
    deadline = context["deadline"]
    due = _minute(_text_of(deadline, "deadline_time"))
    return Event("late", dag_id, run_id, occasion=_text_of(deadline, "id"), why=f"was due {due}")


def _of_run(context: Mapping[str, Any], callback: Any) -> Event:
    dag_id, run_id = _ids(context)
    reason = str(context.get("reason") or "")
    kind = _kind_by_list(context.get("dag"), callback) or ("succeeded" if reason == "success" else "failed")
    why = reason.replace("_", " ") if kind == "failed" else ""
    ti = _task_instance(context)
    # Airflow 2 gives any task instance of the run, Airflow 3 the one to blame, without its state.
    if ti is not None and reason == "task_failure" and _text_of(ti, "state") in ("", "failed"):
        why += f": {ti.task_id}{index_of(_map_index(ti))}"
    cleared = _text_of(context.get("dag_run"), "clear_number")
    return Event(kind, dag_id, run_id, occasion=cleared, why=why, run_started=_run_started(context))


def _of_task(context: Mapping[str, Any], callback: Any, raised: BaseException | None) -> Event:
    ti = _task_instance(context)
    task = context.get("task") or _get(ti, "task")
    dag_id, run_id = _ids(context)
    try_number = _get(ti, "try_number")
    tries = (_get(ti, "max_tries") or 0) + 1
    kind = _kind_by_list(task, callback) or _kind_by_state(ti, task, callback, raised)
    if kind is None:  # in the dag-processor, which runs callbacks of failures only
        kind = "retry" if try_number and try_number < tries else "failed"
    error = context.get("exception") or (raised if kind == "failed" else None)
    return Event(
        kind,
        dag_id,
        run_id,
        task_id=ti.task_id,
        map_index=_map_index(ti),
        try_number=try_number,
        tries=max(tries, try_number or 0),
        why=_why(kind, error, task) or _without_error(kind, ti),
        error=error_text(error),
        run_started=_run_started(context),
    )


def _kind_by_state(ti: Any, task: Any, callback: Any, raised: BaseException | None) -> Kind | None:
    """Tell the kind of event by the state of the task instance, and by what a running task is doing."""
    kind = _STATES.get(_text_of(ti, "state"))
    if kind != "started":
        return kind
    if _asks(task) and (raised is None or _holds(_get(task, "notifiers"), callback)):
        return "question"
    return kind if raised is None else "failed"


def _asks(task: Any) -> bool:
    """Tell whether a task asks a person: one of Airflow's human-in-the-loop operators (3.1 and newer)."""
    return all(hasattr(task, name) for name in ("subject", "options", "notifiers"))


def _why(kind: Kind, error: Any, task: Any) -> str:
    if kind == "question":
        return whole_characters(str(_get(task, "subject"))).strip()
    return _first_line(error)


def _without_error(kind: Kind, ti: Any) -> str:
    """
    Say what a failure without an error tells.

    The dag-processor gives no state: it calls back tasks that could not do so themselves. A state without an error
    comes from ``airflow dags test`` before Airflow 3.3, which fails a task as its process does and does not say why.
    """
    if kind not in ("failed", "retry"):
        return ""
    return "no error given" if _text_of(ti, "state") else "no error known: killed, lost or cleared"


def _task_instance(context: Mapping[str, Any]) -> Any:
    return context.get("ti") or context.get("task_instance")


def _ids(context: Mapping[str, Any]) -> tuple[str, str]:
    dag_run, ti, dag = context.get("dag_run"), _task_instance(context), context.get("dag")
    dag_id = _text_of(dag_run, "dag_id") or _text_of(ti, "dag_id") or _text_of(dag, "dag_id")
    run_id = context.get("run_id") or _text_of(dag_run, "run_id") or _text_of(dag_run, "dag_run_id")
    return dag_id, str(run_id or _text_of(ti, "run_id"))


def _run_started(context: Mapping[str, Any]) -> str:
    started = _get(context.get("dag_run"), "start_date")
    return started.astimezone(UTC).isoformat() if isinstance(started, datetime) else str(started or "")


def _kind_by_list(owner: Any, callback: Any) -> Kind | None:
    """Return the event of the only list of callbacks that holds *callback*; ``None`` for no list, or several."""
    kinds = {kind for name, kind in _CALLBACKS.items() if _holds(_get(owner, name), callback)}
    return kinds.pop() if len(kinds) == 1 else None


def _holds(callbacks: Any, callback: Any) -> bool:
    each = callbacks if isinstance(callbacks, list | tuple) else (callbacks,)
    return callback is not None and any(one is callback for one in each)


def _first_line(error: Any) -> str:
    """Describe an error in one line, with the secrets that Airflow knows masked."""
    if error is None:
        return ""
    from airflow.providers.common.compat.sdk import redact

    lines = [line.strip() for line in error_text(error).splitlines()]
    first = next(filter(None, lines), "")
    if isinstance(error, BaseException):
        first = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return str(redact(first))


def error_text(error: Any) -> str:
    """Read an error's text; empty where there is none, or where its ``__str__`` fails."""
    try:
        return "" if error is None else whole_characters(str(error))
    except Exception:  # noqa: BLE001 (an error's own __str__ may raise anything)
        return ""


def error_text_without_numbers(error: BaseException) -> str:
    """Read an error's text for the log. Our own errors hold no numbers, but keys and ids that look like numbers."""
    return str(error) if isinstance(error, MessaggiSmsError) else mask_numbers(error_text(error))


def _map_index(ti: Any) -> int | None:
    map_index = _get(ti, "map_index")
    return map_index if isinstance(map_index, int) and map_index >= 0 else None


def _minute(instant: str) -> str:
    """Shorten an instant to what a person reads: ``2026-12-24 08:30 UTC``."""
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
