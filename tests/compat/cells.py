"""
The versions of Airflow and Python that ``make test-compat`` tries, and how it makes an environment for each.

Airflow asks people to install it with its constraints file. That file is not in a package index, so each environment
holds what the index had when that Airflow was released (``--exclude-newer``): that is what the file was made from.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.environment import without_traces

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DISTRIBUTION = "airflow-provider-messaggisms"

#: Not a version: the lowest version of all that the wheel names, Airflow 2.11.0 among them.
LOWEST = "lowest"

COMMON_COMPAT = "apache-airflow-providers-common-compat"

#: Of the examples, one needs it.
SMTP = "apache-airflow-providers-smtp"

#: What the tests need beside Airflow; pytest's own plugins and libraries, never a part of Airflow.
TEST_TOOLS = (
    "pytest>=8.3", "pytest-asyncio>=0.25", "requests-mock>=1.12", "hypothesis>=6.120", "jsonschema>=4.23",
    "trustme>=1.2", "gsm0338>=1.1", "smsutil>=1.1.3", "statsd>=4.0", "psutil>=6.0",
)  # fmt: skip


@dataclass(frozen=True)
class Release:
    """
    A version of Airflow.

    :param version: Its number.
    :param day: What the index had before that day is installed: the day after its release, or after its constraints
        were last renewed (2.11.2, 3.1.8 and 3.3.2). Empty for no limit.
    :param pythons: The versions of Python that it allows.
    :param held: Requirements without which that Airflow gets something that came after it and does not fit.
    :param lifted: Requirements that its own constraints are too old for; see ``docs/versions.md``.
    """

    version: str
    day: str
    pythons: Sequence[str]
    held: Sequence[str] = ()
    lifted: Sequence[str] = ()


RELEASES = (
    Release("2.11.2", "2026-03-29", PYTHONS[:2]),
    Release("3.0.6", "2025-08-30", PYTHONS[:2], lifted=(f"{COMMON_COMPAT}==1.14.2",)),
    Release("3.1.8", "2026-03-29", PYTHONS[:3]),
    Release("3.2.2", "2026-05-30", PYTHONS),
    Release("3.3.2", "2026-09-30", PYTHONS),
    Release("newest", "", PYTHONS),
    # Airflow 2.11.0 does not open file:// with the universal-pathlib 0.3 that came after it.
    Release(LOWEST, "2026-03-29", PYTHONS[:1], held=("universal-pathlib==0.2.6",)),
)


class CellError(Exception):
    """A step of a cell failed. The text is the end of what it printed."""


def chosen(cells: str) -> list[tuple[Release, str]]:
    """
    Read a choice such as ``2.11.2 3.3.2/3.13``: releases, each with all its Pythons or with one. Empty chooses all.

    :raises SystemExit: There is no such release, or it does not allow that Python.
    """
    pairs = [(release, python) for release in RELEASES for python in release.pythons]
    wanted = cells.split()
    known = {release.version for release in RELEASES} | {f"{release.version}/{python}" for release, python in pairs}
    if unknown := set(wanted) - known:
        raise SystemExit(f"CELLS: {', '.join(sorted(unknown))}: expected some of {', '.join(sorted(known))}")
    return [
        (release, python)
        for release, python in pairs
        if not wanted or release.version in wanted or f"{release.version}/{python}" in wanted
    ]


def needed_by(wheel: Path) -> list[str]:
    """Return what a wheel says it needs, its extras included."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().partition("\n\n")[0].splitlines()
    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    return [requirement.partition(";")[0].strip() for requirement in needed]


def interpreter(python: str) -> str | None:
    """Find a Python of this minor version on the machine: on the PATH, or among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    own = [str(path) for path in sorted(pyenv.glob(f"{python}.*/bin/python"), reverse=True)]
    places = [shutil.which(f"python{python}"), *own, sys.executable]
    for place in filter(None, places):
        done = subprocess.run([place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
        if done.returncode == 0 and done.stdout.decode().strip() == python:
            return place
    return None


def run(*command: str | Path, folder: Path, seconds: float = 900, **variables: str) -> str:
    """
    Run a command with no trace of this environment; return what it printed.

    :raises CellError: It failed, or took too long.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, env=without_traces(**variables), text=True, timeout=seconds,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CellError(f"not done in {seconds:.0f} s: {command[-1]}") from error
    if done.returncode:
        raise CellError(done.stdout[-4000:])
    return done.stdout


class Environment:
    """
    The environment of a cell.

    :param folder: Where it is made; what was there is removed.
    :param python: Path of the interpreter.
    """

    def __init__(self, folder: Path, release: Release, python: str) -> None:
        self.folder = folder
        self._release = release
        self._python = python

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    def make(self) -> None:
        """Install Airflow alone, as it was on the day of its release."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._uv("venv", "--quiet", "--python", self._python, self.folder / "venv")
        version = self._release.version
        if version == LOWEST:
            return  # the wheel brings it
        airflow = "apache-airflow" if version == "newest" else f"apache-airflow=={version}"
        self._install(airflow, SMTP, *self._limit())
        if self._release.lifted:
            self._install(*self._release.lifted)

    def add_wheel(self, wheel: Path) -> None:
        """
        Install the wheel beside it.

        :raises CellError: That needs another version of something that is there.
        """
        if self._release.version == LOWEST:
            # Named one by one: to uv, what a wheel needs is not direct.
            self._install(*needed_by(wheel), *self._release.held, "--resolution", "lowest-direct", *self._limit())
            self._install(wheel, "--no-deps")
        else:
            self._install(f"{DISTRIBUTION} @ {wheel.as_uri()}", *self._pinned())

    def add_tools(self) -> None:
        """Install what the tests need, the emulator's libraries included, without moving what Airflow came with."""
        self._install("fastapi>=0.115", "uvicorn>=0.30", *TEST_TOOLS, *self._pinned())

    def versions(self) -> Mapping[str, str]:
        """Return the version of each installed distribution."""
        listed = self._uv("pip", "list", "--quiet", "--format", "json", "--python", self.python)
        return {one["name"]: one["version"] for one in json.loads(listed[listed.index("[") :])}

    def _limit(self) -> list[str]:
        return ["--exclude-newer", f"{self._release.day}T00:00:00Z"] if self._release.day else []

    def _pinned(self) -> list[str | Path]:
        pins = self.folder / "pins.txt"
        lines = [f"{name}=={version}" for name, version in self.versions().items() if name != DISTRIBUTION]
        pins.write_text("\n".join(lines))
        return ["--constraint", pins]

    def _install(self, *arguments: str | Path) -> None:
        self._uv("pip", "install", "--quiet", "--python", self.python, *arguments)

    def _uv(self, *arguments: str | Path) -> str:
        return run(sys.executable, "-m", "uv", *arguments, folder=self.folder, UV_NATIVE_TLS="1", UV_SYSTEM_CERTS="1")
