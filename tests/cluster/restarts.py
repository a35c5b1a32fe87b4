"""Scenes in which what Airflow stands on is restarted, or all of Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cluster.cluster import Cluster, phone_numbers
from tests.cluster.comparison import Comparison, compare
from tests.cluster.sends import sends_while, wait_for_tasks

FIRST_AT, COUNT_AT = 3493011000, 10


def database_and_broker_restart(cluster: Cluster) -> Comparison:
    """Many sends; after the first ten PostgreSQL crashes, Redis ends, and both are started again."""
    return sends_while(cluster, cluster.servers.restart)


def everything_restarts_before_send_at(cluster: Cluster) -> Comparison:
    """10 sends at one moment; while they wait, all of Airflow, PostgreSQL and Redis are killed and started again."""
    numbers, moment = phone_numbers(FIRST_AT, COUNT_AT), datetime.now(UTC) + timedelta(seconds=180)
    run = cluster.stack.api.trigger("at_a_moment", {"numbers": numbers, "at": moment.isoformat()})
    wait_for_tasks(run, "deferred", COUNT_AT)
    cluster.restart_everything()
    run.wait()
    result = compare(cluster.gateway, run, numbers)
    sent = [datetime.fromisoformat(sms.history[0]["at"].replace("Z", "+00:00")) for sms in cluster.gateway.inbox()]
    result.notes.append(f"sent {min(sent) - moment} to {max(sent) - moment} after the moment")
    if min(sent) < moment:
        result.complaints.append("sent before the moment")
    return result
