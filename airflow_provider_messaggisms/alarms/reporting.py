"""
What the log says of an alarm. It is read at night, and it holds neither numbers nor the text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_messaggisms.alarms.events import Event, error_text_without_numbers
from airflow_provider_messaggisms.exceptions import DeliveryError
from airflow_provider_messaggisms.gateway.models import Message
from airflow_provider_messaggisms.personal import Personal

if TYPE_CHECKING:
    # They load what a DAG's parse does not need.
    from airflow_provider_messaggisms.alarms.alarm import Alarm
    from airflow_provider_messaggisms.alarms.deduplication import Result

log = logging.getLogger(__name__)


@contextmanager
def failures_reported(event: Event, recipients: Any) -> Iterator[None]:
    """Name the event and the recipients when an alarm is not sent: what Airflow logs of the error names neither."""
    try:
        yield
    except Exception as error:
        masked = recipients if isinstance(recipients, Personal) else Personal(recipients)
        log.error("ALARM NOT SENT: %s, to %s: %s", event.name, masked, error_text_without_numbers(error))
        raise


def report(alarm: Alarm, result: Result) -> None:
    """
    Log what became of an alarm.

    :raises DeliveryError: The gateway calls all its recipients invalid.
    """
    if result.sent is None:
        _report_silence(alarm, result)
    else:
        _report_sent(alarm, result.sent)


def _report_silence(alarm: Alarm, result: Result) -> None:
    known = (result.message_id, alarm.name, alarm.once_per)
    if alarm.has_own_key and result.text not in (None, alarm.text):
        log.warning("Staying silent: message %s told another text (alarm_key %r, once per %s)", *known)
    else:
        log.info("Staying silent: message %s told this already (alarm_key %r, once per %s)", *known)


def _report_sent(alarm: Alarm, message: Message) -> None:
    valid, invalid = message.recipients.valid.count, message.recipients.invalid.total
    log.info(
        "Alarm sent as message %s to %d recipient(s): %s SMS part(s), price %s EUR without VAT (alarm_key %r)",
        message.id, valid, message.statistics.sms_total, message.price, alarm.name,
    )  # fmt: skip
    if message.test:
        log.warning("TEST: message %s was simulated; no phone gets this alarm (test=True)", message.id)
    if invalid:
        text = f"message {message.id}: the gateway calls {invalid} recipient(s) invalid; they get no alarm"
        if not valid:
            raise DeliveryError(text)
        log.error(text)
