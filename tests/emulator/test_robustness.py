"""What a broken, huge or hurried client must not be able to do: never a 500, never a hang, never unbounded memory."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN, heads, responses
from airflow_provider_messaggisms.emulator.heads import MAX_HEAD_BYTES, bounding_heads
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.emulator.refusals import Refusal
from airflow_provider_messaggisms.emulator.responses import MAX_BODY_BYTES, MAX_HELD_BYTES, Intake
from airflow_provider_messaggisms.emulator.server import allow_many_connections
from tests.emulator.conftest import Call

SEND: dict[str, Any] = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}
PARALLEL = 2_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"\x00\xff\xfe",
        json.dumps(SEND).encode("utf-16"),
        json.dumps(SEND, ensure_ascii=False).replace("hello", "perché").encode("latin-1"),
        b'{"sender": "\\ud800\\udc", "body": "x", "recipients": "y"}',
        b'{"a":' * 50_000,
        b'{"priority": ' + b"9" * 5_000 + b"}",
        b"sender=ops&body=hello",
    ],
    ids=range(11),
)
@pytest.mark.parametrize("path", ["/messages/", "/_emulator/reset", "/_emulator/faults", "/_emulator/decide"])
def test_a_body_that_cannot_be_read_is_refused(call: Call, path: str, raw: bytes) -> None:
    answer = call("POST", path, raw)
    assert answer.status == 422 or (path == "/_emulator/reset" and not raw)
    assert answer.json["success" if answer.status == 422 else "now"] is not True


@pytest.mark.parametrize(
    "path",
    ["/messages/%ff%fe", "/messages/%00", "/messages/..%2f..", "/messages/" + "a" * 5_000, "/messages/%F0%9F%98%80"],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_odd_id_is_refused_like_any_other(call: Call, method: str, path: str) -> None:
    body = {"recipients": "+39-3491234567"} if method == "PUT" else None
    assert call(method, path, body).status in (404, 406)


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer  ", "Basic eDp5", "Bearer \xff\xfe", "\x80", "bearer emulator-token x"]
)
def test_an_odd_token_is_refused(call: Call, header: str) -> None:
    assert call("GET", "/messages/", token=None, headers={"Authorization": header}).status == 401


def test_methods_that_nobody_has_are_refused(call: Call) -> None:
    for method in ("HEAD", "OPTIONS", "TRACE", "PATCH"):
        assert call(method, "/messages/").status == 405


def test_a_compressed_body_is_refused(call: Call) -> None:
    raw = gzip.compress(json.dumps(SEND).encode())
    assert call("POST", "/messages/", raw, headers={"Content-Encoding": "gzip"}).status == 422


def test_a_body_beyond_the_limit_is_refused(call: Call) -> None:
    try:
        answer = call("POST", "/messages/", b" " * (MAX_BODY_BYTES + 1))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent: what a client that does not listen meanwhile sees of it
    else:
        assert answer.status == 413
    assert call("GET", "/messages/").status == 404


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(messaggisms_gateway: Gateway, call: Call) -> None:
    address = urlsplit(messaggisms_gateway.url)
    with socket.create_connection((address.hostname, address.port)) as leaving:
        leaving.sendall(
            b"POST /messages/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer emulator-token\r\n"
            b'Content-Length: 1000\r\n\r\n{"sender"'
        )
    assert call("POST", "/messages/", SEND).status == 201
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_long_list_arrives_in_full(call: Call, messaggisms_gateway: Gateway) -> None:
    numbers = [f"+39-349{i:07d}" for i in range(10_010, 11_010)]
    message_id = call("POST", "/messages/", SEND | {"recipients": numbers}).json["data"][0]["id"]
    answer = call("GET", f"/messages/{message_id}/recipients/")
    assert [recipient["number"] for recipient in answer.json["data"]] == numbers
    assert (answer.json["success"], answer.json["error"], answer.json["credit"]) == (True, None, 50.0)
    assert len(messaggisms_gateway.inbox()) == 1_000


async def posts_at_once(gateway: Gateway) -> list[bytes]:
    """Send thousands of SMS over a connection each, all at the same time; return the statuses."""
    allow_many_connections()  # to this process, too
    address = urlsplit(gateway.url)
    raw = json.dumps(SEND).encode()
    head = (
        f"POST /messages/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer emulator-token\r\nContent-Length: {len(raw)}\r\n"
    )

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + raw)
        answer = await reader.read()
        writer.close()
        return answer.split(b" ", 2)[1]

    return await asyncio.gather(*(one() for _ in range(PARALLEL)))


async def test_thousands_at_once_are_all_answered(messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(credit=1_000)
    assert set(await posts_at_once(messaggisms_gateway)) == {b"201"}
    assert messaggisms_gateway.credit == 1_000 - PARALLEL * 0.05


HALF = {"custom": '{"airflow": {"dag_id": "\\ud800"}}'}


def test_half_a_character_within_custom_breaks_no_answer(messaggisms_gateway: Gateway, call: Call) -> None:
    answer = call("POST", "/messages/", SEND | {"options": HALF})
    assert answer.status == 201
    assert call("GET", f"/messages/{answer.json['data'][0]['id']}").status == 200
    assert call("POST", "/_emulator/look", b"{}", token=None).status == 200
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.custom, sms.airflow) == (HALF["custom"], None)


def test_texts_that_would_take_too_long_to_fill_in_are_refused(messaggisms_gateway: Gateway, call: Call) -> None:
    person = {"number": "+39-3491234567", "fields": {"a": "x"}}
    long = SEND | {"body": "{{a}}" + "x" * 30_000}
    answer = call("POST", "/messages/", long | {"recipients": [person] * 2_000})
    assert (answer.status, messaggisms_gateway.credit) == (413, 100.0)
    messaggisms_gateway.reset(credit=1_000_000)
    assert call("POST", "/messages/", long | {"recipients": ["+39-3491234567"] * 2_000}).status == 201
    assert call("POST", "/messages/", long | {"recipients": [person] * 1_000}).status == 201


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_an_end_is_cut_off(call: Call, messaggisms_gateway: Gateway, head: bytes) -> None:
    address = urlsplit(messaggisms_gateway.url)
    more = b"X: x\r\n" * 10_000 if head.endswith(b"1.1\r\n") else b"x" * 60_000
    with socket.create_connection((address.hostname, address.port), timeout=20) as endless:
        sent = 0
        try:
            endless.sendall(head)
            while sent < 20 * MAX_HEAD_BYTES:
                endless.sendall(more)
                sent += len(more)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 20 * MAX_HEAD_BYTES
    assert call("GET", "/messages/").status == 404


def test_headers_behind_a_body_are_bounded_too_and_a_body_is_not(messaggisms_gateway: Gateway, call: Call) -> None:
    address = urlsplit(messaggisms_gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as endless:
        endless.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            endless.sendall(b"X: x\r\n" * 10_000_000)
    numbers = ["+39-3491234567"] * 50_000  # 850 kB
    messaggisms_gateway.reset(credit=10_000)
    assert call("POST", "/messages/", SEND | {"recipients": numbers}).status == 201


class Reader(asyncio.Protocol):
    """What is left of uvicorn's protocol if only the borders between its parts count."""

    def __init__(self) -> None:
        self.answer = bytearray()
        self.closed = asyncio.Event()
        self.transport = SimpleNamespace(is_closing=self.closed.is_set, write=self.answer.extend, close=self.closed.set)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET"):
            self.on_message_begin()
        if data.endswith(b"\r\n\r\n"):
            self.on_headers_complete()

    def on_message_begin(self) -> None: ...

    def on_headers_complete(self) -> None: ...


