"""
The vendor's token service: the calls that find or make a token, and that tell what the account has.

The service's own file shows some answers within the gateway's envelope and some without, and users have seen both, so
either is read. A token is found before it is made, so that all workers share one. It is never refreshed or deleted:
the service's refresh deletes the token that other workers still use. An old token is left to expire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import (
    AuthenticationError,
    GatewayError,
    MessageNotFoundError,
    MessaggiSmsError,
    ProtocolError,
)
from airflow_provider_messaggisms.gateway.account import TOKEN_NAME, Account, missing_scopes
from airflow_provider_messaggisms.gateway.credit import CONSOLE
from airflow_provider_messaggisms.gateway.models import instant, number
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.steps import Pause, Steps
from airflow_provider_messaggisms.gateway.wire import UNREADABLE, Call, Request, Response, refusal

TOKEN_SERVICE = "the token service"  # noqa: S105 (a name, no secret)

#: The most tokens that the service lists at once.
PAGE = 100

# An account with more tokens than this is not searched further: a new token is made.
_MOST_PAGES = 50

#: A new token is made when this fraction of the life of the last one is left.
RENEWED_AT = 0.1

#: Processes that start at once wait a random time, at most this long, before they make a token. The first one makes it,
#: the others find it. Times are drawn so that few are short: then few processes are the first.
SPREAD_SECONDS = 4.0
_FEW_ARE_SHORT = 1 / 8

#: The code with which the service says that an account has no token.
_NO_TOKENS = 120

#: The code with which it says that a scope is invalid or its API not enabled.
_NOT_ENABLED = 90


class Token(RedactedStruct, frozen=True, kw_only=True):
    """
    A token, with times by the service's own clock.

    :param value: The token. Not in the ``repr``.
    :param life_seconds: From its making to its end.
    :param left_seconds: From the answer to its end.
    :param expires_at: Its end.
    :param made: ``True`` if it was made for this process, ``False`` if it was found.
    """

    _shown = ("scopes", "expires_at", "made")
    value: str
    scopes: tuple[str, ...]
    life_seconds: float
    left_seconds: float
    expires_at: datetime
    made: bool = False

    @property
    def expires(self) -> str:
        """Its end, for people."""
        return f"{self.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    @property
    def is_worth_using(self) -> bool:
        """Tell whether more than a tenth of its life is left."""
        return self.left_seconds > RENEWED_AT * self.life_seconds


class Listed(RedactedStruct, frozen=True, kw_only=True):
    """A token as the service describes it, with the wire's names."""

    _shown = ("name", "expireAt")
    token: Any = None
    name: Any = None
    scopes: Any = None
    createdAt: Any = None  # noqa: N815 (the wire's name)
    expireAt: Any = None  # noqa: N815


def find_or_make(account: Account, *, now: datetime, chance: float, later_than: datetime | None = None) -> Steps[Token]:
    """
    Find a token that can be used, or make one.

    :param now: The time, in case the service does not tell its own.
    :param chance: A number in [0, 1) that spreads processes which start at once.
    :param later_than: When a refused token was to expire. Only a token that expires later is used: an earlier one may
        have been refused too.
    :raises MessaggiSmsError: The service refuses, or does not answer.
    """
    found = yield from _find(account, now, later_than)
    if found is None:
        yield Pause(SPREAD_SECONDS * chance**_FEW_ARE_SHORT)
        found = yield from _find(account, now, later_than)
    if found is not None:
        return found
    made: Token = yield make_token(account, now=now)
    return made


def _find(account: Account, now: datetime, later_than: datetime | None) -> Steps[Token | None]:
    """Look for the token of ours that lives longest, on the first page that has one."""
    seen: set[str] = set()
    for page in range(_MOST_PAGES):
        tokens: list[Token]
        tokens, listed = yield list_tokens(account, now=now, skip=page * PAGE)
        usable = [one for one in tokens if one.is_worth_using and (not later_than or one.expires_at > later_than)]
        if usable:
            return max(usable, key=lambda one: one.expires_at)
        if len(listed) < PAGE or listed <= seen:  # the last page, or a service that does not turn pages
            return None
        seen |= listed
    return None


