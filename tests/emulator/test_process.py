"""The emulator as a process: how it starts, what it prints, how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.emulator.conftest import login
from tests.progress import SILENCE_SECONDS

COMMAND = [sys.executable, "-m", "airflow_provider_messaggisms.emulator"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start emulators, and kill those that still run at the end."""
    running: list[subprocess.Popen[str]] = []

    def starter(*options: str, command: Sequence[str] = COMMAND) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        return process

    yield starter
    for process in running:
        process.kill()
        with process:
            pass


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_a_connection_needs_and_ends_on_a_signal(start: Start, ending: signal.Signals) -> None:
    process = start("--port", "0", "--speed", "60")
    announced, _, address = first_line(process).rpartition(" ")
    assert announced == "messaggisms-emulator listening on"
    assert first_line(process) == "token emulator-token, or account emulator@example.com with API key emulator-key"
    secrets = "token sandbox-emulator-token, API key sandbox-emulator-key"
    assert first_line(process) == f"sandbox: {address}/sandbox, {secrets}"
    with urllib.request.urlopen(f"{address}/_emulator/", timeout=10) as answer:
        assert answer.status == 200
    process.send_signal(ending)
    out, err = process.communicate(timeout=SILENCE_SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_its_parent_process(start: Start) -> None:
    process = start("--port", "0", "--stop-with-stdin")
    first_line(process)
    assert process.stdin
    process.stdin.close()
    assert process.wait(timeout=SILENCE_SECONDS) == 0


def test_it_refuses_a_remote_host_unless_allowed(start: Start) -> None:
    process = start("--host", "0.0.0.0", "--port", "0")
    _, err = process.communicate(timeout=SILENCE_SECONDS)
    assert process.returncode == 2
    assert "--allow-remote" in err
    permitted = start("--host", "0.0.0.0", "--port", "0", "--allow-remote")
    assert first_line(permitted).startswith("messaggisms-emulator listening on http://0.0.0.0:")


def test_a_taken_port_is_reported(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        _, err = process.communicate(timeout=SILENCE_SECONDS)
    assert process.returncode == 1
    assert "cannot listen on 127.0.0.1" in err


def test_faults_also_work_without_httptools(start: Start) -> None:
    without = (
        "import sys; sys.modules['httptools'] = None; from airflow_provider_messaggisms.emulator.__main__ import main"
    )
    options = ["--port", "0", "--fault", "drop_after", "--fault", "truncated"]
    process = start(command=[sys.executable, "-c", f"{without}; main({options})"])
    address = first_line(process).rpartition("http://")[2]
    seen: list[str] = []
    for _ in range(3):
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/messages/", headers={"Authorization": "Bearer emulator-token"})
        try:
            seen.append(str(len(connection.getresponse().read()) > 0))
        except (http.client.HTTPException, ConnectionError) as error:
            seen.append(type(error).__name__)
        connection.close()
    assert seen[0] in ("RemoteDisconnected", "ConnectionResetError")
    assert seen[1:] == ["IncompleteRead", "True"]
    process.terminate()
    _, err = process.communicate(timeout=SILENCE_SECONDS)
    assert (process.returncode, err) == (0, "")


def test_faults_and_limited_tokens_can_be_options(start: Start) -> None:
    process = start("--port", "0", "--fault", "status_before:status=502", "--limited-token", "reader:GET")
    request = urllib.request.Request(f"{first_line(process).rpartition(' ')[2]}/messages/")
    request.add_header("Authorization", "Bearer reader")
    statuses = []
    for method in ("GET", "GET", "POST"):
        request.method = method
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=10)
        statuses.append(refusal.value.code)
        refusal.value.close()
    assert statuses == [502, 404, 403]


def test_the_token_and_the_api_key_can_be_options(start: Start) -> None:
    process = start("--port", "0", "--token", "t-1", "--api-key", "k-1")
    address = first_line(process).rpartition(" ")[2]
    assert first_line(process) == "token t-1, or account emulator@example.com with API key k-1"
    assert first_line(process) == f"sandbox: {address}/sandbox, token sandbox-t-1, API key sandbox-k-1"
    for path, api_key in (("/tokens", "k-1"), ("/sandbox/tokens", "sandbox-k-1")):
        request = urllib.request.Request(f"{address}{path}", headers=login("emulator@example.com", api_key))
        with urllib.request.urlopen(request, timeout=10) as answer:
            (token,) = json.load(answer)["data"]
        assert token["token"] == ("t-1" if api_key == "k-1" else "sandbox-t-1")


@pytest.mark.parametrize(
    "options",
    [
        ["--fault", "explode"],
        ["--fault", "drop_after:times=often"],
        ["--limited-token", "reader"],
        ["--limited-token", "reader:LOOK"],
        ["--limited-token", ":GET"],
        ["--token", " "],
        ["--api-key", ""],
        ["--port", "99999"],
        ["--clock", "manual", "--speed", "60"],
        ["--credit", "-1"],
        ["--put-status", "204"],
    ],
    ids=" ".join,
)
def test_an_invalid_option_is_refused(start: Start, options: list[str]) -> None:
    process = start("--port", "0", *options)
    _, err = process.communicate(timeout=SILENCE_SECONDS)
    assert process.returncode == 2
    assert "error:" in err
    assert "Traceback" not in err


def test_a_speed_of_zero_suggests_the_manual_clock(start: Start) -> None:
    process = start("--speed", "0")
    _, err = process.communicate(timeout=SILENCE_SECONDS)
    assert process.returncode == 2
    assert "--clock manual" in err
