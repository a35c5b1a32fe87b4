"""Scenes in which the gateway is down, loses its answers, is slow, or refuses."""

from __future__ import annotations

from tests.cluster.cluster import Cluster
from tests.cluster.comparison import Comparison
from tests.cluster.sends import compared, sends_while, start_sends

OUTAGE_SECONDS = 60
ACCEPTED = 10


def the_gateway_is_down_for_a_minute(cluster: Cluster) -> Comparison:
    """Many sends; after the first ten the gateway closes each connection, for a minute."""
    return sends_while(cluster, lambda: cluster.gateway.outage(OUTAGE_SECONDS))


def answers_are_lost_after_commit(cluster: Cluster) -> Comparison:
    """Many sends; from the tenth on, every other accepted message is answered with a proxy's 502."""

    def lose_answers() -> None:
        cluster.gateway.fail_next("status_after", method="POST", status=502, times=0, chance=0.5, seed=7)

    return sends_while(cluster, lose_answers)


def the_gateway_is_slow(cluster: Cluster) -> Comparison:
    """Many sends; after the first ten each answer comes 4 s late, and some after the client's patience."""

    def slow_down() -> None:
        cluster.gateway.fail_next("slow_after", method="POST", times=0, seconds=40, chance=0.1, seed=7)
        cluster.gateway.fail_next("slow_before", times=0, seconds=4)

    return sends_while(cluster, slow_down)


def credit_runs_out_and_is_back(cluster: Cluster) -> Comparison:
    """Many sends; after the first ten there is no credit. With credit, the failed tasks are cleared."""
    cluster.gateway.fail_next("no_credit", method="POST", times=0, after=ACCEPTED)
    return _refused_then_cleared(cluster)


def a_token_is_refused_and_accepted_again(cluster: Cluster) -> Comparison:
    """Many sends; after the first ten the connection's token is refused. Once it is valid, the failed are cleared."""
    cluster.gateway.fail_next("expired_token", method="POST", times=0, after=ACCEPTED)
    return _refused_then_cleared(cluster)


def an_accounts_tokens_are_revoked(cluster: Cluster) -> Comparison:
    """Many sends through a connection with the account; its tokens are revoked in the middle, and it makes new ones."""
    return sends_while(cluster, cluster.gateway.revoke_tokens, conn_id="messaggisms_account")


def _refused_then_cleared(cluster: Cluster) -> Comparison:
    run = start_sends(cluster)
    run.wait()
    refused = compared(cluster, run)
    if refused.states["failed"] != cluster.sends - ACCEPTED:
        refused.complaints.append("not all that were refused have failed")
    cluster.gateway.heal()
    run.clear()
    run.wait()
    cleared = compared(cluster, run)
    if set(cleared.states) != {"success"}:
        cleared.complaints.append("not all that were cleared are green")
    cleared.notes.append(f"before: {refused}")
    cleared.complaints += refused.complaints
    return cleared
