"""What GitHub runs, and what the docs say was run, are the cells that there are."""

from __future__ import annotations

import itertools
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.compat.cells import LOWEST, chosen, needed_by

CHECKOUT = Path(__file__).resolve().parents[2]
CELLS = {f"{release.version}/{python}" for release, python in chosen("")}


def test_github_runs_every_cell() -> None:
    jobs: Any = yaml.safe_load((CHECKOUT / ".github/workflows/versions.yml").read_text())["jobs"]
    matrix = jobs["cell"]["strategy"]["matrix"]
    excluded = {(one["airflow"], one["python"]) for one in matrix["exclude"]}
    run = set(itertools.product(matrix["airflow"], matrix["python"])) - excluded
    (lowest,) = re.findall(r"CELLS=(\S+)", jobs["lowest"]["steps"][-1]["run"])
    assert {f"{airflow}/{python}" for airflow, python in run} | {lowest} == CELLS


def test_the_docs_say_of_every_cell_what_came_of_it() -> None:
    (table,) = re.findall(
        r"^## What was run\n.*?^(\|.*?\n)\n", (CHECKOUT / "docs/versions.md").read_text(), re.S | re.M
    )
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert [f"{row[0].split(' ')[0]}/{row[1]}" for row in rows] == [
        f"{release.version}/{python}" for release, python in chosen("")
    ]


def test_what_a_wheel_needs_is_read_from_it(tmp_path: Path) -> None:
    needs = 'Name: it\nRequires-Dist: one>=1.2\nRequires-Dist: two>=3; extra == "more"\n\nRequires-Dist: prose'
    with zipfile.ZipFile(tmp_path / "it.whl", "w") as archive:
        archive.writestr("it-1.dist-info/METADATA", needs)
    assert needed_by(tmp_path / "it.whl") == ["one>=1.2", "two>=3"]


def test_a_choice_names_a_release_or_one_of_its_pythons() -> None:
    assert [(release.version, python) for release, python in chosen(f"3.1.8/3.13 {LOWEST}")] == [
        ("3.1.8", "3.13"),
        (LOWEST, "3.11"),
    ]
    with pytest.raises(SystemExit, match=r"CELLS: 2\.11\.2/3\.14: expected some of "):
        chosen("2.11.2/3.14")
