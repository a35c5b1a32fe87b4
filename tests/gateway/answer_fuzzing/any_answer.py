"""
Any bytes as an answer: each call makes a value or one of our own errors of them.

The test suite checks the answers in ``corpus`` and more that hypothesis makes (``test_answer_fuzzing``); atheris looks
for others (``__main__``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway import calls, token_calls
from airflow_provider_messaggisms.gateway.account import Account, scopes_for
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.delivery import (
    DeliveryCounts,
    check_reachable,
    is_large,
    judge,
    worth_reading,
)
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import Message, RecipientReport
from airflow_provider_messaggisms.gateway.price import Seen
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.steps import Step, Steps, run_steps
from airflow_provider_messaggisms.gateway.wire import Call, Response

CORPUS = Path(__file__).with_name("corpus")

#: What no error may show, wherever an answer has it from.
TOKEN = "tok-3f9a8b7c6d5e4f"

#: No error is longer.
MAX_SHOWN = 1_000

REFUSED = (302, 401, 402, 404, 422, 503)
RULE = Rule(0.5, accept_delivered_to_operator=True)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = Account(
    base_url="https://oauth.example",
    login="a@example.com",
    api_key=TOKEN,
    scopes=scopes_for("https://ws.messaggisms.com"),
    ttl_seconds=86_400,
    timeout_seconds=10.0,
)
SEND = calls.send_message(MessageContent(sender="Depot", body="Hello"), [Recipient("+39-3471112223")])


def check(body: bytes) -> None:
    """
    Read *body* as the answer to every call, and use what is read as the provider does.

    :raises Exception: Something failed in another way than with one of our own errors, or an error shows too much.
    """
    for call in _all_calls():
        check_call(call, body, 200)
    for status in REFUSED:
        for call in (SEND, calls.list_messages(), token_calls.get_wallet_credit()):
            check_call(call, body, status)
    for steps in _all_steps():
        _answer(steps, body)


def _all_calls() -> Iterator[Call[Any]]:
    yield SEND
    yield calls.list_messages()
    yield calls.get_credit()
    yield calls.update_message("m1")
    yield calls.delete_message("m1")
    yield calls.get_recipients("m1")
    yield calls.get_recipient("m1", "+39-3471112223")
    yield calls.get_numbers("m1")
    yield calls.get_delivery_counts("m1")
    yield calls.get_delivery_counts("m1", many=True)
    yield token_calls.make_token(ACCOUNT, now=NOW)


def _all_steps() -> Iterator[Steps[Any]]:
    yield token_calls.find_or_make(ACCOUNT, now=NOW, chance=0.5, later_than=NOW)
    token = token_calls.Token(
        value=TOKEN, scopes=ACCOUNT.scopes, life_seconds=86_400, left_seconds=86_400, expires_at=NOW
    )
    yield token_calls.describe(ACCOUNT, token)


def _answer(steps: Steps[Any], body: bytes) -> None:
    """Give the same answer to each call of the steps."""

    def perform(step: Step) -> Any:
        return step.parse(_response(step, body, 200)) if isinstance(step, Call) else None

    try:
        repr(run_steps(steps, perform))
    except MessaggiSmsError as error:
        _check_shown(error)


def check_call(call: Call[Any], body: bytes, status: int) -> None:
    """Read *body* as the answer to one call."""
    try:
        _use(call.parse(_response(call, body, status)))
    except MessaggiSmsError as error:
        _check_shown(error)


def _response(call: Call[Any], body: bytes, status: int) -> Response:
    collected = call.collect()
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        collected.add(piece)
    header = body[:60].decode("latin-1")
    return Response(
        status,
        {"Retry-After": header, "Date": header},
        collected.rest(),
        hidden=(TOKEN,),
        taken=collected.taken,
    )


def _use(value: Any) -> None:
    """Do with a value what the hook, a wait and a log do with it."""
    repr(value)
    if isinstance(value, Message):
        json.dumps([value.price, value.base_price, value.credit], allow_nan=False)  # as an XCom
        Seen().note(value)
        is_large(value)
        worth_reading(value, RULE)
        check_reachable(value)
    if isinstance(value, RecipientReport):
        value = judge("m1", [value], RULE)
        value.sentence()
        str(value.error())
    if isinstance(value, DeliveryCounts):
        verdict = value.verdict("m1", RULE)
        json.dumps(verdict.report, allow_nan=False)
        str(verdict.error())


def _check_shown(error: MessaggiSmsError) -> None:
    shown = f"{error}"
    if TOKEN in shown or TOKEN in repr(error.__dict__):
        raise AssertionError("an error shows the token")
    if type(error).__name__ != "DeliveryError" and len(shown) > MAX_SHOWN:
        raise AssertionError(f"an error is {len(shown)} characters long")
