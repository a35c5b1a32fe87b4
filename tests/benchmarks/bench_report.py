"""
The final poll of a message with 100,000 recipients: an answer of 94 MB becomes a report of a few hundred bytes.

Ours on both faces, as a poking sensor and as the trigger read it, beside ``requests.get(...).json()``. Each in a
process of its own, which has asked for something small before, so that connection and imports are there.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from tests.benchmarks.bench_waiting import Ticker
from tests.benchmarks.measure import (
    Targets,
    forget_peak,
    in_child,
    ratio,
    resident_bytes,
    serving,
    table,
    take_turns,
)
from tests.benchmarks.waiting_gateway import RECIPIENTS

ROUNDS = 5
WORKER, TRIGGER, WHOLE = "worker: requests, in slices", "trigger: aiohttp, in slices", "requests ... .json()"
LARGE, SMALL = "large", "0" * 24

Figures = dict[str, float]


def _measured(read: Callable[[], Any]) -> Figures:
    gc.collect()
    forget_peak()
    idle, cpu = resident_bytes(), time.process_time()
    counted = read()
    cpu = time.process_time() - cpu
    assert counted == RECIPIENTS, counted
    return {"cpu": cpu, "peak_mb": (resident_bytes(peak=True) - idle) / 1e6}


def _worker(url: str) -> Figures:
    from airflow_provider_messaggisms.gateway import calls
    from airflow_provider_messaggisms.gateway.settings import Settings
    from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

    with SyncTransport(Settings(url, "benchmark")) as transport:

        def read(message_id: str) -> int:
            call = calls.get_delivery_counts(message_id, many=True)
            return call.parse(transport.send(call.request, None, call.collect())).total

        read(SMALL)
        return _measured(lambda: read(LARGE))


def _trigger(url: str) -> Figures:
    from airflow_provider_messaggisms.gateway import calls
    from airflow_provider_messaggisms.gateway.settings import Settings
    from airflow_provider_messaggisms.transport.async_transport import AsyncTransport

    ticker = Ticker()
    with asyncio.Runner() as runner:
        transport = AsyncTransport(Settings(url, "benchmark"))

        async def read(message_id: str) -> int:
            call = calls.get_delivery_counts(message_id, many=True)
            ticking = asyncio.create_task(ticker.run())
            counts = call.parse(await transport.send(call.request, None, call.collect()))
            ticking.cancel()
            return counts.total

        runner.run(read(SMALL))
        ticker.lag = ticker.busy = 0.0
        figures = _measured(lambda: runner.run(read(LARGE)))
        runner.run(transport.aclose())
    return {**figures, "lag_ms": ticker.lag * 1e3, "busy_ms": ticker.busy * 1e3}


def _whole(url: str) -> Figures:
    import requests

    with requests.Session() as session:

        def read(message_id: str) -> int:
            return len(session.get(f"{url}/messages/{message_id}/recipients/", timeout=60).json()["data"])

        read(SMALL)
        return _measured(lambda: read(LARGE))


CASES = {WORKER: _worker, TRIGGER: _trigger, WHOLE: _whole}


def main() -> int:
    """Measure, print, and return the exit code."""
    with serving("-m", "tests.benchmarks.waiting_gateway") as url:

        def run(case: str) -> Figures:
            return dict(in_child("-m", "tests.benchmarks.bench_report", case, url))

        measured = take_turns({case: partial(run, case) for case in CASES}, ROUNDS)
    cpu = {case: [figures["cpu"] for figures in rounds] for case, rounds in measured.items()}
    peak = {case: max(figures["peak_mb"] for figures in rounds) for case, rounds in measured.items()}
    table(
        f"Reading {RECIPIENTS:,} recipients ({ROUNDS} rounds, medians; memory: the worst)",
        ["", "CPU s", "against requests ... .json()", "peak above idle, MB"],
        [
            [case, f"{median(cpu[case]):.2f}", f"{ratio(cpu[case], cpu[WHOLE]):.2f}", f"{peak[case]:.1f}"]
            for case in CASES
        ],
    )
    busy = median(figures["busy_ms"] for figures in measured[TRIGGER])
    targets = Targets()
    for case in (WORKER, TRIGGER):
        targets.at_most(f"CPU, {case}", ratio(cpu[case], cpu[WHOLE]), 0.25)
        targets.at_most(f"peak memory, {case}", peak[case], 200, " MB")
    targets.at_most("the loop's busiest moment while the trigger reads", busy, 50, " ms")
    return targets.exit_code


if __name__ == "__main__":
    if len(sys.argv) > 1:
        case, url = sys.argv[1:]
        print(json.dumps(CASES[case](url)))
        sys.exit()
    sys.exit(main())
