"""
Every error that this package raises on purpose.

.. code-block:: text

    MessaggiSmsError
    ├── ConfigurationError (also ValueError)   a part of the connection or an argument is missing or invalid
    ├── TransportError                         no answer
    │   ├── NotSentError                       never left this machine: safe to repeat
    │   └── OutcomeUnknownError                left, no answer: repeating blindly may send a second SMS
    ├── ProtocolError                          an answer outside the contract
    ├── GatewayError  .status .code .message   the gateway refused
    │   ├── AuthenticationError                401 403
    │   ├── InsufficientCreditError            402
    │   ├── MessageNotFoundError               404 406
    │   ├── MessageLockedError                 422 with 212 or 221: closed, or already on its way
    │   ├── InvalidRequestError                every other 4XX
    │   ├── RateLimitedError                   429
    │   └── GatewayUnavailableError            5XX
    └── DeliveryError  .report                 the gateway is fine, an SMS did not arrive

``permanent`` tells whether a retry could ever help: an Airflow task that meets a permanent error fails at once.
No error's text or ``repr`` holds a whole telephone number, the text of an SMS or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class MessaggiSmsError(Exception):
    """
    Root of all errors of this package.

    :param after_lost_answer: ``True`` when the call had been made before and that answer was lost, so that the gateway
        may have acted already.
    """

    permanent: ClassVar[bool] = False
    after_lost_answer: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel between processes; by default that would call __init__ with the finished text alone.
        return BaseException.__new__, (type(self), *self.args), self.__dict__


class ConfigurationError(MessaggiSmsError, ValueError):
    """A part of the connection or an argument is missing or invalid; the text names the field and the way out."""

    permanent = True


class TransportError(MessaggiSmsError):
    """The gateway gave no answer."""


class NotSentError(TransportError):
    """The request never left this machine (refused connection, unknown host): it is safe to repeat."""


class OutcomeUnknownError(TransportError):
    """The request may have reached the gateway, but no answer came: repeating it blindly may send a second SMS."""


class ProtocolError(MessaggiSmsError):
    """
    The answer is outside the contract: not JSON, empty, too large, a redirect, or without its expected parts.

    :param status: HTTP status of the answer.
    """

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class GatewayError(MessaggiSmsError):
    """
    The gateway understood and refused.

    :param status: HTTP status.
    :param code: The ``error`` of the envelope: a whole number in the contract, but fractions (125.22) and words have
        been seen. ``None`` when the answer carried none.
    :param message: The gateway's own words, long digit sequences masked.
    :param route: What was asked, for the text.
    :param retry_after_seconds: What a ``Retry-After`` header asked for; ``None`` without one.
    :param advice: The likely cause and the way out, for the text.
    :param service: What answered, for the text.
    """

    def __init__(
        self,
        status: int,
        code: int | float | str | None,
        message: str,
        *,
        route: str = "",
        retry_after_seconds: float | None = None,
        advice: str = "",
        service: str = "the gateway",
    ) -> None:
        where = f"{route}: " if route else ""
        shown_code = "no code" if code is None else f"code {code}"
        hint = f" ({advice})" if advice else ""
        super().__init__(f"{where}{service} answered HTTP {status}, {shown_code}: {message or 'no message'}{hint}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class AuthenticationError(GatewayError):
    """The token is missing, wrong or expired (401), or lacks the scope of this call (403)."""

    permanent = True


class InsufficientCreditError(GatewayError):
    """
    The account's credit does not cover the message (402).

    :param needed_eur: What was needed, without VAT; ``None`` where the gateway's text does not tell.
    :param available_eur: What was there; ``None`` where the gateway's text does not tell.
    """

    permanent = True
    needed_eur: float | None = None
    available_eur: float | None = None


class MessageNotFoundError(GatewayError):
    """No message has this id (404), or the id is malformed (406)."""

    permanent = True


class MessageLockedError(GatewayError):
    """The transaction is closed (422/212), or the message is already on its way (422/221)."""

    permanent = True


class InvalidRequestError(GatewayError):
    """The gateway calls the request wrong (any other 4XX)."""

    permanent = True


class RateLimitedError(GatewayError):
    """Too many requests (429); nothing was done."""


class GatewayUnavailableError(GatewayError):
    """The gateway failed (5XX). For a send this says nothing about whether the SMS was accepted."""


class DeliveryError(MessaggiSmsError):
    """
    The gateway is fine, but an SMS did not arrive.

    :param report: The delivery report as plain JSON values (see ``gateway.delivery``); numbers in it are masked.
    """

    permanent = True

    def __init__(self, text: str, *, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.report = dict(report or {})


def reworded(error: MessaggiSmsError, text: str) -> MessaggiSmsError:
    """Make an error of the same class with the same attributes and another text."""
    other: MessaggiSmsError = BaseException.__new__(type(error), text)
    other.__dict__.update(error.__dict__)
    return other
