"""
The emulator's own OpenAPI: what it takes and gives, call by call, for ``/_emulator/openapi.json``.

Nothing reads it while requests are handled. It is there for tools and people, and the tests hold the emulator to it:
schemathesis asks whatever this file permits or forbids, and a table compares it with the vendor's documented facts.
"""

from __future__ import annotations

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


# --- what is asked ------------------------------------------------------------------------------------------------

# Whatever stands in the place of a number is counted as invalid, not refused; only fields are held to their type.
_ANYTHING: Schema = {}
_FIELD: Schema = {"type": ["string", "number"]}
_FIELDS: Schema = {"anyOf": [{"type": "object", "additionalProperties": _FIELD}, {"type": "array", "maxItems": 0}]}
_ADDRESSEE = _object({}, {"number": _ANYTHING, "fields": _FIELDS}, closed=False)
_ANY_ADDRESSEE: Schema = {"anyOf": [{"not": {"type": "object"}}, _ADDRESSEE]}


def _recipients(at_least: int) -> Schema:
    several = _list(_ANY_ADDRESSEE) | {"minItems": at_least}
    return {"anyOf": [_TEXT | {"minLength": 1}, several, _ADDRESSEE | {"minProperties": 1}]}


_DAY: Schema = {"type": "string", "description": "YYYY-MM-DD or DD-MM-YYYY; the day begins at midnight in Rome."}
_ORDER = _object(
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
_AMENDMENT = _object(
    {"recipients": _recipients(0)},
    {"transaction": _FLAG, "options": _object({}, {"timestamp_send": _DAY}, closed=False)},
    closed=False,
)

# --- what is answered ---------------------------------------------------------------------------------------------

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


def _refusal(codes: list[int]) -> Schema:
    envelope = {"data": {"type": "null"}, "success": {"const": False}, "message": _TEXT, "error": {"enum": codes}}
    return _object(envelope)


# --- the calls ----------------------------------------------------------------------------------------------------

_ANYWHERE = {401: [401], 403: [403], 429: [429]}
_WITH_BODY = _ANYWHERE | {413: [413], 503: [503]}
_ID: Schema = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_RECIPIENT_NUMBER: Schema = {"name": "number", "in": "path", "required": True, "schema": _TEXT}


def _call(
    summary: str,
    *,
    ok: dict[int, Schema],
    refusals: dict[int, list[int]],
    body: Schema | None = None,
    parameters: tuple[Schema, ...] = (),
) -> dict[str, Any]:
    """Describe a call, as keywords for FastAPI's route decorators."""
    shapes = ok | {status: _refusal(codes) for status, codes in refusals.items()}
    described: Schema = {
        "security": [{"token": []}],
        "parameters": list(parameters),
        "responses": {
            str(status): {"description": "", "content": {"application/json": {"schema": shape}}}
            for status, shape in shapes.items()
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"summary": summary, "status_code": next(iter(ok), 400), "openapi_extra": described}


SECURITY_SCHEMES: Schema = {"token": {"type": "http", "scheme": "bearer"}}

LIST = _call(
    "List the messages",
    ok={200: _success(_list(_ENTRY), _TEXT)},
    refusals=_ANYWHERE | {404: [203]},
)
SEND = _call(
    "Send a message, or open a transaction",
    ok={201: _success(_list(_MESSAGE), _TEXT)},
    refusals=_WITH_BODY | {402: [201], 422: [302]},
    body=_ORDER,
)
DELETE_NOTHING = _call("Delete no message in particular", ok={}, refusals=_ANYWHERE | {400: [217]})
GET = _call(
    "Show a message",
    ok={200: _success(_list(_MESSAGE), _TEXT)},
    refusals=_ANYWHERE | {406: [202]},
    parameters=(_ID,),
)
UPDATE = _call(
    "Add recipients, move the day, close the transaction",
    ok={200: _success(_MESSAGE, _TEXT), 201: _success(_MESSAGE, _TEXT)},
    refusals=_WITH_BODY | {402: [201], 404: [211], 406: [210], 422: [212, 302]},
    body=_AMENDMENT,
    parameters=(_ID,),
)
DELETE = _call(
    "Cancel a message",
    ok={200: _success(_list(_TEXT), None)},
    refusals=_ANYWHERE | {404: [219], 406: [218], 422: [221]},
    parameters=(_ID,),
)
RECIPIENTS = _call(
    "Show the recipients of a message",
    ok={200: _success(_list(_RECIPIENT), _NUMBER)},
    refusals=_ANYWHERE | {404: [203], 406: [202]},
    parameters=(_ID,),
)
RECIPIENT = _call(
    "Show one recipient of a message",
    ok={200: _success(_list(_RECIPIENT), _NUMBER)},
    refusals=_ANYWHERE | {404: [203], 406: [202]},
    parameters=(_ID, _RECIPIENT_NUMBER),
)
