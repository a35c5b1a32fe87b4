"""
What a message to 100,000 costs: a CSV file through the transaction operator, beside a loop written by hand.

Both read the same file and make the same calls to the emulator. The loop does what a script would: ``csv.DictReader``,
``json.dumps``, a ``requests.Session``; it checks nothing, sends twice on a retry and leaves a half-built message behind
when it dies. Once with numbers only, once with a field that personalises the text. Beside it single sends through the
hook, which is what operators without transactions come down to; and a second try, which reads back who is there
already when the first one failed at its last call but one. Last, once, a million: what grows faster than the number of
recipients shows there.

Targets: as few calls as chunks, at most 30 MB above the idle process, at most 2.6 times the loop's CPU per recipient;
for a million at most 200 MB, and at most half as much again of CPU per recipient as for a tenth of it.
Every measurement is a process of its own. Linux only, for the peak of the memory.
"""

from __future__ import annotations

import csv
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import median
from time import process_time
from types import SimpleNamespace
from typing import Any

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.benchmarks.measure import Targets, forget_peak, in_child, ratio, resident_bytes, serving, table, take_turns

RECIPIENTS = 100_000
CHUNK = 1_000
MILLION = 1_000_000
SINGLES = 1_000
ROUNDS = 3
MAX_MB = 30
MILLION_MAX_MB = 200
OURS_TO_HAND = 2.6
LINEAR = 1.5  # a million numbers do not fit into the processor's caches

PLAIN, PERSONAL = "The office is closed tomorrow", "{{name}}, the office is closed tomorrow"

# --- in the child -----------------------------------------------------------------------------------------------------


def _operator(url: str, path: str, body: str, *, try_number: int = 1) -> Callable[[], object]:
    from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator

    os.environ["AIRFLOW_CONN_MESSAGGISMS_DEFAULT"] = Gateway(url, DEFAULT_TOKEN).connection
    _hook().list_messages()
    operator = MessaggiSmsSendTransactionOperator(
        task_id="send", body=body, sender="Bench", recipients_path=f"file://{path}", chunk_size=CHUNK
    )
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=try_number, max_tries=2)
    ti.xcom_push = lambda key, value: None
    run = SimpleNamespace(run_after=datetime(2020, 1, 1, tzinfo=UTC))
    kept: dict[str, Any] = {}
    store = SimpleNamespace(get=kept.get, set=lambda key, value, **options: kept.update({key: value}))
    context: Any = {"ti": ti, "dag_run": run, "task_state_store": store}
    return lambda: operator.execute(context)


def _interrupted(url: str, path: str, body: str) -> Callable[[], object]:
    """A first try whose last call but one never arrives."""
    from airflow_provider_messaggisms.exceptions import MessaggiSmsError
    from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator

    MessaggiSmsSendTransactionOperator.lookup_pauses_seconds = (0.0,)
    send = _operator(url, path, body)

    def try_to_send() -> None:
        with suppress(MessaggiSmsError):
            send()

    return try_to_send


def _hook() -> Any:
    from airflow_provider_messaggisms.hooks import MessaggiSmsHook

    return MessaggiSmsHook()


def _single_sends(url: str, path: str, body: str) -> Callable[[], object]:
    os.environ["AIRFLOW_CONN_MESSAGGISMS_DEFAULT"] = Gateway(url, DEFAULT_TOKEN).connection
    hook = _hook()
    hook.list_messages()

    def send() -> None:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                hook.send_message(body=body, recipients=row["number"], sender="Bench")

    return send


def _by_hand(url: str, path: str, body: str) -> Callable[[], object]:
    import requests

    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {DEFAULT_TOKEN}", "Content-Type": "application/json"})
    session.get(f"{url}/messages/")

    def ask(method: str, path: str, content: dict[str, Any]) -> Any:
        answer = session.request(method, url + path, data=json.dumps(content))
        answer.raise_for_status()
        return answer.json()["data"]

    def send() -> None:
        with open(path, newline="") as file:
            rows = csv.DictReader(file)
            first = _chunk(rows)
            opening = {"sender": "Bench", "body": body, "transaction": True, "recipients": first}
            message_id = ask("POST", "/messages/", opening)[0]["id"]
            chunk = _chunk(rows)
            while chunk:
                following = _chunk(rows)
                ask("PUT", f"/messages/{message_id}", {"recipients": chunk, "transaction": bool(following)})
                chunk = following

    return send


def _chunk(rows: Iterator[dict[str, str]]) -> list[Any]:
    return [
        {"number": row["number"], "fields": {"name": row["name"]}} if "name" in row else row["number"]
        for row in islice(rows, CHUNK)
    ]


WAYS: dict[str, Callable[[str, str, str], Callable[[], object]]] = {
    "operator": _operator,
    "interrupted": _interrupted,
    "resumed": partial(_operator, try_number=2),
    "by hand": _by_hand,
    "single sends": _single_sends,
}


def _run(way: str, url: str, path: str, body: str) -> dict[str, float]:
    """Measure one way of sending in this process."""
    run = WAYS[way](url, path, body)
    forget_peak()
    idle, start = resident_bytes(), process_time()
    run()
    return {"cpu": process_time() - start, "mb": (resident_bytes(peak=True) - idle) / 1e6}


