"""
``python -m tests.contract.live``: answer the open questions at the vendor's sandbox, and print them as a table.

It needs a token of the sandbox and your own number to send to. Without both it sends nothing. With the e-mail address
and API key of the account it asks the token service too. It first shows what it will cost and asks for consent. The
token, the API key, the number and texts are not printed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.contract import probes, scenarios, token_probes, token_scenarios  # noqa: F401 - they fill the suite
from tests.contract.suite import PROBES, SCENARIOS, ContractBrokenError, Probe, Scenario
from tests.contract.target import (
    NEEDS_ACCOUNT,
    RECIPIENT_VARIABLE,
    SANDBOX_HOST,
    SANDBOX_TOKEN_SERVICE,
    TOKEN_VARIABLE,
    Target,
    emulator,
    sandbox,
)

_RECIPIENT = re.compile(r"\+[1-9][0-9]{0,2}-[0-9]{4,14}")


def main() -> int:
    """Compare the contract, the emulator and the sandbox; return the exit code: 1 if the contract is broken."""
    target = sandbox()
    if target is None:
        print(f"Set {TOKEN_VARIABLE} to a token of {SANDBOX_HOST}, and {RECIPIENT_VARIABLE} to your own number.")
        return 2
    if not _RECIPIENT.fullmatch(target.recipient):
        print(f"{RECIPIENT_VARIABLE} must be a number in the gateway's form, like +39-3491234567.")
        return 2
    if not _agreed(target):
        print("Nothing was sent.")
        return 2
    if (cost := _safely(lambda: probes.cost_of_a_test(target))) != "no":
        print(f"Stopped: all other checks need tests that cost nothing. Do they cost credit here? {cost}")
        return 1
    broken = False
    with run_emulator() as local:
        for row in table(local, target):
            print(row, flush=True)
            broken = broken or "BROKEN" in row
    return 1 if broken else 0


def _agreed(target: Target) -> bool:
    """Show the cost, and ask for consent."""
    print(f"This talks to {SANDBOX_HOST} and {SANDBOX_TOKEN_SERVICE} only, never to production.\n")
    for scenario in SCENARIOS:
        print(f"  {scenario.name:26} {_cost(scenario, target)}")
    print(f"  {f'{len(PROBES)} probes':26} simulated, no SMS (a probe checks that a test costs no credit)")
    print(f"\nIn all {sum(scenario.sms for scenario in SCENARIOS)} real SMS, to the number in {RECIPIENT_VARIABLE}.")
    if os.environ.get("MESSAGGISMS_SANDBOX_SPEND") == "yes":
        return True
    if not sys.stdin.isatty():
        print("There is no terminal to ask on: set MESSAGGISMS_SANDBOX_SPEND=yes to consent in advance.")
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def _cost(scenario: Scenario, target: Target) -> str:
    if scenario.account:
        return "tokens of an hour at most, deleted again" if target.account else NEEDS_ACCOUNT
    return f"{scenario.sms} SMS" if scenario.sms else "simulated, no SMS"


def table(local: Target, remote: Target) -> Iterator[str]:
    """Yield the lines of a Markdown table, each as soon as its check has run."""
    yield "| documented | assumed by the emulator | seen at the sandbox |"
    yield "|---|---|---|"
    for scenario in SCENARIOS:
        yield _row(scenario.sentence, *(_kept(scenario, target) for target in (local, remote)))
    yield "| **not documented** | | |"
    for probe in PROBES:
        yield _row(probe.question, *(_found(probe, target) for target in (local, remote)))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _kept(scenario: Scenario, target: Target) -> str:
    if scenario.account and target.account is None:
        return NEEDS_ACCOUNT

    def check() -> str:
        scenario.check(target)
        return "as documented"

    return _safely(check)


def _found(probe: Probe, target: Target) -> str:
    if probe.account and target.account is None:
        return NEEDS_ACCOUNT
    return _safely(lambda: probe.find(target))


def _safely(ask: Callable[[], str]) -> str:
    """Run one check, so that its failure does not end the others. An unexpected error is shown by its type only."""
    try:
        return ask()
    except ContractBrokenError as broken:
        return f"BROKEN: {broken}"
    except Exception as error:  # noqa: BLE001 - a gateway can surprise in any way
        return f"BROKEN: {type(error).__name__}"


@contextmanager
def run_emulator() -> Iterator[Target]:
    """Run an emulator to compare the sandbox with."""
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator", "--port", "0", "--clock", "manual"]
    command += ["--token", "contract", "--stop-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        yield emulator(line.rpartition(" ")[2].strip(), "contract")
        if process.stdin:
            process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
