"""Answers in the shapes of the gateway, for the tests of the core."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from airflow_provider_messaggisms.gateway.wire import Response


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)


#: Whatever JSON can hold.
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), _nested, max_leaves=10
)

ID = "65a1b2c3d4e5f60718293a4b"
NUMBER = "+39-3471112223"

MESSAGE: dict[str, Any] = {
    "id": ID,
    "test": False,
    "sender": "Depot",
    "body": "Your parcel is here",
    "recipients": {"valid": {"count": 2}, "invalid": {"total": 1, "list": ["12"]}},
    "priority": 1.5,
    "options": {"flash": False, "realtime": False, "timestamp_send": "1767225600000"},
    "transaction": False,
    "statistics": {"error": 0, "sent": 1, "delivered": 1, "total": 2, "sms_total": 4},
    "base_price": 0.12,
    "price": 0.18,
    "timestamp": "1767225600000",
    "last_update": "1767225605500",
    "state": 0,
}

RECIPIENT: dict[str, Any] = {
    "id": "65a1b2c3d4e5f60718293a4c",
    "message_id": ID,
    "i": 0,
    "send_id": f"{ID}_0",
    "number": NUMBER,
    "prefix": "+39",
    "body": "Your parcel is here, Rosa",
    "fields": {"name": "Rosa"},
    "sms": 2,
    "remaining_chr": 90,
    "state": "DELIVERED",
    "state_description": "DELIVERED_TO_HANDSET",
    "state_detail": "On the phone",
    "price": 0.09,
    "real_cost": 0.09,
    "timestamp_sent": {"$date": {"$numberLong": "1767225601000"}},
    "timestamp_delivery": {"$date": {"$numberLong": "1767225605000"}},
    "report": {
        "status": {"id": 5, "groupId": 3, "groupName": "DELIVERED", "name": "DELIVERED_TO_HANDSET", "description": ""},
        "error": {"id": 0, "name": "NO_ERROR", "description": "", "permanent": False},
        "smsCount": 2,
        "doneAt": "2026-01-01T01:00:05.000+0100",
    },
}


def response(body: bytes, status: int = 200, headers: dict[str, str] | None = None, token: str = "") -> Response:
    """Make an answer out of its bytes."""
    return Response(status, CaseInsensitiveDict(headers or {}), body, hidden=(token,) if token else ())


def success(data: Any, status: int = 200, **envelope: Any) -> Response:
    """Make an answer that says yes."""
    return response(json.dumps({"data": data, "success": True, "error": None, **envelope}).encode(), status)


def refusal(status: int, code: Any, message: Any = "No", headers: dict[str, str] | None = None) -> Response:
    """Make an answer that says no."""
    envelope = {"data": None, "success": False, "message": message, "error": code}
    return response(json.dumps(envelope).encode(), status, headers)
