"""A wait for credit: it ends with enough, goes on through an outage, and travels to the trigger as plain JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.credit_polling import AskCredit, CreditPoller, CreditWait
from airflow_provider_messaggisms.gateway.steps import Pause, run_steps


class Account:
    """Answers each question for the credit, and moves a clock by each pause."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.now = 1e6
        self.pauses: list[float] = []
        self.said: list[str] = []

    def perform(self, step: AskCredit | Pause) -> Any:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.now += step.seconds
            return None
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, **wait: Any) -> Any:
        usual = {"min_credit_eur": 20.0, "since": self.now, "poke_interval": 300.0}
        poller = CreditPoller(CreditWait(**usual | wait), lambda _, text: self.said.append(text), chance=lambda: 0.0)
        return run_steps(poller.run(lambda: self.now), self.perform)


@pytest.mark.parametrize("credit", [20.0, 20.5, 1000])
def test_enough_credit_ends_the_wait_at_once(credit: float) -> None:
    account = Account(credit)
    report = account.run()
    assert (report["credit_eur"], report["min_credit_eur"], account.pauses) == (credit, 20.0, [])


def test_too_little_credit_is_polled_until_there_is_enough() -> None:
    account = Account(5.0, 5.0, 25.0)
    assert account.run()["credit_eur"] == 25.0
    assert account.pauses == [300.0, 300.0]
    assert len(account.said) == 2, "a line for each change, not for each poll"


def test_at_the_deadline_there_is_no_report() -> None:
    account = Account(5.0, 5.0)
    assert account.run(deadline=account.now + 400) is None
    assert sum(account.pauses) == 400


def test_an_outage_is_tolerated_and_then_ends_the_wait() -> None:
    down = errors.GatewayUnavailableError(503, None, "down")
    assert Account(down, None, 25.0).run()["credit_eur"] == 25.0
    with pytest.raises(errors.GatewayUnavailableError, match="giving up"):
        Account(*[down] * 20).run(outage_tolerance=600.0)


def test_a_credit_that_no_answer_tells_ends_the_wait_in_the_end() -> None:
    with pytest.raises(errors.ProtocolError, match="no answer tells the credit"):
        Account(*[None] * 20).run(outage_tolerance=600.0)


def test_a_permanent_error_ends_the_wait_at_once() -> None:
    with pytest.raises(errors.AuthenticationError):
        Account(errors.AuthenticationError(401, None, "Wrong Token")).run()


@pytest.mark.parametrize("wrong", [{"min_credit_eur": -1.0}, {"poke_interval": -1.0}, {"outage_tolerance": -1.0}])
def test_a_value_out_of_its_range_is_refused_by_its_name(wrong: dict[str, float]) -> None:
    with pytest.raises(errors.ConfigurationError, match=next(iter(wrong))):
        CreditWait(**{"min_credit_eur": 1.0, "since": 0.0} | wrong)


def test_a_wait_travels_as_plain_json() -> None:
    wait = CreditWait(min_credit_eur=20.0, since=1.0, deadline=2.0)
    assert CreditWait.from_json(json.loads(json.dumps(wait.to_json()))) == wait
    with pytest.raises(errors.ConfigurationError, match="wait:"):
        CreditWait.from_json({"since": 1.0})
