"""A hook and its token: a refusal is asked again, an account's token is renewed, and an SMS goes out once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.attempts import Attempt, Doubt, Refusals, Surroundings, attempts
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import run_steps
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.tokens import IN_THIS_PROCESS
from tests.airflow.conftest import plain
from tests.airflow.faces import AT_ONCE, Open
from tests.airflow.token_service import API_KEY, BASIC, DOWN, LOGIN, Vendor

HELLO: dict[str, Any] = {"sender": "Depot", "body": "Hello", "recipients": "+39-3471112223"}

#: Refusals hold for a while, as they do by default, but for a shorter one.
HOLDING = RetryPolicy(first_delay_seconds=0.0, refused_delay_seconds=0.3)


@pytest.fixture
def with_token(vendor: Vendor, connect: Open) -> Vendor:
    """The same vendor, with a connection that holds a token."""
    vendor.add_token("tok-pasted")
    connect("Bearer tok-pasted", host=vendor.url)
    return vendor


# --- either kind of connection ----------------------------------------------------------------------------------------


def test_an_account_sends_with_a_token_of_its_own(open_hook: Open, vendor: Vendor) -> None:
    face = open_hook()
    for _ in range(3):
        face.send_message(**HELLO)
    assert len(vendor.accepted) == 3
    assert vendor.made() == 1
    bearers = {one.authorization for one in vendor.asked if one.path.startswith("/messages")}
    assert bearers == {f"Bearer {token}" for token in vendor.tokens}
    assert API_KEY not in str(bearers)


@pytest.mark.parametrize("refused", [1, 2])
def test_a_valid_token_that_is_refused_sends_one_sms(open_hook: Open, vendor: Vendor, refused: int) -> None:
    face = open_hook()
    face.list_messages()
    vendor.refuse_next = refused
    assert face.send_message(**HELLO).id == "m1"
    assert len(vendor.accepted) == 1
    assert vendor.asked_gateway() == ["GET"] + ["POST"] * (refused + 1)
    assert vendor.made() == refused, "the first refusal is asked again with the same token"


def test_with_a_token_one_refusal_is_asked_again(open_hook: Open, with_token: Vendor) -> None:
    with_token.refuse_next = 1
    assert open_hook().send_message(**HELLO).id == "m1"
    assert (with_token.asked_gateway(), len(with_token.accepted)) == (["POST", "POST"], 1)


def test_with_a_token_a_second_refusal_is_final(open_hook: Open, with_token: Vendor) -> None:
    with_token.refuse_next = 2
    with pytest.raises(errors.AuthenticationError, match="likely causes") as caught:
        open_hook().send_message(**HELLO)
    assert (caught.value.status, caught.value.code, caught.value.after_lost_answer) == (401, 125.22, False)
    assert (with_token.asked_gateway(), with_token.accepted) == (["POST", "POST"], [])
    assert with_token.asked_service() == []
    assert "tok-pasted" not in plain(caught.value)


def test_a_token_that_was_replaced_in_the_connection_is_used(
    open_hook: Open, with_token: Vendor, connect: Open
) -> None:
    face = open_hook()
    face.list_messages()
    with_token.revoke_all()
    with_token.add_token("tok-of-today")
    connect("tok-of-today", host=with_token.url)
    assert face.send_message(**HELLO).id == "m1"
    assert with_token.asked_gateway() == ["GET", "POST", "POST", "POST"]


def test_a_connection_that_became_an_account_is_used(open_hook: Open, with_token: Vendor, connect: Open) -> None:
    face = open_hook()
    face.list_messages()
    with_token.revoke_all()
    connect(API_KEY, login=LOGIN, host=with_token.url, extra={"auth": "account", "token_host": with_token.url})
    assert face.send_message(**HELLO).id == "m1"
    assert with_token.made() == 1


def test_a_connection_that_is_gone_leaves_the_refusal_as_it_is(
    open_hook: Open, with_token: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = open_hook()
    face.list_messages()
    with_token.revoke_all()
    monkeypatch.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT")
    with pytest.raises(errors.AuthenticationError):
        face.send_message(**HELLO)


def test_never_more_than_three_calls_in_a_row_are_refused(open_hook: Open, vendor: Vendor) -> None:
    face = open_hook(retry_policy=HOLDING)
    vendor.refuse_next = 1000
    for _ in range(3):
        with pytest.raises(errors.AuthenticationError):
            face.send_message(**HELLO)
    assert vendor.asked_gateway() == ["POST"] * 3
    time.sleep(0.4)  # longer than a refusal holds
    vendor.refuse_next = 0
    assert face.send_message(**HELLO).id == "m1"


def test_two_calls_with_a_token_are_refused_three_times_together(open_hook: Open, with_token: Vendor) -> None:
    face = open_hook(retry_policy=HOLDING)
    with_token.refuse_next = 1000
    for _ in range(3):
        with pytest.raises(errors.AuthenticationError):
            face.list_messages()
    assert with_token.asked_gateway() == ["GET"] * 3


def test_the_pause_fits_into_the_time_of_a_call(open_hook: Open, with_token: Vendor) -> None:
    face = open_hook(retry_policy=RetryPolicy(refused_delay_seconds=600))
    with_token.refuse_next = 1
    began = time.monotonic()
    call = calls.list_messages()
    found = face.run(Call(call.request, call.parse, repeatable=True, within_seconds=1.5))
    assert len(found) == 1
    assert time.monotonic() - began < 1.5


def test_by_default_the_same_token_is_tried_again_after_ten_seconds() -> None:
    answers: list[Any] = [errors.AuthenticationError(401, 125.22, "Wrong Token", route="GET /messages/"), []]
    pauses: list[float] = []

    def perform(step: Any) -> Any:
        if isinstance(step, Doubt):
            pauses.append(step.seconds)
        if not isinstance(step, Attempt):
            return None
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    around = Surroundings(RetryPolicy(), Refusals(), lambda: None, time.monotonic, lambda: 0.5, lambda line: None)
    assert run_steps(attempts(calls.list_messages(), around), perform) == []
    assert pauses == [10.0]


def test_without_time_for_an_answer_a_refused_call_is_not_made_again(open_hook: Open, with_token: Vendor) -> None:
    with_token.refuse_next = 1
    call = calls.list_messages()
    with pytest.raises(errors.AuthenticationError):
        open_hook().run(Call(call.request, call.parse, repeatable=True, within_seconds=0.9))
    assert with_token.asked_gateway() == ["GET"]


def test_a_missing_scope_is_no_transient_refusal(open_hook: Open, with_token: Vendor) -> None:
    with_token._gateway = lambda asked: (403, {"success": False, "message": "scope"})  # type: ignore[method-assign]
    with pytest.raises(errors.AuthenticationError):
        open_hook().list_messages()
    assert with_token.asked_gateway() == ["GET"]


# --- an account's token ends ------------------------------------------------------------------------------------------


def test_a_thousand_sends_outlive_their_token(vendor: Vendor) -> None:
    vendor.longest_life = 0.8
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        for number in range(1000):
            hook.send_message(**HELLO | {"body": f"Number {number}"})
    assert [one["body"] for one in vendor.accepted] == [f"Number {number}" for number in range(1000)]
    assert vendor.made() >= 2
    refused = len(vendor.asked_gateway()) - 1000
    assert refused <= 2 * vendor.made()


def test_a_thousand_sends_outlive_a_revocation(vendor: Vendor) -> None:
    with MessaggiSmsHook(retry_policy=AT_ONCE) as hook:
        for number in range(1000):
            if number == 500:
                vendor.revoke_all()
            hook.send_message(**HELLO | {"body": f"Number {number}"})
    assert [one["body"] for one in vendor.accepted] == [f"Number {number}" for number in range(1000)]
    assert (vendor.made(), len(vendor.asked_gateway())) == (2, 1002)


def test_sends_go_on_while_the_token_service_is_down(open_hook: Open, vendor: Vendor) -> None:
    face = open_hook()
    face.send_message(**HELLO)
    vendor.fault = DOWN
    for _ in range(20):
        face.send_message(**HELLO)
    assert len(vendor.accepted) == 21


def test_without_a_token_a_send_is_not_sent_and_the_task_may_try_again(open_hook: Open, vendor: Vendor) -> None:
    vendor.fault = DOWN
    face = open_hook()
    with pytest.raises(errors.NotSentError, match="no token for the gateway") as caught:
        face.send_message(**HELLO)
    assert (vendor.accepted, vendor.asked_gateway()) == ([], [])
    assert len(vendor.asked_service()) == AT_ONCE.attempts
    assert not [secret for secret in (API_KEY, BASIC) if secret in plain(caught.value)]
    vendor.fault = None
    assert face.send_message(**HELLO).id == "m1"


def test_a_wrong_api_key_is_final_and_never_reaches_the_gateway(open_hook: Open, vendor: Vendor, connect: Open) -> None:
    wrong = "-".join(["key", "of", "another"])
    connect(wrong, login=LOGIN, host=vendor.url, extra={"auth": "account", "token_host": vendor.url})
    with pytest.raises(errors.AuthenticationError, match="the token service answered HTTP 401") as caught:
        open_hook().send_message(**HELLO)
    assert vendor.asked_gateway() == []
    assert len(vendor.asked_service()) == 1
    assert wrong not in plain(caught.value)


# --- many calls of one event loop -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [AT_ONCE, HOLDING], ids=["at once", "holding"])
async def test_many_calls_at_once_renew_a_revoked_token_once(vendor: Vendor, policy: RetryPolicy) -> None:
    async with MessaggiSmsHook(retry_policy=policy) as hook:
        await hook.alist_messages()
        vendor.revoke_all()
        found = await asyncio.gather(*(hook.aget_message(f"m{number}") for number in range(500)))
    assert len(found) == 500
    assert vendor.made() == 2
    sockets = 20
    assert len(vendor.asked_gateway()) - 501 <= sockets + 1, "only calls under way, and the one that asks again"


async def test_many_calls_at_once_end_together_when_no_token_is_good(with_token: Vendor) -> None:
    async with MessaggiSmsHook(retry_policy=RetryPolicy(refused_delay_seconds=2.0)) as hook:
        await hook.alist_messages()
        with_token.revoke_all()
        asked = (hook.aget_message(f"m{number}") for number in range(500))
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in found} == {errors.AuthenticationError}
    assert len(with_token.asked_gateway()) <= 1 + 20 + 3


async def test_a_call_that_asks_again_and_is_cancelled_lets_the_others_go_on(
    vendor: Vendor, said: Callable[[], str]
) -> None:
    policy = RetryPolicy(refused_delay_seconds=30)
    async with MessaggiSmsHook(retry_policy=policy) as hook:
        await hook.alist_messages()
        vendor.refuse_next = 1
        first = asyncio.create_task(hook.aget_message("m1"))
        while "asking again with the same token" not in said():
            assert not first.done()
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(hook.aget_message(f"m{number}")) for number in range(5)]
        await asyncio.wait(others, timeout=0.1)
        assert not [one for one in others if one.done()]
        first.cancel()
        assert len(await asyncio.gather(*others)) == 5


# --- the test of a connection -----------------------------------------------------------------------------------------


def test_the_test_of_an_account_tells_all_that_is_known(vendor: Vendor) -> None:
    good, text = MessaggiSmsHook(retry_policy=AT_ONCE).test_connection()
    assert good
    assert f"{vendor.url} accepts a token that was made, expires at 20" in text
    for part in (
        "scopes GET:127.0.0.1/messages, POST:127.0.0.1/messages",
        "credit 125.50 EUR",
        "rate limit 60/min",
        "price 0.0315 EUR without VAT (part)",
        "the account has 1 message(s)",
    ):
        assert part in text
    IN_THIS_PROCESS.clear()  # as another process begins
    good, text = MessaggiSmsHook(retry_policy=AT_ONCE).test_connection()
    assert "a token that was found" in text
    assert not [secret for secret in (API_KEY, BASIC, *vendor.tokens) if secret in text]


def test_testing_an_account_works_without_optional_answers(vendor: Vendor) -> None:
    answer = vendor._service
    vendor._service = lambda asked: answer(asked) if asked.path.startswith("/tokens") else DOWN  # type: ignore[method-assign]
    good, text = MessaggiSmsHook(retry_policy=AT_ONCE).test_connection()
    assert good
    assert "credit" not in text
    assert "rate limit" not in text


def test_the_test_of_a_wrong_account_says_why(vendor: Vendor, connect: Open) -> None:
    connect("key-of-another", login=LOGIN, host=vendor.url, extra={"auth": "account", "token_host": vendor.url})
    good, text = MessaggiSmsHook(retry_policy=AT_ONCE).test_connection()
    assert not good
    assert text.startswith("AuthenticationError: GET /tokens: the token service answered HTTP 401")


# --- credit -----------------------------------------------------------------------------------------------------------


def test_every_answer_leaves_its_credit_with_the_hook(open_hook: Open, vendor: Vendor) -> None:
    face = open_hook()
    hook: MessaggiSmsHook = face.hook
    assert hook.last_credit_eur is None
    face.list_messages()
    assert hook.last_credit_eur == 91.00299999999986


def test_credit_is_asked_for_at_the_wallet_or_at_the_gateway(open_hook: Open, vendor: Vendor, connect: Open) -> None:
    assert open_hook().get_credit() == 125.5
    vendor.add_token("tok-pasted")
    connect("tok-pasted", host=vendor.url)
    assert open_hook().get_credit() == 91.00299999999986


# --- never seen -------------------------------------------------------------------------------------------------------


def test_no_secret_is_seen_in_logs_or_reprs(open_hook: Open, vendor: Vendor, said: Callable[[], str]) -> None:
    face = open_hook()
    face.send_message(**HELLO)
    vendor.revoke_all()
    face.send_message(**HELLO)
    vendor.refuse_next = 1000
    with pytest.raises(errors.AuthenticationError) as caught:
        face.send_message(**HELLO)
    tokens = {one.authorization.removeprefix("Bearer ") for one in vendor.asked if one.path.startswith("/messages")}
    assert len(tokens) >= 2
    hook = face.hook
    shown = [said(), plain(caught.value), repr(hook.settings), repr(vars(hook)), repr(vars(hook._client or hook))]
    assert not [secret for secret in (API_KEY, BASIC, LOGIN, *tokens) for text in shown if secret in text]
