"""
One process of a storm of alarms: calls a notifier back many times at once, whenever the test says so.

``python -m tests.airflow.alarms.storming`` reads one JSON object a line: the arguments of the notifier, ``callbacks``
and ``connection``. It writes one: for each callback how long it took, and the error that it raised.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.alarms.occasions import task_failed


def call_back(notifier: MessaggiSmsNotifier, index: int) -> dict[str, Any]:
    """Do what a worker does whose task has failed."""
    began, error = time.monotonic(), ""
    try:
        notifier(task_failed(map_index=index))
    except Exception as raised:  # noqa: BLE001 (the test looks at it)
        error = f"{type(raised).__name__}: {raised}"
    return {"seconds": time.monotonic() - began, "error": error}


def main() -> None:
    """Storm as often as asked."""
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        callbacks = range(wanted.pop("callbacks"))
        os.environ["AIRFLOW_CONN_MESSAGGISMS_DEFAULT"] = wanted.pop("connection")
        with ThreadPoolExecutor(len(callbacks)) as pool:
            results = list(pool.map(partial(call_back, MessaggiSmsNotifier(**wanted)), callbacks))
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
