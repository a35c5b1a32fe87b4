"""The wheel and the sdist, as they arrive where the repository has never been."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.environment import without_traces

CHECKOUT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "airflow-provider-messaggisms"
PACKAGE = "airflow_provider_messaggisms"


def run(*command: str | Path, folder: Path = CHECKOUT, **variables: str) -> str:
    """Run a command in a folder, by default the checkout, with no trace of this environment; return what it printed."""
    environment = without_traces(**variables)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def uv(*arguments: str | Path, **variables: str) -> str:
    """Run uv with this Python."""
    variables |= {"UV_PYTHON": sys.executable, "UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}  # as .ci/venv does
    return run(sys.executable, "-m", "uv", *arguments, folder=CHECKOUT, **variables)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist from the checkout, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--no-build-isolation", "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with the locked dependencies and the wheel; return its ``bin``."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    locked = ["--frozen", "--no-install-project", "--extra", "emulator", "--group", "airflow3"]
    uv("sync", *locked, UV_PROJECT_ENVIRONMENT=str(environment))
    python = environment / "bin" / "python"
    uv("pip", "install", "--no-deps", "--python", python, *built.glob("*.whl"))
    uv("pip", "check", "--python", python)  # what the wheel says it needs is there
    return environment / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    sources = {path for path in (CHECKOUT / PACKAGE).rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert names == {path.relative_to(CHECKOUT).as_posix() for path in sources}
    assert f"{PACKAGE}/py.typed" in names


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the sdist; return its folder, which belongs to no repository."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        sdist.extractall(folder, filter="data")
    return next(folder.iterdir())


def test_the_sdist_holds_what_the_tests_need(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert names >= {
        ".ci/dist",
        ".ci/venv",
        "pyproject.toml",
        "uv.lock",
        "LICENSE",
        "README.md",
        "Makefile",
        f"{PACKAGE}/py.typed",
        "dags_examples/send_and_wait.py",
        "tests/system/dags/patience.py",
    }
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_sdist_runs_its_own_makefile(unpacked: Path) -> None:
    # All is collected; what is left to run is quick and looks at the whole tree.
    arguments = [f"PYTHON={sys.executable}", "PYTEST_ARGS=-n 0 -k test_architecture"]
    said = run("make", "test-fast", *arguments, folder=unpacked, UV_COMPILE_BYTECODE="false")
    assert re.search(r"^=+ \d+ passed, \d{4,} deselected", said, re.MULTILINE)


def test_the_wheel_imports_from_its_own_environment(installed: Path, tmp_path: Path) -> None:
    code = f"import {PACKAGE}.operators as module; print(module.__file__)"
    printed = run(installed / "python", "-P", "-c", code, AIRFLOW_HOME=str(tmp_path))
    assert Path(printed.strip()).is_relative_to(installed.parent)


def test_airflow_shows_the_installed_provider(installed: Path, tmp_path: Path) -> None:
    arguments = ["providers", "get", DISTRIBUTION, "--output", "json"]
    (provider,) = json.loads(run(installed / "airflow", *arguments, AIRFLOW_HOME=str(tmp_path)))
    assert provider == {"Provider": DISTRIBUTION, "Version": metadata.version(DISTRIBUTION)}


def test_the_emulator_is_a_command(installed: Path, tmp_path: Path) -> None:
    assert "--port" in run(installed / "messaggisms-emulator", "--help", AIRFLOW_HOME=str(tmp_path))
