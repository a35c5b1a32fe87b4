"""
``make test-compat``: the wheel beside each Airflow that this package claims to support, and a table of what held.

Each cell has an environment of its own. Its tests run on a copy of the tests, so that they import the installed wheel
and not the checkout. A warning about our own code is an error there, those of Airflow about itself are not.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.compat.cells import COMMON_COMPAT, CellError, Environment, Release, chosen, interpreter, run

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("tests", "dags_examples", "pyproject.toml", "README.md")
OK, MISSING = "ok", "-"

#: The columns of the table, in this order, and the tests of each.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "provider": ("tests/airflow/test_provider_info.py",),
    "examples": ("tests/airflow/test_examples.py",),
    "alarms": ("tests/airflow/alarms",),
    "scheduler": ("tests/compat/scheduler.py",),
    "gateway": ("tests/gateway",),
    "airflow": tuple(
        f"tests/airflow/{name}"
        for name in (
            "sending", "waiting", "test_airflow_internals.py", "test_connection.py", "test_hooks.py", "test_links.py",
            "test_notifications.py", "test_operators.py", "test_personal_templates.py", "test_sensors.py",
            "test_triggers.py",
        )
    ),
}  # fmt: skip

#: Our code: the package, and the examples, which the tests run by their path.
_OURS = "filterwarnings=ignore\nerror:::airflow_provider_messaggisms\nerror:::<run_path>"


def main() -> int:
    """Run the chosen cells; return 1 if anything failed."""
    asked = _arguments()
    rows = []
    with tempfile.TemporaryDirectory(prefix="messaggisms-compat-") as folder:
        workplace = Path(folder)
        wheel = _built(workplace)
        for name in COPIED:
            _copy(CHECKOUT / name, workplace / "project" / name)
        for release, python in chosen(asked.cells):
            named = f"{release.version}/{python}" in asked.cells.split()
            rows.append(_row(release, python, workplace, wheel, asked.columns, named=named))
            print(_line(rows[-1]), flush=True)
    print(f"\n{_table(rows, asked.columns)}")
    return int(any(re.search("FAILED", cell) for row in rows for cell in row))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-compat", description=__doc__)
    parser.add_argument("--cells", default="", help="such as '2.11.2 3.3.2/3.13'; default all")
    parser.add_argument("--columns", default=" ".join(COLUMNS), type=str.split, help=f"of {', '.join(COLUMNS)}")
    return parser.parse_args()


def _built(workplace: Path) -> Path:
    build = ("uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", workplace / "dist")
    run(sys.executable, "-m", *build, folder=CHECKOUT)
    (wheel,) = (workplace / "dist").glob("*.whl")
    return wheel


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def _row(release: Release, python: str, workplace: Path, wheel: Path, columns: list[str], *, named: bool) -> list[str]:
    """Run a cell. That its Python is missing is a failure only if the cell was asked for by name."""
    found = interpreter(python)
    if found is None:
        why = f"{'FAILED' if named else 'not run'}: no such Python on this machine"
        return [release.version, python, why, *[MISSING] * len(columns)]
    environment = Environment(workplace / f"{release.version}-{python}", release, found)
    since = time.monotonic()
    try:
        environment.make()
        before = environment.versions()
        environment.add_wheel(wheel)
        moved = [name for name, version in environment.versions().items() if before.get(name, version) != version]
        if moved:
            raise CellError(f"the wheel moved {', '.join(moved)}")
        environment.add_tools()
    except CellError as error:
        _show(release, python, "install", error)
        return [release.version, python, "FAILED", *[MISSING] * len(columns)]
    versions = environment.versions()
    installed = f"{OK}, common-compat {versions[COMMON_COMPAT]}{' (lifted)' if release.lifted else ''}"
    print(f"{release.version}/{python}: installed in {time.monotonic() - since:.0f} s", flush=True)
    results = [_tested(environment, release, python, workplace / "project", column) for column in columns]
    shutil.rmtree(environment.folder)
    airflow = versions["apache-airflow"]
    version = airflow if release.version == airflow else f"{release.version} ({airflow})"
    return [version, python, installed, *results]


def _tested(environment: Environment, release: Release, python: str, project: Path, column: str) -> str:
    since = time.monotonic()
    command: list[str | Path] = [
        environment.python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        _OURS,
        *COLUMNS[column],
    ]
    try:
        printed = run(*command, folder=project, PATH=f"{environment.python.parent}:/usr/bin:/bin")
    except CellError as error:
        _show(release, python, column, error)
        return "FAILED"
    counted = re.findall(r"(\d+) (passed|skipped)", printed.splitlines()[-1])
    said = ", ".join(f"{number} {what}" for number, what in counted)
    print(f"{release.version}/{python}: {column}: {said} in {time.monotonic() - since:.0f} s", flush=True)
    return f"{OK} ({said})" if counted else "FAILED"


def _show(release: Release, python: str, step: str, error: CellError) -> None:
    print(f"\n--- {release.version} on Python {python}: {step} failed\n{error}\n---", flush=True)


def _line(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"


def _table(rows: list[list[str]], columns: list[str]) -> str:
    heads = ["Airflow", "Python", "installs", *columns]
    return "\n".join([_line(heads), _line(["---"] * len(heads)), *map(_line, rows)])


if __name__ == "__main__":
    sys.exit(main())
