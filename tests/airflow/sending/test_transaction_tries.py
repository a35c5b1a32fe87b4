"""A message to many over several tries: it goes on where it stood, and the last try leaves nothing open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    GatewayError,
    MessaggiSmsError,
    OutcomeUnknownError,
    ProtocolError,
)
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator
from tests.airflow.conftest import Run
from tests.airflow.sending.many import PERSONALITIES, again, execute, left_open, people, phones, transaction, writes


def interrupted(context: dict[str, Any], gateway: Gateway, *, max_tries: int = 8) -> MessaggiSmsSendTransactionOperator:
    """Run a first try that leaves an open transaction behind, with two recipients in it; give its operator."""
    context["ti"].max_tries = max_tries
    gateway.fail_next("drop_before", method="PUT")
    operator = transaction()
    with pytest.raises(OutcomeUnknownError):
        operator.execute(context)  # type: ignore[arg-type]
    return operator


# --- later tries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personality", PERSONALITIES, ids=str)
@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
def test_a_later_try_adds_only_the_missing(
    with_task_state: bool, personality: dict[str, str], context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.reset(personality=personality)
    if not with_task_state:
        del context["task_state_store"]
    context["ti"].max_tries = 8
    messaggisms_gateway.fail_next("drop_before", method="PUT", after=1)
    with pytest.raises(OutcomeUnknownError, match="the next try reads back which recipients are there"):
        execute(context)
    assert phones(messaggisms_gateway) == Counter()
    # in another order, and with a list that another task made anew
    again(context, recipients=people(5)[::-1])
    assert phones(messaggisms_gateway) == Counter(people(5))
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT", "PUT"]


@pytest.mark.parametrize("personality", PERSONALITIES, ids=str)
def test_a_lost_answer_to_any_call_sends_to_no_recipient_twice(
    personality: dict[str, str], context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.reset(personality=personality)
    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("drop_after", method="PUT", times=2)
    execute(context)
    assert phones(messaggisms_gateway) == Counter(people(5))
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT"]


def test_a_try_after_the_end_adopts_the_message(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    first = execute(context)
    said()
    assert again(context) == first
    assert phones(messaggisms_gateway) == Counter(people(5))
    assert f"Message {first} was sent by an earlier try" in said()


@pytest.mark.personality(empty_put="accepted")
def test_an_open_message_with_all_recipients_is_closed(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    context["ti"].max_tries = 8
    fill_without_closing(context, messaggisms_gateway)
    again(context)
    assert phones(messaggisms_gateway) == Counter(people(5))


def test_a_message_that_cannot_be_closed_is_built_anew(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(personality={"empty_put": "refused"})
    context["ti"].max_tries = 8
    fill_without_closing(context, messaggisms_gateway)
    with pytest.raises(OutcomeUnknownError, match="it was deleted unsent, and the next try builds it anew"):
        again(context)
    assert left_open(messaggisms_gateway) == []
    again(context)
    assert phones(messaggisms_gateway) == Counter(people(5))


def fill_without_closing(context: dict[str, Any], gateway: Gateway) -> str:
    """Leave a transaction behind that has all recipients and is open, as a lost close or a person may."""
    gateway.fail_next("drop_before", method="PUT")
    with pytest.raises(OutcomeUnknownError):
        execute(context)
    (message_id,) = left_open(gateway)
    with MessaggiSmsHook() as hook:
        hook.update_message(message_id, recipients=people(5)[2:], transaction=True)
    return message_id


def test_what_a_killed_try_left_behind_is_guarded_too(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    context["ti"].max_tries = 8
    fill_without_closing(context, messaggisms_gateway)
    with pytest.raises(ConfigurationError, match=r"^max_price_eur: the gateway quotes 0.25 EUR"):
        again(context, max_price_eur=0.2)
    assert left_open(messaggisms_gateway) == []
    assert phones(messaggisms_gateway) == Counter()


@pytest.mark.personality(repeats="twice")
def test_a_message_with_a_recipient_twice_is_thrown_away_and_built_anew(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].max_tries = 8
    message_id = fill_without_closing(context, messaggisms_gateway)
    with MessaggiSmsHook() as hook:  # a call that was given up long ago and is handled only now
        hook.update_message(message_id, recipients=people(1), transaction=True)
    with pytest.raises(ProtocolError, match="has 6 recipients where there should be 5"):
        again(context)
    assert left_open(messaggisms_gateway) == []
    again(context)
    assert phones(messaggisms_gateway) == Counter(people(5))


@pytest.mark.personality(empty_put="accepted")
def test_a_message_that_another_client_closed_is_red_and_stays_closed(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    class Closing(dict[str, Any]):
        """A task state during whose writing another client closes the message."""

        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            was_open = not self.get(key, {}).get("message_id")
            self[key] = value
            if value.get("message_id") and was_open:
                with MessaggiSmsHook() as hook:
                    hook.update_message(value["message_id"], transaction=False)

    context["task_state_store"] = Closing()
    with pytest.raises(MessaggiSmsError, match=r"is closed with 2 of 5 recipients: another client closed it") as caught:
        execute(context, recipients=people(5))
    assert isinstance(caught.value, AirflowFailException)
    assert phones(messaggisms_gateway) == Counter(people(2))
    assert "DELETE" not in writes(messaggisms_gateway)
    with pytest.raises(DeliveryError, match=r"is closed with 2 of 5 recipients"):
        again(context)
    assert phones(messaggisms_gateway) == Counter(people(2))


@pytest.mark.personality(repeats="twice")
def test_a_recipient_who_came_in_twice_with_the_close_is_told_of(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    class Late(dict[str, Any]):
        """A task state during whose last writing a call is handled that was given up long ago."""

        writes = 0

        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            self[key] = value
            self.writes += 1
            if self.writes == 4:  # before the close
                with MessaggiSmsHook() as hook:
                    hook.update_message(value["message_id"], recipients=people(1), transaction=True)

    context["task_state_store"] = Late()
    with pytest.raises(DeliveryError, match=r"is closed with 6 recipients where there should be 5"):
        execute(context)


def test_a_text_with_other_placeholders_replaces_the_open_message(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    def named(field: str) -> dict[str, Any]:
        everyone = [{"number": number, "fields": {field: f"P{i}"}} for i, number in enumerate(people(5))]
        return {"recipients": everyone, "body": "{% raw %}Hello {{" + field + "}}{% endraw %}"}

    def run(field: str) -> None:
        operator = transaction(**named(field))
        operator.render_template_fields(dict(context))  # type: ignore[arg-type]
        operator.execute(context)  # type: ignore[arg-type]

    context["ti"].max_tries = 8
    messaggisms_gateway.fail_next("drop_before", method="PUT", after=1)
    with pytest.raises(OutcomeUnknownError):
        run("name")
    context["ti"].try_number += 1
    run("nome")
    assert sorted(sms.text for sms in messaggisms_gateway.inbox()) == [f"Hello P{i}" for i in range(5)]
    assert "DELETE" in writes(messaggisms_gateway)


# --- the end of all tries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_tries", "is_left_open"), [(0, False), (1, True)], ids=["last try", "one more to come"])
def test_what_the_last_try_leaves_open_is_deleted(
    max_tries: int, is_left_open: bool, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].max_tries = max_tries
    messaggisms_gateway.fail_next("drop_before", method="PUT")
    with pytest.raises(OutcomeUnknownError):
        execute(context)
    assert len(left_open(messaggisms_gateway)) == is_left_open
    assert ("DELETE" in writes(messaggisms_gateway)) != is_left_open


@pytest.mark.parametrize("with_task_state", [True, False], ids=["task state", "no task state"])
@pytest.mark.parametrize(
    "argument",
    [
        {"max_parts": 1, "body": "x" * 200},
        {"sender": "{{ a_long_sender }}"},
        {"body": []},
        {"recipients": ["+39 12"]},
    ],
    ids=["max_parts", "sender", "body", "recipients"],
)
def test_an_open_message_is_deleted_when_a_later_try_cannot_begin(
    argument: dict[str, Any], with_task_state: bool, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    if not with_task_state:
        del context["task_state_store"]
    interrupted(context, messaggisms_gateway)
    with pytest.raises(ConfigurationError):
        again(context, **argument)
    # Without task state it is unknown what to search for before recipients and sender are read.
    unknown = not with_task_state and not argument.keys().isdisjoint(("recipients", "sender"))
    assert len(left_open(messaggisms_gateway)) == unknown


def test_a_last_try_whose_search_fails_deletes_what_is_open(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    interrupted(context, messaggisms_gateway, max_tries=1)
    messaggisms_gateway.fail_next("status_before", method="GET", times=3)
    with pytest.raises(GatewayError):
        again(context)
    assert left_open(messaggisms_gateway) == []


def test_a_try_to_other_people_deletes_what_was_open_for_the_ones_before(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    interrupted(context, messaggisms_gateway)
    again(context, recipients=people(4))
    assert left_open(messaggisms_gateway) == []
    assert phones(messaggisms_gateway) == Counter(people(4))


def test_a_delete_that_fails_hides_nothing(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    messaggisms_gateway.fail_next("no_credit", method="PUT")
    messaggisms_gateway.fail_next("status_before", status=403, method="DELETE", times=0)
    with pytest.raises(GatewayError) as caught:
        execute(context)
    assert caught.value.status == 402
    assert "Could not delete the open transaction" in said()
    assert len(left_open(messaggisms_gateway)) == 1


def test_a_task_that_is_told_to_stop_asks_airflow_for_nothing(
    context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = interrupted(context, messaggisms_gateway)
    # In a signal handler that could wait for a lock which the task itself holds.
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT")
        operator.on_kill()
    assert left_open(messaggisms_gateway) == []


def test_a_gateway_that_refuses_when_the_task_is_told_to_stop_does_no_harm(
    context: dict[str, Any], messaggisms_gateway: Gateway, said: Callable[[], str]
) -> None:
    operator = interrupted(context, messaggisms_gateway)
    messaggisms_gateway.fail_next("status_before", status=403, times=0)
    operator.on_kill()
    assert "Could not delete the open transaction" in said()


class Killed(dict[str, Any]):
    """A task state during whose writing Airflow tells the task to stop, as SIGTERM does: ``execute`` goes on."""

    operator: MessaggiSmsSendTransactionOperator
    at_write: int

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self[key] = value
        self.at_write -= 1
        if self.at_write == 0:
            self.operator.on_kill()


@pytest.mark.parametrize("at_write", [1, 2, 3, 4], ids=["before POST", "after POST", "before PUT", "before the close"])
def test_a_task_that_is_told_to_stop_sends_nothing_and_leaves_nothing(
    at_write: int, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].max_tries = 8
    store = context["task_state_store"] = Killed()
    store.operator, store.at_write = transaction(), at_write
    with pytest.raises(MessaggiSmsError):
        store.operator.execute(context)  # type: ignore[arg-type]
    assert store.at_write <= 0
    assert phones(messaggisms_gateway) == Counter()
    assert left_open(messaggisms_gateway) == []


def test_a_task_that_has_sent_is_not_harmed_by_being_told_to_stop(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    operator = transaction()
    operator.execute(context)  # type: ignore[arg-type]
    operator.on_kill()
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT"]
    transaction().on_kill()  # nor one that has not begun
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT"]


# --- in a real DAG ----------------------------------------------------------------------------------------------------


def test_airflows_last_try_deletes_what_it_leaves_open_and_no_try_before(
    run_dag: Run, messaggisms_gateway: Gateway
) -> None:
    with DAG("last_try", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        transaction(retries=1, retry_delay=timedelta(0))
    messaggisms_gateway.fail_next("drop_before", method="PUT", times=0)
    (ti,) = run_dag(dag).get_task_instances()
    assert (str(ti.state), ti.try_number) == ("failed", 2)
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT", "DELETE"]


def test_airflows_next_try_goes_on_where_the_one_before_stood(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("next_try", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        transaction(retries=1, retry_delay=timedelta(0))
    messaggisms_gateway.fail_next("drop_before", method="PUT")
    (ti,) = run_dag(dag).get_task_instances()
    assert (str(ti.state), ti.try_number) == ("success", 2)
    assert writes(messaggisms_gateway) == ["POST", "PUT", "PUT", "PUT"]
    assert phones(messaggisms_gateway) == Counter(people(5))
