"""The example in the pytest plugin's docstring, run unchanged with a real Airflow."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from airflow_provider_messaggisms.emulator import pytest_plugin

pytest_plugins = ["pytester"]

DAG = """
from airflow.sdk import DAG
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator

with DAG("reminder"):
    MessaggiSmsSendOperator(task_id="send", sender="Backup", recipients="+39 349 123 4567", body="The backup is done")
"""


def example() -> str:
    """The code in the docstring."""
    after = (pytest_plugin.__doc__ or "").partition(".. code-block:: python\n")[2]
    return textwrap.dedent("\n".join(line for line in after.splitlines() if not line or line.startswith("    ")))


def test_the_documented_example_works(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, airflow_db: None
) -> None:
    dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    dags.mkdir(exist_ok=True)
    (dags / "reminder.py").write_text(DAG)
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    pytester.makepyfile(example())
    try:
        pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    finally:
        (dags / "reminder.py").unlink()
