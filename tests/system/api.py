"""Airflow's public REST API, as far as tests and demo need it: health, DAG runs, states, XComs, logs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.progress import SILENCE_SECONDS, wait_until

FINISHED = frozenset({"success", "failed"})
READ_TRIES = 10

# Loopback only: ignore a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ApiError(Exception):
    """An HTTP server on this machine answered with an error (``status``), or did not answer (``status`` is 0)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}" if status else text)
        self.status = status


def request_json(method: str, url: str, payload: object = None, *, token: str = "") -> Any:
    """
    Send one request and return the decoded JSON answer, None when it is empty.

    :param token: For ``Authorization``, where the server wants one.
    :raises ApiError: The answer was not a success, or the server is gone, or silent for :data:`SILENCE_SECONDS`.
    """
    request = urllib.request.Request(
        url,
        method=method,
        data=None if payload is None else json.dumps(payload).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"}
        | ({"Authorization": f"Bearer {token}"} if token else {}),
    )
    try:
        with _opener.open(request, timeout=SILENCE_SECONDS) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        raise ApiError(error.code, error.read().decode(errors="replace")[:500]) from error
    except OSError as error:
        raise ApiError(0, f"no answer from {url}: {error}") from error
    return json.loads(body) if body else None


@dataclass(frozen=True)
class AirflowApi:
    """
    The REST API of an Airflow on SQLite; every user is an administrator. Call it serially.

    :param url: Where it is.
    :param check: Called before each call: raises if Airflow is not alive.
    """

    url: str
    check: Callable[[], None] = lambda: None

    def call(self, method: str, path: str, payload: object = None) -> Any:
        """
        Return the answer of ``/api/v2`` + ``path``. Ask again while there is none, as in a restart, or it is a 500 or
        503: SQLite's database is locked, or another one is away.

        :raises ApiError: Airflow refused.
        :raises NoSignOfLifeError: It answers with nothing else.
        """

        def answered() -> tuple[Any] | None:
            self.check()
            try:
                return (request_json(method, f"{self.url}/api/v2{path}", payload),)
            except ApiError as error:
                if error.status not in (0, 500, 503):
                    raise
                return None

        (answer,) = wait_until(f"an answer to {method} {path}", answered, every_seconds=0.5)
        return answer

    def read(self, path: str) -> tuple[int, str]:
        """Return the status and the whole text of the answer to GET ``path``, of a refusal too."""
        for _ in range(READ_TRIES):  # a 500 or 503 may be SQLite's database, which is locked for a moment
            self.check()
            try:
                with _opener.open(f"{self.url}{path}", timeout=SILENCE_SECONDS) as response:
                    return response.status, response.read().decode()
            except urllib.error.HTTPError as error:
                status, text = error.code, error.read().decode(errors="replace")
            if status not in (500, 503):
                break
            time.sleep(0.5)
        return status, text

    def create(self, kind: str, value: dict[str, Any]) -> None:
        """
        Make a connection, a variable... (``kind`` is its plural), unless there is one of that name.

        :raises ApiError: Airflow refused.
        """
        try:
            self.call("POST", f"/{kind}", value)
        except ApiError as error:
            if error.status != 409:
                raise

    def healthy_since(self, started: datetime) -> frozenset[str]:
        """Return the parts that reported themselves healthy after ``started``; empty while nothing answers."""
        self.check()
        try:
            parts = request_json("GET", f"{self.url}/api/v2/monitor/health")
        except ApiError:
            return frozenset()
        healthy = {name for name, part in parts.items() if part["status"] == "healthy"}
        # A kept database still holds the heartbeats of the last stack.
        beats = {name: part.get(f"latest_{name}_heartbeat") for name, part in parts.items()}
        return frozenset(name for name in healthy if beats[name] is None or _instant(beats[name]) > started)

    def triggerer_heartbeat(self) -> str:
        """Return the instant at which the triggerer last reported itself, as Airflow writes it."""
        return str(self.call("GET", "/monitor/health")["triggerer"]["latest_triggerer_heartbeat"])

    def parsed_since(self, dag_id: str, started: datetime) -> bool | None:
        """
        Return True once the DAG file was read after ``started``, None until then.

        :raises ApiError: Some DAG file can't be imported; the text is Airflow's.
        """
        errors = self.call("GET", "/importErrors")["import_errors"]
        if errors:
            raise ApiError(0, "\n".join(f"{error['filename']}: {error['stack_trace']}" for error in errors))
        try:
            parsed = self.call("GET", f"/dags/{quote(dag_id)}")["last_parsed_time"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return True if parsed and _instant(parsed) > started else None

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, *, run_id: str | None = None) -> DagRun:
        """
        Unpause the DAG, start a run of it with ``conf`` and return that.

        :param run_id: The run's id, as scheduled runs always have the same; ``None`` lets Airflow choose a new one.
        """
        self.call("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": False})
        wanted = {"logical_date": None, "conf": conf or {}, "dag_run_id": run_id}
        answer = self.call("POST", f"/dags/{quote(dag_id)}/dagRuns", wanted)
        return DagRun(self, dag_id, answer["dag_run_id"])


