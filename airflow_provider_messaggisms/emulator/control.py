"""
The emulator's parts put together, and what can be done to all of them at once; over HTTP by :mod:`.control_plane`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from airflow_provider_messaggisms.emulator import answers
from airflow_provider_messaggisms.emulator.callbacks import Callbacks
from airflow_provider_messaggisms.emulator.clock import Clock
from airflow_provider_messaggisms.emulator.exchanges import Record
from airflow_provider_messaggisms.emulator.fates import Status
from airflow_provider_messaggisms.emulator.faults import Fault, Script
from airflow_provider_messaggisms.emulator.payload import ROME
from airflow_provider_messaggisms.emulator.personality import Personality
from airflow_provider_messaggisms.emulator.responses import Intake
from airflow_provider_messaggisms.emulator.store import Store

END_OF_TIME = 4_102_444_800.0  # 2100-01-01: dates beyond it are of no use, and far beyond it cannot be written
Credit = Annotated[float, Meta(ge=0, le=1e9)]
Methods = frozenset[Literal["GET", "POST", "PUT", "DELETE"]]
ALL_METHODS: Methods = frozenset(("GET", "POST", "PUT", "DELETE"))


@dataclass(frozen=True, slots=True)
class Beginning:
    """
    What the command line said: the state after every reset.

    :param tokens: Each token with the methods that it may use.
    :param faults: What goes wrong from the start.
    """

    credit_eur: float = 100.0
    personality: Personality = field(default_factory=Personality)
    tokens: Mapping[str, Methods] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


class Wishes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    What a reset may change until the next one.

    :param credit: What the account holds, in EUR. Default as at the beginning.
    :param now: What the clock shows, in ISO 8601, in Rome where it names no zone. Default the computer's time.
    :param personality: Switches, by name. Default as at the beginning.
    :param tokens: Further tokens, each with the methods that it may use.
    """

    credit: Credit | None = None
    now: str = ""
    personality: dict[str, str | int] = {}
    tokens: dict[str, Methods] = {}


class Control:
    """
    One emulator.

    :param clock: Where the time comes from.
    :param beginning: What every reset returns to.
    """

    def __init__(self, clock: Clock, beginning: Beginning) -> None:
        self.beginning = beginning
        self.store = Store(clock)
        self.record = Record()
        self.script = Script()
        self.callbacks = Callbacks(self.store)
        self.intake = Intake()
        self.tokens: dict[str, Methods] = {}
        self.resets = 0
        self.reset(Wishes())

    def reset(self, wishes: Wishes) -> None:
        """
        Forget everything and begin again.

        :raises ValueError: A wish is unknown or out of range.
        """
        now = _instant(wishes.now) if wishes.now else None
        personality = Personality.read(asdict(self.beginning.personality) | wishes.personality)
        self.resets += 1
        self.store.clock.reset(now)
        self.store.reset(self.beginning.credit_eur if wishes.credit is None else wishes.credit, personality)
        self.record.exchanges.clear()
        self.callbacks.reset()
        self.script.clear()
        for fault in self.beginning.faults:
            self.script.add(fault, self.store.clock.now())
        self.tokens.clear()
        self.tokens.update(wishes.tokens | dict(self.beginning.tokens))

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward.

        :raises ValueError: It would go backwards, or beyond the year 2100.
        """
        if not 0 <= seconds <= END_OF_TIME - self.store.clock.now():
            raise ValueError("a number, 0 or more, that does not lead beyond the year 2100")
        self.store.clock.advance(seconds)

    def decide(self, message_id: str, number: str, status: Status) -> None:
        """
        Settle what becomes of a number's SMS in a message, and call back about it.

        :raises Refusal: There is none, or none that is still open.
        """
        self.callbacks.decided(self.store.decide(message_id, number, status))

    def overview(self) -> dict[str, Any]:
        """Return the state of the emulator itself."""
        clock = self.store.clock
        return {
            "now": answers.utc_text(clock.now()),
            "speed": clock.speed,
            "credit": self.store.credit_eur,
            "personality": asdict(self.store.personality),
        }


def _instant(text: str) -> float:
    moment = datetime.fromisoformat(text)
    instant = (moment if moment.tzinfo else moment.replace(tzinfo=ROME)).timestamp()
    if not 0 <= instant <= END_OF_TIME:
        raise ValueError("now is between 1970 and 2100")
    return instant
