"""Polling together: one hook for all waits on a connection, few sockets, one Retry-After, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import AuthenticationError, ProtocolError, RateLimitedError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.retry import RetryPolicy
from airflow_provider_messaggisms.gateway.steps import Pause, Steps
from airflow_provider_messaggisms.waiting.shared_client import (
    TICK_SECONDS,
    SharedHook,
    count_shared_hooks,
    seconds_until_tick,
    shared_hook,
)
from tests.airflow.faces import TOKEN, Open
from tests.airflow.puppet import Connection, Puppet, http, refusal, success
from tests.airflow.token_service import API_KEY, LOGIN, running_vendor
from tests.airflow.waiting.waits import RECIPIENTS, asked, send

CONN_ID = "messaggisms_default"


def counts(message_id: str = "m1") -> Any:
    return calls.get_delivery_counts(message_id)


@pytest.fixture
async def impatient(puppet: Puppet) -> AsyncIterator[SharedHook]:
    """A hook that asks again at once with a refused token."""
    async with SharedHook(CONN_ID, retry_policy=RetryPolicy(attempts=1, refused_delay_seconds=0.0)) as hook:
        yield hook


async def test_waits_on_one_connection_share_one_hook() -> None:
    async with shared_hook(CONN_ID) as one, shared_hook(CONN_ID) as other, shared_hook("another") as third:
        assert one is other
        assert one is not third
        assert (one.waits, count_shared_hooks()) == (2, 2)
    assert count_shared_hooks() == 0


async def test_it_performs_the_calls_and_pauses_of_steps(messaggisms_gateway: Gateway) -> None:
    message_id = send()

    def twice() -> Steps[int]:
        first = yield counts(message_id)
        yield Pause(0.0)
        second = yield counts(message_id)
        return int(first.total + second.total)

    async with shared_hook(CONN_ID) as hook:
        assert await hook.arun_steps(twice()) == 2
    assert asked(messaggisms_gateway) == [RECIPIENTS] * 2


def test_waits_that_are_due_almost_at_once_wake_together_never_early() -> None:
    wakes = set()
    for thousandth in range(10):
        now, pause = 1e6 + 1e-3 * thousandth + 1e-4, 60.0
        wakes_at = now + seconds_until_tick(now, pause)
        assert now + pause <= wakes_at < now + pause + TICK_SECONDS + 1e-6
        wakes.add(round(wakes_at, 6))
    assert len(wakes) == 1


async def test_all_waits_share_the_sockets_of_one_client(puppet: Puppet, connect: Open) -> None:
    connect(host=puppet.url, extra={"max_sockets": 3})

    async def wait(number: int) -> None:
        async with shared_hook(CONN_ID) as hook:
            await hook.arun(counts(f"m{number}"))

    await asyncio.gather(*(wait(number) for number in range(60)))
    assert len(puppet.asked) == 60
    assert puppet.accepted <= 3


async def test_the_socket_is_kept_until_the_last_wait_leaves(puppet: Puppet) -> None:
    async with shared_hook(CONN_ID) as one:
        async with shared_hook(CONN_ID) as other:
            for _ in range(3):
                await one.arun(counts("m1"))
                await other.arun(counts("m2"))
        await one.arun(counts("m1"))
    assert len(puppet.asked) == 7
    assert puppet.accepted == 1


async def test_a_wait_that_is_cancelled_gives_its_turn_to_the_next(puppet: Puppet, connect: Open) -> None:
    connect(host=puppet.url, extra={"max_sockets": 1})
    came, loop = asyncio.Event(), asyncio.get_running_loop()

    def silence(connection: Connection) -> None:
        loop.call_soon_threadsafe(came.set)
        connection.wait()

    puppet.answers(silence, success([]))
    async with shared_hook(CONN_ID) as hook:
        asking = asyncio.create_task(hook.arun(counts("m1")))
        await came.wait()
        waiting = asyncio.create_task(hook.arun(counts("m2")))
        asking.cancel()
        assert (await waiting).total == 0


async def test_a_retry_after_that_one_wait_is_told_holds_for_all(puppet: Puppet) -> None:
    puppet.answers(refusal(429, Retry_After="60"), success([]))
    told: list[RateLimitedError] = []
    async with shared_hook(CONN_ID) as hook:
        for message_id in ("m1", "m2", "m1"):
            with pytest.raises(RateLimitedError) as caught:
                await hook.arun(counts(message_id))
            told.append(caught.value)
    seconds = [error.retry_after_seconds or 0.0 for error in told]
    assert 60.0 == seconds[0] > seconds[1] > seconds[2] > 50.0
    assert len(puppet.asked) == 1


async def test_a_retry_after_holds_for_waits_whose_turn_comes_later(puppet: Puppet, connect: Open) -> None:
    connect(host=puppet.url, extra={"max_sockets": 1})
    puppet.answers(refusal(429, Retry_After="60"), success([]))
    async with shared_hook(CONN_ID) as hook:
        asking = [hook.arun(counts(f"m{number}")) for number in range(20)]
        told = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in told] == [RateLimitedError] * 20
    assert len(puppet.asked) == 1


def bearer(puppet: Puppet) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in puppet.asked]


async def test_a_token_that_was_replaced_in_the_connection_is_used(
    puppet: Puppet, connect: Open, impatient: SharedHook
) -> None:
    puppet.answers(success([]), refusal(401), refusal(401), success([]))
    connect(host=puppet.url, password="the-old-one")
    await impatient.arun(counts())
    connect(host=puppet.url, password="the-new-one")
    assert (await impatient.arun(counts())).total == 0
    await impatient.arun(counts())
    assert bearer(puppet) == ["the-old-one"] * 3 + ["the-new-one"] * 2


async def test_waits_whose_token_is_refused_at_once_share_the_new_one(
    puppet: Puppet, connect: Open, impatient: SharedHook
) -> None:
    extra = {"max_sockets": 10}
    connect(host=puppet.url, password="the-old-one", extra=extra)
    await impatient.arun(counts())
    puppet.refused_token = "the-old-one"
    connect(host=puppet.url, password="the-new-one", extra=extra)
    await asyncio.gather(*(impatient.arun(counts(f"m{number}")) for number in range(10)))
    assert bearer(puppet).count("the-new-one") == 10
    assert 2 <= bearer(puppet).count("the-old-one") - 1 <= 11  # those that had begun before the first refusal


async def test_a_refused_token_that_is_still_the_connections_is_tried_once_more(
    puppet: Puppet, impatient: SharedHook
) -> None:
    puppet.answers(refusal(401))
    with pytest.raises(AuthenticationError):
        await impatient.arun(counts())
    assert len(puppet.asked) == 2


async def test_hundreds_of_refused_waits_ask_three_times(puppet: Puppet, connect: Open) -> None:
    puppet.answers(refusal(401))
    connect(host=puppet.url, extra={"max_sockets": 1})
    async with SharedHook(CONN_ID, retry_policy=RetryPolicy(attempts=1, refused_delay_seconds=3.0)) as hook:
        asking = [hook.arun(counts(f"m{number}")) for number in range(200)]
        told = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(error) for error in told} == {AuthenticationError}
    assert bearer(puppet) == [TOKEN] * 3


async def test_two_thousand_waits_renew_an_accounts_token_once(connect: Open) -> None:
    with running_vendor() as vendor:
        connect(API_KEY, login=LOGIN, host=vendor.url, extra={"auth": "account", "token_host": vendor.url})
        async with SharedHook(CONN_ID, retry_policy=RetryPolicy(attempts=1, refused_delay_seconds=0.1)) as hook:
            vendor.add_token("the-first-one")
            await hook.arun(calls.get_message("m0"))
            vendor.revoke_all()
            asking = [hook.arun(calls.get_message(f"m{number}")) for number in range(2_000)]
            told = await asyncio.gather(*asking)
    assert len(told) == 2_000
    assert vendor.made() == 1
    assert len(vendor.asked_gateway()) - 2_001 <= 21


async def test_a_foreign_error_reaches_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", raising=False)
    async with shared_hook("missing_connection") as hook:
        with pytest.raises(Exception, match="missing_connection"):
            await hook.arun(counts())


async def test_an_answer_outside_the_contract_is_an_error_like_any_other(puppet: Puppet) -> None:
    puppet.answers(http(200, b"<html>welcome to the hotel's wireless network</html>"))
    async with shared_hook(CONN_ID) as hook:
        with pytest.raises(ProtocolError):
            await hook.arun(counts())
    assert len(puppet.asked) == 1  # the next poll is the repeat
