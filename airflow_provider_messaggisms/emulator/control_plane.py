"""
The control plane under ``/_emulator/``: for tests and for the inbox page, no part of the vendor's API, no token needed.

================================  ==================================================================================
``GET /_emulator/``               the account, the clock and the personality
``POST /_emulator/reset``         forget everything; optional: ``credit``, ``now`` (ISO 8601), ``personality`` (its
                                  switches), ``tokens`` (further ones, each with the methods that it may use)
``POST /_emulator/advance``       move the clock forward by ``seconds``
``GET /_emulator/inbox``          what the phones received, newest first: ``number``, ``message_id``, ``limit``
                                  (default 100, at most 10,000)
``DELETE /_emulator/inbox``       clear the phones; the gateway still knows its messages
``POST /_emulator/decide``        settle a stuck SMS: ``message_id``, ``number``, ``state``
``GET /_emulator/faults``         what is going to go wrong, with what it has seen and spoiled so far
``POST /_emulator/faults``        script a failure, see :class:`.faults.Fault`
``DELETE /_emulator/faults``      let everything go well again
``GET /_emulator/callbacks``      the callbacks made so far, in order: ``message_id``, ``state``, ``result``
``GET /_emulator/requests``       the requests to the API, in order: ``method``, ``path`` (a pattern), ``status``
================================  ==================================================================================
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator import answers, fates, refusals
from airflow_provider_messaggisms.emulator.control import Control, Wishes
from airflow_provider_messaggisms.emulator.faults import read_fault
from airflow_provider_messaggisms.emulator.responses import answered

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000


class Look(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a look at the inbox."""

    number: str | None = None
    message_id: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_LIMIT)] = DEFAULT_LIMIT


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move the clock."""

    seconds: float


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """What is to become of a number's SMS in a message."""

    message_id: str
    number: str
    state: str


def control_routes(control: Control) -> APIRouter:
    """Return the routes of the control plane."""
    routes = APIRouter(prefix="/_emulator", include_in_schema=False)
    _add_state_routes(routes, control)
    _add_phone_routes(routes, control)
    _add_fault_routes(routes, control)
    return routes


def _add_state_routes(routes: APIRouter, control: Control) -> None:
    @routes.get("/")
    async def overview() -> Response:
        return answered(control.overview())

    @routes.post("/reset")
    async def reset(request: Request) -> Response:
        raw = await control.intake.read(request)
        with _refusing("reset"):
            control.reset(_read(raw or b"{}", Wishes))
        return answered(control.overview())

    @routes.post("/advance")
    async def advance(request: Request) -> Response:
        raw = await control.intake.read(request)
        with _refusing("seconds"):
            control.advance(_read(raw, Advance).seconds)
        return answered(control.overview())

    @routes.get("/requests")
    async def requests() -> Response:
        return answered({"requests": [asdict(exchange) for exchange in control.record.exchanges]})

    @routes.get("/callbacks")
    async def callbacks() -> Response:
        return answered({"callbacks": list(control.callbacks.record)})


def _add_phone_routes(routes: APIRouter, control: Control) -> None:
    store = control.store

    @routes.get("/inbox")
    async def inbox(request: Request) -> Response:
        with _refusing("inbox"):
            look = msgspec.convert(dict(request.query_params), Look, strict=False)
        messages = [message for message in store.departed() if look.message_id in (None, message.id)]
        entries = answers.inbox_entries(messages, store.clock.now(), look.number)
        return answered(
            {
                "now": answers.utc_text(store.clock.now()),
                "total": sum(len(message.recipients) for message in messages),
                "sms": list(itertools.islice(entries, look.limit)),
            }
        )

    @routes.delete("/inbox")
    async def clear_inbox() -> Response:
        store.hide_departed()
        return answered({})

    @routes.post("/decide")
    async def decide(request: Request) -> Response:
        raw = await control.intake.read(request)
        with _refusing("decide"):
            decision = _read(raw, Decision)
            if decision.state not in fates.STATUSES:
                raise ValueError(f"state is one of {', '.join(fates.STATUSES)}")
        control.decide(decision.message_id, decision.number, fates.STATUSES[decision.state])
        return answered({})


def _add_fault_routes(routes: APIRouter, control: Control) -> None:
    script, clock = control.script, control.store.clock

    @routes.get("/faults")
    async def faults() -> Response:
        return answered({"faults": script.shown(clock.now())})

    @routes.post("/faults")
    async def add_fault(request: Request) -> Response:
        raw = await control.intake.read(request)
        with _refusing("fault"):
            script.add(read_fault(_read(raw, dict)), clock.now())
        return answered({"faults": script.shown(clock.now())})

    @routes.delete("/faults")
    async def clear_faults() -> Response:
        script.clear()
        return answered({})


_Form = TypeVar("_Form")


def _read(raw: bytes, form: type[_Form]) -> _Form:
    try:
        return msgspec.json.decode(raw, type=form)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn what cannot be read into a refusal that says why."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise refusals.parameter_bad(what, str(error)[:200]) from error
