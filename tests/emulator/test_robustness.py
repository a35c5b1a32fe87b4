"""What a broken, large or fast client must not cause: no 500, no hang."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_messaggisms.emulator import DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.http.json_io import MAX_BODY_BYTES
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.emulator.server import allow_many_connections
from tests.emulator.conftest import Call
from tests.progress import SILENCE_SECONDS

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
def test_an_unreadable_body_is_refused(call: Call, path: str, raw: bytes) -> None:
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


def test_unknown_methods_are_refused(call: Call) -> None:
    for method in ("HEAD", "OPTIONS", "TRACE", "PATCH"):
        assert call(method, "/messages/").status == 405


def test_a_compressed_body_is_refused(call: Call) -> None:
    raw = gzip.compress(json.dumps(SEND).encode())
    assert call("POST", "/messages/", raw, headers={"Content-Encoding": "gzip"}).status == 422


def test_a_body_beyond_the_limit_is_refused(call: Call) -> None:
    try:
        answer = call("POST", "/messages/", b" " * (MAX_BODY_BYTES + 1))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the connection is closed before a client that only sends has sent all
    else:
        assert answer.status == 413
    assert call("GET", "/messages/").status == 404


def test_a_client_that_disconnects_in_a_body_sends_nothing(messaggisms_gateway: Gateway, call: Call) -> None:
    address = urlsplit(messaggisms_gateway.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(
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
    """Send 2,000 SMS at the same time, each over its own connection. Return the statuses."""
    allow_many_connections()  # of this process, too
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


async def test_thousands_of_requests_at_once_succeed(messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(credit=1_000)
    assert set(await posts_at_once(messaggisms_gateway)) == {b"201"}
    assert messaggisms_gateway.credit == 1_000 - PARALLEL * 0.05


HALF = {"custom": '{"airflow": {"dag_id": "\\ud800"}}'}


def test_half_a_surrogate_pair_in_custom_breaks_no_response(messaggisms_gateway: Gateway, call: Call) -> None:
    answer = call("POST", "/messages/", SEND | {"options": HALF})
    assert answer.status == 201
    assert call("GET", f"/messages/{answer.json['data'][0]['id']}").status == 200
    assert call("POST", "/_emulator/inbox", b"{}", token=None).status == 200
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.custom, sms.airflow) == (HALF["custom"], None)


def test_thousands_at_once_succeed_under_a_low_file_limit() -> None:
    """Most systems start with 1,024 open files and permit more."""
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


def test_a_connection_stays_open_between_two_requests(messaggisms_gateway: Gateway) -> None:
    address = urlsplit(messaggisms_gateway.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=SILENCE_SECONDS)
    for _ in range(2):
        connection.request("GET", "/messages/", headers={"Authorization": f"Bearer {messaggisms_gateway.token}"})
        connection.getresponse().read()
    assert connection.sock is not None
    connection.close()
