"""
Never twice, never lost: each send operator under every failure, at every point, until its end state.

Whatever happens, at the end the phones have each SMS exactly once and the task is green, or the task is red, says why,
and no phone has an SMS twice.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.airflow.sending.impatient import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.sending.tries import FAULTS, Outcome, Tries

PEOPLE = [f"+39349123{1000 + i}" for i in range(5)]
"""Five recipients: with chunks of two, a transaction takes three calls: open, add, close."""


def send_one(body: str = "Hello") -> Any:
    """Build a plain send to one."""
    return MessaggiSmsSendOperator(task_id="task", sender="Airflow", body=body, recipients=PEOPLE[0])


def send_many(body: str = "Hello") -> Any:
    """Build a transaction of three calls."""
    return MessaggiSmsSendTransactionOperator(
        task_id="task", sender="Airflow", body=body, recipients=PEOPLE, chunk_size=2
    )


OPERATORS = {"send": (send_one, 1, 1), "transaction": (send_many, 5, 3)}


@pytest.fixture
def _impatient(messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the read timeout be the shortest that a connection allows, for faults that exceed it."""
    connection = messaggisms_gateway.connection[:-1] + ', "extra": {"timeout_seconds": 1}}'
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", connection)


def phones(gateway: Gateway) -> Counter[str]:
    """Count the SMS that each phone has."""
    return Counter(sms.number.replace("-", "") for sms in gateway.inbox())


