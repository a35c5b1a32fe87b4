"""
What may import what: downward only, a core without I/O, clock or Airflow, an emulator that has never met the client.

A module that is new has to be put into a layer here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_messaggisms"
ROOT = Path(__file__).parent.parent / PACKAGE

#: From the bottom up. A module imports from its own layer and from those below.
LAYERS = (
    {
        "exceptions",
        "alarms",
        "sending",
        "transport",
        "waiting",
    },  # the packages themselves say what they are for, and no more
    {"gateway.*"},
    # What knows nothing of a connection.
    {
        "airflow_internals",
        "airflow_versions",
        "arguments",
        "installation",
        "links",
        "threads",
        "metrics",
        "permanent_errors",
        "personal",
        "placeholders",
        "sending.progress",
        "sending.text_files",
        "transport.exchange",
        "transport.network",
    },
    {
        "alarms.dag_processor",
        "alarms.deadline",
        "alarms.events",
        "alarms.local_lock",
        "alarms.occasion",
        "alarms.template_context",
        "alarms.wording",
        "sending.recipient_rows",
    },
    {
        "alarms.alarm",
        "alarms.alarm_templates",
        "alarms.callback_log",
        "alarms.deduplication",
        "alarms.reporting",
        "personal_templates",
        "transport.async_transport",
        "transport.sync_transport",
        "waiting.trigger_event",
    },
    {"tokens"},
    {"clients", "connection"},
    {"call_runner"},
    {
        "hooks",
        "sending.due_time",
        "sending.recipient_files",
        "sending.remaining_recipients",
        "sending.run_age",
        "sending.task_state",
    },
    {
        "alarms.dispatch",
        "sending.exactly_once",
        "sending.price_limit",
        "sending.summary",
        "sending.transactions",
        "waiting.deferring",
        "waiting.shared_client",
    },
    {"triggers"},
    {"sending.send_arguments", "sending.sending_operator", "waiting.credit_sensor", "waiting.waiting_operator"},
    # What a DAG author imports.
    {"notifications", "operators", "sensors"},
    # What a worker imports.
    {"preload"},
)

HTTP = {"aiohttp", "httpx", "requests", "urllib3", "yarl"}
#: What may import what, even within a function. All may import the standard library; all but the core, Airflow.
RESERVED = {
    **{library: {"transport.network", "transport.async_transport", "transport.sync_transport"} for library in HTTP},
    "phonenumbers": {"gateway.numbering_plan", "gateway.phone"},
    "flask_appbuilder": {"connection"},
    "flask_babel": {"connection"},
    "wtforms": {"connection"},
    "fastapi": set(),
    "starlette": set(),
    "uvicorn": set(),
}
#: What costs every parse of every DAG file too much.
HEAVY = {*RESERVED, "pandas", "numpy", "asgiref", "jsonschema", "sqlalchemy.orm"} - {"httpx", "yarl"}
WITHOUT_AIRFLOW = {"exceptions", "alarms.deadline", "waiting.trigger_event"}
WITHOUT_AIRFLOW |= {f"transport.{name}" for name in ("async_transport", "exchange", "network", "sync_transport")}


@dataclass(frozen=True)
class Import:
    module: str
    at_once: bool
    level: int = 0

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
CLIENT = [name for name in MODULES if not name.startswith("emulator")]
EMULATOR = [name for name in MODULES if name.startswith("emulator")]
CORE = [name for name in CLIENT if name.split(".")[0] == "gateway"]


def found(node: ast.AST, *, at_once: bool = True) -> Iterator[Import]:
    """Find the imports below a node; ``at_once`` are those that importing the module makes."""
    for child in ast.iter_child_nodes(node):
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        later = later or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_once) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(f"{child.module}.{alias.name}", at_once, child.level) for alias in child.names)
        yield from found(child, at_once=at_once and not later)


@cache
def imports(name: str) -> tuple[Import, ...]:
    return tuple(found(ast.parse(MODULES[name].read_text())))


def ours(name: str, *, only_at_once: bool = False) -> set[str]:
    """Name the modules of this package that a module imports."""
    inner = {one.module.removeprefix(f"{PACKAGE}.") for one in imports(name) if one.at_once or not only_at_once}
    return {part for one in inner for part in (one, one.rpartition(".")[0]) if part in MODULES} - {name, ""}


def layer(name: str) -> int:
    (place,) = [n for n, names in enumerate(LAYERS) if {name, f"{name.split('.')[0]}.*"} & names]
    return place


@pytest.mark.parametrize("name", [name for name in CLIENT if name])
def test_every_module_imports_from_its_own_layer_or_from_below(name: str) -> None:
    above = {other for other in ours(name) if layer(other) > layer(name)}
    assert not above


def test_the_package_itself_imports_nothing_of_its_own_at_once() -> None:
    assert ours("", only_at_once=True) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: ours(name, only_at_once=True) for name in MODULES}).prepare()


def test_every_layer_names_what_is_there() -> None:
    named = {name for names in LAYERS for name in names}
    assert named == {"gateway.*" if name in CORE else name for name in CLIENT if name}


def test_triggers_are_imported_only_when_a_task_defers() -> None:
    assert not [name for name in CLIENT if "triggers" in ours(name, only_at_once=True)]


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_absolute(name: str) -> None:
    assert not [one for one in imports(name) if one.level]


# --- the core ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CORE, "exceptions"])
def test_the_core_imports_the_standard_library_msgspec_and_itself(name: str) -> None:
    allowed = {*sys.stdlib_module_names, PACKAGE, "msgspec"}
    allowed |= {"gateway.send_date": {"pendulum"}}.get(name, set())
    allowed |= {"phonenumbers"} if name in RESERVED["phonenumbers"] else set()
    assert {one.top for one in imports(name)} <= allowed
    assert all(other == "exceptions" or other in CORE for other in ours(name))


@pytest.mark.parametrize("name", CORE)
def test_the_core_does_no_io_and_has_no_clock(name: str) -> None:
    doing = {"asyncio", "http", "io", "os", "pathlib", "selectors", "socket", "ssl", "subprocess", "threading", "time"}
    assert not {one.top for one in imports(name)} & doing
    assert not [one for one in imports(name) if one.module.startswith("urllib.request")]
    calls = [node for node in ast.walk(ast.parse(MODULES[name].read_text())) if isinstance(node, ast.Call)]
    asked = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
    assert not asked & {"now", "utcnow", "today", "open", "sleep", "print", "getLogger"}


# --- libraries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIENT)
def test_each_library_has_its_few_users(name: str) -> None:
    strangers = {one.module for one in imports(name) if name not in RESERVED.get(one.top, {name})}
    assert not strangers


@pytest.mark.parametrize("name", CLIENT)
def test_no_module_imports_a_heavy_library_at_once(name: str) -> None:
    assert not {one.module for one in imports(name) if one.at_once and one.top in HEAVY}


@pytest.mark.parametrize("name", ["notifications", "operators", "sensors"])
def test_parsing_a_dag_imports_no_client_and_no_metrics(name: str) -> None:
    reached, ahead = set(), {name}
    while ahead:
        reached |= ahead
        ahead = {other for one in ahead for other in ours(one, only_at_once=True)} - reached
    assert not reached & {"clients", "hooks", "metrics"}


@pytest.mark.parametrize("name", sorted(WITHOUT_AIRFLOW))
def test_what_carries_requests_knows_no_airflow(name: str) -> None:
    assert "airflow" not in {one.top for one in imports(name)}


# --- the emulator -----------------------------------------------------------------------------------------------------


#: The emulator's rooms, from the bottom up. A room imports from itself and from those below.
ROOMS = ("account", "http", "token_service", "control", "inbox")


@pytest.mark.parametrize("name", EMULATOR)
def test_the_emulator_has_never_met_the_client(name: str) -> None:
    assert all(other.split(".")[0] == "emulator" for other in ours(name))
    assert "airflow" not in {one.top for one in imports(name)}


@pytest.mark.parametrize("name", EMULATOR)
def test_a_room_of_the_emulator_imports_only_from_rooms_below(name: str) -> None:
    room = name.split(".")[1] if name.count(".") == 2 else ""
    allowed = {"", *ROOMS[: ROOMS.index(room) + 1]} if room else {"", *ROOMS}
    inside = [other.split(".") for other in ours(name)]
    assert {parts[1] for parts in inside if len(parts) == 3} <= allowed
    if room:
        assert not [parts for parts in inside if len(parts) == 2 and parts[1] not in ROOMS]


def test_the_emulator_has_no_rooms_but_these() -> None:
    assert {name.split(".")[1] for name in EMULATOR if name.count(".") == 2} == set(ROOMS)


@pytest.mark.parametrize("name", [name for name in EMULATOR if ".account" in name])
def test_the_emulators_account_knows_no_http(name: str) -> None:
    assert not {one.top for one in imports(name)} & {*HTTP, "fastapi", "starlette", "uvicorn"}


@pytest.mark.parametrize("name", CLIENT)
def test_the_client_has_never_met_the_emulator(name: str) -> None:
    assert not ours(name) & set(EMULATOR)


# --- what is really loaded --------------------------------------------------------------------------------------------


def loaded(*modules: str, after: str = "sys") -> set[str]:
    """Import modules in a fresh interpreter; name all that were loaded beyond what *after* had loaded."""
    code = f"import sys, {after}; before = set(sys.modules); import {', '.join(modules)}; "
    code += "print(*set(sys.modules) - before)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT.parent)
    return set(done.stdout.split("\n")[-2].split())


def test_a_dag_file_loads_no_heavy_library() -> None:
    facade = ["operators", "sensors", "notifications", "hooks"]
    of_airflow_2 = "airflow.models.baseoperator, airflow.models.connection, airflow.sensors.base"
    airflow = "airflow.sdk" if find_spec("airflow.sdk") else of_airflow_2
    new = loaded(*(f"{PACKAGE}.{name}" for name in facade), after=airflow)
    assert f"{PACKAGE}.hooks" in new
    when_it_runs = {"sending.exactly_once", "sending.recipient_files", "sending.task_state", "sending.transactions"}
    when_it_runs |= {"sending.recipient_rows", "sending.text_files", "waiting.shared_client"}
    when_it_runs |= {"clients", "tokens", "transport.async_transport", "transport.sync_transport"}
    when_it_runs |= {
        "alarms.alarm",
        "alarms.dispatch",
        "alarms.local_lock",
        "alarms.deduplication",
        "triggers",
        "gateway.polling",
    }
    assert when_it_runs <= MODULES.keys()
    assert not {f"{PACKAGE}.{name}" for name in when_it_runs} & new
    assert not {name for name in new if name in HEAVY or name.split(".")[0] in HEAVY}
    assert not {name for name in new if name.startswith(f"{PACKAGE}.emulator")}


def test_the_core_loads_neither_airflow_nor_an_http_library() -> None:
    new = loaded(*(f"{PACKAGE}.{name}" for name in CORE))
    assert not {name.split(".")[0] for name in new} & {*RESERVED, "airflow"}


def test_the_packages_description_loads_next_to_nothing() -> None:
    new = loaded(PACKAGE)
    assert {name for name in new if name.startswith(PACKAGE)} == {PACKAGE}
    assert not {name.split(".")[0] for name in new} & {*RESERVED, "airflow", "msgspec", "pendulum"}


def test_the_pytest_plugin_loads_neither_the_emulators_server_nor_airflow() -> None:
    new = loaded(f"{PACKAGE}.emulator.pytest_plugin", after="pytest")
    assert not {name.split(".")[0] for name in new} & {*RESERVED, "airflow"}
