"""Run all benchmarks, or those named: ``python -m tests.benchmarks [import send ...]``; 1 if a target was missed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks import measure  # noqa: F401 (sets the environment that the scripts inherit)


def main(chosen: list[str]) -> int:
    """Run each script in a process of its own, one after the other; return the exit code."""
    scripts = {path.stem.removeprefix("bench_"): path.stem for path in sorted(Path(__file__).parent.glob("bench_*.py"))}
    if unknown := sorted(set(chosen) - set(scripts)):
        print(f"no benchmark {unknown[0]!r}; there are {', '.join(scripts)}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen or scripts:
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.benchmarks.{scripts[name]}"], check=False).returncode:
            failed.append(name)
    print(f"\nMissed or broken: {', '.join(failed)}" if failed else "\nAll targets are met.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
