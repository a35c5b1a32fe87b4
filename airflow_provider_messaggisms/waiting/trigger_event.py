"""
How a deferred wait ended: what its trigger tells its task, as plain JSON there, as a value or an error here.

The task raises the same error as if it had polled itself. An event that is not understood is an error: it never counts
as a delivery.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_messaggisms import exceptions
from airflow_provider_messaggisms.exceptions import MessaggiSmsError, ProtocolError, reworded

#: Least seconds between a deferral and its event. Airflow's scheduler takes a task that resumes before it has noticed
#: the deferral for a failed one (apache/airflow issues 66374 and 72716; seen on 3.3.2).
HANDOVER_SECONDS = 5.0


class TimeIsUp(Exception):  # noqa: N818 (the task turns it into Airflow's own error)
    """The deadline of a wait has come."""


def delivered(report: dict[str, Any], environment: str = "") -> dict[str, Any]:
    """
    Tell that the rule is met.

    :param environment: Which of the vendor's hosts the connection leads to, for metrics (see :func:`environment_of`).
    """
    return {"status": "delivered", "report": report, "environment": environment}


def failed(error: MessaggiSmsError, environment: str = "") -> dict[str, Any]:
    """Tell that an error has ended the wait."""
    details = dict(error.__dict__)
    text = {"error": type(error).__name__, "text": str(error), "details": details}
    return {"status": "failed", **text, "environment": environment}


def time_is_up() -> dict[str, Any]:
    """Tell that the deadline has come."""
    return {"status": "time is up"}


def environment_of(event: Any) -> str:
    """Read which of the vendor's hosts the wait was on; empty if the event does not say."""
    environment = event.get("environment") if isinstance(event, dict) else None
    return environment if isinstance(environment, str) else ""


def report_of(event: Any, message_id: str | None) -> dict[str, Any]:
    """
    Read what a trigger told.

    :param message_id: The message that it must be about; ``None`` if the task does not know it any more.
    :returns: The delivery report.
    :raises MessaggiSmsError: The error that ended the wait; :class:`ProtocolError` for an unknown event.
    :raises TimeIsUp: The deadline has come.
    """
    match event:
        case {"status": "delivered", "report": {"message_id": str(known), "summary": str()} as report} if known == (
            message_id or known
        ):
            return dict(report)
    raise _error_of(event)


def enough_credit(report: dict[str, Any]) -> dict[str, Any]:
    """Tell that the account has enough credit."""
    return {"status": "enough credit", "report": report}


def credit_report_of(event: Any) -> dict[str, Any]:
    """
    Read what a trigger told of a wait for credit; raises as :func:`report_of`.

    :returns: The report.
    """
    match event:
        case {"status": "enough credit", "report": {"credit_eur": float() | int(), "summary": str()} as report}:
            return dict(report)
    raise _error_of(event)


def _error_of(event: Any) -> Exception:
    """Make the error that an event stands for; an event that is not understood is a :class:`ProtocolError`."""
    match event:
        case {"status": "failed", "error": str(name), "text": str(text), "details": dict(details)}:
            kind = getattr(exceptions, name, None)
            if isinstance(kind, type) and issubclass(kind, MessaggiSmsError):
                error = reworded(kind.__new__(kind), text)
                error.__dict__.update(details)
                return error
        case {"status": "time is up"}:
            return TimeIsUp()
    status = event.get("status") if isinstance(event, dict) else type(event).__name__
    return ProtocolError(f"the trigger sent an unknown event (status {str(status)[:40]!r}); it counts as a failure")
