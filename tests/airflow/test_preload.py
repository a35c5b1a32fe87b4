"""What a worker imports once for its tasks, by the line in ``airflow_local_settings.py`` that the docs show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway

LINE = "import airflow_provider_messaggisms.preload  # noqa: F401\n"

#: A process of Airflow that has started, and then sends an SMS as a task does.
SEND = """
import sys
from types import SimpleNamespace
import airflow.settings
started_with = set(sys.modules)
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.transport.network import _context
print("contexts:", _context.cache_info().currsize)
ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", try_number=1, xcom_push=lambda key, value: None)
store = SimpleNamespace(set=lambda key, value, retention: None)
send = MessaggiSmsSendOperator(task_id="task", sender="Airflow", recipients="+39 349 123 4567", body="Hello")
send.execute({"ti": ti, "task_state_store": store})
ours = ("airflow_provider_messaggisms", "requests", "urllib3")
print("imports:", *sorted(name for name in set(sys.modules) - started_with if name.startswith(ours)))
"""


def run(home: Path, code: str, settings: str = LINE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a process of Airflow with this ``airflow_local_settings.py``."""
    (home / "config").mkdir()
    (home / "config" / "airflow_local_settings.py").write_text(settings)
    env = os.environ | {"AIRFLOW_HOME": str(home)} | environment
    return subprocess.run([sys.executable, "-c", code], check=True, env=env, text=True, capture_output=True)


@pytest.mark.parametrize(("settings", "is_ahead"), [(LINE, True), ("", False)], ids=["with the line", "without"])
def test_with_the_line_a_send_imports_nothing_more(
    settings: str, is_ahead: bool, tmp_path: Path, messaggisms_gateway: Gateway
) -> None:
    lines = run(tmp_path, SEND, settings).stdout.splitlines()
    (contexts,) = (line for line in lines if line.startswith("contexts:"))
    (imports,) = (line for line in lines if line.startswith("imports:"))
    assert contexts == f"contexts: {int(is_ahead)}"
    assert (imports == "imports:") is is_ahead, imports
    assert [sms.text for sms in messaggisms_gateway.inbox()] == ["Hello"]


def test_airflow_starts_where_the_certificates_cannot_be_read(tmp_path: Path) -> None:
    done = run(tmp_path, "import airflow.settings; print('started')", REQUESTS_CA_BUNDLE=str(tmp_path / "lost.pem"))
    assert "started" in done.stdout
    assert "Not all that a send needs is imported ahead: ConfigurationError" in done.stdout + done.stderr
