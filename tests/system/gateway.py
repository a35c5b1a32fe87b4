"""The emulator in a process of its own, with the real time: the vendor of the demo and of the system tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY, DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.system.processes import ComponentError


@contextmanager
def running_gateway(log_file: Path, *, token: str = DEFAULT_TOKEN, api_key: str = DEFAULT_API_KEY) -> Iterator[Gateway]:
    """
    Run the emulator on a free port until the context ends, or this process does.

    :param log_file: Gets what the emulator complains of.
    :param token: The token it accepts.
    :param api_key: The API key of its account.
    :raises ComponentError: It did not start; the text is its complaint.
    """
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator", "--port", "0", "--stop-with-stdin"]
    command += ["--token", token, "--api-key", api_key]
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C must not take it away while Airflow still works
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().rpartition(" ")[2].strip()
            if not url:
                raise ComponentError(f"the emulator did not start: {log_file.read_text().strip()}")
            yield Gateway(url, token, api_key)
        finally:
            process.terminate()
