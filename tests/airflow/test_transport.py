"""The two transports: what goes out, what a missing answer means, and what is never shown; on both faces."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any

import aiohttp.client
import pytest
import requests_mock

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.gateway.wire import Request
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
from airflow_provider_messaggisms.transport.sync_transport import SyncTransport
from tests.airflow.carriers import NUMBER, READ, SEND, TOKEN, Open, closed_port
from tests.airflow.puppet import (
    Answer,
    Connection,
    Puppet,
    cut,
    dripping,
    http,
    refusal,
    reset,
    silence,
    success,
    then,
)
from tests.progress import until_or_done

ADD = Request("PUT", "/messages/abc", "/messages/{id}", b'{"recipients": []}')
CANCEL = Request("DELETE", "/messages/abc", "/messages/{id}")


@pytest.fixture
def puppet() -> Iterator[Puppet]:
    with Puppet() as server:
        server.answers(success([]))
        yield server


# --- one request in, one response out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [READ, SEND, CANCEL], ids=str)
def test_a_request_arrives_as_it_is(open_transport: Open, puppet: Puppet, request_: Request) -> None:
    open_transport(puppet.url).send(request_)
    (asked,) = puppet.asked
    assert (asked.method, asked.path, asked.body) == (request_.method, request_.path, request_.body or b"")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"].startswith("airflow-provider-messaggisms/")


def test_a_path_of_the_connection_comes_first(open_transport: Open, puppet: Puppet) -> None:
    open_transport(f"{puppet.url}/gateway/v1").send(READ)
    assert puppet.asked[0].path == f"/gateway/v1{READ.path}"


def test_an_answer_comes_back_as_it_is(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(http(418, b'{"a": 1}', Retry_After="7"))
    answer = open_transport(puppet.url).send(READ)
    assert (answer.status, answer.body) == (418, b'{"a": 1}')
    assert answer.headers["retry-after"] == answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("body", [b"", b"x", b"0123456789abcdef" * 200_000], ids=len)
@pytest.mark.parametrize("way", ["length", "chunks", "gzip", "until the end"])
def test_a_body_is_read_whole_however_it_travels(open_transport: Open, puppet: Puppet, body: bytes, way: str) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:]) if part) + b"0\r\n\r\n"
    ways: dict[str, Answer] = {
        "length": http(200, body),
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
        "gzip": http(200, gzip.compress(body), Content_Encoding="gzip"),
        "until the end": then(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, cut),
    }
    puppet.answers(ways[way])
    assert open_transport(puppet.url).send(READ).body == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(open_transport: Open, puppet: Puppet, status: int) -> None:
    puppet.answers(http(status, Location=f"{puppet.url}/elsewhere"))
    assert open_transport(puppet.url).send(SEND).status == status
    assert len(puppet.asked) == 1


def test_a_netrc_does_not_replace_the_token(
    open_transport: Open, puppet: Puppet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    open_transport(puppet.url).send(READ)
    assert puppet.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_response_hides_the_token_from_errors(open_transport: Open, puppet: Puppet) -> None:
    answer = open_transport(puppet.url).send(READ)
    assert answer.hidden == (TOKEN,)
    assert TOKEN not in repr(answer)


# --- one connection ---------------------------------------------------------------------------------------------------


def test_many_calls_of_every_kind_take_one_connection(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(
        success([], 201), refusal(404, 203), refusal(503), http(200), http(302), http(200, b"x" * 300_000), success([])
    )
    transport = open_transport(puppet.url)
    for request in [SEND, READ, CANCEL, READ, READ, READ, SEND, READ]:
        transport.send(request)
    assert (len(puppet.asked), puppet.accepted) == (8, 1)


def test_a_closed_transport_opens_a_new_connection(open_transport: Open, puppet: Puppet) -> None:
    transport = open_transport(puppet.url)
    transport.send(READ)
    transport.close()
    transport.close()
    transport.send(READ)
    assert puppet.accepted == 2


def test_both_transports_close_at_the_end_of_their_block(puppet: Puppet) -> None:
    settings = Settings(puppet.url, TOKEN)
    with SyncTransport(settings) as transport:
        transport.send(READ)

    async def ask() -> None:
        async with AsyncTransport(settings) as transport:
            await transport.send(READ)

    asyncio.run(ask())
    assert len(puppet.asked) == 2


@pytest.mark.parametrize("end", [cut, reset])
def test_a_send_over_a_dropped_connection_is_never_made_twice(
    open_transport: Open, puppet: Puppet, end: Callable[[Connection], None]
) -> None:
    puppet.answers(success([]), end, success([], 201))
    transport = open_transport(puppet.url)
    transport.send(READ)
    with pytest.raises(errors.OutcomeUnknownError):
        transport.send(SEND)
    assert [asked.method for asked in puppet.asked] == ["GET", "POST"]


@pytest.mark.parametrize("end", [cut, reset])
def test_an_added_recipient_is_never_added_twice(puppet: Puppet, end: Callable[[Connection], None]) -> None:
    puppet.answers(success([]), end, success({}))
    with SyncTransport(Settings(puppet.url, TOKEN)) as transport:
        transport.send(READ)
        with pytest.raises(errors.OutcomeUnknownError):
            transport.send(ADD)
    assert [asked.method for asked in puppet.asked] == ["GET", "PUT"]


def test_what_aiohttp_repeats_by_itself_is_not_given_to_it(puppet: Puppet) -> None:
    # If this fails, look at which methods aiohttp makes again when a connection is cut: a POST must not be among them.
    assert set(aiohttp.client.IDEMPOTENT_METHODS) == {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}

    async def add() -> None:
        async with AsyncTransport(Settings(puppet.url, TOKEN)) as transport:
            await transport.send(ADD)

    with pytest.raises(NotImplementedError):
        asyncio.run(add())
    assert puppet.asked == []


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(then(success([]), cut), success([], 201))
    transport = open_transport(puppet.url)
    transport.send(READ)
    for thread in puppet._threads[1:]:
        thread.join()
    transport.idle()
    assert transport.send(SEND).status == 201
    assert (len(puppet.asked), puppet.accepted) == (2, 2)


async def test_many_exchanges_at_once_share_a_few_sockets(puppet: Puppet) -> None:
    async with AsyncTransport(Settings(puppet.url, TOKEN, max_sockets=3)) as transport:
        answers = await asyncio.gather(*(transport.send(READ) for _ in range(30)))
    assert [answer.status for answer in answers] == [200] * 30
    assert (len(puppet.asked), puppet.accepted) == (30, 3)


async def test_a_cancelled_exchange_ends_at_once_and_drops_its_connection(puppet: Puppet) -> None:
    puppet.answers(silence, success([]))
    async with AsyncTransport(Settings(puppet.url, TOKEN)) as transport:
        exchange = asyncio.create_task(transport.send(READ))
        await until_or_done(exchange, puppet.came.is_set)
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange
        assert (await transport.send(READ)).status == 200
    assert puppet.accepted == 2


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("request_", [READ, SEND], ids=str)
def test_a_refused_connection_means_not_sent(open_transport: Open, scheme: str, request_: Request) -> None:
    with pytest.raises(errors.NotSentError, match=rf"^{re.escape(str(request_))}: .*refused|Connect call failed"):
        open_transport(f"{scheme}://{closed_port()}").send(request_)


def test_an_unknown_name_means_not_sent(open_transport: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(errors.NotSentError, match="Name or service not known"):
        open_transport("https://gateway.example").send(SEND)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
LOST: dict[str, Answer] = {
    "hung up": cut,
    "reset": reset,
    "hung up within the status": then(b"HTTP/1.1 20", cut),
    "hung up before the body": then(HEAD, cut),
    "hung up within the body": then(HEAD + b'{"data"', cut),
    "reset within the body": then(HEAD + b'{"data"', reset),
    "hung up within a chunk": then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", cut),
    "hung up between chunks": then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", cut),
    "a chunk of nonsense": then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}", cut),
    "no HTTP": then(b"220 smtp.example ESMTP\r\n", cut),
    "noise": then(bytes(range(256)) * 4, cut),
    "broken gzip": http(200, b"no gzip at all", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
@pytest.mark.parametrize("request_", [SEND, READ], ids=str)
def test_a_lost_answer_means_that_the_outcome_is_unknown(
    open_transport: Open, puppet: Puppet, answer: Answer, request_: Request
) -> None:
    puppet.answers(answer)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        open_transport(puppet.url).send(request_)
    assert str(caught.value).startswith(f"{request_}: no answer, and whether the gateway acted on it is unknown (")
    assert sum(asked.method == "POST" for asked in puppet.asked) == (request_ is SEND)


def test_headers_that_end_too_soon_are_no_answer_either(open_transport: Open, puppet: Puppet) -> None:
    # urllib3 takes them for an empty answer, which is none of the gateway's.
    puppet.answers(then(b"HTTP/1.1 200 OK\r\nContent-Le", cut))
    with suppress(errors.OutcomeUnknownError):
        assert open_transport(puppet.url).send(SEND).body == b""
    assert len(puppet.asked) == 1


@pytest.mark.parametrize(
    "answer", [silence, then(b"HTTP/1.1 200 OK\r\n", silence), then(HEAD, silence), then(HEAD + b"{", silence)]
)
def test_silence_beyond_the_read_timeout_is_an_unknown_outcome(
    open_transport: Open, puppet: Puppet, answer: Answer
) -> None:
    puppet.answers(answer)
    with pytest.raises(errors.OutcomeUnknownError, match=r"[Tt]imed? ?out"):
        open_transport(puppet.url, timeout_seconds=0.1).send(SEND)
    assert len(puppet.asked) == 1


def test_an_answer_that_drips_in_ends_with_the_deadline(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n", 0.02))
    with pytest.raises(errors.OutcomeUnknownError):
        open_transport(puppet.url, total_seconds=0.4).send(SEND)


def late(data: bytes, seconds: float, end: Callable[[Connection], None] = cut) -> Callable[[Connection], None]:
    """Be silent for some time, then answer."""

    def play(connection: Connection) -> None:
        connection.wait(seconds)
        then(data, end)(connection)

    return play


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        late(http(200, b"{}"), 1.2),
        then(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", late(b"{}", 1.2)),
        late(CHUNKED, 1.2),
        late(b"HTTP/1.0 200 OK\r\n\r\n{}", 1.2),
    ],
    ids=["all at once", "body later", "chunks", "without a length"],
)
def test_a_complete_answer_counts_however_late_within_its_time(
    open_transport: Open, puppet: Puppet, answer: Answer
) -> None:
    puppet.answers(answer)
    assert open_transport(puppet.url, total_seconds=1.5).send(SEND).body == b"{}"


def test_the_silence_within_an_answer_ends_with_the_deadline(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(late(HEAD + b"{", 0.6, silence))
    began = time.monotonic()
    with pytest.raises(errors.OutcomeUnknownError):
        open_transport(puppet.url, total_seconds=0.8).send(SEND)
    assert time.monotonic() - began < 1.3  # not another 0.8 s for the rest


def test_one_exchange_may_be_given_less_time_than_the_others(puppet: Puppet) -> None:
    puppet.answers(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n", 0.02))
    settings = Settings(puppet.url, TOKEN)
    with SyncTransport(settings) as transport, pytest.raises(errors.OutcomeUnknownError):
        transport.send(SEND, within_seconds=0.2)

    async def ask() -> None:
        async with AsyncTransport(settings) as transport:
            await transport.send(SEND, within_seconds=0.2)

    with pytest.raises(errors.OutcomeUnknownError):
        asyncio.run(ask())


ZEROS = b"0" * 5_000


@pytest.mark.parametrize(
    "answer",
    [
        http(200, ZEROS),
        http(503, ZEROS),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + ZEROS + b"\r\n0\r\n\r\n",
        http(200, gzip.compress(ZEROS), Content_Encoding="gzip"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n" + ZEROS, 0.01),
    ],
    ids=["length", "refusal", "chunks", "gzip", "endless"],
)
def test_too_large_an_answer_is_a_protocol_error_and_is_cut(
    open_transport: Open, puppet: Puppet, answer: Answer
) -> None:
    puppet.answers(answer)
    with pytest.raises(errors.ProtocolError, match=r"larger than 4999 bytes and was not read .* HTTP \d") as caught:
        open_transport(puppet.url, max_answer_bytes=4_999).send(READ)
    assert caught.value.status in (200, 503)


def test_the_default_is_10_s_to_connect_and_30_s_to_answer() -> None:
    with requests_mock.Mocker() as gateway, SyncTransport(Settings("https://ws.messaggisms.com", TOKEN)) as transport:
        gateway.post("https://ws.messaggisms.com/messages/")
        transport.send(SEND)
    limits = gateway.last_request.timeout
    assert (limits.connect_timeout, limits.read_timeout, limits.total) == (10.0, 30.0, 240.0)


@pytest.mark.parametrize("transport", [SyncTransport, AsyncTransport])
def test_the_default_limit_of_an_answer_is_512_mib_and_four_minutes(transport: Any) -> None:
    assert {name: one.default for name, one in signature(transport).parameters.items() if name != "endpoint"} == {
        "total_seconds": 240.0,
        "max_answer_bytes": 512 * 1024 * 1024,
    }


def test_too_large_an_answer_shows_a_beginning_without_personal_data(open_transport: Open, puppet: Puppet) -> None:
    begins = f'<h1>Portal</h1> {TOKEN} +39{NUMBER} Dear Rosa "quoted" '.encode()
    puppet.answers(http(200, begins + b"word " * 10_000))
    with pytest.raises(errors.ProtocolError) as caught:
        open_transport(puppet.url, max_answer_bytes=40_000).send(SEND)
    why, shown = str(caught.value).split(": HTTP 200, ")
    assert why == "POST /messages/: the answer is larger than 40000 bytes and was not read to its end"
    assert shown.startswith("""'<h1>Portal</h1> … +39-*******223 … "…" word word """)


