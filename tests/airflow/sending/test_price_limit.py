"""``max_price_eur`` and credit: what is held against the estimate before the first call, and what a refusal tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_messaggisms.call_runner import SEEN
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError, InsufficientCreditError
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.conftest import posts

ANNA, BEN = "+39 349 123 4567", "+44 7400 123456"
HELLO: dict[str, Any] = {"task_id": "send", "sender": "Airflow", "body": "Hello", "recipients": [ANNA, BEN]}

Said = Callable[[], str]


@pytest.fixture
def priced(messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The gateway, with a connection that says what a part costs."""
    connection = json.loads(messaggisms_gateway.connection) | {"extra": {"price_per_part_eur": 0.07}}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))
    return messaggisms_gateway


def next_task(context: Any) -> Any:
    """Make the context that of another task."""
    context["ti"].task_id = "next"
    context["task_state_store"].clear()
    return context


@pytest.mark.parametrize("written", [0.13, "0.13", "{{ 0.13 }}"])
def test_a_message_above_the_limit_is_not_sent(priced: Gateway, context: Any, written: Any) -> None:
    operator = MessaggiSmsSendOperator(**HELLO, max_price_eur=written)
    operator.render_template_fields(context)
    with pytest.raises(ConfigurationError, match=r"estimated at 0\.14 EUR without VAT; the limit is 0\.13"):
        operator.execute(context)
    assert priced.requests() == []


def test_a_message_within_the_limit_is_sent(priced: Gateway, context: Any) -> None:
    MessaggiSmsSendOperator(**HELLO, max_price_eur=0.14).execute(context)
    assert [exchange.method for exchange in priced.requests()] == ["POST"]


@pytest.mark.parametrize("option", [{"priority": 1.5}, {"flash": True}, {"realtime": True}])
def test_with_a_surcharge_the_estimate_is_called_a_floor(
    priced: Gateway, context: Any, said: Said, option: dict[str, Any]
) -> None:
    MessaggiSmsSendOperator(**HELLO, **option).execute(context)
    assert "estimated price at least 0.14 EUR without VAT" in said()


def test_without_a_price_in_the_connection_the_last_seen_one_counts(messaggisms_gateway: Gateway, context: Any) -> None:
    MessaggiSmsSendOperator(**HELLO).execute(context)
    with pytest.raises(ConfigurationError, match=r"estimated at 0\.10 EUR"):
        MessaggiSmsSendOperator(**HELLO, max_price_eur=0.09).execute(next_task(context))
    assert posts(messaggisms_gateway) == len(messaggisms_gateway.requests()) == 1


def test_another_process_learns_the_price_from_the_newest_message(messaggisms_gateway: Gateway, context: Any) -> None:
    MessaggiSmsSendOperator(**HELLO).execute(context)
    SEEN.clear()
    with pytest.raises(ConfigurationError, match=r"estimated at 0\.10 EUR"):
        MessaggiSmsSendOperator(**HELLO, max_price_eur=0.09).execute(next_task(context))
    assert [exchange.method for exchange in messaggisms_gateway.requests()] == ["POST", "GET", "GET"]


def test_a_limit_that_cannot_be_kept_is_no_limit_to_rely_on(messaggisms_gateway: Gateway, context: Any) -> None:
    with pytest.raises(ConfigurationError, match="set price_per_part_eur in the connection"):
        MessaggiSmsSendOperator(**HELLO, max_price_eur=100).execute(context)
    assert posts(messaggisms_gateway) == 0


@pytest.mark.parametrize("kind", [MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator])
def test_a_wrong_limit_fails_when_the_dag_is_parsed(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_price_eur"):
        kind(**HELLO, max_price_eur="a lot")


def test_a_transaction_keeps_the_gateways_own_quote(priced: Gateway, context: Any) -> None:
    MessaggiSmsSendTransactionOperator(**HELLO, max_price_eur=0.13).execute(context)  # 0.05 a part, not 0.07
    assert len(priced.inbox()) == 2


def test_a_transaction_with_one_recipient_is_held_against_the_estimate(priced: Gateway, context: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"estimated at 0\.07 EUR"):
        MessaggiSmsSendTransactionOperator(**HELLO | {"recipients": ANNA}, max_price_eur=0.06).execute(context)
    assert posts(priced) == 0


# --- credit -----------------------------------------------------------------------------------------------------------


def test_a_send_that_exceeds_the_last_known_credit_warns(priced: Gateway, context: Any, said: Said) -> None:
    priced.reset(credit=0.12)
    MessaggiSmsSendOperator(**HELLO).execute(context)
    assert "credit may be too low" not in said()
    with pytest.raises(InsufficientCreditError):
        MessaggiSmsSendOperator(**HELLO).execute(next_task(context))
    assert "The credit may be too low: it was last 0.02 EUR, and this is estimated at 0.14 EUR" in said()


def test_missing_credit_names_the_amounts_and_is_remembered(messaggisms_gateway: Gateway, context: Any) -> None:
    messaggisms_gateway.fail_next("no_credit", text=1)
    with MessaggiSmsHook() as hook, pytest.raises(InsufficientCreditError) as caught:
        hook.send_message(sender="Airflow", body="Hello", recipients=ANNA)
    assert caught.value.needed_eur is not None
    assert hook.last_credit_eur == caught.value.available_eur is not None
    assert "recharge the wallet at" in str(caught.value)


@pytest.mark.parametrize("after", [0, 1])
def test_a_transaction_without_credit_says_that_nothing_was_sent(
    messaggisms_gateway: Gateway, context: Any, after: int
) -> None:
    messaggisms_gateway.fail_next("no_credit", after=after)
    with pytest.raises(InsufficientCreditError, match=r"recharge the wallet at .* nothing was sent"):
        MessaggiSmsSendTransactionOperator(**HELLO).execute(context)
    assert messaggisms_gateway.inbox() == []
