"""
The sender that a phone shows: one rule (contract), used where a connection is read and where a message is made.
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError


def check_sender(sender: Any) -> str:
    """
    Check a sender against the contract.

    Blanks are allowed inside the letters, as the vendor's own examples have them.

    :raises ConfigurationError: It is missing, too short, too long, or has other characters.
    """
    if sender is None or sender == "":
        raise ConfigurationError("sender: missing; give the task a sender, or the connection a default one")
    text = str(sender)
    numeric = re.fullmatch(r"[0-9]{3,14}", text)
    alphanumeric = re.fullmatch(r"(?=.{3,11}\Z)(?=.*[A-Za-z])[A-Za-z0-9]+(?: [A-Za-z0-9]+)*", text)
    if not (numeric or alphanumeric):
        raise ConfigurationError(
            f"sender: {len(text)} characters of which {sum(c.isascii() and c.isdigit() for c in text)} are digits; "
            "the gateway takes 3 to 11 letters and digits, or 3 to 14 digits"
        )
    return text
