"""
No secret of a real run is in any file, table or API answer of Airflow.

The search has to find what is known to be there.
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from cryptography.fernet import Fernet

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.progress import wait_until
from tests.system.api import DagRun
from tests.system.api_answers import ApiAnswer, api_answers, endpoints
from tests.system.conftest import API_KEY, TOKEN
from tests.system.stack import AirflowStack

STUCK, UNREACHED = "3478430005", "3478430001"  # the emulator decides by the last digits
WORD, NAME = "Wryneck5591", "Zwergtaucher"  # one of the text, one of a recipient's fields
WRONG_KEY, WRONG_TOKEN = "key-6TnXw4Vb9s", "token-7GmPz3Hd2c"
MARKER = "marker-2FjYc8Ks4q"  # no secret: it has to be found

# How each task has to end. The run's end is told by the DAG's alarm.
ENDS = {
    "account": "success",
    "token": "success",
    "wait": "success",
    "wrong_key": "failed",
    "wrong_token": "failed",
    "unreadable": "failed",
    "many": "failed",
    "credit": "failed",
}

CONNECTIONS = ("account", "token", "wrong_key", "wrong_token")

RUN = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}"
TASK = f"{RUN}/taskInstances/{{task_id}}"
VARIABLES = ("/api/v2/variables", "/api/v2/variables/{variable_key}")

# What tells nothing of such a run: other kinds of things, and what this Airflow does not show or cannot answer.
WITHOUT_ANSWER = re.compile(
    "asset_id|asset_alias_id|backfill_id|event_log_id|import_error_id|/auth/|/config|/ui/teams|/ui/calendar"
    "|enqueue-test|externalLogUrl|listMapped|hitlDetails|pending_partitioned"
)


class Trace(NamedTuple):
    """A text that the run left, and where: a file's path, a table's name, or an endpoint of the API."""

    where: str
    text: str


@dataclass(frozen=True)
class Aftermath:
    """What the run left, looked at while it waited and after its end, and the tokens that were made for it."""

    run: DagRun
    message_id: str
    traces: list[Trace]
    answers: list[ApiAnswer]
    made: set[str]


@pytest.fixture(scope="module")
def aftermath(stack: AirflowStack, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """Send, wait, fail and alarm with connections and Variables of Airflow's database."""
    people = tmp_path_factory.mktemp("recipients") / "people.csv"
    people.write_text(f"number,name\n+39{STUCK},{NAME}\n+39{UNREACHED},{NAME}\n")
    _fill_the_database(stack, gateway)
    run = stack.api.trigger("canaries", {"path": people.as_uri(), "marker": MARKER})
    wait_until("the deferral", lambda: run.task_states().get("wait") == "deferred" or None, sign=run.task_states)
    message_id = str(run.xcom("account"))
    traces = [*_rows(stack), *_files(stack)]  # what a trigger gets is in the database until it fires
    answers = _asked(run, ["wait"])
    for sms in gateway.inbox(message_id=message_id):
        gateway.decide(sms, "DELIVERED_TO_HANDSET")
    run.wait()
    wait_until("the last alarm", lambda: "Alarm sent" in _log_of(stack, "canaries.py", "dag_processor") or None)
    given = {TOKEN, f"sandbox-{TOKEN}"}
    answers += _asked(run, list(ENDS))
    return Aftermath(run, message_id, [*traces, *_rows(stack), *_files(stack)], answers, set(gateway.tokens) - given)


def test_the_run_came_to_every_kind_of_end(aftermath: Aftermath) -> None:
    assert aftermath.run.task_states() == ENDS
    for task_id, told in {
        "wrong_key": "AuthenticationError: GET /tokens: the token service answered HTTP 401",
        "wrong_token": "AuthenticationError: POST /messages/: the gateway answered HTTP 401",
        "unreadable": "ConfigurationError: recipients",
        "many": "DeliveryError: ",
        "credit": "AirflowSensorTimeout: There is too little credit",
    }.items():
        assert told in aftermath.run.log(task_id)


def test_the_search_finds_what_is_there(aftermath: Aftermath) -> None:
    found = {where for where, _ in _found(aftermath.traces, [aftermath.message_id])}
    assert found >= {"trigger", "xcom", "task_state_store", "airflow.db", "scheduler.log", "attempt=1.log"}
    assert {where for where, _ in _found(aftermath.traces, [MARKER])} >= {"dag_run", "airflow.db"}
    assert ("attempt=1.log", "+39-*******005") in _found(aftermath.traces, ["+39-*******005"])


@pytest.mark.parametrize("spelling", ["3478430005", "+39 347 843 0005", '"+39-347 8430005"', "tel:+39-3478430005"])
def test_the_search_finds_a_number_however_it_is_written(spelling: str) -> None:
    assert _found([Trace("log", f"sent to {spelling}.")], [STUCK])


def test_no_secret_is_in_any_file_or_table(aftermath: Aftermath, gateway: Gateway) -> None:
    assert _found(aftermath.traces, _secrets(aftermath, gateway)) == []


