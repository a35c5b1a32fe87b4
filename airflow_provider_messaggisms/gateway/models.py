"""
What the gateway answers, as frozen values whose attributes keep the wire's names.

Reading is tolerant: numbers come as strings, instants as epoch milliseconds or as MongoDB dates, ``options.custom`` as
a string or as an object, lists as ``null``; unknown keys are ignored. Tolerance costs time only where a field
is read: the structs that a wait on 100,000 recipients reads (:class:`Delivery`) hold just what the verdict needs.

No ``repr`` shows a number, the text of an SMS or a custom field: these values end up in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec

from airflow_provider_messaggisms.gateway.phone import mask
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct

T = TypeVar("T")
V = TypeVar("V")

if TYPE_CHECKING:
    Instant = datetime | None
    Or = Annotated[T, "or nothing"]
    OrFalse = Annotated[T | None, "or something false"]
else:
    Instant = Any  # decoded as it comes, made an aware datetime afterwards

    class Or:
        """``Or[Options]`` decodes Options, ``null`` or ``[]`` (PHP's empty object), and ends as Options."""

        def __class_getitem__(cls, kind: Any) -> Any:
            return kind | list[Any] | None

    class OrFalse:
        """``OrFalse[Report]`` decodes the same and leaves it at that, for what is read by the hundred thousand."""

        def __class_getitem__(cls, kind: Any) -> Any:
            return kind | Annotated[list[Any], msgspec.Meta(max_length=0)] | None


def instant(value: Any) -> datetime | None:
    """
    Read an instant in any form that the gateway uses.

    :param value: Epoch milliseconds as a number or a string, ``{"$date": {"$numberLong": "..."}}``,
        ``{"$date": ...}``, or an ISO 8601 text with its offset.
    :returns: An aware datetime in UTC; ``None`` for whatever is none of these: an odd date in an answer must not make
        a message that was sent look like one that was not.
    """
    if isinstance(value, datetime):  # read already: a copy of a value is made through this door too
        return value
    while isinstance(value, dict):
        value = value.get("$date", value.get("$numberLong"))
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").isdecimal():
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else None
        return None if value is None else datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def number(value: Any) -> float | None:
    """Read an amount that comes as a number, as a string, or as nothing sensible (``None``)."""
    try:
        amount = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return amount if isfinite(amount) else None


def _count(value: int | None) -> int | None:
    """Read a count; one that 64 bits cannot hold is nothing sensible (``None``), and would break any arithmetic."""
    return value if value is not None and abs(value) < 2**63 else None


def _count_or_zero(value: int) -> int:
    return _count(value) or 0


def _unwrapped(custom: Any) -> Any:
    """Read ``custom``: what was sent as a JSON string comes back as that string or as the object inside."""
    if not isinstance(custom, str):
        return custom
    try:
        return msgspec.json.decode(custom)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return custom


def _settle(value: msgspec.Struct, **kinds: Callable[..., Any]) -> None:
    """Give attributes of a frozen value their final form: an instance of their kind, or what their reader makes."""
    for name, kind in kinds.items():
        found = getattr(value, name)
        if isinstance(kind, type):
            if not isinstance(found, kind):
                msgspec.structs.force_setattr(value, name, kind())
        else:
            msgspec.structs.force_setattr(value, name, kind(found))


class Envelope(RedactedStruct, Generic[V], frozen=True, kw_only=True):
    """What every answer is wrapped in. ``credit`` comes as a string, as a number, or not at all."""

    _shown = ("success",)
    data: V | None = None
    success: bool | None = None
    message: Any = None
    credit: Any = None
    error: Any = None


class Valid(RedactedStruct, frozen=True, kw_only=True):
    """The recipients that the gateway accepts."""

    _shown = ("count",)
    count: int = 0

    def __post_init__(self) -> None:
        _settle(self, count=_count_or_zero)


class Invalid(RedactedStruct, frozen=True, kw_only=True):
    """The recipients that the gateway calls invalid: they get nothing. ``list`` holds them as they were sent."""

    _shown = ("total",)
    total: int = 0
    list: Any = None

    def __post_init__(self) -> None:
        _settle(self, total=_count_or_zero)


class RecipientCounts(RedactedStruct, frozen=True, kw_only=True):
    """How many recipients a message has, by what the gateway thinks of their numbers."""

    _shown = ("valid", "invalid")
    valid: Or[Valid] = Valid()
    invalid: Or[Invalid] = Invalid()

    def __post_init__(self) -> None:
        _settle(self, valid=Valid, invalid=Invalid)


class Statistics(RedactedStruct, frozen=True, kw_only=True):
    """Counts over the recipients of a message; ``sms_total`` counts SMS parts."""

    _shown = ("error", "sent", "delivered", "total", "sms_total")
    error: int | None = None
    sent: int | None = None
    delivered: int | None = None
    total: int | None = None
    sms_total: int | None = None

    def __post_init__(self) -> None:
        _settle(self, error=_count, sent=_count, delivered=_count, total=_count, sms_total=_count)


class Options(RedactedStruct, frozen=True, kw_only=True):
    """The options of a message. ``timestamp_send`` is an instant; ``custom`` is an object where it holds JSON."""

    _shown = ("flash", "realtime", "timestamp_send")
    flash: bool | None = None
    realtime: bool | None = None
    timestamp_send: Instant = None
    custom: Any = None
    callback_url: str | None = None
    callback_field: str | None = None

    def __post_init__(self) -> None:
        _settle(self, timestamp_send=instant, custom=_unwrapped)


class MessageSummary(RedactedStruct, frozen=True, kw_only=True):
    """A message as the list of messages shows it."""

    _shown = ("id", "timestamp")
    id: str
    sender: str | None = None
    timestamp: Instant = None

    def __post_init__(self) -> None:
        _settle(self, timestamp=instant)


class Message(RedactedStruct, frozen=True, kw_only=True):
    """
    A message: one text to one or many recipients.

    :param state: An integer whose values are undocumented; use the recipients to judge a delivery.
    :param price: What the whole message costs, in EUR.
    :param credit: The account's credit in EUR, as the same answer gave it; ``None`` where it gave none.
    """

    _shown = ("id", "state", "recipients", "statistics", "transaction", "test", "price")
    id: str
    test: bool | None = None
    sender: str | None = None
    body: str | None = None
    recipients: Or[RecipientCounts] = RecipientCounts()
    priority: float | None = None
    options: Or[Options] = Options()
    transaction: bool | None = None
    statistics: Or[Statistics] = Statistics()
    base_price: float | None = None
    price: float | None = None
    timestamp: Instant = None
    last_update: Instant = None
    state: int | None = None
    credit: float | None = None

    def __post_init__(self) -> None:
        _settle(
            self,
            base_price=number,
            price=number,
            timestamp=instant,
            last_update=instant,
            recipients=RecipientCounts,
            options=Options,
            statistics=Statistics,
        )


class Status(RedactedStruct, frozen=True, kw_only=True):
    """A delivery status in the shape that Infobip publishes."""

    _shown = ("groupId", "id", "name")
    id: int | None = None
    groupId: int | None = None  # noqa: N815 (the wire's name)
    groupName: str | None = None  # noqa: N815
    name: str | None = None
    description: str | None = None


class ReportError(RedactedStruct, frozen=True, kw_only=True):
    """Why an SMS did not arrive; ``permanent`` tells whether a new try could ever succeed."""

    _shown = ("id", "name", "permanent")
    id: int | None = None
    name: str | None = None
    description: str | None = None
    permanent: bool | None = None


class Report(RedactedStruct, frozen=True, kw_only=True):
    """The operator's delivery report. Missing until the SMS has been dispatched."""

    _shown = ("status", "error", "doneAt")
    status: OrFalse[Status] = None
    error: OrFalse[ReportError] = None
    sentAt: str | None = None  # noqa: N815
    doneAt: str | None = None  # noqa: N815
    smsCount: int | None = None  # noqa: N815


class Delivery(RedactedStruct, frozen=True, kw_only=True):
    """What the verdict over a recipient needs (see ``delivery``), and no more."""

    number: str | None = None
    state: str | None = None
    state_description: str | None = None
    price: float | None = None
    report: OrFalse[Report] = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        number = mask(self.number or "")
        return [("number", number), ("state", self.state), ("state_description", self.state_description)]


class RecipientReport(Delivery, frozen=True, kw_only=True):
    """One recipient of a message, whole. ``fields`` is a list, an object or empty; ``body`` is the text as sent."""

    id: str | None = None
    message_id: str | None = None
    i: int | None = None
    send_id: str | None = None
    prefix: str | None = None
    body: str | None = None
    fields: Any = None
    sms: int | None = None
    remaining_chr: int | None = None
    state_detail: str | None = None
    real_cost: float | None = None
    timestamp_sent: Instant = None
    timestamp_delivery: Instant = None

    def __post_init__(self) -> None:
        _settle(self, timestamp_sent=instant, timestamp_delivery=instant)


# Texts of a request that an error may show: they are not personal, or `mask_numbers` takes care of them.
_SHOWABLE = frozenset({"sender", "recipients", "number", "timestamp_send"})


def personal_texts(content: Any) -> Iterator[str]:
    """Find the text of the SMS, the recipients' fields and other personal texts in the content of a request."""
    if isinstance(content, list):
        for part in content:
            yield from personal_texts(part)
    elif isinstance(content, dict):
        for name, part in content.items():
            if name == "fields":
                yield from part.values()
            elif isinstance(part, str) and name not in _SHOWABLE:
                yield part
            else:
                yield from personal_texts(part)
