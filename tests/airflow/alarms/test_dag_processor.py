"""How much time a process of Airflow's dag-processor has left: as much as Airflow gives it, less its age."""

from __future__ import annotations

import os
import subprocess
import sys

from airflow_provider_messaggisms.alarms.dag_processor import seconds_left

PRINT = "from airflow_provider_messaggisms.alarms.dag_processor import seconds_left; print(seconds_left())"


def printed(*arguments: str) -> str:
    section = {f"AIRFLOW__{name}__DAG_FILE_PROCESSOR_TIMEOUT": "600" for name in ("DAG_PROCESSOR", "CORE")}
    command = [sys.executable, "-W", "ignore", "-c", PRINT, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **section})
    return done.stdout.split("\n")[-2]


def test_a_process_of_the_dag_processor_has_what_its_age_leaves() -> None:
    assert 0 < float(printed("dag-processor")) < 599.9


def test_other_processes_have_no_such_limit() -> None:
    assert seconds_left() is None
    assert printed("worker", "dag-processor") == "None"