def list_tokens(account: Account, *, now: datetime, skip: int = 0) -> Call[tuple[list[Token], set[str]]]:
    """Read one page of the account's tokens; return those of ours with all scopes, and what is on the page."""
    request = _request("GET", f"/tokens?skip={skip}&limit={PAGE}", "/tokens")

    def parse(response: Response) -> tuple[list[Token], set[str]]:
        try:
            data = _data(request, response)
        except MessageNotFoundError as error:
            if error.code == _NO_TOKENS:
                return [], set()
            raise
        read = [_listed(one) for one in (data if isinstance(data, list) else [data])]
        tokens = [_found(one, account, _service_time(response, now)) for one in read]
        return [token for token in tokens if token is not None], {str(one.token) for one in read}

    return Call(request, parse, repeatable=True)


def make_token(account: Account, *, now: datetime) -> Call[Token]:
    """Make a token. If the answer is lost, the token is found when it is looked for again."""
    content = {"name": TOKEN_NAME, "scopes": account.scopes, "ttl": account.ttl_seconds}
    request = _request("POST", "/tokens", "/tokens", msgspec.json.encode(content))

    def parse(response: Response) -> Token:
        one = _listed(_data(request, response))
        token = _made(one, account, _service_time(response, now))
        if token is None:
            raise ProtocolError(f"{request}: the answer has no token: HTTP {response.status}", status=response.status)
        if missing := missing_scopes(account.scopes, token.scopes):
            raise AuthenticationError(
                response.status,
                None,
                f"the new token lacks the scope(s) {', '.join(missing)}",
                route=str(request),
                advice=_NOT_ACTIVE,
                service=TOKEN_SERVICE,
            )
        return token

    return Call(request, parse, repeatable=False)


def get_wallet_credit() -> Call[float | None]:
    """Read the credit in the account's wallet, in EUR."""
    request = _request("GET", "/wallet", "/wallet")
    return Call(request, lambda response: number(_member(_data(request, response), "credit")), repeatable=True)


def get_scopes() -> Call[dict[str, Any]]:
    """Read the ids of all scopes by their names."""
    request = _request("GET", "/scopes", "/scopes")

    def parse(response: Response) -> dict[str, Any]:
        data = _data(request, response)
        listed = data if isinstance(data, list) else []
        return {str(_member(one, "scope")): _member(one, "id") for one in listed}

    return Call(request, parse, repeatable=True)


def get_scope(scope_id: Any) -> Call[dict[str, Any]]:
    """Read what a scope allows and costs: ``enabled``, ``rateLimit``, ``prices`` and more."""
    quoted = re.sub(r"[^\w-]", "", str(scope_id))
    request = _request("GET", f"/scopes/{quoted}", "/scopes/{id}")

    def parse(response: Response) -> dict[str, Any]:
        data = _data(request, response)
        return data if isinstance(data, dict) else {}

    return Call(request, parse, repeatable=True)


def describe(account: Account, token: Token) -> Steps[str]:
    """Describe a token and its account in one line; what the service does not tell is left out."""
    parts = [
        f"a token that was {'made' if token.made else 'found'}, expires at {token.expires}",
        f"scopes {', '.join(token.scopes)}",
    ]
    with suppress(MessaggiSmsError):
        if (credit := (yield get_wallet_credit())) is not None:
            parts.append(f"credit {credit:.2f} EUR")
    with suppress(MessaggiSmsError):
        scopes = yield get_scopes()
        scope = yield get_scope(scopes.get(next(one for one in account.scopes if one.startswith("POST"))))
        parts += _described_scope(scope)
    return "; ".join(parts)


def _described_scope(scope: dict[str, Any]) -> Iterator[str]:
    if "rateLimit" in scope:
        yield f"rate limit {str(scope['rateLimit'])[:40]}" if scope["rateLimit"] else "no rate limit"
    prices = scope.get("prices")
    for name, price in prices.items() if isinstance(prices, dict) else ():
        if (amount := number(price)) is not None:
            yield f"price {amount:g} EUR without VAT ({name})"


