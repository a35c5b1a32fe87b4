"""A cleared task that finds other recipients than before: who has the SMS from it already does not get it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import OutcomeUnknownError
from tests.airflow.conftest import posts
from tests.airflow.sending.impatient import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.sending.many import people, phones

KINDS = [MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator]
PEOPLE = people(4)

Send = Callable[..., str]


@pytest.fixture(params=KINDS)
def send(request: pytest.FixtureRequest, context: dict[str, Any]) -> Send:
    """Run the next try of a task instance."""
    context["ti"].try_number = 0
    context["ti"].max_tries = 8

    def run(*recipients: str, **arguments: Any) -> str:
        context["ti"].try_number += 1
        usual: dict[str, Any] = {"task_id": "send", "sender": "Airflow", "body": "Hello"}
        if recipients:
            usual["recipients"] = list(recipients)
        return str(request.param(**usual | arguments).execute(context))

    return run


def test_only_those_get_it_who_have_it_not(send: Send, messaggisms_gateway: Gateway, said: Callable[[], str]) -> None:
    first = send(*PEOPLE[:2])
    said()
    assert send(*PEOPLE[1:]) != first
    assert phones(messaggisms_gateway) == Counter(PEOPLE)
    log = said()
    assert f"this task instance sent message(s) {first} to other recipients" in log
    assert "1 have it from there and do not get it again; 2 get it" in log
    assert "another idempotency_key" in log


def test_other_recipients_of_a_mapped_task_get_it_with_a_warning(
    send: Send, messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    send(PEOPLE[0])
    send(PEOPLE[1])
    assert phones(messaggisms_gateway) == Counter(PEOPLE[:2])
    assert "may have it from another map index, if the order of the input has changed" in said()


def test_where_all_have_it_nothing_is_sent(
    send: Send, context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    first = send(*PEOPLE[:2])
    assert send(PEOPLE[1]) == first
    assert posts(messaggisms_gateway) == 1
    assert context["ti"].xcoms["message"]["message_id"] == first
    assert "1 have it from there and do not get it again; 0 get it" in said()


def test_all_lives_of_the_task_instance_count(send: Send, messaggisms_gateway: Gateway) -> None:
    for recipient in (PEOPLE[0], PEOPLE[1], PEOPLE[0], PEOPLE[2], PEOPLE[1]):
        send(recipient)
    assert phones(messaggisms_gateway) == Counter(PEOPLE[:3])


def test_a_retry_of_the_later_life_leaves_out_the_same(send: Send, messaggisms_gateway: Gateway) -> None:
    send(*PEOPLE[:2])
    messaggisms_gateway.fail_next("drop_before", method="POST")
    with pytest.raises(OutcomeUnknownError):
        send(*PEOPLE)
    send(*PEOPLE)
    assert phones(messaggisms_gateway) == Counter(PEOPLE)


def test_a_lost_message_to_others_is_looked_for(send: Send, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("status_before", method="GET", times=9)
    with pytest.raises(OutcomeUnknownError):
        send(PEOPLE[0])
    messaggisms_gateway.heal()
    send(*PEOPLE[:2])
    assert phones(messaggisms_gateway) == Counter(PEOPLE[:2])


def test_another_idempotency_key_sends_to_all(send: Send, messaggisms_gateway: Gateway) -> None:
    send(*PEOPLE[:2])
    send(*PEOPLE[:2], idempotency_key="anew")
    assert phones(messaggisms_gateway) == Counter(PEOPLE[:2] * 2)


def test_a_simulation_reached_no_recipient(send: Send, messaggisms_gateway: Gateway) -> None:
    send(*PEOPLE[:2], test=True)
    send(*PEOPLE[1:])
    assert phones(messaggisms_gateway) == Counter(PEOPLE[1:])


def test_recipients_in_a_file_are_left_out_too(
    context: dict[str, Any], messaggisms_gateway: Gateway, tmp_path: Path, said: Callable[[], str]
) -> None:
    file = tmp_path / "people.csv"
    for count in (2, 4):
        file.write_text("\n".join(["number,name", *(f"{number},Anna" for number in PEOPLE[:count])]))
        MessaggiSmsSendTransactionOperator(
            task_id="send", sender="Airflow", body="Dear {{name}}", recipients_path=str(file)
        ).execute(context)  # type: ignore[arg-type]
        context["ti"].try_number += 1
    assert phones(messaggisms_gateway) == Counter(PEOPLE)
    assert "To send: 2 recipient(s), at most 4 SMS part(s)" in said()