def test_no_secret_is_in_any_answer_of_the_api(aftermath: Aftermath, gateway: Gateway) -> None:
    found = _found(_traces(aftermath.answers), _secrets(aftermath, gateway))
    # Airflow's pages of Variables show their values: that is where the number and the text come from.
    in_variables = {(path, text) for path in VARIABLES for text in (STUCK, WORD)}
    assert set(found) == in_variables


def test_the_api_was_asked_for_all_that_tells_of_a_run(aftermath: Aftermath) -> None:
    answered = {answer.endpoint for answer in aftermath.answers if answer.status == 200}
    unanswered = {endpoint.path for endpoint in endpoints()} - answered
    assert {path for path in unanswered if not WITHOUT_ANSWER.search(path)} == set()


def test_the_search_of_the_api_finds_what_is_there(aftermath: Aftermath) -> None:
    traces = list(_traces(aftermath.answers))
    assert RUN in {where for where, _ in _found(traces, [MARKER])}
    logs = f"{TASK}/logs/{{try_number}}"
    with_id = {where for where, _ in _found(traces, [aftermath.message_id])}
    # The task's own endpoint shows the arguments of its trigger, while it waits.
    assert with_id >= {TASK, logs, f"{TASK}/xcomEntries/{{xcom_key}}", f"{TASK}/state-store", f"{TASK}/links"}
    assert {where for where, _ in _found(traces, ["+39-*******005"])} >= {TASK, logs}


def _secrets(aftermath: Aftermath, gateway: Gateway) -> list[str]:
    assert aftermath.made, "no token was made with the API key"
    logins = [f"{gateway.email}:{key}" for key in (API_KEY, WRONG_KEY)]
    basic = [b64encode(login.encode()).decode() for login in logins]
    return [TOKEN, WRONG_TOKEN, API_KEY, WRONG_KEY, *basic, *aftermath.made, STUCK, UNREACHED, WORD, NAME]


def _asked(run: DagRun, task_ids: list[str]) -> list[ApiAnswer]:
    """Ask all of Airflow's API about the run's tasks, its connections and its Variables."""
    connections = [f"canary_{name}" for name in CONNECTIONS]
    more = {"connection_id": connections, "variable_key": ["canary_stuck", "canary_text"]}
    return list(api_answers(run, task_ids, more))


def _traces(answers: Iterable[ApiAnswer]) -> Iterator[Trace]:
    return (Trace(answer.endpoint, answer.text) for answer in answers)


def _fill_the_database(stack: AirflowStack, gateway: Gateway) -> None:
    account: dict[str, Any] = json.loads(gateway.account_connection)
    account["extra"] = json.dumps(account["extra"])
    token: dict[str, Any] = json.loads(gateway.connection)
    for name, connection in {
        "account": account,
        "token": token,
        "wrong_key": account | {"password": WRONG_KEY},
        "wrong_token": token | {"password": WRONG_TOKEN},
    }.items():
        stack.api.create("connections", {"connection_id": f"canary_{name}", **connection})
    for name, value in {"stuck": f"+39{STUCK}", "text": f"A {WORD} over the dam"}.items():
        stack.api.create("variables", {"key": f"canary_{name}", "value": value})


def _files(stack: AirflowStack) -> Iterator[Trace]:
    """Read all files under AIRFLOW_HOME, the database and its journals too."""
    for path in sorted(stack.home.folder.rglob("*")):
        with suppress(FileNotFoundError):  # a journal that is over
            if path.is_file():
                name = re.sub("-(wal|shm|journal)$", "", path.name)
                yield Trace(name, path.read_bytes().decode("latin-1"))


def _rows(stack: AirflowStack) -> Iterator[Trace]:
    """
    Read all rows of all tables, with what Airflow has encrypted.

    Connections and Variables stay encrypted: that is where the secrets come from.
    """
    config = ConfigParser(interpolation=None)
    config.read(stack.home.folder / "airflow.cfg")
    key = Fernet(config["core"]["fernet_key"])
    address = f"file:{stack.home.folder / 'airflow.db'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=120)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                text = " ".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row)
                yield Trace(table, text if table in ("connection", "variable") else _decrypted(text, key))


def _decrypted(text: str, key: Fernet) -> str:
    return re.sub(r"gAAAA[\w-]{40,}={0,2}", lambda found: key.decrypt(found[0].encode()).decode(), text)


def _found(traces: Iterable[Trace], wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Return where each of the wanted texts is, whatever stands between the digits of a number."""
    parts = {text: _joined(text) for text in wanted}
    joined = ((trace.where, _joined(trace.text)) for trace in traces)
    return [(where, text) for where, whole in joined for text, part in parts.items() if part in whole]


def _joined(text: str) -> str:
    return re.sub(r"[\s-]", "", text)


def _log_of(stack: AirflowStack, file: str, component: str) -> str:
    """Return what a component has logged about a DAG file."""
    logs = [path for path in stack.home.logs.rglob("*.log") if file in str(path) and component in str(path)]
    return "\n".join(path.read_text(errors="replace") for path in logs)
