"""
What a wait costs the triggerer: CPU for each poll, sockets, the loop's lag, memory.

1,000 waits on 1,000 messages, each polling once a second, in one event loop: our trigger beside one bare aiohttp
session that makes the same requests, and beside the triggers of the HTTP and dbt Cloud providers. Each case runs in
a process of its own, in turns; the gateway in another. Then 10,000 waits at their default interval.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any

from tests.benchmarks.measure import Targets, in_child, ratio, resident_bytes, serving, table, take_turns

ROUNDS = 7
PEER_ROUNDS = 5
WAITS = 1_000
MANY_WAITS = 10_000
WARM_UP_SECONDS = 2.5
WINDOW_SECONDS = 5.0
MANY_WINDOW_SECONDS = 20.0
TICK_SECONDS = 0.005

OURS, BARE = "MessaggiSMS", "aiohttp, one session"
HTTP, DBT = "HTTP provider", "dbt Cloud provider"
MANY = "10,000 waits"

Figures = dict[str, float]


# --- the cases --------------------------------------------------------------------------------------------------------


def _trigger(index: int, *, age_seconds: float = 0.0, **wait: Any) -> Any:
    from airflow_provider_messaggisms.gateway.polling import Wait
    from airflow_provider_messaggisms.triggers import MessaggiSmsDeliveryTrigger

    now = time.time()
    what = Wait(message_id=f"{index:024x}", since=now - age_seconds, deadline=now + 7 * 86_400, **wait)
    return MessaggiSmsDeliveryTrigger(messaggisms_conn_id="messaggisms_default", wait=what.to_json())


async def _drain(trigger: Any) -> None:
    async for _ in trigger.run():
        raise RuntimeError("a wait has ended")


def _waiter_of(case: str, url: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    """Return what makes one wait."""
    if case == OURS:
        return lambda index: _drain(_trigger(index, poke_interval=1.0))
    if case == HTTP:
        from airflow.providers.http.triggers.http import HttpSensorTrigger

        return lambda index: _drain(HttpSensorTrigger(endpoint="missing", poke_interval=1.0))
    if case == DBT:
        from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook
        from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

        def plain(tenant: str, endpoint: str, related: Any = None, *, api_version: str = "v2") -> Any:
            return f"http://{tenant}/api/{api_version}/accounts/{endpoint}", {}

        DbtCloudHook.get_request_url_params = staticmethod(plain)  # it knows https only
        ends = time.time() + 86_400
        return lambda index: _drain(DbtCloudRunJobTrigger("dbt_cloud_default", index, ends, 1.0, 7))
    return _bare(url)


def _bare(url: str) -> Callable[[int], Coroutine[Any, Any, None]]:
    import aiohttp

    headers = {"Authorization": "Bearer benchmark", "Accept": "application/json"}
    session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=20))

    async def wait(index: int) -> None:
        try:
            while True:
                async with session.get(f"{url}/messages/{index:024x}/recipients/") as answer:
                    await answer.read()
                await asyncio.sleep(1.0)
        finally:
            await session.close()

    return wait


# --- measuring, in the child ------------------------------------------------------------------------------------------


class Ticker:
    """
    Sleeps 5 ms again and again; what it sleeps longer is the loop's lag.

    On a busy machine most of that is other processes' doing. What the loop itself has to answer for is the CPU time
    that its thread has used meanwhile.
    """

    lag = busy = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            due, cpu = time.perf_counter() + TICK_SECONDS, time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.lag = max(self.lag, time.perf_counter() - due)
            self.busy = max(self.busy, time.thread_time() - cpu)


def _statistics(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/statistics") as counted:
        return json.load(counted)


async def _window(url: str, seconds: float) -> Figures:
    """Measure this process for so long."""
    before = await asyncio.to_thread(_statistics, url)
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    cpu, clock = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    ticking.cancel()
    after = await asyncio.to_thread(_statistics, url)
    polls = after["requests"] - before["requests"]
    return {
        "cpu_per_1000": cpu / max(polls, 1) * 1000,
        "share": cpu / clock,
        "per_second": polls / clock,
        "sockets": after["most_open"] - 1,  # one is the question itself
        "lag_ms": ticker.lag * 1e3,
        "busy_ms": ticker.busy * 1e3,
    }


def _settle_heap() -> None:
    """
    Give every case the same heap, that of a triggerer, and keep the garbage collector out of it.

    A full collection of what Airflow has imported takes a tenth of a second in any case.
    """
    import airflow_provider_messaggisms.triggers  # noqa: F401

    gc.collect()
    gc.freeze()


async def _measure(case: str, url: str) -> Figures:
    waiter = _waiter_of(case, url)
    _settle_heap()
    waits = []
    for index in range(WAITS):
        waits.append(asyncio.create_task(waiter(index)))
        await asyncio.sleep(1 / WAITS)
    await asyncio.sleep(WARM_UP_SECONDS)
    figures = await _window(url, WINDOW_SECONDS)
    ended = sum(wait.done() for wait in waits)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return {**figures, "ended": ended}


async def _measure_many(url: str) -> Figures:
    """Hold 10,000 waits of every age up to two hours, begun within a few seconds as after a restart."""
    first = asyncio.create_task(_drain(_trigger(0)))  # what a first wait loads is not a wait's own
    await asyncio.sleep(WARM_UP_SECONDS)
    _settle_heap()
    idle = resident_bytes()
    waits = [first]
    for index in range(1, MANY_WAITS):
        trigger = _trigger(index, age_seconds=7_200 * index / MANY_WAITS)
        waits.append(asyncio.create_task(_drain(trigger)))
        if index % 20 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(WARM_UP_SECONDS)
    figures = await _window(url, MANY_WINDOW_SECONDS)
    gc.collect()
    figures["kb_per_wait"] = (resident_bytes() - idle) / MANY_WAITS / 1000
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return figures


# --- telling ----------------------------------------------------------------------------------------------------------


def _environment(url: str) -> dict[str, str]:
    host, port = url.removeprefix("http://").split(":")
    return {
        "AIRFLOW_CONN_MESSAGGISMS_DEFAULT": json.dumps({"conn_type": "messaggisms", "host": url, "password": "bench"}),
        "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": f"http://{host}", "port": int(port)}),
        "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": json.dumps(
            {"conn_type": "dbt_cloud", "host": f"{host}:{port}", "login": "7", "password": "bench"}
        ),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }


def _rows(measured: dict[str, list[Figures]]) -> list[list[str]]:
    def middle(name: str, figure: str) -> float:
        return median(figures[figure] for figures in measured[name])

    return [
        [
            name,
            f"{middle(name, 'cpu_per_1000'):.3f}",
            f"{_ratio(measured, name, BARE):.2f}",
            f"{middle(name, 'per_second'):.0f}",
            f"{max(figures['sockets'] for figures in rounds):.0f}",
            f"{middle(name, 'lag_ms'):.0f}",
            f"{middle(name, 'busy_ms'):.0f}",
        ]
        for name, rounds in measured.items()
    ]


def _ratio(measured: dict[str, list[Figures]], one: str, other: str) -> float:
    these, those = ([figures["cpu_per_1000"] for figures in measured[name]] for name in (one, other))
    return ratio(these, those)


COLUMNS = ["", "CPU s per 1,000 polls", "against aiohttp", "requests/s", "sockets", "worst lag, ms", "busy, ms"]


def main() -> int:
    """Measure, print, and return the exit code."""
    with serving("-m", "tests.benchmarks.waiting_gateway") as url:
        environment = _environment(url)

        def run(case: str) -> Figures:
            return dict(in_child("-m", "tests.benchmarks.bench_waiting", case, url, **environment))

        def turns(names: list[str], rounds: int) -> dict[str, list[Figures]]:
            return take_turns({name: partial(run, name) for name in names}, rounds, warm_up=False)

        near = turns([OURS, BARE], ROUNDS)
        peers = [HTTP] if find_spec("airflow.providers.http") else []
        peers += [DBT] if find_spec("airflow.providers.dbt") else []
        far = turns([OURS, BARE, *peers], PEER_ROUNDS)
        many = [run(MANY) for _ in range(3)]
    table(
        f"{WAITS:,} waits, each polling once a second; {ROUNDS} rounds of {WINDOW_SECONDS:.0f} s", COLUMNS, _rows(near)
    )
    table(f"The same beside others; {PEER_ROUNDS} rounds", COLUMNS, _rows(far))
    held = {name: median(figures[name] for figures in many) for name in many[0]}
    table(
        f"{MANY_WAITS:,} waits, up to 2 hours old, at their default interval; rounds of {MANY_WINDOW_SECONDS:.0f} s",
        ["CPU share of a core", "requests/s", "sockets", "worst lag, ms", "busy, ms", "memory per wait, kB"],
        [
            [f"{held['share']:.3f}"]
            + [f"{held[name]:.0f}" for name in ("per_second", "sockets", "lag_ms", "busy_ms")]
            + [f"{held['kb_per_wait']:.1f}"]
        ],
    )
    print("\nbusy: the CPU time between two ticks of the loop, which is its lag on a machine with nothing else to do;")
    print(f"with {MANY_WAITS:,} waits most of the worst is a full run of the garbage collector through all of them")
    return _judge(near[OURS], _ratio(near, OURS, BARE), {peer: _ratio(far, peer, OURS) for peer in peers}, held)


def _judge(ours: list[Figures], against_bare: float, cheaper: dict[str, float], held: Figures) -> int:
    targets = Targets()
    targets.at_most("CPU per poll against a bare aiohttp session", against_bare, 1.25)
    for peer, times in ((HTTP, 3.5), (DBT, 2.7)):
        if peer in cheaper:
            targets.holds(
                f"{cheaper[peer]:.2f} times cheaper than the {peer} (target: {times})", cheaper[peer] >= times
            )
    reached = median(figures["per_second"] for figures in ours)
    targets.holds(f"{reached:.0f} polls a second reached (target: 970)", reached >= 970)
    targets.at_most("sockets", max(figures["sockets"] for figures in ours), 20)
    targets.at_most("the loop's busiest moment", median(figures["busy_ms"] for figures in ours), 50, " ms")
    targets.at_most(f"memory for each of {MANY_WAITS:,} waits", held["kb_per_wait"], 20, " kB")
    return targets.exit_code


if __name__ == "__main__":
    if len(sys.argv) > 1:
        case, url = sys.argv[1:]
        print(json.dumps(asyncio.run(_measure_many(url) if case == MANY else _measure(case, url))))
        sys.exit()
    sys.exit(main())