_NOT_ACTIVE = f"activate Gateway SMS in the vendor's console at {CONSOLE}; the API may be closed to this account"
_WRONG_KEY = "the e-mail address and the API key must be of the same account and environment"


def _request(method: str, path: str, route: str, body: bytes | None = None) -> Request:
    return Request(method, path, route, body, service=TOKEN_SERVICE)


def _data(request: Request, response: Response) -> Any:
    """
    Read an answer, within an envelope or without.

    :raises AuthenticationError: The API key is wrong, or the API is not enabled for the account.
    :raises MessaggiSmsError: Any other refusal, or an answer that cannot be read.
    """
    if response.status >= 400:
        raise _explained(refusal(request, response), request)
    try:
        content = msgspec.json.decode(response.body)
    except UNREADABLE:
        content = None
    if not 200 <= response.status < 300 or not isinstance(content, dict | list):
        text = f"{request}: the answer is not one of {TOKEN_SERVICE}; is the host right? HTTP {response.status}"
        raise ProtocolError(text, status=response.status)
    if isinstance(content, list):
        return content
    if content.get("success") is False:
        raise _explained(refusal(request, response), request)
    return content if content.get("data") is None else content["data"]


def _explained(error: MessaggiSmsError, request: Request) -> MessaggiSmsError:
    """Give a refusal that concerns the account the class and the advice that its cause deserves."""
    if not isinstance(error, GatewayError):
        return error
    not_enabled = error.status == 422 and error.code == _NOT_ENABLED
    if not not_enabled and not isinstance(error, AuthenticationError):
        return error
    return AuthenticationError(
        error.status,
        error.code,
        error.message,
        route=str(request),
        advice=_NOT_ACTIVE if not_enabled else _WRONG_KEY,
        service=TOKEN_SERVICE,
    )


def _listed(data: Any) -> Listed:
    """Read a token's description; what is no description has no token in it."""
    return msgspec.convert(data, Listed) if isinstance(data, dict) else Listed()


def _made(one: Listed, account: Account, now: datetime) -> Token | None:
    """Judge a token that has just been made. Where the answer does not tell, it has what was asked for."""
    begins = instant(one.createdAt) or now
    ends = instant(one.expireAt) or _later(begins, account.ttl_seconds)
    token = _token(one, begins, ends, begins)
    return token and msgspec.structs.replace(token, made=True, scopes=token.scopes or account.scopes)


def _found(one: Listed, account: Account, now: datetime) -> Token | None:
    """Judge a listed token; ``None`` if it is not ours, lacks a scope, or does not tell when it ends."""
    ends = instant(one.expireAt)
    if one.name != TOKEN_NAME or ends is None:
        return None
    begins = instant(one.createdAt) or _later(ends, -account.ttl_seconds)
    token = _token(one, begins, ends, now)
    return None if token is None or missing_scopes(account.scopes, token.scopes) else token


def _later(moment: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later; the moment itself where the calendar ends."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return moment


def _token(one: Listed, begins: datetime, ends: datetime, now: datetime) -> Token | None:
    if not isinstance(one.token, str) or not re.fullmatch(r"[\x21-\x7e]+", one.token):
        return None
    scopes = tuple(map(str, one.scopes)) if isinstance(one.scopes, list) else ()
    return Token(
        value=one.token,
        scopes=scopes,
        life_seconds=(ends - begins).total_seconds(),
        left_seconds=(ends - now).total_seconds(),
        expires_at=ends,
    )


def _service_time(response: Response, ours: datetime) -> datetime:
    """Read the service's clock from its answer: a worker whose clock is wrong judges tokens rightly, too."""
    try:
        # The header has no fractions of a second: count them as passed.
        return parsedate_to_datetime(response.headers.get("Date", "")).astimezone(UTC) + timedelta(seconds=1)
    except (ValueError, TypeError, OverflowError):
        return ours


def _member(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None