def test_an_answer_as_large_as_allowed_is_read(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(http(200, ZEROS))
    assert open_transport(puppet.url, max_answer_bytes=5_000).send(READ).body == ZEROS


def test_after_a_lost_answer_the_transport_goes_on(open_transport: Open, puppet: Puppet) -> None:
    puppet.answers(then(HEAD + b"{", cut), success([], 201))
    transport = open_transport(puppet.url)
    with pytest.raises(errors.OutcomeUnknownError):
        transport.send(SEND)
    assert transport.send(SEND).status == 201


# --- privacy ----------------------------------------------------------------------------------------------------------


ECHO = b"GET /messages/abc/recipients/%2B39-3471112223 Authorization: Bearer " + TOKEN.encode()


@pytest.mark.parametrize(
    "answer",
    [cut, then(ECHO + b"\r\n", cut), then(b"HTTP/1.1 " + ECHO + b"\r\n\r\n", cut), then(HEAD + ECHO, cut)],
)
def test_no_error_over_a_lost_answer_shows_the_number_or_the_token(
    open_transport: Open, puppet: Puppet, answer: Answer
) -> None:
    puppet.answers(answer)
    with pytest.raises(errors.TransportError) as caught:
        open_transport(puppet.url).send(READ)
    assert NUMBER not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_error_gives_its_own_reason_and_not_the_callers(open_transport: Open) -> None:
    transport = open_transport(f"http://{closed_port()}")
    try:
        int("Dear Rosa")
    except ValueError:
        with pytest.raises(errors.NotSentError) as caught:
            transport.send(SEND)
    assert "Rosa" not in str(caught.value)
    assert "Errno 111" in str(caught.value)


@pytest.mark.parametrize("answer", [success([]), then(b"HTTP/1.1 200 OK\r\n" + ECHO + b"\r\n\r\n{}", cut), cut])
def test_no_library_logs_a_number_or_the_token(
    open_transport: Open, puppet: Puppet, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    puppet.answers(answer)
    transport = open_transport(puppet.url)
    with caplog.at_level(logging.DEBUG), suppress(errors.TransportError):
        transport.send(READ)
    assert NUMBER not in caplog.text
    assert TOKEN not in caplog.text


def test_urllib3_logs_its_requests_with_the_number_masked(puppet: Puppet, caplog: pytest.LogCaptureFixture) -> None:
    with SyncTransport(Settings(puppet.url, TOKEN)) as transport, caplog.at_level(logging.DEBUG, "urllib3"):
        transport.send(READ)
        transport.send(SEND)
    assert "/messages/abc/recipients/%2B*********223" in caplog.text
    assert '"POST /messages/ HTTP/1.1" 200' in caplog.text


# --- with the tools that tests use ------------------------------------------------------------------------------------


def test_requests_mock_can_play_the_gateway() -> None:
    with requests_mock.Mocker() as gateway:
        gateway.post("https://ws.messaggisms.com/messages/", status_code=201, text="{}", headers={"X-A": "b"})
        with SyncTransport(Settings("https://ws.messaggisms.com", TOKEN)) as transport:
            answer = transport.send(SEND)
    assert (answer.status, answer.body, answer.headers["x-a"]) == (201, b"{}", "b")
    assert gateway.last_request.headers["Authorization"] == f"Bearer {TOKEN}"
