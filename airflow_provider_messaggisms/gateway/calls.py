"""
One function per ability of the gateway, each returns a :class:`Call`: the seven calls of the contract and no more.

This module, ``models`` and ``settings`` are the only ones that know the paths, field names and hosts of this version of
the API. What is sent has been checked when it was made (``content``, ``recipients``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError, MessageNotFoundError, ProtocolError
from airflow_provider_messaggisms.gateway.content import MessageContent, check_flag
from airflow_provider_messaggisms.gateway.delivery import DeliveryCounts
from airflow_provider_messaggisms.gateway.message_id import check_message_id
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Envelope,
    Message,
    MessageSummary,
    RecipientReport,
    number,
)
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.wire import ANYTHING, Call, JsonReader, Request, Response, read

if TYPE_CHECKING:
    from airflow_provider_messaggisms.gateway.recipient_stream import Collector

T = TypeVar("T")
C = TypeVar("C", bound="Collector")

_MESSAGE = JsonReader(Envelope[list[Message] | Message])
_SUMMARIES = JsonReader(Envelope[list[MessageSummary] | MessageSummary])
_RECIPIENTS = JsonReader(Envelope[list[RecipientReport] | RecipientReport])
_DELIVERIES = JsonReader(Envelope[list[Delivery] | Delivery])

#: Where messages are. A recipient's path below it holds a telephone number.
MESSAGES_PATH = "/messages/"

#: The code with which the gateway says that an account has no messages yet.
_NO_MESSAGES = 203


def list_messages() -> Call[list[MessageSummary]]:
    """List the account's messages, in the gateway's order. How far back it reaches is not documented."""
    request = Request("GET", MESSAGES_PATH, MESSAGES_PATH)

    def parse(response: Response) -> list[MessageSummary]:
        try:
            return _as_list(read(request, response, _SUMMARIES).data)
        except MessageNotFoundError as error:
            if error.code == _NO_MESSAGES:
                return []
            raise

    return Call(request, parse, repeatable=True)


def get_credit() -> Call[float | None]:
    """Read the account's credit, in EUR: it stands beside the list of messages. ``None`` for an account without any."""
    request = Request("GET", MESSAGES_PATH, MESSAGES_PATH)

    def parse(response: Response) -> float | None:
        try:
            return number(read(request, response, ANYTHING).credit)
        except MessageNotFoundError as error:
            if error.code == _NO_MESSAGES:
                return None
            raise

    return Call(request, parse, repeatable=True)


def send_message(
    content: MessageContent, recipients: Sequence[Recipient], *, transaction: bool = False
) -> Call[Message]:
    """
    Send a message, or open a transaction. Asking twice sends twice.

    :param recipients: At least one.
    :param transaction: ``True`` stores the message; :func:`update_message` adds recipients, then closes it.
    :raises ConfigurationError: There is no recipient, or a text cannot be sent.
    """
    if not recipients:
        raise ConfigurationError("recipients: at least one is required")
    options = {
        "flash": content.flash,
        "realtime": content.realtime,
        "timestamp_send": content.timestamp_send,
        "custom": content.custom,
        "callback_url": content.callback_url,
        "callback_field": content.callback_field,
    }
    whole = {
        "sender": content.sender,
        "body": content.body,
        "recipients": _plainest(recipients),
        "test": content.test or None,
        "priority": content.priority,
        "transaction": check_flag("transaction", transaction) or None,
        "options": _without_none(options) or None,
    }
    request = Request("POST", MESSAGES_PATH, MESSAGES_PATH, _json(_without_none(whole)))
    return Call(request, lambda response: _one_message(request, response), repeatable=False)


def get_message(message_id: str) -> Call[Message]:
    """Read a message's summary: one object of under 1 kB, however many recipients it has."""
    request = Request("GET", f"{MESSAGES_PATH}{check_message_id(message_id)}", MESSAGES_PATH + "{id}")
    return Call(request, lambda response: _one_message(request, response), repeatable=True)


def update_message(
    message_id: str,
    *,
    recipients: Iterable[Recipient] = (),
    transaction: bool | None = None,
    timestamp_send: str | None = None,
) -> Call[Message]:
    """
    Add recipients to an open transaction, close it, or move a message to another day.

    Never repeated automatically: it is undocumented whether the gateway merges a number that it already has.

    :param recipients: Those to add; the wire always carries the list, empty or not.
    :param transaction: ``False`` closes the transaction: the message goes into the queue.
    :param timestamp_send: As in :func:`send_message`.
    """
    content: dict[str, Any] = {"recipients": [_on_the_wire(recipient) for recipient in recipients]}
    if transaction is not None:
        content["transaction"] = check_flag("transaction", transaction)
    if timestamp_send is not None:
        content["options"] = {"timestamp_send": timestamp_send}
    request = Request("PUT", f"{MESSAGES_PATH}{check_message_id(message_id)}", MESSAGES_PATH + "{id}", _json(content))
    return Call(request, lambda response: _one_message(request, response), repeatable=False)


