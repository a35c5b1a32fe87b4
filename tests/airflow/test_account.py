"""A connection with an account, end to end: operator and sensor, and the emulator's token service."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.gateway.token_calls import TOKEN_SERVICE
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsCreditSensor, MessaggiSmsDeliverySensor
from airflow_provider_messaggisms.tokens import IN_THIS_PROCESS
from tests.airflow.alarms.notifying import Face, face, own_folder
from tests.airflow.alarms.occasions import task_failed
from tests.airflow.conftest import Run, plain, posts
from tests.airflow.faces import AT_ONCE, tokens_at_once

__all__ = ["face", "own_folder"]  # fixtures

NUMBER = "+39 349 123 4567"
HELLO: dict[str, Any] = {"sender": "Depot", "body": "Hello", "recipients": NUMBER}
DAY = 86_400


@pytest.fixture
def account(messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The gateway, which the connection ``messaggisms_default`` leads to with the account."""
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", messaggisms_gateway.account_connection)
    tokens_at_once()
    return messaggisms_gateway


def send(context: Any) -> str:
    """Send with the operator; return the message's id."""
    return str(MessaggiSmsSendOperator(task_id="send", **HELLO).execute(context))


def made(gateway: Gateway) -> int:
    """Count the tokens that were made."""
    return [(one.method, one.path) for one in gateway.requests()].count(("POST", "/tokens"))


def test_a_dag_sends_waits_and_looks_at_its_credit_with_one_token(run_dag: Run, account: Gateway) -> None:
    with DAG("account", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        sent = MessaggiSmsSendOperator(task_id="send", **HELLO)
        wait = MessaggiSmsDeliverySensor(
            task_id="wait",
            message_id=cast("str", sent.output),
            poke_interval=0.1,
            timeout=60,
            on_execute_callback=lambda context: account.advance(10),
        )
        wait >> MessaggiSmsCreditSensor(task_id="credit", min_credit_eur=20, timeout=0)
    run = run_dag(dag)
    assert {ti.task_id: str(ti.state) for ti in run.get_task_instances()} == dict.fromkeys(
        ("send", "wait", "credit"), "success"
    )
    assert [sms.delivered for sms in account.inbox()] == [True]
    assert made(account) == 1


def test_another_process_finds_the_token(account: Gateway, context: Any) -> None:
    send(context)
    tokens_at_once()
    with MessaggiSmsHook() as hook:
        hook.list_messages()
    assert made(account) == 1


def test_a_worker_renews_its_token_before_the_end_of_its_life(account: Gateway, context: Any) -> None:
    passed = 0.0
    tokens_at_once(clock=lambda: time.time() + passed)
    send(context)
    passed = 28 * DAY
    account.advance(passed)
    context["ti"].task_id = "next"
    context["task_state_store"].clear()
    send(context)
    assert (made(account), posts(account) - made(account)) == (2, 2)
    assert {one.status for one in account.requests() if one.path.startswith("/messages")} == {201}


ENDS: dict[str, Callable[[Gateway], None]] = {
    "expired": lambda gateway: gateway.advance(31 * DAY),
    "revoked": lambda gateway: gateway.revoke_tokens(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_token_that_has_ended_is_replaced(account: Gateway, end: Callable[[Gateway], None]) -> None:
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        hook.send_message(**HELLO)
        end(account)
        hook.send_message(**HELLO)
    assert len(account.inbox()) == made(account) == 2
    sends = [one.status for one in account.requests() if (one.method, one.path) == ("POST", "/messages/")]
    assert sends == [201, 401, 401, 201]


@pytest.mark.parametrize("kind", ["expired_token", "minimal_401"])
def test_a_valid_token_that_is_refused_once_sends_one_sms(account: Gateway, kind: str) -> None:
    account.fail_next(kind, method="POST", path="/messages/")
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        hook.send_message(**HELLO)
    assert (len(account.inbox()), made(account)) == (1, 1)


def test_an_alarm_fits_a_refusal_into_its_time(account: Gateway, face: Face) -> None:
    account.fail_next("expired_token", method="POST", path="/messages/", times=2)
    began = time.monotonic()
    face(MessaggiSmsNotifier(recipients=NUMBER, sender="Airflow", timeout_seconds=12), task_failed())
    assert time.monotonic() - began < 12
    assert (len(account.inbox()), made(account)) == (1, 2)


def test_a_wrong_api_key_fails_for_good_and_never_reaches_the_gateway(account: Gateway, context: Any) -> None:
    account.reset(api_key="another")
    with pytest.raises(AirflowFailException, match=f"{TOKEN_SERVICE} answered HTTP 401") as caught:
        send(context)
    assert isinstance(caught.value, errors.AuthenticationError)
    assert [(one.path, one.status) for one in account.requests()] == [("/tokens", 401)]
    assert account.api_key not in plain(caught.value)


def test_an_account_without_the_gateway_is_told_to_activate_it(account: Gateway, context: Any) -> None:
    account.reset(sms_enabled=False)
    tokens_at_once()
    with pytest.raises(AirflowFailException, match="activate Gateway SMS in the vendor's console"):
        send(context)


def test_the_fault_not_enabled_is_told_like_that_too(account: Gateway, context: Any) -> None:
    account.fail_next("not_enabled", method="POST", path="/tokens")
    with pytest.raises(AirflowFailException, match=r"HTTP 422, code 90: .*activate Gateway SMS"):
        send(context)


def test_a_token_service_that_is_down_leaves_the_send_to_the_next_try(account: Gateway, context: Any) -> None:
    account.fail_next("status_before", path="/tokens", times=0)
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        with pytest.raises(errors.NotSentError, match="no token for the gateway, so nothing was sent"):
            hook.send_message(**HELLO)
        account.heal()
        hook.send_message(**HELLO)
        account.fail_next("status_before", path="/tokens", times=0)
        hook.send_message(**HELLO)
    assert len(account.inbox()) == 2


def test_the_sandbox_has_an_account_of_its_own(account: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", account.sandbox.account_connection)
    tokens_at_once()
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        hook.send_message(**HELLO)
    mixed = account.sandbox.account_connection.replace(account.sandbox.api_key, account.api_key)
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", mixed)
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook, pytest.raises(errors.AuthenticationError):
        hook.send_message(**HELLO)
    assert len(account.inbox()) == 1


@pytest.mark.parametrize("envelope", ["absent", "present"])
def test_the_test_of_the_connection_tells_what_the_service_does(account: Gateway, envelope: str) -> None:
    account.reset(personality={"envelope": envelope})
    tokens_at_once()
    good, text = MessaggiSmsHook().test_connection()
    assert good
    for part in (
        "accepts a token that was made, expires at 20",
        "scopes GET:127.0.0.1/messages, POST:127.0.0.1/messages, PUT:127.0.0.1/messages, DELETE:127.0.0.1/messages",
        "credit 100.00 EUR",
        "no rate limit",
        "price 0.05 EUR without VAT (messages)",
        "the account has 0 message(s)",
    ):
        assert part in text
    assert not [secret for secret in (account.api_key, account.email, *account.tokens) if secret in text]


def test_a_reset_of_the_gateway_lets_new_hooks_begin_without_a_token(account: Gateway, context: Any) -> None:
    send(context)
    assert len(IN_THIS_PROCESS) == 1
    account.reset()
    assert not IN_THIS_PROCESS
