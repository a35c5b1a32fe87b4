"""
What the triggerer's log may hold of a deadline's callback that fails.

When an ``AsyncCallback`` raises, Airflow logs all its arguments: the numbers and the text. So they are masked first. If
that is impossible, the error is logged here, without them, and goes no further.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from airflow_provider_messaggisms.airflow_versions import hide_from_logs
from airflow_provider_messaggisms.alarms.events import error_text_without_numbers
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.threads import in_thread

log = logging.getLogger(__name__)


async def raise_unless_it_tells(error: Exception, personal: Iterable[Any], others: Iterable[Any]) -> None:
    """
    Raise the error of a callback, unless Airflow's log would tell its arguments with it.

    :param personal: The arguments that hold numbers or the text.
    :param others: Arguments that are hidden only if they look like a number.
    :raises Exception: *error*.
    """
    written = [repr(argument) for argument in personal if argument]
    written += [text for text in map(repr, others) if mask_numbers(text) != text]
    if await in_thread(hide_from_logs, written):
        raise error
    log.error(
        "ALARM NOT SENT: %s. Airflow takes this callback for a success: the error ends here, because Airflow would log "
        "the callback's arguments with it and cannot mask them",
        error_text_without_numbers(error),
    )
