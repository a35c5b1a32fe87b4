"""
All parts of one emulator, and what a test can do to all of them at once. :mod:`.control_routes` offers that over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from airflow_provider_messaggisms.emulator.account.clock import Clock
from airflow_provider_messaggisms.emulator.account.message_states import SmsState
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import instant
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.control.fault_script import Fault, FaultScript
from airflow_provider_messaggisms.emulator.control.request_log import RequestLog
from airflow_provider_messaggisms.emulator.http.authentication import Methods
from airflow_provider_messaggisms.emulator.http.callbacks import CallbackSender
from airflow_provider_messaggisms.emulator.http.serialization import utc_text

LATEST = 4_102_444_800.0  # 2100-01-01; a date far beyond cannot be written
Credit = Annotated[float, Meta(ge=0, le=1e9)]


@dataclass(frozen=True, slots=True)
class InitialSettings:
    """
    The settings of the command line. Each reset returns to them.

    :param tokens: Each token with the methods that it may use.
    :param faults: The faults to start with.
    """

    credit_eur: float = 100.0
    personality: Personality = field(default_factory=Personality)
    tokens: Mapping[str, Methods] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


class ResetSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    What a reset may change, until the next one.

    :param credit: The credit of the account, in EUR. Default: the initial one.
    :param now: The time of the clock, in ISO 8601, in Rome unless it names a zone. Default: the computer's time.
    :param personality: Switches, by name. Default: the initial ones.
    :param tokens: Further tokens, each with the methods that it may use.
    """

    credit: Credit | None = None
    now: str = ""
    personality: dict[str, str | int] = {}
    tokens: dict[str, Methods] = {}


class EmulatorState:
    """
    One emulator.

    :param clock: The source of the time.
    :param initial: The settings that each reset returns to.
    """

    def __init__(self, clock: Clock, initial: InitialSettings) -> None:
        self.initial = initial
        self.account = SmsAccount(clock)
        self.request_log = RequestLog()
        self.faults = FaultScript()
        self.callbacks = CallbackSender(self.account)
        self.tokens: dict[str, Methods] = {}
        self.resets = 0
        self.reset(ResetSettings())

    def reset(self, settings: ResetSettings) -> None:
        """
        Forget everything and start again.

        :raises ValueError: A setting is unknown or out of range. Nothing is reset then.
        """
        now = _read_now(settings.now) if settings.now else None
        personality = Personality.read(asdict(self.initial.personality) | settings.personality)
        self.resets += 1
        self.account.clock.reset(now)
        self.account.reset(self.initial.credit_eur if settings.credit is None else settings.credit, personality)
        self.request_log.requests.clear()
        self.callbacks.reset()
        self.faults.clear()
        for fault in self.initial.faults:
            self.faults.add(fault, self.account.clock.now())
        self.tokens.clear()
        self.tokens.update(settings.tokens | dict(self.initial.tokens))

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward.

        :raises ValueError: It would go backwards, or beyond the year 2100.
        """
        if not 0 <= seconds <= LATEST - self.account.clock.now():
            raise ValueError("must be a number from 0 up, and must not lead beyond the year 2100")
        self.account.clock.advance(seconds)

    def decide(self, message_id: str, number: str, state: SmsState) -> None:
        """
        Put a number's SMS in a message into this state, and send its callback.

        :raises ApiError: There is no such SMS, or its state is final.
        """
        self.callbacks.report_decision(self.account.decide(message_id, number, state))

    def overview(self) -> dict[str, Any]:
        """Return the clock, the credit and the personality."""
        clock = self.account.clock
        return {
            "now": utc_text(clock.now()),
            "speed": clock.speed,
            "credit": self.account.credit_eur,
            "personality": asdict(self.account.personality),
        }


def _read_now(text: str) -> float:
    now = instant(text)
    if not 0 <= now <= LATEST:
        raise ValueError("now must be between 1970 and 2100")
    return now