def delete_message(message_id: str) -> Call[None]:
    """Cancel a message that is not on its way yet. The gateway refunds nothing."""
    request = Request("DELETE", f"{MESSAGES_PATH}{check_message_id(message_id)}", MESSAGES_PATH + "{id}")

    def parse(response: Response) -> None:
        read(request, response, ANYTHING)

    return Call(request, parse, repeatable=True)


def get_recipients(message_id: str) -> Call[list[RecipientReport]]:
    """Read all recipients of a message, whole: some 940 bytes each."""
    request = _recipients_request(message_id)
    return Call(request, lambda response: _as_list(read(request, response, _RECIPIENTS).data), repeatable=True)


def get_numbers(message_id: str) -> Call[set[str]]:
    """Make the same request once more, but take the numbers out while it comes in and keep nothing else."""
    from airflow_provider_messaggisms.gateway.recipient_stream import Numbers, SlicedResponseBody

    request = _recipients_request(message_id)

    def collect(response: Response) -> set[str]:
        return _completed(request, response, response.taken or Numbers()).numbers

    return Call(request, collect, repeatable=True, collect=lambda: SlicedResponseBody(Numbers()))


def get_delivery_counts(message_id: str, *, many: bool = False) -> Call[DeliveryCounts]:
    """
    Make the same request once more, but only count the recipients.

    :param many: Count them while they come in and keep none, for the answer may be long. Default ``False``.
    """
    from airflow_provider_messaggisms.gateway.recipient_stream import SlicedResponseBody

    request = _recipients_request(message_id)

    def count(response: Response) -> DeliveryCounts:
        return _completed(request, response, response.taken or DeliveryCounts())

    if many:
        return Call(request, count, repeatable=True, collect=lambda: SlicedResponseBody(DeliveryCounts()))
    return Call(request, _recalling(count), repeatable=True)


def get_recipient(message_id: str, to: str) -> Call[RecipientReport]:
    """
    Read one recipient of a message.

    :param to: The number in the wire's form, ``+39-3491234567``.
    """
    path = f"{MESSAGES_PATH}{check_message_id(message_id)}/recipients/{quote(to, safe='')}"
    request = Request("GET", path, MESSAGES_PATH + "{id}/recipients/{number}")
    return Call(request, lambda response: _only(request, response, read(request, response, _RECIPIENTS)), True)


def _recipients_request(message_id: str) -> Request:
    path = f"{MESSAGES_PATH}{check_message_id(message_id)}/recipients/"
    return Request("GET", path, MESSAGES_PATH + "{id}/recipients/")


def _completed(request: Request, response: Response, taken: C) -> C:
    """Add to what was taken out of an answer what is left in it."""
    envelope = read(request, response, _DELIVERIES)
    if taken.total and not isinstance(envelope.data, list):
        raise ProtocolError(f"{request}: data is no list: HTTP {response.status}", status=response.status)
    taken.add(_as_list(envelope.data))
    return taken


def _one_message(request: Request, response: Response) -> Message:
    envelope = read(request, response, _MESSAGE)
    return msgspec.structs.replace(_only(request, response, envelope), credit=number(envelope.credit))


def _only(request: Request, response: Response, envelope: Envelope[list[T] | T]) -> T:
    """Take the one value of an answer that wraps it in a list, or does not."""
    found = _as_list(envelope.data)
    if len(found) != 1:
        raise ProtocolError(
            f"{request}: expected one object in data, got {len(found)}: HTTP {response.status}", status=response.status
        )
    return found[0]


def _recalling(parse: Callable[[Response], T]) -> Callable[[Response], T]:
    """Parse an answer only if it is not that of the last time: most looks at a message show nothing new."""
    last: tuple[int, bytes] | None = None
    value: T

    def parse_or_recall(response: Response) -> T:
        nonlocal last, value
        if last != (response.status, response.body):
            value = parse(response)
            last = response.status, response.body
        return value

    return parse_or_recall


def _as_list(data: list[T] | T | None) -> list[T]:
    if data is None:
        return []
    return data if isinstance(data, list) else [data]


def _json(content: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(content, enc_hook=_as_dict)
    except UnicodeEncodeError:
        raise ConfigurationError("body, recipients, custom or callback: a text holds half a character") from None


def _as_dict(value: Any) -> dict[Any, Any]:
    """Encode the fields of a recipient that are a mapping of another kind."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of the type {type(value).__name__} has no form in JSON")


def _plainest(recipients: Sequence[Recipient]) -> Any:
    """Use the plainest form that the contract documents: one recipient stands alone, several are a list."""
    forms = [_on_the_wire(recipient) for recipient in recipients]
    return forms[0] if len(forms) == 1 else forms


def _on_the_wire(recipient: Recipient) -> str | Recipient:
    """A recipient without fields is its number; another one has the names of the wire."""
    return recipient if recipient.fields else recipient.number


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
