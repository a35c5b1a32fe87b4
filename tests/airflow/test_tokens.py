"""The tokens of an account: found before made, shared, renewed in time, and never seen."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.airflow_versions import _masker
from airflow_provider_messaggisms.gateway.account import Account, scopes_for
from airflow_provider_messaggisms.gateway.token_calls import SPREAD_SECONDS
from airflow_provider_messaggisms.tokens import AccountTokens
from tests.airflow.conftest import plain
from tests.airflow.token_service import API_KEY, BASIC, DOWN, LOGIN, NOT_ENABLED, Vendor, running_vendor

MONTH = 30 * 86_400.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running_vendor() as vendor:
        yield vendor


class Clock:
    """A clock of this process that tests move."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self._vendor.now()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def account(vendor: Vendor, **parts: Any) -> Account:
    whole: dict[str, Any] = {
        "base_url": vendor.url,
        "login": LOGIN,
        "api_key": API_KEY,
        "scopes": scopes_for(vendor.url),
        "ttl_seconds": int(MONTH),
        "timeout_seconds": 10.0,
    }
    return Account(**(whole | parts))


def tokens(vendor: Vendor, **parts: Any) -> AccountTokens:
    """The tokens of a process of its own."""
    clock = Clock(vendor)
    return AccountTokens(account(vendor, **parts), clock=clock, sleep=clock.sleep, chance=lambda: 0.5)


# --- found before made ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enveloped", [True, False])
def test_the_first_process_makes_a_token_and_the_next_ones_find_it(vendor: Vendor, enveloped: bool) -> None:
    vendor.enveloped = enveloped
    first = tokens(vendor).get()
    assert (first.made, first.scopes) == (True, scopes_for(vendor.url))
    assert [tokens(vendor).get().value for _ in range(3)] == [first.value] * 3
    assert vendor.made() == 1
    (body,) = [one.body for one in vendor.asked if one.method == "POST"]
    assert body == {"name": "airflow-messaggisms", "scopes": list(scopes_for(vendor.url)), "ttl": int(MONTH)}
    assert {one.authorization for one in vendor.asked} == {f"Basic {BASIC}"}


def test_a_token_in_hand_asks_for_nothing(vendor: Vendor) -> None:
    mine = tokens(vendor)
    mine.get()
    before = len(vendor.asked)
    assert len({mine.get().value for _ in range(100)}) == 1
    assert len(vendor.asked) == before


def test_all_pages_are_searched_before_a_token_is_made(vendor: Vendor) -> None:
    for number in range(250):
        vendor.add_token(f"other{number}", name="somebody else's")
    vendor.add_token("ours")
    assert tokens(vendor).get().value == "ours"
    assert vendor.asked_service() == [f"GET /tokens?skip={skip}&limit=100" for skip in (0, 100, 200)]


def test_of_several_tokens_the_one_that_lives_longest_is_used(vendor: Vendor) -> None:
    for days in (20, 25, 10):
        vendor.add_token(f"token{days}", life=days * 86_400)
    assert tokens(vendor).get().value == "token25"


USELESS: dict[str, dict[str, Any]] = {
    "of another name": {"name": "airflow"},
    "without a scope": {"scopes": ["GET:127.0.0.1/messages", "POST:127.0.0.1/messages", "PUT:127.0.0.1/messages"]},
    "for another host": {"scopes": [f"{m}:ws.messaggisms.com/messages" for m in ("GET", "POST", "PUT", "DELETE")]},
    "without scopes": {"scopes": None},
    "expired": {"expireAt": "2020-01-01T00:00:00Z"},
    "without an end": {"expireAt": None},
    "of an unreadable end": {"expireAt": "soon"},
    "no text": {"token": 12},
    "no header can carry it": {"token": "two words"},
}


@pytest.mark.parametrize("why", USELESS)
def test_a_useless_token_is_not_used(vendor: Vendor, why: str) -> None:
    vendor.add_token("useless", **USELESS[why])
    assert tokens(vendor).get().made
    assert vendor.made() == 1


@pytest.mark.parametrize("page", [{"data": ["text", None, 7]}, {"data": "text"}, {"data": []}, {}, []])
def test_an_odd_list_of_tokens_is_an_empty_one(page: Any) -> None:
    with running_vendor() as vendor:
        answer = vendor._service
        vendor._service = lambda asked: (200, page) if asked.method == "GET" else answer(asked)  # type: ignore[method-assign]
        assert tokens(vendor).get().made


