"""What the documentation shows works: each block of Python is run, each command and file exists, each error is real."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_messaggisms import metrics
from airflow_provider_messaggisms.emulator.__main__ import _parser
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.test_example import example

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "airflow_provider_messaggisms"
PAGES = [*sorted((CHECKOUT / "docs").glob("*.md")), *sorted(CHECKOUT.glob("*.md"))]


def blocks(*languages: str) -> list[Any]:
    """Give the blocks of code of all pages, each with a name for the test."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 2
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


def page(name: str) -> str:
    return (CHECKOUT / "docs" / name).read_text()


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """An empty module: Airflow looks for a task's function in its module."""
    made = types.ModuleType("a_page_of_the_docs")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def dags_of(module: types.ModuleType) -> list[DAG]:
    """Give the DAGs of a block, also one that no name keeps: an operator does."""
    values = list(vars(module).values())
    kept = [value for value in values if isinstance(value, DAG)]
    return kept + [value.dag for value in values if isinstance(value, BaseOperator)]


@pytest.mark.parametrize("code", blocks("python"))
def test_a_block_of_python_runs(code: str, module: types.ModuleType, messaggisms_gateway: Gateway) -> None:
    if "def test_" in code:
        # It is run as the example in the docstring of the pytest plugin.
        assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(example()))
        return
    exec(compile(code, "block", "exec"), vars(module))
    for dag in dags_of(module):
        dag.validate()  # type: ignore[no-untyped-call]
        dag.check_cycle()
    if "send_message(" in code:
        assert messaggisms_gateway.requests()[0].status == 201


@pytest.mark.parametrize("code", blocks("console", "sh"))
def test_a_command_exists(code: str) -> None:
    lines = [line.partition("  #")[0] for line in code.splitlines() if line.startswith("$ ")]
    for line in lines or ["true"]:
        command, *arguments = shlex.split(line.removeprefix("$ "))
        match command:
            case "make":
                assert re.search(rf"^{arguments[0]}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
            case "messaggisms-emulator":
                _parser().parse_args(arguments)
            case "pip":
                assert re.fullmatch(r"install airflow-provider-messaggisms(\[emulator\])?", " ".join(arguments[:2]))
            case _:
                beside_python = str(Path(sys.executable).parent)
                assert shutil.which(command) or shutil.which(command, path=beside_python)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_to_a_file(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|^```{literalinclude} (\S+)", path.read_text(), re.MULTILINE)
    local = [one or other for one, other in targets if not (one or other).startswith("http")]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_pictures_are_small() -> None:
    pictures = list((CHECKOUT / "docs" / "pictures").iterdir())
    assert {path.name for path in pictures if path.stat().st_size > 120_000 or path.suffix != ".png"} == set()
    assert len(pictures) >= 4


def test_the_readme_fits_on_two_screens() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 100


def test_the_metrics_are_those_of_the_code() -> None:
    names = re.compile(r"messaggisms\.[\w.]+")
    assert set(names.findall(page("metrics.md"))) == set(names.findall(metrics.__doc__ or ""))


def texts_of_the_code() -> str:
    """Give all literal texts of the package, with the pieces of one text next to each other."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        comments = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings, above all
        for node in set(ast.walk(tree)) - comments:
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(one.value) for one in node.values if isinstance(one, ast.Constant)))
            elif isinstance(node, ast.Constant | ast.ClassDef):
                found.append(str(node.value) if isinstance(node, ast.Constant) else node.name)
    return "\n".join(found)


def test_each_error_in_troubleshooting_is_one_of_the_code() -> None:
    before_airflow = page("troubleshooting.md").partition("## In Airflow's UI")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", before_airflow, re.MULTILINE)
    errors = [error for cell in first_cells for error in re.findall(r"`([^`]+)`", cell)]
    assert len(errors) > 25
    known = texts_of_the_code()
    assert [error for error in errors if error not in known and error != "AirflowSensorTimeout"] == []


def test_the_tests_that_security_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (CHECKOUT / "SECURITY.md").read_text())
    assert len(named) > 20
    assert [one for one in named if f"def {one[1]}(" not in (CHECKOUT / one[0]).read_text()] == []
