"""
What becomes of an SMS, decided by the last four digits of its number, as payment providers' test cards do it.

A fate is a list of steps, each so many seconds after the message went out. Names and ids are those that Infobip
publishes; which error goes with which failure, and all the seconds, are the emulator's own choice.

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
class Cause:
    """Why an SMS failed, or that it did not."""

    id: int
    name: str
    description: str
    group_id: int = 0
    group: str = "OK"
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """One state of an SMS, as the recipient's ``report`` shows it."""

    id: int
    group_id: int
    group: str
    name: str
    description: str
    cause: Cause
    final: bool


class Fate:
    """A list of ``(seconds after departure, status)``. Compared by identity, shared by all who meet the same fate."""

    __slots__ = ("steps",)

    def __init__(self, *steps: tuple[float, Status]) -> None:
        self.steps = steps

    def history(self, elapsed: float) -> list[tuple[float, Status]]:
        """Return the steps taken so far. The first one is taken at once."""
        return [step for step in self.steps if step[0] <= elapsed] or [self.steps[0]]

    def at(self, elapsed: float) -> Status:
        """Return the status after so many seconds."""
        return self.history(elapsed)[-1][1]

    def next_change(self, elapsed: float) -> float | None:
        """Return the seconds after departure at which the next step is due, or None if the last one is taken."""
        return next((after for after, _ in self.steps if after > elapsed), None)

    def ending(self, elapsed: float, status: Status) -> Fate:
        """Return a fate with this one's past, whose future is ``status`` from now on."""
        return Fate(*self.history(elapsed), (elapsed, status))


_NO_ERROR = Cause(0, "NO_ERROR", "Nothing went wrong")
_UNKNOWN_SUBSCRIBER = Cause(1, "EC_UNKNOWN_SUBSCRIBER", "Nobody has this number", 1, "HANDSET_ERRORS", permanent=True)
_ABSENT_SUBSCRIBER = Cause(27, "EC_ABSENT_SUBSCRIBER", "The phone could not be reached", 1, "HANDSET_ERRORS")
_NO_SMS_SERVICE = Cause(
    11, "EC_TELESERVICE_NOT_PROVISIONED", "This subscriber takes no SMS", 1, "HANDSET_ERRORS", permanent=True
)

ACCEPTED = Status(26, 1, "PENDING", "PENDING_ACCEPTED", "Accepted, not yet passed on", _NO_ERROR, final=False)
ENROUTE = Status(7, 1, "PENDING", "PENDING_ENROUTE", "On its way to the operator", _NO_ERROR, final=False)
AT_OPERATOR = Status(2, 3, "DELIVERED", "DELIVERED_TO_OPERATOR", "The operator has it", _NO_ERROR, final=False)
ON_HANDSET = Status(5, 3, "DELIVERED", "DELIVERED_TO_HANDSET", "The phone has it", _NO_ERROR, final=True)
UNDELIVERABLE = Status(
    9, 2, "UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED", "The operator gave up", _UNKNOWN_SUBSCRIBER, final=True
)
EXPIRED = Status(
    15, 4, "EXPIRED", "EXPIRED_EXPIRED", "It waited too long for the phone", _ABSENT_SUBSCRIBER, final=True
)
REJECTED = Status(6, 5, "REJECTED", "REJECTED_NETWORK", "The network would not take it", _NO_SMS_SERVICE, final=True)

STATUSES = {s.name: s for s in (ACCEPTED, ENROUTE, AT_OPERATOR, ON_HANDSET, UNDELIVERABLE, EXPIRED, REJECTED)}

INVALID_DIGITS = "0009"
_DELIVERED = Fate((0, ACCEPTED), (1, ENROUTE), (2, AT_OPERATOR), (4, ON_HANDSET))
_BY_DIGITS = {
    "0001": Fate((0, ACCEPTED), (1, ENROUTE), (3, UNDELIVERABLE)),
    "0002": Fate((0, ACCEPTED), (1, ENROUTE), (6, EXPIRED)),
    "0003": Fate((0, ACCEPTED), (1, REJECTED)),
    "0004": Fate((0, ACCEPTED), (1, ENROUTE), (2, AT_OPERATOR)),
    "0005": Fate((0, ACCEPTED), (1, ENROUTE)),
}


def fate_of(number: str) -> Fate:
    """Return what will become of an SMS to this number."""
    return _BY_DIGITS.get(number[-4:], _DELIVERED)
