"""
What a DAG file pays for importing us: CPU and memory over ``from airflow.sdk import DAG, BaseOperator``.

Airflow parses every DAG file again and again, each time in a fork that has not imported the provider yet, so this is
paid at every parse. Fresh interpreters, bytecode compiled, ours beside four other providers; those that are not
installed are left out. What an import costs is compared as a share of what the same interpreter took to import
airflow.sdk just before, so that it does not matter how busy the machine was at that moment.

Targets: at most a third of the cheapest of them in CPU and in memory, and none of the dear libraries is loaded; on
Airflow 2.11 only the latter, the rest is told.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any

from tests.benchmarks.measure import Targets, in_child, ratio, table, take_turns

ROUNDS = 9
A_THIRD = 1 / 3
OURS = "MessaggiSMS"
OUR_MODULES = ("operators", "sensors", "notifications")
DEAR = ("requests", "urllib3", "httpx", "aiohttp", "phonenumbers", "fastapi", "uvicorn")

PEERS = {
    "Apprise notifier": "from airflow.providers.apprise.notifications.apprise import AppriseNotifier",
    "Slack notifier": "from airflow.providers.slack.notifications.slack import SlackNotifier",
    "HTTP operator + sensor": (
        "from airflow.providers.http.operators.http import HttpOperator\n"
        "from airflow.providers.http.sensors.http import HttpSensor"
    ),
    "dbt Cloud operator + sensor": (
        "from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator\n"
        "from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor"
    ),
}

PROBE = """
import gc, json, sys, time
from tests.benchmarks.measure import resident_bytes
try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow import DAG
    from airflow.models import BaseOperator
gc.collect()
gc.disable()  # or it is chance whose import is interrupted to go through all objects of Airflow
there, memory, base = set(sys.modules), resident_bytes(), time.process_time()
{statements}
cpu = time.process_time() - base
gc.collect()
print(json.dumps({{"ms": cpu * 1e3, "mb": (resident_bytes() - memory) / 1e6, "base_ms": base * 1e3,
                   "modules": sorted(set(sys.modules) - there)}}))
"""


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _cases() -> dict[str, str]:
    package = "airflow_provider_messaggisms"
    ours = [f"from {package}.{name} import *" for name in OUR_MODULES if _installed(f"{package}.{name}")]
    peers = {name: code for name, code in PEERS.items() if all(map(_installed, re.findall("from (.+) import", code)))}
    return {OURS: "\n".join(ours), **peers}


def main() -> int:
    """Measure, print, and return the exit code."""
    import airflow

    cases = {name: partial(in_child, "-c", PROBE.format(statements=code)) for name, code in _cases().items()}
    measured: dict[str, list[Any]] = take_turns(cases, ROUNDS)
    shares = {name: [one["ms"] / one["base_ms"] for one in rounds] for name, rounds in measured.items()}
    memory = {name: median(one["mb"] for one in rounds) for name, rounds in measured.items()}
    base = median(one["base_ms"] for rounds in measured.values() for one in rounds)
    table(
        f"Import over airflow.sdk (Airflow {airflow.__version__}, itself {base:,.0f} ms), medians of {ROUNDS}",
        ("", "CPU ms", "of the start", "MB", "modules", "ours / this, CPU", "ours / this, MB"),
        [
            (
                name,
                f"{median(one['ms'] for one in rounds):.1f}",
                f"{median(shares[name]):.1%}",
                f"{memory[name]:.1f}",
                str(len(rounds[0]["modules"])),
                f"{ratio(shares[OURS], shares[name]):.2f}",
                f"{memory[OURS] / memory[name]:.2f}",
            )
            for name, rounds in measured.items()
        ],
    )
    targets = Targets()
    dear = [name for name in DEAR if name in measured[OURS][0]["modules"]]
    targets.holds(f"no HTTP library, phonenumbers or FastAPI is loaded ({', '.join(dear) or 'none'})", not dear)
    peers = [name for name in measured if name != OURS]
    if airflow.__version__.startswith("2.") or not peers:
        return targets.exit_code
    cheapest = min(peers, key=lambda name: median(shares[name]))
    targets.at_most(f"CPU against the cheapest peer ({cheapest})", ratio(shares[OURS], shares[cheapest]), A_THIRD)
    smallest = min(peers, key=lambda name: memory[name])
    targets.at_most(f"memory against the smallest peer ({smallest})", memory[OURS] / memory[smallest], A_THIRD)
    return targets.exit_code


if __name__ == "__main__":
    sys.exit(main())