def test_a_service_that_does_not_turn_pages_is_not_asked_for_ever(vendor: Vendor) -> None:
    for number in range(100):
        vendor.add_token(f"other{number}", name="another")
    answer = vendor._service
    page = {"data": list(vendor.tokens.values())}
    vendor._service = lambda asked: (200, page) if asked.method == "GET" else answer(asked)  # type: ignore[method-assign]
    assert tokens(vendor).get().made
    assert len(vendor.asked) < 10


def test_older_scopes_with_an_asterisk_are_enough(vendor: Vendor) -> None:
    vendor.add_token("old", scopes=["*:127.0.0.1/*"])
    assert tokens(vendor).get().value == "old"


# --- renewed ----------------------------------------------------------------------------------------------------------


def test_a_new_token_is_made_when_a_tenth_of_the_life_is_left(vendor: Vendor) -> None:
    mine, other = tokens(vendor), tokens(vendor)
    first = mine.get().value
    vendor.clock_offset = 0.89 * MONTH
    assert mine.get().value == tokens(vendor).get().value == first
    vendor.clock_offset = 0.91 * MONTH
    second = mine.get().value
    assert second != first
    assert other.get().value == tokens(vendor).get().value == second
    assert first in vendor.tokens, "the old one is left to expire"
    assert {one.method for one in vendor.asked} == {"GET", "POST"}


def test_a_refused_token_is_replaced_by_one_that_expires_later(vendor: Vendor) -> None:
    mine, other = tokens(vendor), tokens(vendor)
    refused = mine.get().value
    assert other.get().value == refused
    vendor.add_token("stale", life=MONTH / 2)
    vendor.clock_offset = 60
    second = mine.get(refused)
    assert second.made
    assert (other.get(refused).value, other.get(refused).value) == (second.value, second.value)
    assert vendor.made() == 2


def test_a_worker_whose_clock_is_wrong_uses_the_token_of_the_others(vendor: Vendor) -> None:
    first = tokens(vendor).get().value
    for wrong in (-10 * MONTH, 10 * MONTH):
        fast = AccountTokens(account(vendor), clock=lambda wrong=wrong: vendor.now() + wrong)  # type: ignore[misc]
        assert (fast.get().value, fast.get().value) == (first, first)
    assert vendor.made() == 1


def test_a_token_that_ends_at_once_is_not_made_again_and_again(vendor: Vendor) -> None:
    answer = vendor._make
    vendor._make = lambda body: (200, answer(body)[1]["data"] | {"createdAt": None, "expireAt": None})  # type: ignore[method-assign]
    mine = tokens(vendor)
    assert mine.get().value == mine.get().value
    assert mine.get().life_seconds == MONTH


# --- a token service that fails ---------------------------------------------------------------------------------------


def test_tokens_in_hand_go_on_while_the_token_service_is_down(vendor: Vendor) -> None:
    mine = tokens(vendor)
    first = mine.get().value
    vendor.clock_offset = 0.95 * MONTH
    vendor.fault = DOWN
    asked = len(vendor.asked)
    assert [mine.get().value for _ in range(50)] == [first] * 50
    assert len(vendor.asked) == asked + 1, "asked once, not once for each call"
    vendor.clock_offset += 61
    assert mine.get().value == first
    vendor.fault = None
    vendor.clock_offset += 61
    assert mine.get().value != first


@pytest.mark.parametrize("fault", [DOWN, (429, {"success": False}), (500, "<h1>"), (200, "text"), (302, {})])
def test_without_a_token_nothing_is_sent_and_that_is_certain(vendor: Vendor, fault: Any) -> None:
    vendor.fault = fault
    mine = tokens(vendor)
    with pytest.raises(errors.NotSentError, match="no token for the gateway, so nothing was sent") as caught:
        mine.get()
    assert not caught.value.permanent
    assert not [secret for secret in (API_KEY, BASIC, LOGIN) if secret in plain(caught.value)]
    vendor.fault = None
    assert mine.get().made


def test_a_token_service_that_is_not_there_means_that_nothing_was_sent() -> None:
    with running_vendor() as vendor:
        gone = tokens(vendor)
    with pytest.raises(errors.NotSentError, match="no token for the gateway"):
        gone.get()


def test_a_wrong_api_key_is_final_and_says_so(vendor: Vendor) -> None:
    wrong = "-".join(["key", "of", "another"])
    with pytest.raises(errors.AuthenticationError, match="the token service answered HTTP 401") as caught:
        tokens(vendor, api_key=wrong).get()
    assert "the same account and environment" in str(caught.value)
    assert vendor.asked_service() == ["GET /tokens?skip=0&limit=100"]
    assert wrong not in plain(caught.value)