async def test_a_head_that_does_not_come_to_its_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_TIMEOUT_SECONDS", 0.05)
    slow, complete = (bounding_heads(Reader)() for _ in range(2))
    slow.data_received(b"GET / HT")
    complete.data_received(b"GET / HT")
    complete.data_received(b"TP/1.1\r\n\r\n")
    assert isinstance(slow, Reader)
    assert isinstance(complete, Reader)
    await slow.closed.wait()
    assert slow.answer.startswith(b"HTTP/1.1 408 ")
    await asyncio.sleep(0.1)
    assert not complete.closed.is_set()


def test_thousands_at_once_are_all_answered_where_few_files_may_be_open() -> None:
    """Most systems begin with 1,024 and permit more."""
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator", "--port", "0", "--stop-with-stdin"]
    fewer = f"import os, resource as r, sys; r.setrlimit(r.RLIMIT_NOFILE, (256, {most}))"
    starting = f"{fewer}; os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", starting, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        gateway = Gateway(process.stdout.readline().rpartition(" ")[2].strip(), DEFAULT_TOKEN)
        gateway.reset(credit=1_000)
        assert set(asyncio.run(posts_at_once(gateway))) == {b"201"}
        process.stdin.close()


# --- the intake, by itself ----------------------------------------------------------------------------------------


def request_of(chunks: Callable[[], AsyncIterator[bytes]]) -> Request:
    """A request whose body comes in these chunks and never ends."""
    source = chunks()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(source), "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_no_more_than_the_limit_is_held_at_a_time() -> None:
    intake, started, go_on = Intake(), asyncio.Event(), asyncio.Event()

    async def much() -> AsyncIterator[bytes]:
        yield b" " * MAX_BODY_BYTES
        started.set()
        await go_on.wait()
        yield b" "

    async def little() -> AsyncIterator[bytes]:
        yield b" "

    others = [asyncio.create_task(intake.read(request_of(much))) for _ in range(MAX_HELD_BYTES // MAX_BODY_BYTES)]
    await started.wait()
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refusal:
        await intake.read(request_of(little))
    assert refusal.value.status == 503
    go_on.set()
    refusals = await asyncio.gather(*others, return_exceptions=True)
    assert {error.status for error in refusals if isinstance(error, Refusal)} == {413}
    with pytest.raises(RuntimeError):  # not refused any more: it ends as the test's own source of chunks does
        await intake.read(request_of(little))


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "BODY_TIMEOUT_SECONDS", 0.0)

    async def silence() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    with pytest.raises(Refusal, match="did not arrive"):
        await Intake().read(request_of(silence))


def test_a_connection_stays_open_between_two_calls(messaggisms_gateway: Gateway) -> None:
    address = urlsplit(messaggisms_gateway.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=20)
    for _ in range(2):
        connection.request("GET", "/messages/", headers={"Authorization": f"Bearer {messaggisms_gateway.token}"})
        connection.getresponse().read()
    assert connection.sock is not None
    connection.close()
