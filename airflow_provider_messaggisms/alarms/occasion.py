"""
One call of a notifier: what is read from its context before anything is rendered.
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_messaggisms.alarms.deadline import Deadline
from airflow_provider_messaggisms.alarms.events import Event


class Occasion(NamedTuple):
    """
    What a notifier is called for.

    :param event: What happened.
    :param written_body: The notifier's body, not rendered. It is part of the default key: two notifiers that say
        different things of one event are two alarms.
    :param handover: How long Airflow may take to hand over Variables and the connection.
    """

    event: Event
    written_body: str
    handover: Deadline
