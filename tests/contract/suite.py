"""
The parts of the contract suite: a scenario checks a sentence of the contract, a probe answers a question that the
contract leaves open. :mod:`.scenarios`, :mod:`.token_scenarios`, :mod:`.probes` and :mod:`.token_probes` fill the two
lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.target import Target


class ContractBrokenError(Exception):
    """The gateway differs from the contract. The text says how."""


@dataclass(frozen=True)
class Scenario:
    """
    A sentence of the contract, and its check.

    :param sms: How many real SMS it sends, all to the configured number.
    :param account: Whether it needs the account, because it asks the token service.
    """

    name: str
    sentence: str
    sms: int
    check: Callable[[Target], None]
    account: bool


@dataclass(frozen=True)
class Probe:
    """A question that the contract leaves open, and the function that answers it. It sends no real SMS."""

    name: str
    question: str
    find: Callable[[Target], str]
    account: bool


SCENARIOS: list[Scenario] = []
PROBES: list[Probe] = []


def scenario(
    sentence: str, *, sms: int = 0, account: bool = False
) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """Add a function to the suite as the check of a sentence."""

    def add(check: Callable[[Target], None]) -> Callable[[Target], None]:
        SCENARIOS.append(Scenario(check.__name__, sentence, sms, check, account))
        return check

    return add


def probe(question: str, *, account: bool = False) -> Callable[[Callable[[Target], str]], Callable[[Target], str]]:
    """Add a function to the suite that answers a question."""

    def add(find: Callable[[Target], str]) -> Callable[[Target], str]:
        PROBES.append(Probe(find.__name__, question, find, account))
        return find

    return add


def must(holds: bool, seen: str) -> None:
    """
    Check what the contract says.

    :param seen: What happened instead, without numbers or texts.
    :raises ContractBrokenError: It does not hold.
    """
    if not holds:
        raise ContractBrokenError(seen)
