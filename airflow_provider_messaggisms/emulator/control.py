"""
The control plane under ``/_emulator/``: for tests and for the inbox page, no part of the vendor's API, no token needed.

================================  ==================================================================================
``GET /_emulator/``               the account, the clock and the personality
``POST /_emulator/reset``         forget everything; optional ``credit``, ``now`` (ISO 8601) and ``personality``
``POST /_emulator/advance``       move the clock forward by ``seconds``
``GET /_emulator/inbox``          what the phones received, newest first: ``number``, ``message_id``, ``limit``
``DELETE /_emulator/inbox``       clear the phones; the gateway still knows its messages
``POST /_emulator/decide``        settle a stuck SMS: ``message_id``, ``number``, ``state``
``GET /_emulator/requests``       the requests to the API, in order: ``method``, ``path`` (a pattern), ``status``
================================  ==================================================================================
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_messaggisms.emulator import answers, fates, refusals
from airflow_provider_messaggisms.emulator.exchanges import Record
from airflow_provider_messaggisms.emulator.personality import Personality
from airflow_provider_messaggisms.emulator.responses import answered, read_body
from airflow_provider_messaggisms.emulator.store import Store

MAX_ADVANCE_SECONDS = 10 * 366 * 86_400.0
DEFAULT_LIMIT = 100


@dataclass(slots=True)
class Control:
    """
    What the control plane acts upon.

    :param credit_eur: What the account holds after a reset.
    :param personality: What the gateway behaves like after a reset.
    """

    store: Store
    record: Record
    credit_eur: float = 100.0
    personality: Personality = field(default_factory=Personality)

    def reset(self, body: dict[str, Any]) -> None:
        """Forget everything; a body may override the command line's credit, personality and time until the next."""
        try:
            now = datetime.fromisoformat(body["now"]).timestamp() if body.get("now") else None
            credit = float(body.get("credit", self.credit_eur))
            personality = Personality.read(asdict(self.personality) | body.get("personality", {}))
        except (ValueError, TypeError, OverflowError) as error:
            raise refusals.parameter_bad("reset", str(error)[:200]) from error
        self.store.clock.reset(now)
        self.store.reset(credit, personality)
        self.record.exchanges.clear()

    def overview(self) -> dict[str, Any]:
        """Return the state of the emulator itself."""
        clock = self.store.clock
        return {
            "now": answers.utc_text(clock.now()),
            "speed": clock.speed,
            "credit": self.store.credit_eur,
            "personality": asdict(self.store.personality),
        }


async def _json_object(request: Request) -> dict[str, Any]:
    raw = await read_body(request)
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
        control.reset(await _json_object(request))
        return answered(control.overview())

    @routes.post("/advance")
    async def advance(request: Request) -> Response:
        seconds = (await _json_object(request)).get("seconds")
        if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_ADVANCE_SECONDS:
            raise refusals.parameter_bad("seconds", "a number from 0 to ten years")
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
        body = await _json_object(request)
        status = fates.STATUSES.get(str(body.get("state")))
        if status is None:
            raise refusals.parameter_bad("state", f"one of {', '.join(fates.STATUSES)}")
        store.decide(str(body.get("message_id")), str(body.get("number")), status)
        return answered({})

    @routes.get("/requests")
    async def requests() -> Response:
        return answered({"requests": [asdict(exchange) for exchange in control.record.exchanges]})

    return routes
