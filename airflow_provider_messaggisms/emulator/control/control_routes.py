"""
The emulator's own endpoints under ``/_emulator/``, for tests and for the inbox page. They are no part of the vendor's
API and need no token. :mod:`..inbox.inbox_routes` has those of the inbox.

================================  ==================================================================================
``GET /_emulator/``               the clock, the credit and the personality
``POST /_emulator/reset``         forget everything; optional: see :class:`.emulator_state.EmulatorSettings`
``POST /_emulator/advance``       move the clock forward by ``seconds``
``POST /_emulator/decide``        decide the state of a stuck SMS: ``message_id``, ``number``, ``state``
``GET /_emulator/faults``         the faults to come, with how many requests each has seen and spoiled so far
``POST /_emulator/faults``        script a fault, see :class:`.fault_script.Fault`
``DELETE /_emulator/faults``      remove all faults
``GET /_emulator/tokens``         the tokens of both environments, expired ones too
``DELETE /_emulator/tokens``      revoke all tokens
``GET /_emulator/callbacks``      the callbacks made so far, in order: ``message_id``, ``state``, ``result``
``GET /_emulator/requests``       the requests to both APIs, in order: ``method``, ``path`` (a pattern), ``status``
================================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator.account import api_errors, message_states
from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorSettings, EmulatorState
from airflow_provider_messaggisms.emulator.control.fault_script import read_fault
from airflow_provider_messaggisms.emulator.http.json_io import json_response, read_body


class ClockAdvance(msgspec.Struct, forbid_unknown_fields=True):
    """How far to move the clock."""

    seconds: float


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """The state that a number's SMS in a message gets."""

    message_id: str
    number: str
    state: str


def control_routes(state: EmulatorState) -> APIRouter:
    """Return the routes that control the emulator."""
    routes = APIRouter(prefix="/_emulator")
    _add_state_routes(routes, state)
    _add_fault_routes(routes, state)
    _add_token_routes(routes, state)
    return routes


def _add_state_routes(routes: APIRouter, state: EmulatorState) -> None:
    @routes.get("/")
    async def overview() -> Response:
        return json_response(state.overview())

    @routes.post("/reset")
    async def reset(request: Request) -> Response:
        raw = await read_body(request)
        with invalid_as_api_error("reset"):
            state.reset(read_json(raw or b"{}", EmulatorSettings))
        return json_response(state.overview())

    @routes.post("/advance")
    async def advance(request: Request) -> Response:
        raw = await read_body(request)
        with invalid_as_api_error("seconds"):
            state.advance(read_json(raw, ClockAdvance).seconds)
        return json_response(state.overview())

    @routes.post("/decide")
    async def decide(request: Request) -> Response:
        raw = await read_body(request)
        with invalid_as_api_error("decide"):
            decision = read_json(raw, Decision)
            if decision.state not in message_states.STATES:
                raise ValueError(f"state must be one of {', '.join(message_states.STATES)}")
        state.decide(decision.message_id, decision.number, message_states.STATES[decision.state])
        return json_response({})

    @routes.get("/requests")
    async def requests() -> Response:
        return json_response({"requests": list(state.request_log)})

    @routes.get("/callbacks")
    async def callbacks() -> Response:
        return json_response({"callbacks": list(state.callbacks.log)})


def _add_fault_routes(routes: APIRouter, state: EmulatorState) -> None:
    script, clock = state.faults, state.account.clock

    @routes.get("/faults")
    async def faults() -> Response:
        return json_response({"faults": script.shown(clock.now())})

    @routes.post("/faults")
    async def add_fault(request: Request) -> Response:
        raw = await read_body(request)
        with invalid_as_api_error("fault"):
            script.add(read_fault(read_json(raw, dict)), clock.now())
        return json_response({"faults": script.shown(clock.now())})

    @routes.delete("/faults")
    async def clear_faults() -> Response:
        script.clear()
        return json_response({})


def _add_token_routes(routes: APIRouter, state: EmulatorState) -> None:
    @routes.get("/tokens")
    async def tokens() -> Response:
        return json_response({"tokens": state.tokens.values()})

    @routes.delete("/tokens")
    async def revoke_tokens() -> Response:
        state.tokens.revoke_all()
        return json_response({})


_Form = TypeVar("_Form")


def read_json(raw: bytes, form: type[_Form]) -> _Form:
    """
    Read a JSON body.

    :raises ValueError: It is invalid.
    """
    try:
        return msgspec.json.decode(raw, type=form)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def invalid_as_api_error(name: str) -> Iterator[None]:
    """Turn an invalid value into an :class:`.api_errors.ApiError` that gives the reason."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise api_errors.parameter_invalid(name, str(error)[:200]) from error