def each_once(count: int) -> Counter[str]:
    """Say what the phones should have."""
    return Counter(PEOPLE[:count])


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("operator", "call"), [("send", 0), *(("transaction", call) for call in range(3))])
def test_a_failed_write_ends_in_each_sms_once(
    operator: str,
    call: int,
    fault: str,
    with_task_state: bool,
    messaggisms_gateway: Gateway,
    tmp_path: Path,
) -> None:
    make, people, _ = OPERATORS[operator]
    method = "POST" if call == 0 else "PUT"
    messaggisms_gateway.fail_next(**FAULTS[fault], method=method, after=max(call - 1, 0))
    tries = Tries(make, tmp_path, with_task_state)
    assert tries.until_the_end().kind == "green", tries.outcomes
    assert phones(messaggisms_gateway) == each_once(people), tries.outcomes


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("operator", "call"), [("send", 0), *(("transaction", call) for call in range(3))])
def test_a_failed_write_beside_its_like_ends_in_its_own_sms_once(
    operator: str,
    call: int,
    fault: str,
    with_task_state: bool,
    messaggisms_gateway: Gateway,
    tmp_path: Path,
) -> None:
    make, people, _ = OPERATORS[operator]
    # The same run of the same DAG for the same recipients: at another Airflow, and deleted from this one since.
    others = {"staging": {"installation": "https://staging.example"}, "earlier life": {"life": 1}}
    for text, different in others.items():
        other = Tries(lambda text=text: make(text), tmp_path, with_task_state, **different)  # type: ignore[misc, arg-type]
        assert other.attempt().kind == "green"
    method = "POST" if call == 0 else "PUT"
    messaggisms_gateway.fail_next(**FAULTS[fault], method=method, after=max(call - 1, 0))
    tries = Tries(lambda: make("mine"), tmp_path, with_task_state, life=2)
    end = tries.until_the_end()
    assert end.kind == "green", tries.outcomes
    for text in (*others, "mine"):
        found = [sms for sms in messaggisms_gateway.inbox() if sms.text == text]
        assert sorted(sms.number.replace("-", "") for sms in found) == PEOPLE[:people], tries.outcomes
        assert (text == "mine") == ({sms.message_id for sms in found} == {end.result})


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_gateway_that_is_away_for_a_while_ends_in_each_sms_once(
    operator: str, with_task_state: bool, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    make, people, _ = OPERATORS[operator]
    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("drop_before", method="GET", times=4)
    tries = Tries(make, tmp_path, with_task_state)
    assert tries.until_the_end().kind == "green", tries.outcomes
    assert phones(messaggisms_gateway) == each_once(people)


def test_a_search_that_fails_never_leads_to_a_send(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("status_before", method="GET", times=0)
    tries = Tries(send_one, tmp_path, retries=1)
    end = tries.until_the_end()
    assert end.kind == "red"
    assert not end.permanent
    assert phones(messaggisms_gateway) == each_once(1)
    assert sum(exchange.method == "POST" for exchange in messaggisms_gateway.requests()) == 1


def test_an_unknown_outcome_names_the_key_to_look_for(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    messaggisms_gateway.fail_next("drop_before", method="POST", times=0)
    first = Tries(send_one, tmp_path).attempt()
    assert first.kind == "red"
    assert first.error.startswith("OutcomeUnknownError")
    assert "key " in first.error
    assert "options.custom" in first.error
    assert phones(messaggisms_gateway) == Counter()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status_before", "status": 403}, "AuthenticationError"),
        ({"kind": "no_credit"}, "InsufficientCreditError"),
    ],
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_what_no_retry_can_cure_fails_at_once(
    operator: str, fault: dict[str, Any], error: str, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    messaggisms_gateway.fail_next(**fault, method="POST")
    end = Tries(OPERATORS[operator][0], tmp_path).attempt()
    assert end.permanent
    assert end.error.startswith(error)
    assert phones(messaggisms_gateway) == Counter()


def test_a_first_try_costs_one_request(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    assert Tries(send_one, tmp_path).attempt().kind == "green"
    assert [exchange.method for exchange in messaggisms_gateway.requests()] == ["POST"]


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
def test_a_cleared_task_does_not_send_again(
    with_task_state: bool, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    tries = Tries(send_one, tmp_path, with_task_state)
    first = tries.attempt()
    assert tries.attempt().result == first.result
    assert phones(messaggisms_gateway) == each_once(1)


def test_a_cleared_task_with_another_key_sends_again(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    keys = itertools.chain([None], itertools.repeat("again"))

    def make() -> Any:
        operator = send_one()
        operator.idempotency_key = next(keys)
        return operator

    tries = Tries(lambda: send_one(), tmp_path)
    first = tries.attempt()
    next(keys)
    tries.make = make
    second = tries.attempt()
    assert second.kind == "green"
    assert second.result != first.result
    assert phones(messaggisms_gateway) == Counter({PEOPLE[0]: 2})


def test_a_write_is_not_repeated_when_airflow_may_have_begun_the_next_try(
    messaggisms_gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "1")
    messaggisms_gateway.fail_next("rate_limit", method="POST", retry_after=1)
    assert "RateLimitedError" in Tries(send_one, tmp_path).attempt().error
    assert [exchange.status for exchange in messaggisms_gateway.requests()] == [429]


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_refused_connection_ends_in_each_sms_once(
    operator: str,
    with_task_state: bool,
    messaggisms_gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make, people, _ = OPERATORS[operator]
    tries = Tries(make, tmp_path, with_task_state)
    with monkeypatch.context() as away:
        away.setenv(
            "AIRFLOW_CONN_MESSAGGISMS_DEFAULT",
            '{"conn_type": "messaggisms", "host": "http://127.0.0.1:9", "password": "token"}',
        )
        first = tries.attempt()
    assert first.error.startswith("NotSentError")
    assert not first.permanent
    assert tries.until_the_end().kind == "green", tries.outcomes
    assert phones(messaggisms_gateway) == each_once(people)


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_was_accepted_and_is_gone_is_not_sent_again(
    operator: str, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    tries = Tries(OPERATORS[operator][0], tmp_path)
    assert tries.attempt().kind == "green"
    messaggisms_gateway.reset()  # as a gateway that forgets
    second = tries.attempt()
    assert second.permanent
    assert "is not there any more: it was cancelled, or forgotten" in second.error
    assert phones(messaggisms_gateway) == Counter()


def test_the_id_that_airflow_keeps_needs_no_search(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    tries = Tries(send_one, tmp_path)
    tries.attempt()
    tries.attempt()
    assert [exchange.method for exchange in messaggisms_gateway.requests()] == ["POST", "GET"]


def test_a_simulated_send_keeps_no_real_one_back(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    def simulated() -> Any:
        operator = send_one()
        operator.test = True
        return operator

    tries = Tries(simulated, tmp_path)
    first = tries.attempt()
    tries.make = send_one
    second = tries.attempt()
    assert (first.kind, second.kind) == ("green", "green")
    assert first.result != second.result
    assert phones(messaggisms_gateway) == each_once(1)


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
def test_an_open_message_to_several_is_not_taken_for_a_plain_send(
    with_task_state: bool, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    def make(recipients: list[str]) -> Any:
        operator = send_many()
        operator.recipients, operator.idempotency_key = recipients, "order 7"
        return operator

    messaggisms_gateway.fail_next("drop_before", method="PUT")
    tries = Tries(lambda: make(PEOPLE), tmp_path, with_task_state)
    assert tries.attempt().kind == "red"
    tries.make = lambda: make(PEOPLE[:1])
    assert tries.attempt().kind == "green"
    assert phones(messaggisms_gateway) == each_once(1)
    assert [exchange.method for exchange in messaggisms_gateway.requests()].count("DELETE") == 1


def test_a_search_does_not_read_the_same_messages_again(messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    for number in range(5):
        Tries(lambda: send_one(), tmp_path / str(number), with_task_state=False).attempt()
    before = len(messaggisms_gateway.requests())
    messaggisms_gateway.fail_next("drop_before", method="POST")
    other = send_one()
    other.idempotency_key = "another"
    assert Tries(lambda: other, tmp_path, with_task_state=False).attempt().kind == "red"
    asked = [exchange.path for exchange in messaggisms_gateway.requests()[before:] if exchange.method == "GET"]
    assert Counter(asked) == {"/messages/": 2, "/messages/{id}": 5}


# --- kills ------------------------------------------------------------------------------------------------------------


def kill_everywhere(
    operator: str, gateway: Gateway, tmp_path: Path, with_task_state: bool, attempt: Callable[[Tries, int], Outcome]
) -> int:
    """Kill the first try at point 1, 2, ... until it gets through; retry to the end each time; count the kills."""
    make, people, _ = OPERATORS[operator]
    for point in itertools.count(1):
        gateway.reset()
        home = tmp_path / str(point)
        home.mkdir()
        tries = Tries(make, home, with_task_state)
        killed = attempt(tries, point).kind == "killed"
        assert tries.until_the_end().kind == "green", (point, tries.outcomes)
        assert phones(gateway) == each_once(people), (point, tries.outcomes)
        if not killed:
            return point - 1
    raise AssertionError


@pytest.mark.parametrize(
    ("operator", "with_task_state", "crossings"),
    # before and after: each announced call; the id and the close (with task state); the XCom "message"
    [("send", True, 6), ("send", False, 4), ("transaction", True, 12), ("transaction", False, 8)],
)
def test_killed_at_any_border_to_airflow_each_sms_is_sent_once(
    operator: str, with_task_state: bool, crossings: int, messaggisms_gateway: Gateway, tmp_path: Path
) -> None:
    kills = kill_everywhere(
        operator,
        messaggisms_gateway,
        tmp_path,
        with_task_state,
        lambda tries, point: tries.attempt(kill_at_crossing=point),
    )
    page = 2 if airflow_version.startswith("2.") else 0  # the XCom "page"
    assert kills == crossings + page


@pytest.mark.parametrize("operator", OPERATORS)
def test_killed_at_any_line_each_sms_is_sent_once(operator: str, messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    lines = Tries(OPERATORS[operator][0], tmp_path).attempt(kill_at_line=-1).lines
    step = lines // 40  # forty kills spread over the whole run
    kills = kill_everywhere(
        operator,
        messaggisms_gateway,
        tmp_path,
        True,
        lambda tries, point: tries.attempt(kill_at_line=point * step),
    )
    assert kills >= 40
