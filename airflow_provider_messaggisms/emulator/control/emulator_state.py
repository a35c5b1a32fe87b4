"""
All parts of one emulator, and what a test can do to all of them at once. :mod:`.control_routes` offers that over HTTP.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY
from airflow_provider_messaggisms.emulator.account.clock import LATEST, Clock
from airflow_provider_messaggisms.emulator.account.message_states import SmsState
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import instant
from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.control.fault_script import Fault, FaultScript
from airflow_provider_messaggisms.emulator.http.authentication import Methods
from airflow_provider_messaggisms.emulator.http.callbacks import CallbackSender
from airflow_provider_messaggisms.emulator.http.serialization import utc_text
from airflow_provider_messaggisms.emulator.token_service.token_store import TokenStore

DEFAULT_CREDIT_EUR = 100.0
LOG_LENGTH = 10_000


class EmulatorSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """
    What an emulator starts with, and what a reset may change until the next one.

    :param credit: The credit of the account, in EUR. Default 100, or at a reset the credit of the start.
    :param now: The time of the clock, in ISO 8601, in Rome unless it names a zone. Default: the computer's time.
    :param personality: Switches, by name. The others keep their default, or at a reset the value of the start.
    :param tokens: Each token with the methods that it may use. It never expires. A reset adds them to those of the
        start.
    :param api_key: The API key of the account. Default ``emulator-key``, or at a reset that of the start.
    :param sms_enabled: Whether the account may make tokens for the gateway. Default true.
    :param faults: Scripted faults. A reset adds them to those of the start.
    """

    credit: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    now: str = ""
    personality: dict[str, str | int] = {}
    tokens: dict[str, Methods] = {}
    api_key: str = ""
    sms_enabled: bool = True
    faults: list[Fault] = []


class EmulatorState:
    """
    One emulator.

    :param clock: The source of the time.
    :param initial: The settings that each reset returns to.
    """

    def __init__(self, clock: Clock, initial: EmulatorSettings) -> None:
        self.initial = initial
        self.account = SmsAccount(clock)
        self.request_log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self.faults = FaultScript()
        self.callbacks = CallbackSender(self.account)
        self.tokens = TokenStore(self.account)
        self.resets = 0
        self.reset(EmulatorSettings())

    def reset(self, settings: EmulatorSettings) -> None:
        """
        Forget everything and start again.

        :raises ValueError: A setting is unknown or out of range. Nothing is reset then.
        """
        now = _read_now(settings.now) if settings.now else None
        personality = Personality.read(self.initial.personality | settings.personality)
        credit = next((one for one in (settings.credit, self.initial.credit) if one is not None), DEFAULT_CREDIT_EUR)
        self.resets += 1
        self.account.clock.reset(now)
        self.account.reset(credit, personality)
        self.request_log.clear()
        self.callbacks.reset()
        self.faults.clear()
        for fault in self.initial.faults + settings.faults:
            self.faults.add(fault, self.account.clock.now())
        api_key = settings.api_key or self.initial.api_key or DEFAULT_API_KEY
        sms_enabled = settings.sms_enabled and self.initial.sms_enabled
        self.tokens.reset(settings.tokens | self.initial.tokens, api_key, sms_enabled=sms_enabled)

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
