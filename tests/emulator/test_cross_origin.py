"""Protection against other web pages: the host, the origin, and the headers of the inbox page."""

from __future__ import annotations

import pytest

from airflow_provider_messaggisms.emulator.http.cross_origin import is_private_host
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.conftest import Call


def test_the_page_runs_only_its_own_script_and_is_not_cached(call: Call) -> None:
    for path in ("/", "/_emulator/inbox.css", "/_emulator/inbox.js", "/_emulator/inbox"):
        response = call("GET", path, token=None)
        policy = response.headers["content-security-policy"]
        assert response.status == 200
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1:8025", True),
        ("localhost:8025", True),
        ("LOCALHOST", True),
        ("[::1]:8025", True),
        ("[::1]", True),
        ("192.168.1.7:8025", True),
        ("emulator:8025", True),
        ("host.docker.internal:8025", True),
        ("sms.test", True),
        ("", True),
        ("evil.example.com:8025", False),
        ("127.0.0.1.example.com", False),
        ("evil.example.com.:8025", False),
        ("notlocalhost.com", False),
        ("evil.com:localhost", False),
    ],
)
def test_only_names_outside_public_dns_are_private(host: str, private: bool) -> None:
    assert is_private_host(host) is private


@pytest.mark.parametrize("path", ["/", "/_emulator/inbox", "/messages/"])
def test_a_request_for_a_public_name_is_refused(call: Call, path: str) -> None:
    assert call("GET", path, headers={"Host": "evil.example.com:8025"}).status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://elsewhere.example"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/_emulator/reset"), ("DELETE", "/_emulator/inbox")])
def test_a_page_of_another_origin_cannot_change_anything(
    call: Call, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert call(method, path, headers=headers).status == status


def test_a_request_with_the_emulators_own_origin_is_accepted(call: Call, messaggisms_gateway: Gateway) -> None:
    own = {"Origin": messaggisms_gateway.url}
    assert call("POST", "/_emulator/advance", {"seconds": 1}, headers=own).status == 200


def test_the_api_checks_the_token_and_not_the_origin(call: Call) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"}
    assert call("GET", "/messages/", headers=foreign).status == 404
    assert call("GET", "/messages/", headers=foreign, token=None).status == 401
