"""What the tests of the Airflow classes share: running a DAG for real, in this process, and contexts without one."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.call_runner import SEEN
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.tokens import IN_THIS_PROCESS
from tests.airflow.carriers import bare_environment, open_transport
from tests.airflow.faces import connect, face, hook, open_hook, puppet, vendor
from tests.conftest import only_our_warnings

__all__ = ["bare_environment", "connect", "face", "hook", "open_hook", "open_transport", "puppet", "vendor"]  # fixtures

Run = Callable[..., Any]


@pytest.fixture
def run_dag(airflow_db: None, tmp_path: Path) -> Run:
    """Run a DAG with Airflow's own ``dag.test()``; since Airflow 3.1 it must be in the database first."""

    @only_our_warnings()
    def run(dag: DAG, **kwargs: Any) -> Any:
        bags = _module_of_bags()
        if hasattr(bags, "sync_bag_to_db"):
            from airflow.dag_processing.bundles.manager import DagBundlesManager

            DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
            named = {"bundle_name": "dags-folder"} if "bundle_name" in signature(bags.DagBag).parameters else {}
            bag = bags.BundleDagBag(dag_folder=tmp_path, bundle_path=tmp_path, **named)
            bag.bag_dag(dag)
            bags.sync_bag_to_db(bag, "dags-folder", None)
        return dag.test(**kwargs)

    return run


def _module_of_bags() -> Any:
    """Find where Airflow keeps its bags of DAGs."""
    try:
        from airflow.dag_processing import dagbag
    except ImportError:  # before Airflow 3.2
        from airflow.models import dagbag  # type: ignore[no-redef]
    return dagbag


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    """Forget the tokens, prices and credits that other tests have seen, as a new process does."""
    SEEN.clear()
    IN_THIS_PROCESS.clear()


@pytest.fixture(autouse=True)
def _personality(request: pytest.FixtureRequest) -> None:
    """Have the gateway be as a test wants it, whatever ``--messaggisms-personality`` says of all others."""
    if wanted := request.node.get_closest_marker("personality"):
        request.getfixturevalue("messaggisms_gateway").reset(personality=wanted.kwargs)


class TaskState(dict[str, Any]):
    """Airflow's task state store, as far as a task sees it: it outlives the tries of a task instance."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Store a value."""
        self[key] = value


class TaskInstance(SimpleNamespace):
    """A task instance that only remembers what is pushed."""

    xcoms: dict[str, Any]

    def xcom_push(self, key: str, value: Any) -> None:
        """Remember an XCom."""
        self.xcoms[key] = value


@pytest.fixture
def context() -> dict[str, Any]:
    """Make the context of a task's first try, without Airflow's machinery around it."""
    from datetime import UTC, datetime

    ti = TaskInstance(dag_id="dag", run_id="run", task_id="task", map_index=-1, try_number=1, xcoms={})
    dag_run = SimpleNamespace(run_after=datetime(2020, 1, 1, tzinfo=UTC))
    return {"ti": ti, "dag_run": dag_run, "run_id": "run", "task_state_store": TaskState()}


def posts(gateway: Gateway) -> int:
    """Count the messages that were posted to the gateway."""
    return sum(exchange.method == "POST" for exchange in gateway.requests())


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Give all that was logged or printed since the last time, by this process and by what Airflow starts."""
    for name in ("urllib3", "airflow_provider_messaggisms"):
        caplog.set_level("DEBUG", name)

    def said_so_far() -> str:
        printed, logged = capfd.readouterr(), caplog.text
        caplog.clear()
        return f"{printed.out}\n{printed.err}\n{logged}"

    return said_so_far


def plain(error: BaseException) -> str:
    """Give everything that an error tells: text, repr, attributes, and the whole traceback."""
    trace = "".join(traceback.format_exception(error))
    return "\n".join((str(error), repr(error), repr(vars(error)), repr(error.args), trace))
