"""
An OpenAPI description of the emulator's API: what each call accepts and returns.

The tests compare it with the vendor's documented facts, and let schemathesis send the emulator whatever it permits or
forbids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_FLAG: Schema = {"type": "boolean"}
_EPOCH: Schema = {"type": "string", "pattern": "^[0-9]+$"}


def _object(required: Schema, optional: Schema | None = None, *, closed: bool = True) -> Schema:
    schema = {"type": "object", "properties": required | (optional or {}), "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


# --- requests -----------------------------------------------------------------------------------------------------

# A number may be anything: what is no number is counted as invalid and not refused. Only fields have a type.
_ANYTHING: Schema = {}
_FIELD: Schema = {"type": ["string", "number"]}
_FIELDS: Schema = {"anyOf": [{"type": "object", "additionalProperties": _FIELD}, {"type": "array", "maxItems": 0}]}
_WITH_FIELDS = _object({}, {"number": _ANYTHING, "fields": _FIELDS}, closed=False)
_ANY_RECIPIENT: Schema = {"anyOf": [{"not": {"type": "object"}}, _WITH_FIELDS]}


def _recipients(at_least: int) -> Schema:
    several = _list(_ANY_RECIPIENT) | {"minItems": at_least}
    return {"anyOf": [_TEXT | {"minLength": 1}, several, _WITH_FIELDS | {"minProperties": 1}]}


_DAY: Schema = {"type": "string", "description": "YYYY-MM-DD or DD-MM-YYYY; the day begins at midnight in Rome."}
_POST_BODY = _object(
    {
        "sender": {
            "anyOf": [
                {"type": "string", "minLength": 3, "maxLength": 11, "pattern": "[^\\s]"},
                {"type": "string", "pattern": "^[0-9]{3,14}$"},
            ]
        },
        "body": {"type": "string", "minLength": 1},
        "recipients": _recipients(1),
    },
    {
        "test": _FLAG,
        "priority": {"type": "number", "minimum": 1, "maximum": 1000},
        "transaction": _FLAG,
        "options": _object(
            {},
            {
                "flash": _FLAG,
                "timestamp_send": _DAY,
                "custom": _TEXT,
                "callback_url": _TEXT,
                "callback_field": _TEXT,
                "realtime": _FLAG,
            },
            closed=False,
        ),
    },
    closed=False,
)
_PUT_BODY = _object(
    {"recipients": _recipients(0)},
    {"transaction": _FLAG, "options": _object({}, {"timestamp_send": _DAY}, closed=False)},
    closed=False,
)

# --- responses ----------------------------------------------------------------------------------------------------

_ENTRY = _object({"sender": _TEXT, "timestamp": _EPOCH, "id": _TEXT})
_MESSAGE = _object(
    {
        "id": _TEXT,
        "test": _FLAG,
        "sender": _TEXT,
        "body": _TEXT,
        "recipients": _object(
            {
                "valid": _object({"count": _WHOLE}),
                "invalid": _object({"total": _WHOLE, "list": _list(_TEXT)}),
            }
        ),
        "priority": _NUMBER,
        "options": _object(
            {"flash": _FLAG, "realtime": _FLAG, "timestamp_send": {"type": "string", "pattern": "^-?[0-9]+$"}},
            {"custom": {"type": ["string", "object", "array"]}, "callback_url": _TEXT, "callback_field": _TEXT},
        ),
        "transaction": _FLAG,
        "statistics": _object(
            {"error": _WHOLE, "sent": _WHOLE, "delivered": _WHOLE, "total": _WHOLE, "sms_total": _WHOLE}
        ),
        "base_price": _NUMBER,
        "price": _NUMBER,
        "timestamp": _EPOCH,
        "last_update": _EPOCH,
        "state": {"type": "integer", "enum": [0, 1, 2]},
    }
)
_MONGO_DATE = _object({"$date": _object({"$numberLong": _EPOCH})})
_REPORT = _object(
    {
        "price": _object({"pricePerMessage": _NUMBER, "currency": _TEXT}),
        "status": _object({"id": _WHOLE, "groupId": _WHOLE, "groupName": _TEXT, "name": _TEXT, "description": _TEXT}),
        "error": _object(
            {
                "id": _WHOLE,
                "name": _TEXT,
                "description": _TEXT,
                "groupId": _WHOLE,
                "groupName": _TEXT,
                "permanent": _FLAG,
            }
        ),
        "messageId": _TEXT,
        "doneAt": _TEXT,
        "smsCount": _WHOLE,
        "sentAt": _TEXT,
        "to": _TEXT,
    }
)
_RECIPIENT = _object(
    {
        "number": _TEXT,
        "prefix": _TEXT,
        "send_id": _TEXT,
        "body": _TEXT,
        "sms": _WHOLE,
        "remaining_chr": _WHOLE,
        "state": _TEXT,
        "state_description": _TEXT,
        "state_detail": _TEXT,
        "price": _NUMBER,
        "real_cost": _NUMBER,
        "fields": _list({"type": "object"}),
        "message_id": _TEXT,
        "i": _WHOLE,
        "id": _TEXT,
    },
    {"timestamp_sent": _MONGO_DATE, "timestamp_delivery": _MONGO_DATE, "report": _REPORT},
)


def _success(data: Schema, credit: Schema | None) -> Schema:
    envelope = {"data": data, "success": {"const": True}, "message": _TEXT, "error": {"type": "null"}}
    return _object(envelope if credit is None else envelope | {"credit": credit})


def _error(codes: Sequence[float]) -> Schema:
    """Describe an error. The 401 for a missing token has neither code nor data."""
    bare = {"success": {"const": False}, "message": _TEXT}
    rest = {"data": {"type": "null"}, "error": {"enum": codes}}
    return _object(bare, rest) if WRONG_TOKEN in codes else _object(bare | rest)


# --- the calls ----------------------------------------------------------------------------------------------------

WRONG_TOKEN = 125.22
_EACH_CALL: dict[int, list[float]] = {401: [WRONG_TOKEN], 403: [403], 429: [429]}
_WITH_BODY: dict[int, list[float]] = _EACH_CALL | {413: [413]}


def _call(*, ok: dict[int, Schema], errors: Mapping[int, Sequence[float]], body: Schema | None = None) -> Schema:
    """Describe a call: the data of its successes and the codes of its errors, by HTTP status."""
    shapes = ok | {status: _error(codes) for status, codes in errors.items()}
    described: Schema = {
        "security": [{"token": []}],
        "responses": {
            str(status): {"description": "", "content": {"application/json": {"schema": shape}}}
            for status, shape in shapes.items()
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def _path(*parameters: str, **calls: Schema) -> Schema:
    described = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in parameters]
    return {method: call | {"parameters": described} for method, call in calls.items()}


_LISTED = _success(_list(_MESSAGE), _TEXT)
_RECIPIENTS = _call(ok={200: _success(_list(_RECIPIENT), _NUMBER)}, errors=_EACH_CALL | {404: [203], 406: [202]})
DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "MessaggiSMS gateway emulator", "version": "1"},
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/messages/": _path(
            get=_call(ok={200: _success(_list(_ENTRY), _TEXT)}, errors=_EACH_CALL | {404: [203]}),
            post=_call(ok={201: _LISTED}, errors=_WITH_BODY | {402: [201], 422: [302]}, body=_POST_BODY),
            delete=_call(ok={}, errors=_EACH_CALL | {400: [217]}),
        ),
        "/messages/{id}": _path(
            "id",
            get=_call(ok={200: _LISTED}, errors=_EACH_CALL | {406: [202]}),
            put=_call(
                ok=dict.fromkeys((200, 201), _success(_MESSAGE, _TEXT)),
                errors=_WITH_BODY | {402: [201], 404: [211], 406: [210], 422: [212, 302]},
                body=_PUT_BODY,
            ),
            delete=_call(
                ok={200: _success(_list(_TEXT), None)},
                errors=_EACH_CALL | {404: [219], 406: [218], 422: [221]},
            ),
        ),
        "/messages/{id}/recipients/": _path("id", get=_RECIPIENTS),
        "/messages/{id}/recipients/{number}": _path("id", "number", get=_RECIPIENTS),
    },
}
