"""The facts of an event come out of every context that Airflow gives, the same in every process."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_messaggisms.airflow_versions import hide_from_logs
from airflow_provider_messaggisms.alarms.events import event_of
from tests.airflow.alarms.occasions import RUN_ID, dag_failed, deadline_missed, killed, task_failed


def ignore(context: Any) -> None:
    """Stand for some callback."""


def test_a_failed_task_is_named_with_its_try_and_its_error() -> None:
    event = event_of(task_failed(ValueError("no such file\nand a long story"), map_index=7))
    assert (event.kind, event.dag_id, event.run_id, event.task_id) == ("failed", "etl", RUN_ID, "load")
    assert (event.map_index, event.try_number, event.tries) == (7, 3, 3)
    assert event.why == "ValueError: no such file"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\n\n  first\nsecond"), "ValueError: first"),
        ("Task was killed externally", "Task was killed externally"),
    ],
)
def test_the_first_line_of_an_error_that_says_something_counts(error: Any, why: str) -> None:
    assert event_of(task_failed(error)).why == why


def test_a_secret_that_airflow_knows_of_does_not_travel_in_the_error() -> None:
    assert hide_from_logs(["hunter2-hunter2"])
    assert (
        event_of(task_failed(ValueError("login with hunter2-hunter2 failed"))).why
        == "ValueError: login with *** failed"
    )


def test_a_killed_task_has_failed_or_will_be_retried_by_its_tries() -> None:
    last, first = event_of(killed(try_number=3)), event_of(killed(try_number=1))
    assert (last.kind, first.kind) == ("failed", "retry")
    assert last.why == "no error known: killed, lost or cleared"


@pytest.mark.parametrize("state", ["failed", "up_for_retry"])
def test_a_task_that_failed_by_itself_without_an_error_was_not_killed(state: str) -> None:
    assert event_of(task_failed(state=state)).why == "no error given"


def test_both_callbacks_of_a_heartbeat_time_out_are_the_same_event() -> None:
    assert event_of(killed(try_number=1)).name == event_of(killed(try_number=1)).name


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "other"},
        {"task_id": "other"},
        {"map_index": 1},
        {"try_number": 2},
        {"state": "skipped"},
    ],
)
def test_events_that_differ_have_different_names(other: dict[str, Any]) -> None:
    assert event_of(task_failed()).name != event_of(task_failed(**other)).name


@pytest.mark.parametrize(
    ("state", "kind"),
    [("success", "succeeded"), ("skipped", "skipped"), ("up_for_retry", "retry"), ("running", "started")],
)
def test_the_state_says_what_a_task_is_called_back_for(state: str, kind: str) -> None:
    assert event_of(task_failed(state=state)).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("on_failure_callback", "failed"), ("on_retry_callback", "retry"), ("on_success_callback", "succeeded")],
)
def test_the_list_that_a_callback_stands_in_says_what_it_is_called_for(name: str, kind: str) -> None:
    def mine(context: Any) -> None: ...

    with DAG("etl", schedule=None):
        callbacks: Any = {name: [ignore, mine]}
        task = BaseOperator(task_id="load", **callbacks)
    assert event_of(killed(try_number=1, task=task), mine).kind == kind


def test_a_callback_that_stands_in_several_lists_goes_by_the_tries() -> None:
    with DAG("etl", schedule=None):
        task = BaseOperator(task_id="load", on_failure_callback=ignore, on_retry_callback=ignore)
    assert event_of(killed(try_number=1, task=task), ignore).kind == "retry"
    assert event_of(killed(try_number=3, task=task), ignore).kind == "failed"


def test_a_failed_run_says_why_and_names_the_task_to_blame() -> None:
    event = event_of(dag_failed(map_index=4))
    assert (event.kind, event.task_id, event.try_number) == ("failed", None, None)
    assert event.why == "task failure: load[4]"


def test_a_task_that_did_not_fail_is_not_blamed() -> None:
    assert event_of(dag_failed(state="success")).why == "task failure"


def test_a_run_whose_context_is_empty_but_for_its_names_has_failed() -> None:
    context = {"dag": DAG("etl", schedule=None), "run_id": RUN_ID, "reason": "timed_out"}
    event = event_of(context)
    assert (event.kind, event.dag_id, event.run_id, event.why) == ("failed", "etl", RUN_ID, "timed out")


def test_a_run_that_succeeded_has_succeeded() -> None:
    assert event_of(dag_failed("success")).kind == "succeeded"


def test_a_run_that_fails_again_after_it_was_cleared_is_another_event() -> None:
    assert event_of(dag_failed()).name != event_of(dag_failed(clear_number=1)).name


def test_a_task_and_its_run_fail_as_two_events() -> None:
    assert event_of(task_failed()).name != event_of(dag_failed()).name


def test_a_missed_deadline_is_late() -> None:
    event = event_of(deadline_missed())
    assert (event.kind, event.dag_id, event.run_id, event.task_id) == ("late", "etl", RUN_ID, None)
    assert event.why == "was due 2026-12-24 07:30 UTC"


def test_two_deadlines_of_one_run_are_two_events() -> None:
    assert event_of(deadline_missed()).name != event_of(deadline_missed(deadline_id="another")).name


def test_airflow_2_misses_an_sla() -> None:
    context = {
        "dag": DAG("etl", schedule=None),
        "task_list": "load on ...",
        "blocking_task_list": "",
        "blocking_tis": [],
    }
    assert (event_of(context).kind, event_of(context).dag_id) == ("late", "etl")