@dataclass(frozen=True)
class DagRun:
    """One run of one DAG. ``map_index`` is -1 for a task that is not mapped, as in Airflow."""

    api: AirflowApi
    dag_id: str
    run_id: str

    @property
    def _path(self) -> str:
        return f"/dags/{quote(self.dag_id)}/dagRuns/{quote(self.run_id)}"

    def state(self) -> str:
        """Return Airflow's state of the run: queued, running, success or failed."""
        return str(self.api.call("GET", self._path)["state"])

    def wait(self) -> str:
        """
        Return the final state, success or failed.

        :raises NoSignOfLifeError: No task has changed its state for a long time. Names the states.
        """

        def final_state() -> str | None:
            state = self.state()
            return state if state in FINISHED else None

        return wait_until(f"the end of {self.dag_id}", final_state, sign=self.task_states, every_seconds=0.3)

    def clear(self, *, only_failed: bool = True) -> None:
        """Let its failed tasks run again, or all of them. They keep what Airflow knows of their earlier tries."""
        wanted = {"dag_run_id": self.run_id, "dry_run": False, "only_failed": only_failed}
        self.api.call("POST", f"/dags/{quote(self.dag_id)}/clearTaskInstances", wanted)

    def delete(self) -> None:
        """Delete it, and all that Airflow knows of it."""
        self.api.call("DELETE", self._path)

    def tasks(self) -> list[dict[str, Any]]:
        """Return Airflow's task instances, with ``task_id``, ``map_index``, ``state``, ``try_number``, ``pid``..."""
        return list(self.api.call("GET", f"{self._path}/taskInstances")["task_instances"])

    def task_states(self) -> dict[str, str | None]:
        """Return the state of each task by its id (mapped ones as ``id[index]``), None before it is scheduled."""
        return {_label(task): task["state"] for task in self.tasks()}

    def task_pid(self, task_id: str, map_index: int = -1) -> int | None:
        """Return the process of the latest try, None before there is one. Its parent is its supervisor, the worker."""
        pid: int | None = self._task(task_id, map_index)["pid"]
        return pid

    def xcom(self, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """
        Return the value a task left under ``key``.

        :raises ApiError: 404, it left none.
        """
        path = f"{self._path}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}?map_index={map_index}"
        return self.api.call("GET", path)["value"]

    def log(self, task_id: str, *, try_number: int | None = None, map_index: int = -1) -> str:
        """Return the log of one try of a task, by default the latest, as lines of ``LEVEL event`` with the errors."""
        entries = self.log_entries(task_id, try_number=try_number, map_index=map_index)
        return "\n".join(line for entry in entries for line in _log_lines(entry))

    def log_entries(self, task_id: str, *, try_number: int | None = None, map_index: int = -1) -> list[Any]:
        """Return that log as Airflow has it: mostly dicts, with ``timestamp`` and ``event``."""
        number = try_number or self._task(task_id, map_index)["try_number"]
        query = f"full_content=true&map_index={map_index}"
        answer = self.api.call("GET", f"{self._path}/taskInstances/{quote(task_id)}/logs/{number}?{query}")
        return list(answer["content"])

    def _task(self, task_id: str, map_index: int) -> dict[str, Any]:
        return next(task for task in self.tasks() if (task["task_id"], task["map_index"]) == (task_id, map_index))


def _label(task: dict[str, Any]) -> str:
    index = task["map_index"]
    return task["task_id"] if index == -1 else f"{task['task_id']}[{index}]"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _log_lines(entry: dict[str, Any] | str) -> list[str]:
    """Return an entry's message, and below it the chain of exceptions that came with it, innermost cause first."""
    if isinstance(entry, str):
        return [entry]
    lines = [f"{entry.get('level') or '':<8}{entry.get('event', '')}".rstrip()]
    return lines + [f"        {error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
