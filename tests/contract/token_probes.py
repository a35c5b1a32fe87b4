"""
Questions about the token service that the vendor's documentation leaves open. They need the account, send no real SMS,
and delete the tokens that they make.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.contract.probes import accepted_or
from tests.contract.scenarios import sent
from tests.contract.suite import must, probe
from tests.contract.target import Answer, Target
from tests.contract.token_scenarios import new_token, token_of

# No address: RFC 6761 keeps this name from being resolved. The call fails, and how it failed is what is asked for.
NOWHERE_TO_CALL = "https://callback.invalid/contract"


@probe("Is the gateway enabled for the account, as GET /scopes shows it?", account=True)
def is_enabled(gateway: Target) -> str:
    listed = gateway.owner.ask("GET", "/scopes")
    must(isinstance(listed.data, list), listed.seen)
    ours = {one["scope"]: one.get("enabled") for one in listed.data}
    states = {method: ours.get(gateway.scope(method), "not there") for method in ("GET", "POST", "PUT", "DELETE")}
    return ", ".join(f"{method}: {json.dumps(state)}" for method, state in states.items())


@probe("What does GET /scopes/{id} tell of a POST to the gateway?", account=True)
def limits_and_prices(gateway: Target) -> str:
    listed = gateway.owner.ask("GET", "/scopes").data or []
    ours = [one["id"] for one in listed if one["scope"] == gateway.scope("POST")]
    if not ours:
        return "the scope is not there"
    detail = gateway.owner.ask("GET", f"/scopes/{ours[0]}").detail
    names = ("rateLimit", "freeLimits", "requirements", "prices")
    return "; ".join(f"{name}: {json.dumps(detail.get(name))}" for name in names)


@probe("Has the answer to POST /tokens an envelope?", account=True)
def envelope_of_a_token(gateway: Target) -> str:
    body = {"name": "contract", "scopes": [gateway.scope("GET")], "ttl": 60}
    answer = gateway.owner.ask("POST", "/tokens", body)
    gateway.owner.ask("DELETE", f"/tokens/{token_of(answer)['token']}")
    return "yes" if "data" in (answer.envelope or {}) else "no"


@probe("What does an expired token get? Is it still in the list? And a deleted one?", account=True)
def expired_and_deleted_tokens(gateway: Target) -> str:
    with new_token(gateway, ttl=1) as token:
        gateway.pause(3)
        expired = gateway.ask("GET", "/messages/", token=token["token"])
        listed = gateway.owner.ask("GET", "/tokens").data or []
    deleted = gateway.ask("GET", "/messages/", token=token["token"])
    there = "in the list" if token["token"] in {one["token"] for one in listed} else "not in the list"
    return f"expired: {expired.shape}, {there}; deleted: {deleted.shape}"


@probe("What does a token for GET only get when it POSTs?", account=True)
def a_missing_scope(gateway: Target) -> str:
    with new_token(gateway) as token:
        return gateway.ask("POST", "/messages/", {}, token=token["token"]).shape


@probe("What does a wrong API key get at the token service?", account=True)
def a_wrong_key(gateway: Target) -> str:
    return gateway.owner.ask("GET", "/tokens", api_key="wrong").shape


@probe("What does GET /callbacks keep of this gateway's callbacks?", account=True)
def kept_callbacks(gateway: Target) -> str:
    sent(gateway.send(options={"callback_url": NOWHERE_TO_CALL}))
    gateway.pause(10)
    listed = gateway.owner.ask("GET", "/callbacks?limit=100")
    if not isinstance(listed.data, list):
        return accepted_or(listed)
    host = str(urlsplit(gateway.url).hostname)
    ours = [one["id"] for one in listed.data if host in str(one.get("scope"))]
    if not ours:
        return f"nothing of {host} among {len(listed.data)}"
    return f"{len(ours)} of {len(listed.data)}; " + _described(gateway.owner.ask("GET", f"/callbacks/{ours[0]}"))


def _described(callback: Answer) -> str:
    kept = callback.detail
    numbers = {name: kept.get(name) for name in ("httpResponseCode", "attempt", "retry")}
    data = sorted(kept["data"]) if isinstance(kept.get("data"), dict) else type(kept.get("data")).__name__
    return f"one has {sorted(kept)}, {json.dumps(numbers)}, data: {data}"
