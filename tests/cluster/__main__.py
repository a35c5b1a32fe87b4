"""
``make test-cluster``: the promises of this package on a cluster, while its parts are killed and restarted.

Each scene ends with a comparison of what the phones have and what the runs say. A table comes last.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tests.cluster import alarms, killed_triggerers, killed_workers, load, restarts, troubled_gateway
from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.comparison import Comparison
from tests.system.processes import ComponentError

CHECKOUT = Path(__file__).resolve().parents[2]

#: Where the logs are kept if something does not hold.
LOGS = CHECKOUT / "build" / "cluster"

Scene = Callable[[Cluster], Comparison]

SCENES: Mapping[str, tuple[Scene, ...]] = {
    "workers": (killed_workers.a_worker_is_killed_whole, killed_workers.a_killed_worker_leaves_orphans),
    "transaction": (killed_workers.a_large_transaction_is_killed_twice,),
    "waits": (killed_triggerers.triggerers_are_killed,),
    "gateway": (
        troubled_gateway.the_gateway_is_down_for_a_minute,
        troubled_gateway.answers_are_lost_after_commit,
        troubled_gateway.the_gateway_is_slow,
    ),
    "servers": (restarts.database_and_broker_restart,),
    "refusals": (
        troubled_gateway.credit_runs_out_and_is_back,
        troubled_gateway.a_token_is_refused_and_accepted_again,
        troubled_gateway.an_accounts_tokens_are_revoked,
    ),
    "alarms": (alarms.sixty_failures_are_one_alarm, alarms.sixty_failures_are_one_alarm_of_a_slow_gateway),
    "restart": (restarts.everything_restarts_before_send_at,),
    "load": (load.a_send_beside_an_empty_task,),
}


def main() -> int:
    """Run the chosen scenes; return 1 if anything does not hold."""
    asked = _arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    rows: list[list[str]] = []
    folder = Path(tempfile.mkdtemp(prefix="messaggisms-cluster-"))
    folder.chmod(0o711)  # the servers run as another user
    held = False
    try:
        with running_cluster(folder, sends=asked.sends) as cluster:
            results = [_played(cluster, scene, rows) for name in asked.scenes for scene in SCENES[name]]
            held = all(results)
    except ComponentError as error:
        print(f"The cluster did not start, or ended. {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        _keep_logs(folder, held)
        shutil.rmtree(folder, ignore_errors=True)
        print(f"\n{_table(rows)}", flush=True)
    return 0 if held else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test-cluster", description=__doc__)
    known = ", ".join(SCENES)
    parser.add_argument("--scenes", default=list(SCENES), type=str.split, help=f"some of: {known}; default all")
    parser.add_argument("--sends", default=100, type=int, help="how many sends a scene has, 20 or more; default 100")
    asked = parser.parse_args()
    if unknown := set(asked.scenes) - set(SCENES):
        parser.error(f"SCENES: {', '.join(sorted(unknown))}: expected some of {known}")
    if asked.sends < 20:
        parser.error(f"SENDS: {asked.sends}: expected 20 or more, so that a scene has a middle")
    return asked


def _played(cluster: Cluster, scene: Scene, rows: list[list[str]]) -> bool:
    """Play a scene on an empty gateway; return whether all held. One that cannot go on does not hold."""
    since = time.monotonic()
    cluster.gateway.reset(credit=100_000)
    print(f"... {scene.__name__.replace('_', ' ')}", flush=True)
    try:
        result = scene(cluster)
    except Exception as error:  # noqa: BLE001 (the other scenes go on)
        result = Comparison(complaints=[f"{type(error).__name__}: {error}"])
        cluster.recover()
    row = [
        scene.__name__.replace("_", " "),
        "ok" if result.held else "FAILED",
        f"{time.monotonic() - since:.0f} s",
        str(result),
    ]
    rows.append(row)
    print(_line(row), flush=True)
    for complaint in result.complaints:
        print(f"    {complaint}", flush=True)
    return result.held


def _keep_logs(folder: Path, held: bool) -> None:
    shutil.rmtree(LOGS, ignore_errors=True)
    if held:
        return
    LOGS.mkdir(parents=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, LOGS)
    with suppress(FileNotFoundError):  # Airflow was not reached
        shutil.copytree(folder / "airflow" / "logs", LOGS, dirs_exist_ok=True)
    print(f"The logs are in {LOGS}")


def _line(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"


def _table(rows: list[list[str]]) -> str:
    heads = ["scene", "held", "took", "result"]
    return "\n".join([_line(heads), _line(["---"] * len(heads)), *map(_line, rows)])


if __name__ == "__main__":
    sys.exit(main())
