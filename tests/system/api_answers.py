"""What Airflow's API and its UI tell of one DAG run: the answers of all GET endpoints that its ids can fill."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import yaml  # type: ignore[import-untyped,unused-ignore]
from airflow.api_fastapi import core_api

from tests.system.api import FINISHED, DagRun

#: Airflow's own descriptions of its public API and of what its UI asks.
DOCUMENTS = ("v2-rest-api-generated.yaml", "_private_ui.yaml")

PAGE = 100


class ApiAnswer(NamedTuple):
    """What an endpoint answered, refusals too. ``endpoint`` is its path with the names of its parameters."""

    endpoint: str
    status: int
    text: str


@dataclass(frozen=True)
class Endpoint:
    """
    A GET endpoint.

    :param path: With the names of its parameters in braces.
    :param options: The names of what may stand behind the question mark.
    """

    path: str
    options: frozenset[str]

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"{(\w+)}", self.path)

    def filled(self, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Give its paths with all combinations of *values*; none if one of its parameters has no value."""
        for combination in product(*(values.get(name, ()) for name in self.parameters)):
            quoted = (quote(value, safe="") for value in combination)
            yield self.path.format_map(dict(zip(self.parameters, quoted, strict=True)))


def endpoints() -> Iterator[Endpoint]:
    """Read Airflow's descriptions."""
    folder = Path(str(core_api.__file__)).parent / "openapi"
    for document in DOCUMENTS:
        for path, methods in yaml.safe_load((folder / document).read_text())["paths"].items():
            if "get" in methods:
                options = (one["name"] for one in methods["get"].get("parameters", []) if one["in"] == "query")
                yield Endpoint(path, frozenset(options))


def api_answers(run: DagRun, task_ids: Iterable[str], more: Mapping[str, Sequence[str]]) -> Iterator[ApiAnswer]:
    """
    Ask each endpoint that can be filled; lists to their last page.

    :param task_ids: The tasks to ask about.
    :param more: What can stand for further parameters, such as the ids of connections.
    """
    known = {**{name: [value] for name, value in _of_run(run).items()}, **more}
    each = {task_id: {**known, **_of_task(run, task_id)} for task_id in task_ids}
    is_over = run.state() in FINISHED
    for endpoint in endpoints():
        if "/auth/" in endpoint.path or (endpoint.path.endswith("/wait") and not is_over):
            continue  # the one answers with a page for people, the other at the end of the run
        for values in each.values() if "task_id" in endpoint.parameters else [known]:
            for path in endpoint.filled(values):
                yield from (ApiAnswer(endpoint.path, *answer) for answer in _pages(run, path, endpoint.options))


def _of_run(run: DagRun) -> dict[str, str]:
    return {
        "dag_id": run.dag_id,
        "dag_run_id": run.run_id,
        "run_id": run.run_id,
        "map_index": "-1",
        "try_number": "1",
        "task_try_number": "1",
        "version_number": "1",
        "pool_name": "default_pool",
    }


def _of_task(run: DagRun, task_id: str) -> dict[str, Sequence[str]]:
    def keys(what: str, name: str) -> list[str]:
        task = f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id)}/taskInstances/{quote(task_id)}"
        return [entry["key"] for entry in run.api.call("GET", f"{task}/{what}?limit={PAGE}")[name]]

    stored = {"xcom_key": keys("xcomEntries", "xcom_entries"), "key": keys("state-store", "task_state_store")}
    return {"task_id": [task_id], **stored}


def _pages(run: DagRun, path: str, options: Collection[str]) -> Iterator[tuple[int, str]]:
    wanted = {
        "dag_id": run.dag_id,
        "full_content": "true",
        "interval": "1",
        "limit": str(PAGE),
        "run_ids": run.run_id,
        "start_date": "2020-01-01T00:00:00Z",
    }
    query = {name: value for name, value in wanted.items() if name in options}
    for offset in count(0, PAGE):
        status, text = run.api.read(f"{path}?{urlencode(query | {'offset': str(offset)} if offset else query)}")
        yield status, text
        total = re.search(r'"total_entries":\s*(\d+)', text)
        if total is None or "limit" not in options or int(total[1]) <= offset + PAGE:
            return
