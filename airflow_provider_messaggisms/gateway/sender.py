"""
The sender that a phone shows: one rule, used where a connection is read and where a message is made.

The contract says letters and digits. Accounts exist whose registered alias has another sign, such as ``E-Shop``: such a
sender is sent, with a warning, because only the gateway knows which aliases are registered.
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.sms_text import BLANKS

_RULE = "the gateway takes 3 to 11 letters and digits, with single blanks between them, or 3 to 14 digits"
_SIGNS = "-.&'_"  # in registered aliases, beyond the contract


def check_sender(sender: Any) -> str:
    """
    Check a sender against the contract, and remove blanks around it.

    :param sender: 3 to 11 ASCII letters and digits with at least one letter, or 3 to 14 digits. Single blanks are
        allowed inside, as the vendor's own examples have them, and the signs ``- . & ' _``.
    :raises ConfigurationError: It is missing, too short, too long, or has another character.
    """
    text = str(sender).strip(BLANKS) if isinstance(sender, str | int) and not isinstance(sender, bool) else ""
    if sender is not None and not text and not isinstance(sender, str):
        raise ConfigurationError(f"sender: expected a text, got {type(sender).__name__}")
    if not text:
        raise ConfigurationError("sender: missing; give the task a sender, or the connection a default one")
    if why := _why_refused(text):
        raise ConfigurationError(f"sender: {why}; {_RULE}")
    return text


def sender_warning(sender: str) -> str | None:
    """Return what a log should say of a checked sender, or ``None``: signs beyond the contract are not always taken."""
    signs = sorted(set(sender).intersection(_SIGNS))
    if not signs:
        return None
    return (
        f"sender: the contract allows letters and digits only, but this one has {' '.join(signs)}; it is sent as it "
        "is, for registered aliases can have such signs"
    )


def _why_refused(text: str) -> str | None:
    if re.fullmatch(r"[0-9]+", text):
        return None if 3 <= len(text) <= 14 else f"it has {len(text)} digits"
    if re.fullmatch(r"\+[0-9 ]+", text):
        return "the character '+' is not allowed, so write the number with digits only"
    if wrong := re.search(rf"[^A-Za-z0-9 {re.escape(_SIGNS)}]", text):
        return f"the character {wrong[0]!r} (number {wrong.start() + 1}) is not allowed"
    if "  " in text:
        return f"two blanks stand side by side (from number {text.index('  ') + 1})"
    if not 3 <= len(text) <= 11:
        return f"it has {len(text)} characters"
    return None if re.search("[A-Za-z]", text) else "it has no letter, and is not a number either"
