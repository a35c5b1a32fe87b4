"""Callbacks, received by a small server of the test."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_provider_messaggisms.emulator.http.callbacks import is_loopback_url
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call

PATIENCE_SECONDS = 20


class Receiver:
    """The callbacks received: pairs of content type and body."""

    def __init__(self, url: str, received: queue.Queue[tuple[str, str]]) -> None:
        self.url = url
        self.received = received

    def next(self) -> tuple[str, str]:
        return self.received.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    inbound: queue.Queue[tuple[str, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            inbound.put((self.headers["content-type"], body))
            self.send_response(307 if self.path == "/elsewhere" else 204)
            self.send_header("location", "/hook")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Receiver(f"http://127.0.0.1:{server.server_port}/hook", inbound)
        server.shutdown()
        thread.join()


def send(call: Call, url: str, **options: Any) -> str:
    body = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}
    answer = call("POST", "/messages/", body | {"options": {"callback_url": url, **options}})
    return str(answer.json["data"][0]["id"])


def test_each_change_of_state_is_reported_in_order(
    call: Call, messaggisms_gateway: Gateway, receiver: Receiver
) -> None:
    message_id = send(call, receiver.url)
    messaggisms_gateway.advance(10)
    reported = [receiver.next() for _ in range(3)]
    assert {content_type for content_type, _ in reported} == {"application/json"}
    summaries = [json.loads(body) for _, body in reported]
    assert [(summary["id"], summary["state"]) for summary in summaries] == [(message_id, n) for n in (1, 1, 2)]
    assert [summary["statistics"]["delivered"] for summary in summaries] == [0, 0, 1]


def test_the_summary_can_be_a_field_of_a_form(call: Call, messaggisms_gateway: Gateway, receiver: Receiver) -> None:
    message_id = send(call, receiver.url, callback_field="report")
    messaggisms_gateway.advance(1)
    content_type, body = receiver.next()
    assert content_type == "application/x-www-form-urlencoded"
    assert json.loads(parse_qs(body)["report"][0])["id"] == message_id


def test_a_decision_is_reported_even_if_no_time_has_passed(
    call: Call, messaggisms_gateway: Gateway, receiver: Receiver
) -> None:
    body = {"sender": "ops", "body": "hello", "recipients": "+39-3490000005", "options": {"callback_url": receiver.url}}
    call("POST", "/messages/", body)
    messaggisms_gateway.advance(1)
    assert json.loads(receiver.next()[1])["state"] == 1
    messaggisms_gateway.decide(messaggisms_gateway.inbox()[0], "UNDELIVERABLE_NOT_DELIVERED")
    summary = json.loads(receiver.next()[1])
    assert (summary["state"], summary["statistics"]["error"]) == (2, 1)


def results(call: Call, count: int) -> list[str]:
    """Wait for so many callbacks. Return their results."""
    while True:
        record = call("GET", "/_emulator/callbacks", token=None).json["callbacks"]
        done = [entry["result"] for entry in record if entry["result"]]
        if len(done) >= count:
            return done


def test_a_missing_receiver_does_no_harm(call: Call, messaggisms_gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    message_id = send(call, f"http://127.0.0.1:{port}/")
    messaggisms_gateway.advance(1)
    assert results(call, 1) == ["ClientConnectorError"]
    assert call("GET", f"/messages/{message_id}").json["data"][0]["state"] == 1


def test_a_redirect_is_not_followed(call: Call, messaggisms_gateway: Gateway, receiver: Receiver) -> None:
    send(call, receiver.url.replace("/hook", "/elsewhere"))
    messaggisms_gateway.advance(10)
    assert results(call, 3) == ["307"] * 3
    assert receiver.received.qsize() == 3


def test_an_address_outside_this_machine_is_not_called(call: Call, messaggisms_gateway: Gateway) -> None:
    send(call, "http://192.0.2.1/hook")
    messaggisms_gateway.advance(1)
    assert results(call, 1) == ["not called: only loopback addresses are"]


def test_a_silent_receiver_does_not_block_other_requests(call: Call, messaggisms_gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        send(call, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        messaggisms_gateway.advance(1)
        connection, _ = silent.accept()
        with connection:
            assert call("GET", "/messages/").status == 200
    assert len(results(call, 1)) == 1


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("http://127.0.0.1:9/", True),
        ("http://localhost/x", True),
        ("https://[::1]:8/", True),
        ("http://127.0.0.1.example.com/", False),
        ("http://example.com@127.0.0.1/", True),
        ("http://127.0.0.1@example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("http://[broken", False),
        ("", False),
    ],
)
def test_only_loopback_urls_are_on_this_machine(url: str, inside: bool) -> None:
    assert is_loopback_url(url) is inside
