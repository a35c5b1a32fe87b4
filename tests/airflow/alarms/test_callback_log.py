"""
What Airflow's triggerer logs of a deadline's callback that fails: no number and no text, whatever Airflow can mask.

Airflow's own trigger runs the callback here, and logs its arguments.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_messaggisms.airflow_versions import hide_from_logs
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.alarms.occasions import deadline_missed

#: Where Airflow's trigger for callbacks is: since 3.2, and in 3.1.
TRIGGERS = {"airflow.triggers.callback": "CallbackTrigger", "airflow.triggers.deadline": "DeadlineCallbackTrigger"}
MASKERS = ("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker")
ARGUMENTS: dict[str, Any] = {
    "recipients": ["+39 349 765 4321", {"number": "+39 349 765 4322"}],
    "body": "It's a\nkingfisher",
    "alarm_key": "on call: +39 349 765 4323",
}
REFUSED = [
    ARGUMENTS | {"max_parts": 0},
    ARGUMENTS | {"once_per": "a while"},
    ARGUMENTS | {"boddy": "Another kingfisher"},
    {"recipient": "+39 349 765 4321"},
]


def events_of(**arguments: Any) -> list[dict[str, Any]]:
    """Run a deadline's callback as the triggerer does; return what its trigger tells the scheduler."""
    for module, name in TRIGGERS.items():
        if importlib.util.find_spec(module) is not None:
            path = f"{MessaggiSmsNotifier.__module__}.{MessaggiSmsNotifier.__qualname__}"
            kind = getattr(importlib.import_module(module), name)
            trigger = kind(path, arguments | {"context": deadline_missed()})
            break
    else:
        pytest.skip("this Airflow has no deadlines")

    async def run() -> list[dict[str, Any]]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


@pytest.fixture
def no_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an Airflow that keeps its masker where this package does not know of it."""
    for name in MASKERS:
        monkeypatch.setitem(sys.modules, name, None)


def tells(log: str) -> bool:
    return any(secret in log for secret in ("349", "765", "kingfisher"))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Give the log as Airflow writes it: masked."""
    from airflow.providers.common.compat.sdk import redact

    return str(redact(caplog.text))


def test_a_failed_callback_is_logged_without_its_arguments(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway.fail_next("no_credit", method="POST")
    assert events_of(**ARGUMENTS)[-1]["state"] == "failed"
    assert "kwargs: {'recipients': ***, 'body': ***, 'alarm_key': ***" in logged(caplog)
    assert not tells(logged(caplog))


@pytest.mark.parametrize("arguments", REFUSED)
def test_a_refused_argument_is_logged_without_the_others(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert events_of(**arguments)[-1]["state"] == "failed"
    assert "kwargs: {" in logged(caplog)
    assert not tells(logged(caplog))


@pytest.mark.usefixtures("no_masker")
def test_without_a_masker_the_error_does_not_reach_airflows_log(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("no_credit", method="POST")
    assert events_of(**ARGUMENTS)[-1]["state"] == "success"
    assert "ALARM NOT SENT" in caplog.text
    assert "Airflow takes this callback for a success" in caplog.text
    assert not tells(caplog.text)


@pytest.mark.usefixtures("no_masker")
@pytest.mark.parametrize("arguments", REFUSED)
def test_without_a_masker_a_refused_argument_is_not_logged(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert events_of(**arguments)[-1]["state"] == "success"
    assert "ALARM NOT SENT" in caplog.text
    assert not tells(caplog.text)


def test_what_airflow_masks_is_hidden() -> None:
    assert hide_from_logs(["a long kingfisher", ""])
    assert hide_from_logs([])


@pytest.mark.skipif(airflow_version.startswith("2."), reason="Airflow 2.11 masks everything")
def test_what_airflow_does_not_mask_counts_as_told() -> None:
    assert not hide_from_logs(["a long kingfisher", "airflow"])
