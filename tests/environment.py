"""
The environment of a child process that must not know where it was started: by which Python, pytest, make or Airflow.
"""

from __future__ import annotations

import os
import re

#: A make inside a make takes these variables for its own; Airflow and Python would do other things than for a user.
_TRACES = re.compile(
    "VIRTUAL_ENV|VENV.*|PYTHONPATH|PYTHONHOME|PYTHONDONTWRITEBYTECODE|PYTEST_.*|MAKE.*|MFLAGS|.*AIRFLOW.*"
)


def without_traces(**more: str) -> dict[str, str]:
    """Return this process's environment without those variables, and with *more*."""
    return {name: value for name, value in os.environ.items() if not _TRACES.fullmatch(name)} | more
