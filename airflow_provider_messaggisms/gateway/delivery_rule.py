"""
When a wait has succeeded: what an operator's arguments say of it.

Apart from ``delivery``, which judges by it, because every parse of a DAG file with a wait checks it.
"""

from __future__ import annotations

from math import ceil

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError


class Rule(msgspec.Struct, frozen=True):
    """
    When a wait has succeeded.

    :param min_delivered: Share of the recipients that must be delivered, 0 to 1. Default 1.0.
    :param accept_delivered_to_operator: Count ``DELIVERED_TO_OPERATOR`` as delivered. Default ``False``.
    :raises ConfigurationError: A value is out of its range.
    """

    min_delivered: float = 1.0
    accept_delivered_to_operator: bool = False

    def __post_init__(self) -> None:
        share = self.min_delivered
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ConfigurationError(f"min_delivered: {str(share)[:40]!r} is not a share from 0 to 1")
        if not isinstance(self.accept_delivered_to_operator, bool):
            raise ConfigurationError("accept_delivered_to_operator: expected True or False")

    def failures_allowed(self, total: int) -> int:
        """Return how many of *total* may fail while the rule can still be met."""
        return total - ceil(round(self.min_delivered * total, 9))
