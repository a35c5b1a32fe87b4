"""From the trigger to its task: the same report, the same error; what is not understood never counts as success."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_messaggisms import exceptions
from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.waiting import trigger_event

REPORT = {"message_id": "m1", "summary": "delivered to +39-*******567", "total": 1}

ERRORS: list[MessaggiSmsError] = [
    exceptions.NotSentError("refused"),
    exceptions.OutcomeUnknownError("silence"),
    exceptions.ProtocolError("HTML", status=502),
    exceptions.ConfigurationError("connection, field password: it is empty"),
    exceptions.AuthenticationError(401, None, "Who?", route="GET /messages/{id}"),
    exceptions.MessageNotFoundError(404, 203, "Where?"),
    exceptions.RateLimitedError(429, None, "Slowly", retry_after_seconds=30.0),
    exceptions.GatewayUnavailableError(503, None, "Closed"),
    exceptions.DeliveryError("message m1: not delivered", report={"failed": [{"number": "+39-*******567"}]}),
]


def through_airflow(event: dict[str, Any]) -> Any:
    return json.loads(json.dumps(event))


def test_a_report_arrives_as_it_was_sent() -> None:
    assert trigger_event.report_of(through_airflow(trigger_event.delivered(REPORT)), "m1") == REPORT
    assert trigger_event.report_of(through_airflow(trigger_event.delivered(REPORT)), None) == REPORT


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_with_its_class_its_text_and_its_attributes(error: MessaggiSmsError) -> None:
    with pytest.raises(type(error)) as caught:
        trigger_event.report_of(through_airflow(trigger_event.failed(error)), "m1")
    assert (type(caught.value), str(caught.value), vars(caught.value)) == (type(error), str(error), vars(error))


def test_the_deadline_is_told_apart() -> None:
    with pytest.raises(trigger_event.TimeIsUp):
        trigger_event.report_of(through_airflow(trigger_event.time_is_up()), "m1")


@pytest.mark.parametrize(
    "event",
    [
        None,
        "delivered",
        {},
        {"status": "success"},
        {"status": "delivered"},
        {"status": "delivered", "report": None},
        {"status": "delivered", "report": {"message_id": "m1"}},
        {"status": "delivered", "report": {**REPORT, "message_id": "another"}},
        {"status": "failed"},
        {"status": "failed", "error": "SystemExit", "text": "", "details": {}},
        {"status": "failed", "error": "Mapping", "text": "", "details": {}},
        {"status": "failed", "error": "annotations", "text": "", "details": {}},
        {"status": "failed", "error": "AuthenticationError", "text": None, "details": {}},
        {"status": ["delivered"]},
    ],
)
def test_an_unknown_event_is_a_failure(event: Any) -> None:
    with pytest.raises(exceptions.ProtocolError, match="unknown event"):
        trigger_event.report_of(event, "m1")
