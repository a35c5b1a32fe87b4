"""
What all tests share: an Airflow home of their own, with a database for the tests that run DAGs, and their processes.

The gateway itself comes from the fixture ``messaggisms_gateway`` of the provider's own pytest plugin: a real emulator,
over real HTTP.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Before anything imports Airflow: it reads its home at import.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="messaggisms-tests-"))
os.environ.update(
    {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(AIRFLOW_HOME / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Divide the tests among processes (``-n 2 --dist loadgroup``): those of a file stay together, and all with Airflow.

    The latter wait for it most of their time. They begin first, and the others fill that time.
    """
    groups = {item: "airflow" if "stack" in getattr(item, "fixturenames", ()) else str(item.path) for item in items}
    items.sort(key=lambda item: groups[item] != "airflow")
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_unconfigure() -> None:
    """Remove Airflow's home, in each of the processes."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@contextmanager
def only_our_warnings() -> Iterator[None]:
    """Let Airflow and its libraries warn of each other; a warning about this package stays an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", module="airflow_provider_messaggisms")
        yield


@pytest.fixture(scope="session")
@only_our_warnings()
def airflow_db() -> None:
    """Make Airflow's metadata database, for the tests that run DAGs."""
    from airflow.utils.db import initdb

    initdb()
