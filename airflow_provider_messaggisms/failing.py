"""
How our errors end an Airflow task: what no retry can cure fails it at once, the rest leaves its retries alone.

A permanent error (``MessaggiSmsError.permanent``) leaves a task as an instance of its own class *and* of Airflow's
``AirflowFailException``, so ``except InsufficientCreditError`` and ``context["exception"].code`` go on working.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_messaggisms.exceptions import MessaggiSmsError


@contextmanager
def failing_for_good() -> Iterator[None]:
    """Turn permanent errors of the block into errors that Airflow does not retry."""
    try:
        yield
    except MessaggiSmsError as error:
        if not error.permanent or isinstance(error, AirflowFailException):
            raise
        kind = type(error)
        both = type(kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__})
        final: MessaggiSmsError = both.__new__(both, *error.args)
        final.__dict__.update(error.__dict__)
        raise final.with_traceback(error.__traceback__) from error.__cause__