# --- in the parent ----------------------------------------------------------------------------------------------------


def _write(path: Path, count: int, *, names: bool) -> str:
    """Write a file of recipients, their numbers in the wire's form, so that the loop need not convert them."""
    draw = random.Random(7)
    numbers = (f"+39-347{number:06d}7" for number in draw.sample(range(10**6), count))  # no 7 fails at the emulator
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("number", "name") if names else ("number",))
        rows.writerows((number, f"Customer {i}") if names else (number,) for i, number in enumerate(numbers))
    return str(path)


def _measure(gateway: Gateway, way: str, path: str, body: str) -> dict[str, float]:
    """Measure one way of sending in a process of its own, and ask the gateway what came of it."""
    import requests

    gateway.reset(credit=10 * RECIPIENTS)
    if way == "resumed":
        gateway.fail_next("drop_before", method="PUT", after=RECIPIENTS // CHUNK - 3)
        in_child("-m", "tests.benchmarks.bench_transaction", "interrupted", gateway.url, path, body)
    figures: dict[str, float] = in_child("-m", "tests.benchmarks.bench_transaction", way, gateway.url, path, body)
    calls = sum(exchange.method != "GET" for exchange in gateway.requests())
    sent = requests.get(f"{gateway.url}/_emulator/inbox?limit=1", timeout=60).json()["total"]
    return {**figures, "us": figures["cpu"] / sent * 1e6, "calls": calls, "sent": sent}


def _measure_million(gateway: Gateway, folder: Path) -> dict[str, float]:
    return _measure(gateway, "operator", _write(folder / "million.csv", MILLION, names=True), PERSONAL)


def _measure_all(gateway: Gateway, folder: Path) -> dict[str, list[dict[str, float]]]:
    numbers = _write(folder / "numbers.csv", RECIPIENTS, names=False)
    named = _write(folder / "named.csv", RECIPIENTS, names=True)
    few = _write(folder / "few.csv", SINGLES, names=False)
    measure = partial(_measure, gateway)
    cases = {
        "operator": partial(measure, "operator", numbers, PLAIN),
        "by hand": partial(measure, "by hand", numbers, PLAIN),
        "operator, resumed near the end": partial(measure, "resumed", numbers, PLAIN),
        "operator, with a field": partial(measure, "operator", named, PERSONAL),
        "by hand, with a field": partial(measure, "by hand", named, PERSONAL),
        "single sends": partial(measure, "single sends", few, PLAIN),
    }
    return take_turns(cases, ROUNDS, warm_up=False)


def main() -> int:
    """Measure, print, and return the exit code."""
    emulator = ("-m", "airflow_provider_messaggisms.emulator", "--port", "0")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = Gateway(stack.enter_context(serving(*emulator)), DEFAULT_TOKEN)
        measured = _measure_all(gateway, folder)
        million = _measure_million(gateway, folder)
    figures = {name: {key: [one[key] for one in rounds] for key in rounds[0]} for name, rounds in measured.items()}
    table(
        f"{RECIPIENTS:,} recipients from a file, in chunks of {CHUNK:,}: medians of {ROUNDS} "
        f"(single sends: {SINGLES:,}, extrapolated)",
        ("", "sent", "calls", "CPU us a recipient", "CPU s for all", "against by hand", "MB above idle"),
        [
            (
                name,
                f"{one['sent'][0]:,}",
                f"{RECIPIENTS / one['sent'][0] * one['calls'][0]:,.0f}",
                f"{median(one['us']):.1f}",
                f"{median(one['us']) * RECIPIENTS / 1e6:.1f}",
                f"{ratio(one['us'], figures['by hand, with a field' if 'field' in name else 'by hand']['us']):.2f}",
                f"{max(one['mb']):.1f}",
            )
            for name, one in figures.items()
        ],
    )
    print(f"\n{MILLION:,} with a field: {million['cpu']:.1f} s of CPU, {million['mb']:.0f} MB above idle")
    targets = Targets()
    for name in ("operator", "operator, with a field"):
        ours, hand = figures[name], figures[name.replace("operator", "by hand")]
        targets.holds(f"{name}: all are sent to", ours["sent"] == [RECIPIENTS] * ROUNDS)
        targets.at_most(f"{name}: calls", max(ours["calls"]), ceil(RECIPIENTS / CHUNK))
        targets.at_most(f"{name}: memory above idle", max(ours["mb"]), MAX_MB, " MB")
        targets.at_most(f"{name}: CPU against by hand", ratio(ours["us"], hand["us"]), OURS_TO_HAND)
    resumed = figures["operator, resumed near the end"]
    targets.holds("operator, resumed: all are sent to", resumed["sent"] == [RECIPIENTS] * ROUNDS)
    targets.at_most("operator, resumed: memory above idle", max(resumed["mb"]), MAX_MB, " MB")
    targets.holds("a million: all are sent to", million["sent"] == MILLION)
    targets.at_most("a million: memory above idle", million["mb"], MILLION_MAX_MB, " MB")
    tenth = median(figures["operator, with a field"]["us"])
    targets.at_most("a million: CPU per recipient against a tenth", million["us"] / tenth, LINEAR)
    return targets.exit_code


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(_run(*sys.argv[1:])))
        sys.exit()
    sys.exit(main())
