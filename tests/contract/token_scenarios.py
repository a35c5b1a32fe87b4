"""
Checks of what the vendor documents of its token service. They need the account, and delete the tokens that they make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tests.contract.scenarios import must_be_refused
from tests.contract.suite import must, scenario
from tests.contract.target import Answer, Target

UNKNOWN = "0" * 24
NONSENSE = "not-a-token"
TOKEN_FIELDS = {"token", "name", "scopes", "createdAt", "expireAt"}
HOUR = 3600


def token_of(answer: Answer) -> dict[str, Any]:
    """Return the one token in a response."""
    must(answer.status == 200, answer.seen)
    must(set(answer.detail) >= TOKEN_FIELDS, f"the token has only {sorted(answer.detail)}")
    return answer.detail


@contextmanager
def new_token(gateway: Target, methods: Sequence[str] = ("GET",), ttl: int = HOUR) -> Iterator[dict[str, Any]]:
    """Make a token for a check."""
    body = {"name": "contract", "scopes": [gateway.scope(method) for method in methods], "ttl": ttl}
    token = token_of(gateway.owner.ask("POST", "/tokens", body))
    try:
        yield token
    finally:
        gateway.owner.ask("DELETE", f"/tokens/{token['token']}")


@scenario("POST /tokens returns 200 with a token that has the name, scopes and lifetime asked for.", account=True)
def a_new_token(gateway: Target) -> None:
    with new_token(gateway, ("GET", "POST")) as token:
        must(token["name"] == "contract", "another name")
        must(sorted(token["scopes"]) == [gateway.scope("GET"), gateway.scope("POST")], "other scopes")
        begin, end = (datetime.fromisoformat(token[name]) for name in ("createdAt", "expireAt"))
        must(abs((end - begin).total_seconds() - HOUR) <= 1, f"it lives {(end - begin).total_seconds():.0f} s")
        shown = token_of(gateway.owner.ask("GET", f"/tokens/{token['token']}"))
        must(shown["expireAt"] == token["expireAt"], "GET shows another end")


@scenario("A token opens the gateway until it is deleted; a second DELETE is 404 with error 180.", account=True)
def a_deleted_token(gateway: Target) -> None:
    with new_token(gateway) as token:
        opened = gateway.ask("GET", "/messages/", token=token["token"])
        must(opened.status in (200, 404), f"a new token gets {opened.seen}")
        deleted = gateway.owner.ask("DELETE", f"/tokens/{token['token']}")
        must(deleted.status == 200, deleted.seen)
        closed = gateway.ask("GET", "/messages/", token=token["token"])
        must(closed.status == 401, f"a deleted token gets {closed.seen}")
        must_be_refused(gateway.owner.ask("DELETE", f"/tokens/{token['token']}"), 404, 180)


@scenario("Scopes that are missing, malformed or unknown are 422 with error 70, 80 or 90.", account=True)
def scopes_of_a_token(gateway: Target) -> None:
    for scopes, code in (({}, 70), ({"scopes": [NONSENSE]}, 80), ({"scopes": ["GET:nowhere.example.com/x"]}, 90)):
        must_be_refused(gateway.owner.ask("POST", "/tokens", {"name": "contract"} | scopes), 422, code)


@scenario("GET /tokens lists tokens in pages by skip and limit.", account=True)
def pages_of_tokens(gateway: Target) -> None:
    with new_token(gateway), new_token(gateway):
        pages = [gateway.owner.ask("GET", f"/tokens?skip={skip}&limit=1") for skip in (0, 1)]
        for page in pages:
            must(page.status == 200 and isinstance(page.data, list), page.seen)
            must(len(page.data) == 1, f"a page of one has {len(page.data)}")
        must(pages[0].data[0]["token"] != pages[1].data[0]["token"], "two pages show the same token")


@scenario("An unknown token is 404 with 120 (GET), 160 (PATCH) or 180 (DELETE); nonsense is 422 with 60.", account=True)
def unknown_tokens(gateway: Target) -> None:
    for method, code in (("GET", 120), ("PATCH", 160), ("DELETE", 180)):
        body = {"name": "contract"} if method == "PATCH" else None
        must_be_refused(gateway.owner.ask(method, f"/tokens/{UNKNOWN}", body), 404, code)
    must_be_refused(gateway.owner.ask("GET", f"/tokens/{NONSENSE}"), 422, 60)


@scenario("PATCH with a refresh token makes a new token of the same scopes and deletes the old one.", account=True)
def a_refresh(gateway: Target) -> None:
    with new_token(gateway) as old:
        must("refreshToken" in old, "there is no refresh token")
        path = f"/tokens/{old['token']}"
        new = token_of(gateway.owner.ask("PATCH", path, {"ttl": HOUR}, token=old["refreshToken"]))
        gateway.owner.ask("DELETE", f"/tokens/{new['token']}")
        must(new["token"] != old["token"], "the token is the same")
        must(new["scopes"] == old["scopes"], "other scopes")
        must_be_refused(gateway.owner.ask("GET", path), 404, 120)


@scenario("GET /scopes lists scopes; GET /scopes/{id} adds limits and prices; an unknown id is 404/10.", account=True)
def scopes(gateway: Target) -> None:
    listed = gateway.owner.ask("GET", "/scopes").data
    must(isinstance(listed, list) and bool(listed), "there is no list of scopes")
    must(set(listed[0]) >= {"id", "scope", "method", "domain", "enabled"}, f"a scope has only {sorted(listed[0])}")
    detail = gateway.owner.ask("GET", f"/scopes/{listed[0]['id']}").detail
    must(set(detail) >= {"rateLimit", "freeLimits", "requirements", "prices"}, f"the detail has only {sorted(detail)}")
    must_be_refused(gateway.owner.ask("GET", f"/scopes/{UNKNOWN}"), 404, 10)


@scenario("GET /wallet shows the credit as a number.", account=True)
def the_wallet(gateway: Target) -> None:
    wallet = gateway.owner.ask("GET", "/wallet").detail
    must(isinstance(wallet.get("credit"), int | float), f"the credit is a {type(wallet.get('credit')).__name__}")
