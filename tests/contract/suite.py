"""
What the contract suite consists of: scenarios, which check a sentence of the contract, and probes, which ask what no
sentence says. :mod:`.scenarios` and :mod:`.probes` fill the two lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.target import Target


class ContractBrokenError(Exception):
    """The gateway does something else than the contract says. The text tells what it does."""


@dataclass(frozen=True)
class Scenario:
    """
    A sentence of the contract, and what checks it.

    :param sms: How many real SMS it sends, to the one number that it was given.
    """

    name: str
    sentence: str
    sms: int
    check: Callable[[Target], None]


@dataclass(frozen=True)
class Probe:
    """A question that the contract leaves open, and what finds the answer. It simulates, and sends no real SMS."""

    name: str
    question: str
    find: Callable[[Target], str]


SCENARIOS: list[Scenario] = []
PROBES: list[Probe] = []


def scenario(sentence: str, *, sms: int = 0) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """Put a function into the suite as the check of a sentence."""

    def add(check: Callable[[Target], None]) -> Callable[[Target], None]:
        SCENARIOS.append(Scenario(check.__name__, sentence, sms, check))
        return check

    return add


def probe(question: str) -> Callable[[Callable[[Target], str]], Callable[[Target], str]]:
    """Put a function into the suite as what answers a question."""

    def add(find: Callable[[Target], str]) -> Callable[[Target], str]:
        PROBES.append(Probe(find.__name__, question, find))
        return find

    return add


def must(holds: bool, seen: str) -> None:
    """
    Demand what the contract says.

    :param seen: What was seen instead, without numbers or texts.
    :raises ContractBrokenError: It does not hold.
    """
    if not holds:
        raise ContractBrokenError(seen)
