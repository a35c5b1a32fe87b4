"""The token service over HTTP: tokens with scopes and lifetime, documented errors, two environments, the wallet."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.pytest_plugin import Exchange, Gateway
from airflow_provider_messaggisms.emulator.token_service import token_store
from airflow_provider_messaggisms.emulator.token_service.token_bodies import TokenRequest
from tests.emulator.conftest import Call, Reply, login

SEND = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}
METHODS = ("GET", "POST", "PUT", "DELETE")
SCOPES = [f"{method}:127.0.0.1/messages" for method in METHODS]
UNKNOWN = "0" * 24
DAY = 86_400


def made(ask: Call, path: str = "/tokens", **changes: Any) -> dict[str, Any]:
    """Make a token and return its description."""
    reply = ask("POST", path, {"name": "test", "scopes": SCOPES, "ttl": DAY} | changes)
    assert reply.status == 200, reply.raw
    return dict(reply.json)


def is_refused(reply: Reply, status: int, code: float) -> bool:
    envelope = reply.json
    shape = (envelope["data"], envelope["success"], envelope["error"]) == (None, False, code)
    return reply.status == status and shape


def is_open(call: Call, token: str, path: str = "/messages/") -> bool:
    """Tell whether the gateway takes a token. It refuses a wrong one as users have seen it."""
    reply = call("GET", path, token=token)
    if reply.status == 401:
        assert reply.json == {"success": False, "message": "Wrong Token", "error": 125.22, "data": None}
    return reply.status in (200, 404)


# --- the life of a token ------------------------------------------------------------------------------------------


def test_a_new_token_has_what_was_asked_for(ask: Call) -> None:
    token = made(ask, name="workers", ttl=3600)
    assert (token["name"], token["scopes"]) == ("workers", SCOPES)
    lifetime = datetime.fromisoformat(token["expireAt"]) - datetime.fromisoformat(token["createdAt"])
    assert lifetime == timedelta(hours=1)
    assert ask("GET", f"/tokens/{token['token']}").json == token


def test_a_token_opens_the_gateway_until_it_expires(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    token = made(ask, ttl=60)["token"]
    messaggisms_gateway.advance(59)
    assert call("POST", "/messages/", SEND, token=token).status == 201
    messaggisms_gateway.advance(1)
    assert not is_open(call, token)
    assert len(messaggisms_gateway.inbox()) == 1


def test_a_token_opens_the_calls_of_its_scopes_only(ask: Call, call: Call) -> None:
    token = made(ask, scopes=["GET:127.0.0.1/messages"])["token"]
    assert is_open(call, token)
    assert is_refused(call("POST", "/messages/", SEND, token=token), 403, 403)
    everything = made(ask, scopes=["*:127.0.0.1/*"])["token"]
    assert call("POST", "/messages/", SEND, token=everything).status == 201


def test_a_deleted_token_is_wrong_at_once(ask: Call, call: Call) -> None:
    token = made(ask)["token"]
    assert is_open(call, token)
    reply = ask("DELETE", f"/tokens/{token}")
    assert (reply.status, reply.json["message"], reply.json["data"]) == (200, "Deleted", None)
    assert not is_open(call, token)
    assert is_refused(ask("DELETE", f"/tokens/{token}"), 404, 180)


def test_a_refresh_makes_a_new_token_and_deletes_the_old_one(ask: Call, call: Call) -> None:
    old = made(ask)
    path = f"/tokens/{old['token']}"
    assert is_refused(call("PATCH", path, {}, token=made(ask)["refreshToken"]), 401, 130)
    assert is_open(call, old["token"])
    new = call("PATCH", path, {}, token=old["refreshToken"]).json
    assert (new["name"], new["scopes"]) == ("test", SCOPES)
    assert {new["token"], new["refreshToken"]}.isdisjoint({old["token"], old["refreshToken"]})
    assert (is_open(call, old["token"]), is_open(call, new["token"])) == (False, True)


def test_the_account_can_change_a_token_in_place(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    token = made(ask, ttl=60)["token"]
    messaggisms_gateway.advance(30)
    changed = ask("PATCH", f"/tokens/{token}", {"name": "new", "ttl": 60, "scopes": SCOPES[:1]}).json
    assert (changed["token"], changed["name"], changed["scopes"]) == (token, "new", SCOPES[:1])
    messaggisms_gateway.advance(59)
    assert is_open(call, token)
    assert call("POST", "/messages/", SEND, token=token).status == 403


@pytest.mark.parametrize(("ttl", "days"), [(0, 30), (-5, 30), (None, 30), (10**12, 365), (365 * DAY, 365)])
def test_a_lifetime_is_at_most_a_year_and_30_days_by_default(ask: Call, ttl: int | None, days: int) -> None:
    token = made(ask, ttl=ttl)
    lifetime = datetime.fromisoformat(token["expireAt"]) - datetime.fromisoformat(token["createdAt"])
    assert lifetime == timedelta(days=days)


def test_a_token_stops_at_its_limit_of_requests(ask: Call, call: Call) -> None:
    token = made(ask, limits={"totalRequests": 2, "walletAmount": 5})["token"]
    assert [call("GET", "/messages/", token=token).status for _ in range(3)] == [404, 404, 403]
    shown = ask("GET", f"/tokens/{token}").json
    assert (shown["limits"], shown["stats"]) == ({"totalRequests": 2, "walletAmount": 5}, {"totalRequests": 2})


def test_the_date_of_responses_is_the_emulators(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(now="2030-05-20T12:00:00+00:00")
    expires_at = datetime.fromisoformat(made(ask, ttl=60)["expireAt"])
    for reply in (ask("GET", "/tokens"), call("GET", "/messages/"), call("GET", "/messages/", token="wrong")):
        (date,) = reply.headers.get_all("date") or []
        assert expires_at - parsedate_to_datetime(date) == timedelta(seconds=60)


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_tokens_are_listed_in_pages_of_at_most_100(ask: Call, messaggisms_gateway: Gateway, order: str) -> None:
    messaggisms_gateway.reset(personality={"list_order": order})
    values = [messaggisms_gateway.token, *(made(ask)["token"] for _ in range(104))]
    in_order = values[::-1] if order == "newest" else values

    def page(query: str) -> list[str]:
        return [one["token"] for one in ask("GET", f"/tokens{query}").json["data"]]

    assert page("") == page("?limit=1000") == page("?limit=soon") == in_order[:100]
    assert page("?skip=100&limit=100") == in_order[100:]
    assert page("?skip=2&limit=3") == in_order[2:5]
    assert page("?skip=105") == []


def test_an_expired_token_stays_in_the_list(ask: Call, messaggisms_gateway: Gateway) -> None:
    token = made(ask, ttl=1)["token"]
    messaggisms_gateway.advance(DAY)
    assert token in {one["token"] for one in ask("GET", "/tokens").json["data"]}


def test_an_account_without_tokens_gets_404(ask: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.revoke_tokens()
    assert is_refused(ask("GET", "/tokens"), 404, 120)


def test_the_oldest_of_too_many_tokens_is_forgotten(account: SmsAccount) -> None:
    tokens = token_store.TokenStore(account)
    asked = TokenRequest((), "", 60, None)
    values = [tokens.create("production", asked).value for _ in range(token_store.MAX_TOKENS + 1)]
    assert tokens.values() == values[1:]


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/tokens", {"name": "x"}, 422, 70),
        ("POST", "/tokens", {"scopes": "GET:127.0.0.1/messages"}, 422, 80),
        ("POST", "/tokens", {"scopes": []}, 422, 80),
        ("POST", "/tokens", {"scopes": ["messages"]}, 422, 80),
        ("POST", "/tokens", {"scopes": [5]}, 422, 80),
        ("POST", "/tokens", {"scopes": [*SCOPES, "GET:sms.openapi.com/messages"]}, 422, 90),
        ("POST", "/tokens", {"scopes": ["PATCH:127.0.0.1/messages"]}, 422, 90),
        ("POST", "/tokens", {"scopes": ["GET:127.0.0.1/message"]}, 422, 90),
        ("GET", f"/tokens/{UNKNOWN}", None, 404, 120),
        ("GET", "/tokens/nonsense", None, 422, 60),
        ("PATCH", "/tokens", {}, 400, 150),
        ("PATCH", f"/tokens/{UNKNOWN}", {}, 404, 160),
        ("PATCH", "/tokens/emulator-token", {"scopes": "x"}, 422, 100),
        ("PATCH", "/tokens/emulator-token", {"scopes": ["GET:example.com/x"]}, 422, 110),
        ("DELETE", "/tokens", None, 400, 170),
        ("DELETE", f"/tokens/{UNKNOWN}", None, 404, 180),
        ("GET", f"/scopes/{UNKNOWN}", None, 404, 10),
    ],
)
def test_a_wrong_request_gets_its_documented_code(
    ask: Call, method: str, path: str, body: Any, status: int, code: int
) -> None:
    assert is_refused(ask(method, path, body), status, code)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\x00\xff",
        b'{"a":' * 50_000,
        b'{"scopes": null, "ttl": "soon"}',
        b'{"scopes": ["GET:x/messages"], "ttl": 1.5}',
        b'{"scopes": ["GET:x/messages"], "name": 5}',
        b'{"scopes": ["GET:x/messages"], "limits": {"totalRequests": "many"}}',
        b'{"ttl": ' + b"9" * 5_000 + b"}",
    ],
    ids=range(11),
)
def test_an_unreadable_body_makes_no_token(ask: Call, messaggisms_gateway: Gateway, raw: bytes) -> None:
    before = messaggisms_gateway.tokens
    assert is_refused(ask("POST", "/tokens", raw), 422, 80)
    assert messaggisms_gateway.tokens == before


def test_the_account_needs_its_email_address_and_api_key(call: Call, messaggisms_gateway: Gateway) -> None:
    email, api_key = messaggisms_gateway.email, messaggisms_gateway.api_key
    wrong = [login(email, "wrong"), login("other@example.com", api_key), login(email, ""), login("", "")]
    wrong += [{"Authorization": text} for text in ("Basic", "Basic /", "Basic 4pyF4pyF", f"Bearer {api_key}", "")]
    for headers in [*wrong, {}]:
        for path in ("/tokens", "/scopes", "/wallet"):
            assert is_refused(call("GET", path, headers=headers, token=None), 401, 140)
    assert call("GET", "/tokens", headers=login(email, api_key), token=None).status == 200


def test_neither_secret_opens_the_other_service(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    assert is_refused(call("GET", "/tokens", token=messaggisms_gateway.token), 401, 140)
    assert ask("GET", "/messages/").status == 401
    assert not is_open(call, messaggisms_gateway.api_key)


def test_the_api_key_can_be_another_one(ask: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(api_key="other")
    assert ask("GET", "/tokens").status == 401
    assert ask("GET", "/tokens", api_key="other").status == 200
    messaggisms_gateway.reset()
    assert ask("GET", "/tokens").status == 200


# --- environments -------------------------------------------------------------------------------------------------


def test_a_token_is_wrong_in_the_other_environment(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    sandbox = messaggisms_gateway.sandbox
    assert sandbox.url == f"{messaggisms_gateway.url}/sandbox"
    assert is_refused(ask("GET", "/sandbox/tokens"), 401, 140)
    assert is_refused(ask("GET", "/tokens", api_key=sandbox.api_key), 401, 140)
    in_sandbox = ask("POST", "/sandbox/tokens", {"scopes": SCOPES}, api_key=sandbox.api_key).json["token"]
    in_production = made(ask)["token"]
    for token, environment in (
        (in_production, "production"),
        (messaggisms_gateway.token, "production"),
        (in_sandbox, "sandbox"),
        (sandbox.token, "sandbox"),
    ):
        assert is_open(call, token) == (environment == "production")
        assert is_open(call, token, "/sandbox/messages/") == (environment == "sandbox")
    assert is_refused(ask("DELETE", f"/tokens/{in_sandbox}"), 404, 180)
    listed = {one["token"] for one in ask("GET", "/sandbox/tokens", api_key=sandbox.api_key).json["data"]}
    assert listed == {in_sandbox, sandbox.token}


def test_the_vendors_host_in_a_scope_belongs_to_one_environment(ask: Call, messaggisms_gateway: Gateway) -> None:
    production, sandbox = ["POST:ws.messaggisms.com/messages"], ["POST:test.ws.messaggisms.com/messages"]
    api_key = messaggisms_gateway.sandbox.api_key
    assert made(ask, scopes=production)["scopes"] == production
    assert is_refused(ask("POST", "/tokens", {"scopes": sandbox}), 422, 90)
    assert ask("POST", "/sandbox/tokens", {"scopes": sandbox}, api_key=api_key).json["scopes"] == sandbox
    assert is_refused(ask("POST", "/sandbox/tokens", {"scopes": production}, api_key=api_key), 422, 90)


def test_a_gateway_object_controls_the_sandbox_too(call: Call, messaggisms_gateway: Gateway) -> None:
    sandbox = messaggisms_gateway.sandbox
    assert call("POST", "/sandbox/messages", SEND, token=sandbox.token).status == 201
    sandbox.advance(10)
    assert [sms.delivered for sms in sandbox.inbox()] == [True]
    assert call("GET", "/sandboxes/messages/", token=sandbox.token).status == 401


# --- scopes, wallet, log ------------------------------------------------------------------------------------------


def test_the_scopes_of_both_hosts_are_listed_and_described(ask: Call, messaggisms_gateway: Gateway) -> None:
    listed = ask("GET", "/scopes").json["data"]
    hosts = ("ws.messaggisms.com", "127.0.0.1")
    assert {one["scope"] for one in listed} == {f"{method}:{host}/messages" for method in METHODS for host in hosts}
    assert all(one["enabled"] for one in listed)
    envelope = ask("GET", f"/scopes/{listed[0]['id']}").json
    assert (envelope["success"], envelope["error"]) == (True, None)
    assert {name: envelope["data"][name] for name in listed[0]} == listed[0]
    assert set(envelope["data"]) - set(listed[0]) == {"rateLimit", "freeLimits", "requirements", "prices"}
    in_sandbox = ask("GET", "/sandbox/scopes", api_key=messaggisms_gateway.sandbox.api_key).json["data"]
    assert "test.ws.messaggisms.com" in {one["domain"] for one in in_sandbox}


def test_an_account_without_the_gateway_makes_no_token(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(sms_enabled=False)
    assert is_refused(ask("POST", "/tokens", {"scopes": SCOPES}), 422, 90)
    assert is_refused(ask("PATCH", "/tokens/emulator-token", {"scopes": SCOPES}), 422, 110)
    assert not any(one["enabled"] for one in ask("GET", "/scopes").json["data"])
    messaggisms_gateway.reset()
    assert is_open(call, made(ask)["token"])


def test_the_wallet_has_the_credit_of_the_gateway(ask: Call, call: Call) -> None:
    assert call("POST", "/messages/", SEND).json["credit"] == "99.95"
    wallet = ask("GET", "/wallet").json["data"]
    assert wallet["credit"] == 99.95
    assert datetime.fromisoformat(wallet["updatedAt"]).tzinfo


def test_the_personality_decides_whether_a_token_has_an_envelope(ask: Call, messaggisms_gateway: Gateway) -> None:
    assert "success" not in made(ask)
    messaggisms_gateway.reset(personality={"envelope": "present"})
    envelope = made(ask)
    assert (envelope["success"], envelope["error"], envelope["data"]["name"]) == (True, None, "test")


def test_the_log_of_requests_shows_both_services_and_no_token(ask: Call, messaggisms_gateway: Gateway) -> None:
    token = made(ask)["token"]
    paths = [f"/tokens/{token}", "/tokens/", "/scopes", f"/scopes/{UNKNOWN}", "/sandbox/wallet/"]
    statuses = [ask("GET", path).status for path in paths]
    assert statuses == [200, 200, 200, 404, 401]
    patterns = ["/tokens", "/tokens/{token}", "/tokens", "/scopes", "/scopes/{id}", "/wallet"]
    methods = ["POST"] + ["GET"] * 5
    expected = zip(methods, patterns, [200, *statuses], strict=True)
    assert messaggisms_gateway.requests() == [Exchange(*one) for one in expected]


def test_a_test_can_see_and_revoke_all_tokens(ask: Call, call: Call, messaggisms_gateway: Gateway) -> None:
    token = made(ask)["token"]
    given = [messaggisms_gateway.token, messaggisms_gateway.sandbox.token]
    assert messaggisms_gateway.tokens == [*given, token]
    messaggisms_gateway.revoke_tokens()
    assert messaggisms_gateway.tokens == []
    assert not is_open(call, token)
    assert not is_open(call, messaggisms_gateway.token)
    messaggisms_gateway.reset()
    assert messaggisms_gateway.tokens == given


def test_the_token_of_the_start_never_expires(call: Call, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.advance(20 * 365 * DAY)
    assert is_open(call, messaggisms_gateway.token)
