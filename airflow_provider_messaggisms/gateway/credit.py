"""
Credit: the least amount that a sensor waits for, and the amounts in a refusal for lack of credit.

The contract gives a 402 a code and no amounts, but users have seen amounts in its text. They are read from there as far
as they are understood. A text of another kind is no error: the refusal then stands without amounts.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.models import number

#: Where the vendor's wallet is recharged.
CONSOLE = "https://console.openapi.com"

# One number such as 0.3 or 1.19E-12; never a part of a longer one.
_AMOUNT = r"(?<![0-9.])([0-9]{1,9}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?)(?![0-9.]*[0-9])"

#: The texts that users have seen. The first group is what was needed, the second what was there.
#:
#: Assumption: a single amount after "Wallet:" is what was needed, because the needed amount comes first in the longer
#: form of that text.
_TEXTS = (
    rf"{_AMOUNT} needed\D{{0,5}}{_AMOUNT}\D{{0,5}}available",
    rf"{_AMOUNT} > {_AMOUNT}",
    rf"wallet: {_AMOUNT}()",
)


class Shortfall(NamedTuple):
    """Amounts in EUR, without VAT; ``None`` where the text does not tell."""

    needed_eur: float | None = None
    available_eur: float | None = None

    def advice(self) -> str:
        """Say what is missing and where to recharge, in one line."""
        amounts = [
            f"{amount:.2f} EUR {what}"
            for amount, what in ((self.needed_eur, "needed"), (self.available_eur, "available"))
            if amount is not None
        ]
        return f"{', '.join(amounts)}{'; ' if amounts else ''}recharge the wallet at {CONSOLE}"


def read_shortfall(text: str) -> Shortfall:
    """Read the amounts in the text of a refusal for lack of credit. Never fails: an unknown text has no amounts."""
    for form in _TEXTS:
        if found := re.search(form, text[:1000], re.IGNORECASE):
            return Shortfall(*map(number, found.groups()))
    return Shortfall()


def check_min_credit(value: Any) -> float:
    """
    Check the least credit to wait for.

    :raises ConfigurationError: It is not a number of 0 or more.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"min_credit_eur: {str(value)[:40]!r} is not an amount of 0 or more")
    return float(value)
