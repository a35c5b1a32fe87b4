"""
The states that an SMS goes through. The last four digits of its number decide, as with the test cards of a payment
provider.

A timeline is a list of states, each with the seconds after the message went out. Names and ids are those that Infobip
publishes. The error of each failure and all the seconds are the emulator's own choice.

======  ====================================================  =====================
digits  what happens                                          final?
======  ====================================================  =====================
0001    undeliverable, 3 s after it went out                  yes
0002    expired, 6 s after it went out                        yes
0003    rejected by the network, 1 s after it went out        yes
0004    stuck at DELIVERED_TO_OPERATOR, from 2 s on           no, until decided
0005    stuck at PENDING_ENROUTE, from 1 s on                 no, until decided
0009    counted among the invalid recipients                  never goes out
others  delivered to the handset, 4 s after it went out       yes
======  ====================================================  =====================
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """Why an SMS failed. The default is no failure."""

    id: int = 0
    name: str = "NO_ERROR"
    description: str = "No error"
    group_id: int = 0
    group: str = "OK"
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class SmsState:
    """One state of an SMS, as the recipient's ``report`` shows it."""

    id: int
    group_id: int
    group: str
    name: str
    description: str
    error: ErrorDetail = ErrorDetail()
    final: bool = False


class Timeline:
    """A list of ``(seconds after the message went out, state)``. SMS that go the same way share one object."""

    __slots__ = ("steps",)

    def __init__(self, *steps: tuple[float, SmsState]) -> None:
        self.steps = steps

    def history(self, elapsed: float) -> list[tuple[float, SmsState]]:
        """Return the states so far. There is always a first one."""
        return [step for step in self.steps if step[0] <= elapsed] or [self.steps[0]]

    def at(self, elapsed: float) -> SmsState:
        """Return the state after so many seconds."""
        return self.history(elapsed)[-1][1]

    def outcome(self, elapsed: float) -> str:
        """Say in one word how the SMS is: ``delivered``, ``failed``, ``waiting``, or ``stuck`` until decided."""
        if self.at(elapsed).final:
            return "delivered" if self.at(elapsed) is ON_HANDSET else "failed"
        return "waiting" if self.steps[-1][0] > elapsed else "stuck"

    def ending(self, elapsed: float, state: SmsState) -> Timeline:
        """Return a timeline with the same past, which is in *state* from now on."""
        return Timeline(*self.history(elapsed), (elapsed, state))


def _handset_error(number: int, name: str, description: str, *, permanent: bool) -> ErrorDetail:
    return ErrorDetail(number, name, description, 1, "HANDSET_ERRORS", permanent)


_UNKNOWN = _handset_error(1, "EC_UNKNOWN_SUBSCRIBER", "The number is not in use", permanent=True)
_ABSENT = _handset_error(27, "EC_ABSENT_SUBSCRIBER", "The phone could not be reached", permanent=False)
_NO_SERVICE = _handset_error(11, "EC_TELESERVICE_NOT_PROVISIONED", "This subscriber takes no SMS", permanent=True)

ACCEPTED = SmsState(26, 1, "PENDING", "PENDING_ACCEPTED", "Accepted, not yet passed on")
ENROUTE = SmsState(7, 1, "PENDING", "PENDING_ENROUTE", "On its way to the operator")
AT_OPERATOR = SmsState(2, 3, "DELIVERED", "DELIVERED_TO_OPERATOR", "The operator has it")
ON_HANDSET = SmsState(5, 3, "DELIVERED", "DELIVERED_TO_HANDSET", "The phone has it", final=True)
UNDELIVERABLE = SmsState(
    9, 2, "UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED", "The operator gave up", _UNKNOWN, final=True
)
EXPIRED = SmsState(15, 4, "EXPIRED", "EXPIRED_EXPIRED", "It waited too long for the phone", _ABSENT, final=True)
REJECTED = SmsState(6, 5, "REJECTED", "REJECTED_NETWORK", "The network refused it", _NO_SERVICE, final=True)

STATES = {s.name: s for s in (ACCEPTED, ENROUTE, AT_OPERATOR, ON_HANDSET, UNDELIVERABLE, EXPIRED, REJECTED)}

INVALID_DIGITS = "0009"
_DELIVERED = Timeline((0, ACCEPTED), (1, ENROUTE), (2, AT_OPERATOR), (4, ON_HANDSET))
_BY_DIGITS = {
    "0001": Timeline((0, ACCEPTED), (1, ENROUTE), (3, UNDELIVERABLE)),
    "0002": Timeline((0, ACCEPTED), (1, ENROUTE), (6, EXPIRED)),
    "0003": Timeline((0, ACCEPTED), (1, REJECTED)),
    "0004": Timeline((0, ACCEPTED), (1, ENROUTE), (2, AT_OPERATOR)),
    "0005": Timeline((0, ACCEPTED), (1, ENROUTE)),
}


def timeline_of(number: str) -> Timeline:
    """Return the states that an SMS to this number goes through."""
    return _BY_DIGITS.get(number[-4:], _DELIVERED)
