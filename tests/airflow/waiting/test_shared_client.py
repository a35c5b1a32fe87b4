"""Looking together: one client for a connection, one request for all who ask the same, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import AuthenticationError, MessaggiSmsError, RateLimitedError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.wire import Call
from airflow_provider_messaggisms.waiting import shared_client
from airflow_provider_messaggisms.waiting.shared_client import Seat
from tests.airflow.faces import TOKEN, Open
from tests.airflow.puppet import Connection, Puppet, http, refusal, success
from tests.airflow.waiting.waits import RECIPIENTS, SUMMARY, asked, send

CONN_ID = "messaggisms_default"


def ask(call: Call[Any]) -> Generator[Call[Any], Any, Any]:
    """Make one call; return its value, or its error."""
    try:
        return (yield call)
    except MessaggiSmsError as error:
        return error


def tally(message_id: str = "m1") -> Generator[Call[Any], Any, Any]:
    return ask(calls.get_delivery_counts(message_id))


async def test_waits_on_one_message_that_ask_at_once_make_one_request(messaggisms_gateway: Gateway) -> None:
    message_id = send()
    async with Seat(CONN_ID, message_id) as one, Seat(CONN_ID, message_id) as other:
        first, second = await asyncio.gather(one.follow(tally(message_id)), other.follow(tally(message_id)))
    assert first is second
    assert asked(messaggisms_gateway) == [RECIPIENTS]


async def test_what_another_wait_has_asked_since_ones_last_look_counts_as_ones_look(
    messaggisms_gateway: Gateway,
) -> None:
    message_id = send()
    async with Seat(CONN_ID, message_id) as one, Seat(CONN_ID, message_id) as other:
        await one.follow(tally(message_id))
        await other.follow(tally(message_id))  # has it from the first
        assert len(asked(messaggisms_gateway)) == 1
        await other.follow(tally(message_id))  # has seen that one
        await one.follow(tally(message_id))
        assert len(asked(messaggisms_gateway)) == 2
        assert one.looked_at == other.looked_at  # from here on both wake at the same moment


async def test_waits_that_are_due_almost_at_once_wake_together_and_never_early() -> None:
    now = asyncio.get_running_loop().time
    wakes = set()
    for thousandth in range(10):
        seat = Seat(CONN_ID, "m1")
        seat.looked_at = 1e6 + 1e-3 * thousandth + 1e-4
        due, wakes_at = seat.looked_at + 2e6, now() + seat.left(2e6)
        assert due - 1e-4 < wakes_at < due + 0.02
        wakes.add(round(wakes_at, 2))
    assert len(wakes) == 1


async def test_a_second_question_of_a_look_is_answered_after_its_first(messaggisms_gateway: Gateway) -> None:
    message_id = send()

    def look() -> Generator[Call[Any], Any, None]:
        yield calls.get_message(message_id)
        yield calls.get_delivery_counts(message_id)

    async with Seat(CONN_ID, message_id) as one, Seat(CONN_ID, message_id) as other:
        await one.follow(tally(message_id))  # an older list of recipients than the summary that comes now
        await other.follow(look())
    assert asked(messaggisms_gateway) == [RECIPIENTS, SUMMARY, RECIPIENTS]


async def test_when_the_one_who_asks_leaves_another_asks_in_his_place(puppet: Puppet) -> None:
    came, loop = asyncio.Event(), asyncio.get_running_loop()

    def silence(connection: Connection) -> None:
        loop.call_soon_threadsafe(came.set)
        connection.wait()

    puppet.answers(silence, success([]))
    async with Seat(CONN_ID, "m1") as one, Seat(CONN_ID, "m1") as other:
        asking = asyncio.create_task(one.follow(tally()))
        await came.wait()
        waiting = asyncio.create_task(other.follow(tally()))
        await asyncio.sleep(0)
        asking.cancel()
        assert (await waiting).total == 0
    assert len(puppet.asked) == 2


async def test_errors_are_shared_like_answers(puppet: Puppet) -> None:
    puppet.answers(refusal(503))
    async with Seat(CONN_ID, "m1") as one, Seat(CONN_ID, "m1") as other:
        first, second = await asyncio.gather(one.follow(tally()), other.follow(tally()))
    assert first is second
    assert first.status == 503
    assert len(puppet.asked) == 1


async def test_all_waits_share_the_sockets_of_one_client(puppet: Puppet, connect: Open) -> None:
    connect(host=puppet.url, extra={"max_sockets": 3})
    seats = [Seat(CONN_ID, f"m{number}") for number in range(60)]
    async with asyncio.TaskGroup() as waits:
        for seat in seats:
            await seat.__aenter__()
            waits.create_task(seat.follow(tally(f"m{len(seats)}")))
    assert len(puppet.asked) == 60
    assert puppet.accepted <= 3
    for seat in seats:
        await seat.__aexit__(None, None, None)


async def test_the_connection_to_the_gateway_is_kept_and_closed_by_the_last_who_leaves(puppet: Puppet) -> None:
    async with Seat(CONN_ID, "m1") as one:
        async with Seat(CONN_ID, "m2") as other:
            for _ in range(3):
                await one.follow(tally("m1"))
                await other.follow(tally("m2"))
        await one.follow(tally("m1"))
    assert len(puppet.asked) == 7
    assert puppet.accepted == 1
    assert shared_client._lookouts.get(asyncio.get_running_loop()) == {}


async def test_a_gateway_that_asks_to_be_left_alone_is_left_alone_by_all(puppet: Puppet) -> None:
    puppet.answers(refusal(429, Retry_After="60"), success([]))
    async with Seat(CONN_ID, "m1") as one, Seat(CONN_ID, "m2") as other:
        told = [await one.follow(tally("m1")), await other.follow(tally("m2")), await one.follow(tally("m1"))]
    assert [type(error) for error in told] == [RateLimitedError] * 3
    assert 60.0 == told[0].retry_after_seconds > told[1].retry_after_seconds > told[2].retry_after_seconds > 50.0
    assert len(puppet.asked) == 1


def bearer(puppet: Puppet) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in puppet.asked]


async def test_a_token_that_has_been_replaced_in_the_connection_is_taken_up(
    puppet: Puppet, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_client, "_RENEWAL_SECONDS", 0.0)
    puppet.answers(success([]), refusal(401), success([]))
    connect(host=puppet.url, password="the-old-one")
    async with Seat(CONN_ID, "m1") as seat:
        await seat.follow(tally())
        connect(host=puppet.url, password="the-new-one")
        assert (await seat.follow(tally())).total == 0
        await seat.follow(tally())
    assert bearer(puppet) == ["the-old-one", "the-old-one", "the-new-one", "the-new-one"]


async def test_a_refused_token_that_is_still_the_connections_own_is_not_tried_again(
    puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_client, "_RENEWAL_SECONDS", 0.0)
    puppet.answers(refusal(401))
    async with Seat(CONN_ID, "m1") as seat:
        assert isinstance(await seat.follow(tally()), AuthenticationError)
    assert len(puppet.asked) == 1


async def test_a_thousand_refused_waits_do_not_read_the_connection_a_thousand_times(
    puppet: Puppet, connect: Open
) -> None:
    puppet.answers(refusal(401))
    async with Seat(CONN_ID, "m1") as seat:
        await seat.follow(tally())
        connect(host=puppet.url, password="the-new-one")  # read a moment ago, so this is seen in ten seconds
        assert isinstance(await seat.follow(tally()), AuthenticationError)
    assert bearer(puppet) == [TOKEN] * 2


async def test_an_exception_that_is_not_ours_reaches_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", raising=False)
    async with Seat("nobody_knows_this", "m1") as seat:
        with pytest.raises(Exception, match="nobody_knows_this"):
            await seat.follow(tally())


async def test_an_answer_of_nonsense_is_an_error_like_any_other(puppet: Puppet) -> None:
    puppet.answers(http(200, b"<html>welcome to the hotel's wireless network</html>"))
    async with Seat(CONN_ID, "m1") as seat:
        assert isinstance(await seat.follow(tally()), MessaggiSmsError)
