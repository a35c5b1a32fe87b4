"""
The control plane under ``/_emulator/``: for tests and for the inbox page, no part of the vendor's API, no token needed.

================================  ==================================================================================
``GET /_emulator/``               the account, the clock and the personality
``POST /_emulator/reset``         forget everything; optional: ``credit``, ``now`` (ISO 8601), ``personality`` (its
                                  switches), ``tokens`` (further ones, each with the methods that it may use)
``POST /_emulator/advance``       move the clock forward by ``seconds``
``GET /_emulator/inbox``          what the phones received, newest first: ``number``, ``message_id``, ``limit``
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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator import answers, fates, refusals
from airflow_provider_messaggisms.emulator.callbacks import Callbacks
from airflow_provider_messaggisms.emulator.clock import Clock
from airflow_provider_messaggisms.emulator.exchanges import Record
from airflow_provider_messaggisms.emulator.faults import Fault, Script, read_fault
from airflow_provider_messaggisms.emulator.personality import Personality
from airflow_provider_messaggisms.emulator.responses import Intake, answered
from airflow_provider_messaggisms.emulator.store import Store

END_OF_TIME = 4_102_444_800.0  # 2100-01-01: dates beyond it are of no use, and far beyond it cannot be written
MAX_CREDIT_EUR = 1e9
DEFAULT_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Beginning:
    """
    What the command line said: the state after every reset.

    :param tokens: Each token with the methods that it may use.
    :param faults: What goes wrong from the start.
    """

    credit_eur: float = 100.0
    personality: Personality = field(default_factory=Personality)
    tokens: Mapping[str, frozenset[str]] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


class Control:
    """
    The emulator's parts, and what can be done to all of them at once.

    :param clock: Where the time comes from.
    :param beginning: What every reset returns to.
    :raises ValueError: The beginning is out of range.
    """

    def __init__(self, clock: Clock, beginning: Beginning) -> None:
        self.beginning = beginning
        self.store = Store(clock)
        self.record = Record()
        self.script = Script()
        self.callbacks = Callbacks(self.store)
        self.intake = Intake()
        self.tokens: dict[str, frozenset[str]] = {}
        self.reset({})

    def reset(self, body: dict[str, Any]) -> None:
        """
        Forget everything; until the next reset a body may override what the command line said.

        :raises ValueError: Something in the body is unknown or out of range.
        """
        now = _instant(body["now"]) if body.get("now") else None
        credit = _amount(body.get("credit", self.beginning.credit_eur))
        personality = Personality.read(asdict(self.beginning.personality) | _object(body, "personality"))
        tokens = {token: frozenset(methods) for token, methods in _object(body, "tokens").items()}
        self.store.clock.reset(now)
        self.store.reset(credit, personality)
        self.record.exchanges.clear()
        self.callbacks.reset()
        self.script.clear()
        for fault in self.beginning.faults:
            self.script.add(fault, self.store.clock.now())
        self.tokens.clear()
        self.tokens.update(tokens | dict(self.beginning.tokens))

    def overview(self) -> dict[str, Any]:
        """Return the state of the emulator itself."""
        clock = self.store.clock
        return {
            "now": answers.utc_text(clock.now()),
            "speed": clock.speed,
            "credit": self.store.credit_eur,
            "personality": asdict(self.store.personality),
        }


def _instant(text: Any) -> float:
    if not isinstance(text, str):
        raise ValueError("now is a text in ISO 8601")  # noqa: TRY004 - a caller can act on one kind of error
    instant = datetime.fromisoformat(text).timestamp()
    if not 0 <= instant <= END_OF_TIME:
        raise ValueError("now is between 1970 and 2100")
    return instant


def _amount(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= MAX_CREDIT_EUR:
        raise ValueError("credit is a number between 0 and a billion")
    return float(value)


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name} is an object")  # noqa: TRY004 - as above
    return value


async def _json_object(intake: Intake, request: Request) -> dict[str, Any]:
    raw = await intake.read(request)
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise refusals.body_unreadable("a JSON object is expected") from error


def control_routes(control: Control) -> APIRouter:
    """Return the routes of the control plane."""
    routes = APIRouter(prefix="/_emulator", include_in_schema=False)
    store = control.store

    @routes.get("/")
    async def overview() -> Response:
        return answered(control.overview())

    @routes.post("/reset")
    async def reset(request: Request) -> Response:
        body = await _json_object(control.intake, request)
        try:
            control.reset(body)
        except (ValueError, TypeError, OverflowError) as error:
            raise refusals.parameter_bad("reset", str(error)[:200]) from error
        return answered(control.overview())

    @routes.post("/advance")
    async def advance(request: Request) -> Response:
        seconds = (await _json_object(control.intake, request)).get("seconds")
        if not isinstance(seconds, int | float) or not 0 <= seconds <= END_OF_TIME - store.clock.now():
            raise refusals.parameter_bad("seconds", "a number, 0 or more, that does not lead beyond the year 2100")
        store.clock.advance(float(seconds))
        return answered(control.overview())

    @routes.get("/inbox")
    async def inbox(request: Request) -> Response:
        query = request.query_params
        message_id, limit = query.get("message_id"), query.get("limit", str(DEFAULT_LIMIT))
        if not limit.isdecimal():
            raise refusals.parameter_bad("limit", "a whole number")
        messages = [m for m in store.departed() if message_id in (None, m.id)]
        entries = answers.inbox_entries(messages, store.clock.now(), query.get("number"))
        return answered(
            {
                "now": answers.utc_text(store.clock.now()),
                "total": sum(len(message.recipients) for message in messages),
                "sms": list(itertools.islice(entries, int(limit))),
            }
        )

    @routes.delete("/inbox")
    async def clear_inbox() -> Response:
        store.hide_departed()
        return answered({})

    @routes.post("/decide")
    async def decide(request: Request) -> Response:
        body = await _json_object(control.intake, request)
        status = fates.STATUSES.get(str(body.get("state")))
        if status is None:
            raise refusals.parameter_bad("state", f"one of {', '.join(fates.STATUSES)}")
        store.decide(str(body.get("message_id")), str(body.get("number")), status)
        return answered({})

    @routes.get("/faults")
    async def faults() -> Response:
        return answered({"faults": control.script.shown(store.clock.now())})

    @routes.post("/faults")
    async def add_fault(request: Request) -> Response:
        try:
            control.script.add(read_fault(await _json_object(control.intake, request)), store.clock.now())
        except ValueError as error:
            raise refusals.parameter_bad("fault", str(error)[:200]) from error
        return await faults()

    @routes.delete("/faults")
    async def clear_faults() -> Response:
        control.script.clear()
        return answered({})

    @routes.get("/callbacks")
    async def callbacks() -> Response:
        return answered({"callbacks": list(control.callbacks.record)})

    @routes.get("/requests")
    async def requests() -> Response:
        return answered({"requests": [asdict(exchange) for exchange in control.record.exchanges]})

    return routes
