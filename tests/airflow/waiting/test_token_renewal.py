"""A token that ends in the middle of a thousand waits: one renewal, and not one wait ends with the token."""

from __future__ import annotations

import asyncio

import pytest

from tests.airflow.faces import Open, tokens_at_once
from tests.airflow.token_service import API_KEY, LOGIN, Vendor
from tests.airflow.waiting.waits import told_by, trigger

WAITS, SOCKETS = 1_000, 20
MONTH = 30 * 86_400.0


@pytest.fixture
def patient(vendor: Vendor, connect: Open) -> Vendor:
    """The vendor, with a pause of one second after a refusal: a third of the time that an answer may take."""
    extra = {"auth": "account", "token_host": vendor.url, "timeout_seconds": 3, "max_sockets": SOCKETS}
    connect(API_KEY, login=LOGIN, host=vendor.url, extra=extra)
    tokens_at_once()
    return vendor


async def _waits() -> set[str]:
    """Run the waits, each with a trigger of its own; return how they ended."""
    triggers = [trigger(f"m{number}", poke_interval=0.5, ends=120.0) for number in range(WAITS)]
    return {told["status"] for told in await asyncio.gather(*map(told_by, triggers))}


@pytest.mark.parametrize("ending", ["expires", "is revoked"])
async def test_waits_outlive_a_token_that_ends_without_notice(patient: Vendor, ending: str) -> None:
    def end() -> None:
        patient.delivered = True
        if ending == "expires":
            patient.clock_offset = 2 * MONTH  # the clock of this process is late
        else:
            patient.revoke_all()

    patient.delivered = False
    patient.before_call[WAITS // 2] = end
    assert await _waits() == {"delivered"}
    assert patient.made() == 2
    assert 2 <= patient.refused <= SOCKETS + 1, "the calls under way, and the one that asks again"


async def test_waits_renew_a_token_in_time_without_any_refusal(patient: Vendor) -> None:
    def pass_most_of_its_life() -> None:
        patient.delivered = True
        patient.clock_offset = 0.95 * MONTH

    tokens_at_once(clock=patient.now)
    patient.delivered = False
    patient.before_call[WAITS // 2] = pass_most_of_its_life
    assert await _waits() == {"delivered"}
    assert (patient.made(), patient.refused) == (2, 0)
