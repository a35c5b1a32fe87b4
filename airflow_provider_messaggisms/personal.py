"""
What Airflow may show of a field that holds personal data.

Airflow shows rendered fields to everyone who may see the task, so such a field becomes a :class:`Personal` value when
it is rendered: the code uses :func:`personal_value`, Airflow shows the masked form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask, mask_numbers
from airflow_provider_messaggisms.gateway.recipients import Recipient

#: How many recipients the Rendered Templates view names; the rest is a count.
_SHOWN_RECIPIENTS = 20


class Personal:
    """
    A rendered value that holds personal data: Airflow shows :meth:`serialize`, the code uses :attr:`value`.

    :param error: What went wrong while it was rendered. It is kept, because Airflow would log the template with it.
    :param readable: Mask only what could be a telephone number. Default ``False``: fields and the like are masked too.
    :param is_text: It is the text of an SMS: show its length only. Default ``False``.
    :param names_of_airflow: Names that the template took from Airflow, if it is a body.
    """

    def __init__(
        self,
        value: Any,
        error: Exception | None = None,
        *,
        readable: bool = False,
        is_text: bool = False,
        names_of_airflow: Set[str] = frozenset(),
    ) -> None:
        self.value = value
        self.error = error
        self.readable = readable
        self.is_text = is_text
        self.names_of_airflow = names_of_airflow

    def serialize(self) -> Any:
        """Give the masked form that Airflow's Rendered Templates view shows."""
        if self.error is not None:
            return str(self.error) if isinstance(self.error, ConfigurationError) else type(self.error).__name__
        if self.is_text:
            return f"*** ({len(str(self.value))} characters)"
        return _readable(self.value) if self.readable else _masked(self.value)

    def __str__(self) -> str:
        return str(self.serialize())

    def __repr__(self) -> str:
        return "Personal(***)"


def personal_value(field: Any) -> Any:
    """
    Take the value out of a templated field, rendered or not.

    :raises Exception: What went wrong while it was rendered; :class:`ConfigurationError` if the template is at fault.
    """
    if not isinstance(field, Personal):
        return field
    if field.error is not None:
        raise field.error
    return field.value


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, Recipient):
        return mask(value.number)
    if isinstance(value, Mapping):
        return {mask_numbers(str(key)): mask(str(part)) if key == "number" else "***" for key, part in value.items()}
    if isinstance(value, Collection):
        shown = [mask(one) if isinstance(one, str) else _masked(one) for one in list(value)[:_SHOWN_RECIPIENTS]]
        return shown if len(value) <= _SHOWN_RECIPIENTS else [*shown, f"and {len(value) - _SHOWN_RECIPIENTS} more"]
    return "***"


def _readable(value: Any) -> Any:
    """Mask only what could be a telephone number."""
    if isinstance(value, Mapping):
        return {mask_numbers(str(key)): _readable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(part) for part in value]
    masked = mask_numbers(str(value))
    return value if isinstance(value, int | float | None) and masked == str(value) else masked
