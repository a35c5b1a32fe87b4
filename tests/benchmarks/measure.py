"""
What the benchmarks share: cases that take turns, CPU time, medians, tables and targets.

Absolute figures drift by half on a busy machine; what holds are ratios within one run. So the cases of a comparison
take turns (:func:`take_turns`), a ratio is the median of the rounds' ratios, and time is CPU time of the process that
is measured. What a case talks to runs in a process of its own (:func:`serving`).

Every script prints its tables, then its targets, each met or missed; a missed one makes it exit with 1. All of them:
``make bench``, or ``python -m tests.benchmarks`` in an environment with the dependency group ``benchmarks``.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, TypeVar

T = TypeVar("T")

# Without compiled bytecode an import costs three times as much, here and in every process started from here.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Before anything imports Airflow, which reads its home at import.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="messaggisms-bench-")
os.environ.update(
    {
        "AIRFLOW_HOME": AIRFLOW_HOME,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",  # some libraries write ten lines for each request
    }
)
_PARENT = os.getpid()


@atexit.register
def _remove_home() -> None:
    if os.getpid() == _PARENT:
        shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


# --- measuring --------------------------------------------------------------------------------------------------------


def take_turns(cases: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = True) -> dict[str, list[T]]:
    """
    Measure every case once a round; who begins changes from round to round.

    :param cases: By name, what makes one measurement and returns it.
    :param warm_up: Make one more round before, which does not count: it pays for caches, connections and bytecode.
    """
    names = list(cases)
    measured: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        begin = turn % len(names)
        for name in names[begin:] + names[:begin]:
            figure = cases[name]()
            if turn >= 0:
                measured[name].append(figure)
    return measured


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Compare two cases of the same rounds: the median of how many times as much *these* are."""
    return median(this / that for this, that in zip(these, those, strict=True))


def cpu_seconds(run: Callable[[], object], times: int = 1) -> float:
    """Return the CPU time that this process takes for one *run*, the mean of so many times."""
    start = process_time()
    for _ in range(times):
        run()
    return (process_time() - start) / times


def in_child(*arguments: str, **environment: str) -> Any:
    """Run Python anew with these arguments; return what its last line of output says, as JSON."""
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run Python with these arguments as long as the block lasts; give the address that ends its first line."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"{' '.join(arguments)} did not start")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def resident_bytes(*, peak: bool = False) -> int:
    """Return this process's memory now, or its peak since :func:`forget_peak`. Linux only."""
    name = "VmHWM:" if peak else "VmRSS:"
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let the peak of this process's memory begin anew. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")


# --- telling ----------------------------------------------------------------------------------------------------------


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    cells = [columns, *rows]
    first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    print(f"\n{title}\n")
    for row in (columns, ["-" * width for width in (first, *others)], *cells[1:]):
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))
        print("  ", row[0].ljust(first), *numbers, sep="  ", flush=True)


class Targets:
    """
    What a script promises: each target is printed when it is known, and a missed one is remembered.

    End a script with ``return targets.exit_code``.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        print(flush=True)

    def at_most(self, what: str, figure: float, limit: float, unit: str = "") -> None:
        """Promise that *figure* is not above *limit*."""
        self.holds(f"{what}: {figure:,.2f}{unit} (target: at most {limit:,.2f}{unit})", figure <= limit)

    def holds(self, what: str, is_met: bool) -> None:
        """Promise something that is true or is not."""
        print(f"{'met   ' if is_met else 'MISSED'}  {what}", flush=True)
        if not is_met:
            self.exit_code = 1
