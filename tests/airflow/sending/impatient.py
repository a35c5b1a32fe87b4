"""The send operators, except that they look for a message whose answer was lost for moments only."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_messaggisms import operators


class MessaggiSmsSendOperator(operators.MessaggiSmsSendOperator):
    """A send operator for tests of lost answers."""

    lookup_pauses_seconds: ClassVar[tuple[float, ...]] = (0.0, 0.05)


class MessaggiSmsSendTransactionOperator(operators.MessaggiSmsSendTransactionOperator):
    """A transaction operator for tests of lost answers."""

    lookup_pauses_seconds: ClassVar[tuple[float, ...]] = (0.0, 0.05)
