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
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

SYSTEM = "tests/system/"

#: Those of the system tests that do not use the Airflow which the others share.
WITHOUT_SHARED_AIRFLOW = ("test_demo.py", "test_home.py", "test_packaging.py", "test_processes.py")

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


# How long an example takes depends on how busy the machine is. The benchmarks measure speed.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the whole system: they take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(SYSTEM))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """
    Divide the tests among processes (``-n 2``): those of a file stay together, and all that share one real Airflow.

    The latter wait for Airflow most of their time, and the others fill that time.
    """
    from xdist.scheduler import LoadScopeScheduling

    class BySystemAndFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            shares = file.startswith(SYSTEM) and not file.endswith(WITHOUT_SHARED_AIRFLOW)
            return SYSTEM if shares else file

    return BySystemAndFile(config, log)


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