def test_an_account_without_the_product_is_told_to_activate_it(vendor: Vendor) -> None:
    vendor._make = lambda body: NOT_ENABLED  # type: ignore[method-assign]
    with pytest.raises(errors.AuthenticationError, match="activate Gateway SMS in the vendor's console") as caught:
        tokens(vendor).get()
    assert (caught.value.status, caught.value.code) == (422, 90)
    assert "may be closed to this account" in str(caught.value)


def test_a_new_token_that_lacks_a_scope_is_refused_by_its_name(vendor: Vendor) -> None:
    answer = vendor._make
    vendor._make = lambda body: (200, answer(body)[1]["data"] | {"scopes": body["scopes"][:3]})  # type: ignore[method-assign]
    with pytest.raises(errors.AuthenticationError, match=r"lacks the scope\(s\) DELETE:127\.0\.0\.1/messages"):
        tokens(vendor).get()


# --- many at once -----------------------------------------------------------------------------------------------------


def test_threads_of_a_process_make_one_token(vendor: Vendor) -> None:
    mine = tokens(vendor)
    vendor.latency = 0.02
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(mine.get().value)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), vendor.made()) == (50, 1, 1)
    assert len(vendor.asked) == 3


PROCESS = """
import sys, threading
from airflow_provider_messaggisms.gateway.account import Account, scopes_for
from airflow_provider_messaggisms.tokens import AccountTokens
url, login, key, count = sys.argv[1:]
account = Account(base_url=url, login=login, api_key=key, scopes=scopes_for(url), ttl_seconds=2592000,
                  timeout_seconds=30.0)
each = [AccountTokens(account) for _ in range(int(count))]
import requests
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=lambda one=one: sys.stdout.write(f"found {one.get().value}\\n")) for one in each]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_a_hundred_processes_at_once_make_a_handful_of_tokens(vendor: Vendor) -> None:
    # Ten real processes with ten stores of tokens each: as among a hundred processes, no store sees another.
    vendor.latency = 0.05
    command = [sys.executable, "-c", PROCESS, vendor.url, LOGIN, API_KEY, "10"]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    running = [subprocess.Popen(command, **pipes) for _ in range(10)]
    try:
        for one in running:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        for one in running:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        found = [
            line.removeprefix("found ") for one in running for line in one.communicate(timeout=120)[0].splitlines()
        ]
    finally:
        for one in running:
            one.kill()
    assert len(found) == 100
    assert set(found) <= set(vendor.tokens)
    print("tokens made:", vendor.made(), "requests:", len(vendor.asked))
    assert 1 <= vendor.made() <= 8
    assert {one.method for one in vendor.asked} == {"GET", "POST"}, "nothing is refreshed or deleted"


def test_who_makes_a_token_looks_a_second_time_after_a_pause(vendor: Vendor) -> None:
    clock = Clock(vendor)
    vendor_token: list[str] = []

    def meanwhile(seconds: float) -> None:
        clock.sleep(seconds)
        vendor_token.append(tokens(vendor).get().value)

    late = AccountTokens(account(vendor), clock=clock, sleep=meanwhile, chance=lambda: 0.99)
    assert late.get().value == vendor_token[0]
    assert vendor.made() == 1
    assert 0 < clock.slept[0] <= SPREAD_SECONDS


def test_a_process_that_has_little_time_waits_for_a_quarter_of_it(vendor: Vendor) -> None:
    clock = Clock(vendor)
    AccountTokens(account(vendor), clock=clock, sleep=clock.sleep, chance=lambda: 0.99).get(within_seconds=4.0)
    assert clock.slept[0] <= 1.0


# --- never seen -------------------------------------------------------------------------------------------------------


def test_no_secret_is_logged_or_shown(vendor: Vendor, said: Callable[[], str]) -> None:
    mine = tokens(vendor)
    token = mine.get()
    shown = [said(), repr(token), repr(mine.__dict__), json.dumps(vendor.asked_service())]
    assert not [secret for secret in (API_KEY, BASIC, LOGIN, token.value) for text in shown if secret in text]
    assert "Made a token of the account, which expires at" in shown[0]


def test_airflow_masks_the_key_the_login_and_the_token_for_others(vendor: Vendor) -> None:
    """Such as a library that logs a request with its headers."""
    token = tokens(vendor).get().value
    masker = _masker()
    assert masker
    assert [secret for secret in (API_KEY, BASIC, token) if secret in masker.redact(f"header: {secret}")] == []
