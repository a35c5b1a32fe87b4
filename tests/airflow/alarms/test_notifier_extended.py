"""A subclass of the notifier: its own ``notify`` runs, its own fields are rendered, and ``super()`` sends."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.alarms.notifying import ANNA, Face, alarm, texts
from tests.airflow.alarms.occasions import RUN_ID, deadline_missed, task_failed
from tests.airflow.conftest import posts


class OnlyIn(MessaggiSmsNotifier):
    """Sends in one stage only. It keeps what it sees, in a list that its copies share."""

    template_fields = (*MessaggiSmsNotifier.template_fields, "stage")

    def __init__(self, *, stage: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.seen: list[Any] = []

    def notify(self, context: Any) -> None:
        """Send in production."""
        self.seen.append((self.stage, context["stage"], context["run_id"]))
        if self.stage == "prod":
            super().notify(context)

    async def async_notify(self, context: Any) -> None:
        """Send in production."""
        self.seen.append((self.stage, context["stage"], context["run_id"]))
        if self.stage == "prod":
            await super().async_notify(context)


def test_an_overridden_notify_decides(face: Face, gateway: Gateway) -> None:
    notifier = OnlyIn(recipients=ANNA, stage="{{ params.stage }}")
    face(notifier, task_failed(params={"stage": "dev"}))
    assert posts(gateway) == 0
    face(notifier, task_failed(params={"stage": "prod"}))
    assert len(gateway.inbox()) == 1
    assert notifier.seen == [("dev", "dev", RUN_ID), ("prod", "prod", RUN_ID)]
    assert notifier.stage == "{{ params.stage }}"


def test_the_text_may_use_further_fields(face: Face, gateway: Gateway) -> None:
    face(OnlyIn(recipients=ANNA, stage="prod", body="{{ stage }}: {{ ti.task_id }}"), task_failed())
    face(OnlyIn(recipients=ANNA, stage="{{ dag.dag_id and 'prod' }}", body="{{ stage }} is late"), deadline_missed())
    assert texts(gateway) == ["prod: load", "prod is late"]


def test_a_further_field_that_cannot_be_rendered_loses_nothing(
    face: Face, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    class Further(MessaggiSmsNotifier):
        template_fields = (*MessaggiSmsNotifier.template_fields, "further")
        further = "{{ nothing.at.all }}"

    face(Further(recipients=ANNA), task_failed())
    assert len(gateway.inbox()) == 1
    assert "further: the template cannot be rendered" in caplog.text


def test_notify_renders_what_is_not_rendered_yet(gateway: Gateway) -> None:
    notifier = alarm(recipients="{{ params.phone }}", body="{{ ti.task_id }} is done")
    context: Any = task_failed(params={"phone": ANNA}, state="running")
    notifier.notify(context)
    assert texts(gateway) == ["load is done"]
    assert notifier.recipients == "{{ params.phone }}"


def test_a_subclass_that_is_notified_directly_runs_once(gateway: Gateway) -> None:
    class Twice(MessaggiSmsNotifier):
        runs = 0

        def notify(self, context: Any) -> None:
            type(self).runs += 1
            super().notify(context)

    context: Any = task_failed()
    Twice(recipients=ANNA, body="{{ ti.task_id }}").notify(context)
    assert texts(gateway) == ["load"]
    assert Twice.runs == 1
