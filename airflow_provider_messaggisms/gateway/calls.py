"""
One function per ability of the gateway, each returns a :class:`Call`: the seven calls of the contract and no more.

Writing is strict: what the contract does not allow is refused here, before it costs a request or an SMS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError, MessageNotFoundError, ProtocolError
from airflow_provider_messaggisms.gateway.delivery import DeliveryCounts
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Envelope,
    Message,
    MessageSummary,
    RecipientReport,
    number,
)
from airflow_provider_messaggisms.gateway.phone import mask_numbers
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


def send_message(
    *,
    sender: str,
    body: str,
    recipients: Iterable[Recipient],
    test: bool = False,
    priority: float | None = None,
    flash: bool | None = None,
    realtime: bool | None = None,
    timestamp_send: str | None = None,
    custom: Any = None,
    callback_url: str | None = None,
    callback_field: str | None = None,
    transaction: bool = False,
) -> Call[Message]:
    """
    Send a message, or open a transaction. Asking twice sends twice.

    :param sender: 3 to 11 letters and digits, or 3 to 14 digits (contract).
    :param body: The text; ``{{name}}`` becomes the recipient's field of that name. Not empty.
    :param recipients: At least one.
    :param test: ``True`` simulates the sending.
    :param priority: 1.0, the gateway's default, or more; a higher one costs more and is sent earlier.
    :param flash: Show the SMS at once on the screen instead of storing it.
    :param realtime: Skip all queues, for one-time passwords. The gateway takes one a minute.
    :param timestamp_send: The day to send on, as ``schedule.send_day`` gives it. Unset means now.
    :param custom: Anything that JSON can hold; comes back when the message is read. A text goes as it is.
    :param callback_url: http(s) address that the gateway tells each change of state.
    :param callback_field: Form field for that; without it the report is the raw body. Needs ``callback_url``.
    :param transaction: ``True`` stores the message; :func:`update_message` adds recipients, then closes it.
    :raises ConfigurationError: An argument is outside these limits.
    """
    addressees = list(recipients)
    if not addressees:
        raise ConfigurationError("recipients: nobody is named")
    options = {
        "flash": _flag("flash", flash),
        "realtime": _flag("realtime", realtime),
        "timestamp_send": timestamp_send,
        "custom": _custom(custom),
        "callback_url": _callback_url(callback_url),
        "callback_field": _callback_field(callback_field, callback_url),
    }
    content = {
        "sender": check_sender(sender),
        "body": _body(body),
        "recipients": _to_wire(addressees),
        "test": _flag("test", test) or None,
        "priority": _priority(priority),
        "transaction": _flag("transaction", transaction) or None,
        "options": _without_none(options) or None,
    }
    request = Request("POST", MESSAGES_PATH, MESSAGES_PATH, _json(_without_none(content)))
    return Call(request, lambda response: _one_message(request, response), repeatable=False)


def get_message(message_id: str) -> Call[Message]:
    """Read a message's summary: one object of under 1 kB, however many recipients it has."""
    request = Request("GET", f"{MESSAGES_PATH}{_quoted_id(message_id)}", MESSAGES_PATH + "{id}")
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

    Never repeated by itself: nobody documents whether the gateway merges a number that it already has.

    :param recipients: Whom to add; the wire always carries the list, empty or not.
    :param transaction: ``False`` closes the transaction: the message goes into the queue.
    :param timestamp_send: As in :func:`send_message`.
    """
    content: dict[str, Any] = {"recipients": [addressee.on_the_wire() for addressee in recipients]}
    if transaction is not None:
        content["transaction"] = _flag("transaction", transaction)
    if timestamp_send is not None:
        content["options"] = {"timestamp_send": timestamp_send}
    request = Request("PUT", f"{MESSAGES_PATH}{_quoted_id(message_id)}", MESSAGES_PATH + "{id}", _json(content))
    return Call(request, lambda response: _one_message(request, response), repeatable=False)


def delete_message(message_id: str) -> Call[None]:
    """Cancel a message that is not on its way yet. The gateway refunds nothing."""
    request = Request("DELETE", f"{MESSAGES_PATH}{_quoted_id(message_id)}", MESSAGES_PATH + "{id}")

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
    path = f"{MESSAGES_PATH}{_quoted_id(message_id)}/recipients/{quote(to, safe='')}"
    request = Request("GET", path, MESSAGES_PATH + "{id}/recipients/{number}")
    return Call(request, lambda response: _only(request, response, read(request, response, _RECIPIENTS)), True)


def _recipients_request(message_id: str) -> Request:
    return Request("GET", f"{MESSAGES_PATH}{_quoted_id(message_id)}/recipients/", MESSAGES_PATH + "{id}/recipients/")


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
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        raise ConfigurationError("body, recipients, custom or callback: a text holds half a character") from None


def _to_wire(addressees: list[Recipient]) -> Any:
    """Use the plainest form that the contract documents: one recipient stands alone, several are a list."""
    forms = [addressee.on_the_wire() for addressee in addressees]
    return forms[0] if len(forms) == 1 else forms


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _quoted_id(message_id: str) -> str:
    if not isinstance(message_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", message_id) or message_id == "None":
        raise ConfigurationError(
            f"message_id: {mask_numbers(str(message_id)[:40])!r} is not an id of the gateway; "
            "did the task that gives it push nothing? A send operator returns the id"
        )
    return message_id


def check_sender(sender: Any) -> str:
    """
    Check a sender against the contract.

    Blanks are allowed inside the letters, as the vendor's own examples have them.

    :raises ConfigurationError: It is missing, too short, too long, or has other characters.
    """
    if sender is None or sender == "":
        raise ConfigurationError("sender: missing; give the task a sender, or the connection a default one")
    text = str(sender)
    numeric = re.fullmatch(r"[0-9]{3,14}", text)
    alphanumeric = re.fullmatch(r"(?=.{3,11}\Z)(?=.*[A-Za-z])[A-Za-z0-9]+(?: [A-Za-z0-9]+)*", text)
    if not (numeric or alphanumeric):
        raise ConfigurationError(
            f"sender: {len(text)} characters of which {sum(c.isascii() and c.isdigit() for c in text)} are digits; "
            "the gateway takes 3 to 11 letters and digits, or 3 to 14 digits"
        )
    return text


def _body(body: Any) -> str:
    if not isinstance(body, str) or not body.strip():
        what = "is empty" if isinstance(body, str) else f"is not a text but {type(body).__name__}"
        raise ConfigurationError(f"body: the text of the SMS {what}")
    return body


def _flag(name: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"{name}: expected True or False, got {str(value)[:40]!r}")
    return value


def _priority(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < float("inf"):
        raise ConfigurationError(f"priority: {str(value)[:40]!r} is not a number of 1.0 or more")
    return float(value)


def _custom(value: Any) -> str | None:
    """Make ``custom`` the string that the contract wants; what is no string becomes JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"custom: JSON cannot hold it ({error})") from None


def _callback_url(value: Any) -> str | None:
    if value is None:
        return None
    try:
        url = urlsplit(str(value))
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError("callback_url: expected an absolute http(s) address")
    return str(value)


def _callback_field(value: Any, callback_url: Any) -> str | None:
    if value is not None and callback_url is None:
        raise ConfigurationError("callback_field: it names a form field of the call to callback_url, which is missing")
    return None if value is None else str(value)
