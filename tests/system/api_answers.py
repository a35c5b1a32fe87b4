"""What Airflow's API and its UI tell of one DAG run: the answers of all GET endpoints that its ids can fill."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
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


def endpoints() -> Iterator[Endpoint]:
    """Read Airflow's descriptions."""
    folder = Path(str(core_api.__file__)).parent / "openapi"
    for document in DOCUMENTS:
        for path, methods in yaml.safe_load((folder / document).read_text())["paths"].items():
            if "get" in methods:
                options = (one["name"] for one in methods["get"].get("parameters", []) if one["in"] == "query")
                yield Endpoint(path, frozenset(options))


def values_of(run: DagRun, task_ids: Sequence[str], more: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """
    Return what can stand for each parameter.

    :param task_ids: The tasks to ask about.
    :param more: Further values, such as the ids of connections.
    """
    return {
        "dag_id": [run.dag_id],
        "dag_run_id": [run.run_id],
        "run_id": [run.run_id],
        "task_id": task_ids,
        "map_index": ["-1"],
        "try_number": ["1"],
        "task_try_number": ["1"],
        "version_number": ["1"],
        "pool_name": ["default_pool"],
        "xcom_key": _keys(run, task_ids, "xcomEntries", "xcom_entries"),
        "key": _keys(run, task_ids, "state-store", "task_state_store"),
        **more,
    }


def api_answers(run: DagRun, values: Mapping[str, Sequence[str]]) -> Iterator[ApiAnswer]:
    """Ask each endpoint that *values* can fill with all their combinations; lists to their last page."""
    options = {
        "dag_id": run.dag_id,
        "full_content": "true",
        "interval": "1",
        "limit": str(PAGE),
        "run_ids": run.run_id,
        "start_date": "2020-01-01T00:00:00Z",
    }
    is_over = run.state() in FINISHED
    for endpoint in endpoints():
        if "/auth/" in endpoint.path or not all(values.get(name) for name in endpoint.parameters):
            continue
        if endpoint.path.endswith("/wait") and not is_over:
            continue  # it answers at the end of the run
        for combination in product(*(values[name] for name in endpoint.parameters)):
            path = endpoint.path.format_map(dict(zip(endpoint.parameters, map(_quoted, combination), strict=True)))
            known = {name: value for name, value in options.items() if name in endpoint.options}
            yield from (ApiAnswer(endpoint.path, *answer) for answer in _pages(run, path, known))


def _pages(run: DagRun, path: str, options: Mapping[str, str]) -> Iterable[tuple[int, str]]:
    offset = 0
    while True:
        query = urlencode({**options, "offset": str(offset)} if offset else options)
        status, text = run.api.read(f"{path}?{query}")
        yield status, text
        total = re.search(r'"total_entries":\s*(\d+)', text)
        offset += PAGE
        if total is None or "limit" not in options or int(total[1]) <= offset:
            return


def _keys(run: DagRun, task_ids: Iterable[str], what: str, name: str) -> list[str]:
    """Return under which keys the tasks keep something."""
    tasks = f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id)}/taskInstances"
    listed = (run.api.call("GET", f"{tasks}/{quote(task_id)}/{what}?limit={PAGE}") for task_id in task_ids)
    return sorted({entry["key"] for page in listed for entry in page[name]})


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")
