"""What a task tells of a send: the XCom ``message``, the lines in its log, and whether the gateway took the numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_messaggisms.exceptions import DeliveryError
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.gateway.recipients import OnInvalid

log = logging.getLogger(__name__)

#: How many left-out recipients the log names; the rest is counted.
_MAX_NAMED = 20


def summary_of(message: Message, *, asked_to_test: bool, dropped: int, repeated: int) -> dict[str, Any]:
    """
    Make the XCom ``message``: counts, parts, price and state, but no number and no text.

    :param asked_to_test: Whether the send was to be simulated; it counts where the gateway does not say.
    :param dropped: How many recipients were left out because they cannot be sent to.
    :param repeated: How many recipients were left out because their number stood there already.
    """
    return {
        "message_id": message.id,
        "valid": message.recipients.valid.count,
        "invalid": message.recipients.invalid.total,
        "parts": message.statistics.sms_total,
        "price_eur": message.price,
        "credit_eur": message.credit,
        "state": message.state,
        "test": asked_to_test if message.test is None else message.test,
        "dropped": dropped,
        "repeated": repeated,
    }


def log_summary(summary: dict[str, Any], *, asked_to_test: bool) -> None:
    """Say in the log what was sent, and loudly what was only simulated."""
    log.info(
        "Message %s: %d valid recipient(s), %s SMS part(s), price %s EUR without VAT, credit %s EUR",
        *(summary[name] for name in ("message_id", "valid", "parts", "price_eur", "credit_eur")),
    )
    if summary["test"]:
        log.warning("TEST: message %s was simulated, no SMS is sent (test=True)", summary["message_id"])
    elif asked_to_test:
        log.warning(
            "NOT A TEST: despite test=True the gateway did not simulate message %s; SMS may have gone out",
            summary["message_id"],
        )


def log_dropped(dropped: Sequence[str]) -> None:
    """Name the recipients that ``on_invalid='drop'`` left out."""
    for why in dropped[:_MAX_NAMED]:
        log.warning("Left out, as on_invalid='drop' says: %s", why)
    if len(dropped) > _MAX_NAMED:
        log.warning("... and %d more are left out", len(dropped) - _MAX_NAMED)


def log_repeated(repeated: int, conflicts: Sequence[str]) -> None:
    """
    Say how many recipients have a number that was there already, and name those whose text is lost.

    :param conflicts: The places of those with another text, which ``on_repeated='first'`` accepts.
    """
    if repeated > len(conflicts):
        log.info(
            "%d recipient(s) repeat a number with the same text; each number gets one SMS", repeated - len(conflicts)
        )
    for why in conflicts[:_MAX_NAMED]:
        log.warning("Not sent, as on_repeated='first' says: %s", why)
    if len(conflicts) > _MAX_NAMED:
        log.warning("... and %d more are not sent", len(conflicts) - _MAX_NAMED)


def check_accepted(summary: dict[str, Any], on_invalid: OnInvalid) -> None:
    """
    Judge what the gateway calls invalid.

    :raises DeliveryError: It calls recipients invalid, and ``on_invalid`` is ``fail`` or no recipient is left.
    """
    if not summary["invalid"]:
        return
    text = f"message {summary['message_id']}: the gateway calls {summary['invalid']} recipient(s) invalid"
    text = f"{text}; they get nothing"
    if not summary["valid"]:
        raise DeliveryError(f"{text}, so no recipient was sent to", report=summary)
    if on_invalid != "drop":
        raise DeliveryError(
            f"{text}. {summary['valid']} other(s) were sent to; on_invalid='drop' accepts that", report=summary
        )
    log.warning(text)
