"""
How an error ends an Airflow task: a permanent error fails it at once, any other error leaves Airflow's retries alone.

Airflow skips the retries of a task that raises ``AirflowFailException``. Each permanent class therefore has a twin here
that is both: ``except InsufficientCreditError`` and ``context["exception"].code`` still work, and the error can be
pickled, because the twins are ordinary classes of this module.

A task with a ``retry_policy`` (Airflow 3.3) decides for itself. Airflow does not ask the policy about an
``AirflowFailException``, so such a task gets the error as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_messaggisms import exceptions
from airflow_provider_messaggisms.exceptions import MessaggiSmsError


class ConfigurationError(exceptions.ConfigurationError, AirflowFailException):
    """A ``ConfigurationError`` that Airflow does not retry."""


class AuthenticationError(exceptions.AuthenticationError, AirflowFailException):
    """An ``AuthenticationError`` that Airflow does not retry."""


class InsufficientCreditError(exceptions.InsufficientCreditError, AirflowFailException):
    """An ``InsufficientCreditError`` that Airflow does not retry."""


class MessageNotFoundError(exceptions.MessageNotFoundError, AirflowFailException):
    """A ``MessageNotFoundError`` that Airflow does not retry."""


class MessageLockedError(exceptions.MessageLockedError, AirflowFailException):
    """A ``MessageLockedError`` that Airflow does not retry."""


class InvalidRequestError(exceptions.InvalidRequestError, AirflowFailException):
    """An ``InvalidRequestError`` that Airflow does not retry."""


class DeliveryError(exceptions.DeliveryError, AirflowFailException):
    """A ``DeliveryError`` that Airflow does not retry."""


_TWINS: dict[type[MessaggiSmsError], type[MessaggiSmsError]] = {
    twin.__mro__[1]: twin
    for twin in (
        ConfigurationError,
        AuthenticationError,
        InsufficientCreditError,
        MessageNotFoundError,
        MessageLockedError,
        InvalidRequestError,
        DeliveryError,
    )
}


@contextmanager
def without_retries(task: Any = None) -> Iterator[None]:
    """
    Turn permanent errors of the block into errors that Airflow does not retry.

    :param task: The operator. If it has a ``retry_policy``, its errors stay as they are.
    """
    try:
        yield
    except MessaggiSmsError as error:
        twin = _TWINS.get(type(error))
        if twin is None or getattr(task, "retry_policy", None) is not None:
            raise
        final: MessaggiSmsError = twin.__new__(twin, *error.args)
        final.__dict__.update(error.__dict__)
        raise final.with_traceback(error.__traceback__) from error.__cause__
