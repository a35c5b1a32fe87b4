"""The id of a message, as another task gives it: one id, checked before anything else is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask_numbers


def check_message_id(value: Any) -> str:
    """
    Check that a value is one id of the gateway.

    :raises ConfigurationError: It is missing, holds several ids, or cannot be an id.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
        raise ConfigurationError(
            f"message_id: missing ({value!r}); did the task that gives it push nothing? A send operator returns the id"
        )
    if _holds_several(value):
        raise ConfigurationError(
            "message_id: several ids, as a mapped task gives them, where one message is wanted; "
            "map this task too, with .expand(message_id=...)"
        )
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ConfigurationError(
            f"message_id: {mask_numbers(str(value)[:40])!r} is not an id of the gateway; a send operator returns the id"
        )
    return value


def _holds_several(value: Any) -> bool:
    if isinstance(value, str):  # a list that was rendered to a text
        return value.lstrip().startswith(("[", "("))
    return isinstance(value, Iterable) and not isinstance(value, bytes)
