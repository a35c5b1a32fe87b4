"""One real Airflow and one emulator for all system tests of a session: starting them takes longer than the tests do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.system.gateway import running_gateway
from tests.system.stack import PARSED_ONCE, QUICK_HEARTBEATS, AirflowStack

# Each file in them holds one DAG with the file's name.
DAG_FOLDERS = (Path(__file__).resolve().parents[2] / "dags_examples", Path(__file__).parent / "dags")

# Like nothing that a log would hold by chance.
TOKEN, API_KEY = "token-5hNqYw3Zr8", "key-8RwZk2Lq5t"


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Run the emulator, on real time, for the whole session: tests tell their SMS apart by number or message id."""
    log_file = tmp_path_factory.mktemp("gateway") / "emulator.log"
    with running_gateway(log_file, token=TOKEN, api_key=API_KEY) as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway) -> Iterator[AirflowStack]:
    """Run Airflow, with short heartbeats, on the example DAGs and our own; afterwards nothing of it may be alive."""
    dags = tmp_path_factory.mktemp("dags")
    for folder in DAG_FOLDERS:
        shutil.copytree(folder, dags, dirs_exist_ok=True)
    with AirflowStack(
        tmp_path_factory.mktemp("airflow"),
        dags,
        connections={"messaggisms_default": gateway.connection},
        settings={**QUICK_HEARTBEATS, **PARSED_ONCE},
    ) as running:
        for dag in dags.glob("*.py"):
            running.wait_for_dag(dag.stem)
        yield running
    assert running.processes() == []
