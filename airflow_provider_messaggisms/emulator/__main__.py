"""
``python -m airflow_provider_messaggisms.emulator`` and the command ``messaggisms-emulator``.

Once it listens it prints a line with its address, then the token, e-mail and API key to use. It ends with exit code 0
on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_messaggisms.emulator import DEFAULT_API_KEY, DEFAULT_EMAIL, DEFAULT_PORT, DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.account.personality import Personality

if TYPE_CHECKING:
    from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorState

MAX_SPEED = 100_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="messaggisms-emulator", description="A local MessaggiSMS gateway.")

    def option(name: str, about: str, **details: Any) -> None:
        shown = f"{about} (default: %(default)s)" if details.get("default") else about
        parser.add_argument(name, help=shown, **details)

    repeated: dict[str, Any] = {"action": "append", "default": []}
    option("--host", "address to listen on", default="127.0.0.1")
    option("--port", "port to listen on; 0 takes a free one", type=int, default=DEFAULT_PORT)
    option("--allow-remote", "allow a --host that other machines can reach", action="store_true")
    option("--token", "the valid token", default=DEFAULT_TOKEN)
    option("--api-key", "the account's API key", default=DEFAULT_API_KEY)
    limited = "a further token, valid for these methods only; may be repeated"
    option("--limited-token", limited, metavar="TOKEN:GET,POST", **repeated)
    fault = "script a failure, for example drop_after:method=POST,times=2; may be repeated"
    option("--fault", fault, metavar="KIND:NAME=VALUE,...", **repeated)
    option("--credit", "credit of the account in EUR", type=float, default=100.0)
    option("--clock", "manual: it stands still until it is moved", choices=("real", "manual"), default="real")
    option("--speed", "emulated seconds per real second", type=float, default=1.0)
    option("--stop-with-stdin", "also stop when standard input ends", action="store_true")
    for name, values in Personality.choices().items():
        option(f"--{name.replace('_', '-')}", "undocumented behaviour", choices=values, default=values[0])
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        from airflow_provider_messaggisms.emulator import app, server
        from airflow_provider_messaggisms.emulator.http.cross_origin import is_loopback
    except ModuleNotFoundError as error:
        print(f"{error}. Install airflow-provider-messaggisms[emulator].", file=sys.stderr)
        return 1
    if not (is_loopback(options.host) or options.allow_remote):
        parser.error(f"--host {options.host} is reachable from other machines; add --allow-remote to permit that")
    if not 0 <= options.port <= 65_535:
        parser.error(f"--port {options.port} must be from 0 to 65535")
    for name in ("token", "api_key"):
        if not getattr(options, name).strip():
            parser.error(f"--{name.replace('_', '-')} is empty; omit it to use the default")
    if options.clock == "manual" and options.speed != 1.0:
        parser.error("--speed needs --clock real; a manual clock stands still until it is moved")
    if not 0 < options.speed <= MAX_SPEED:
        parser.error(f"--speed must be above 0 and at most {MAX_SPEED}; use --clock manual to stop the clock")
    try:
        state = _initial_state(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        listener = server.listen(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    greeting = _greeting(server.address_of(listener), options)
    server.serve(app.create_app(state), listener, greeting=greeting, stop_with_stdin=options.stop_with_stdin)
    return 0


def _greeting(address: str, options: argparse.Namespace) -> list[str]:
    """Tell what a connection needs: a token, or the account's e-mail address and API key."""
    from airflow_provider_messaggisms.emulator.http.environments import SANDBOX_PATH
    from airflow_provider_messaggisms.emulator.token_service.token_store import secret_in

    token, api_key = (secret_in("sandbox", secret) for secret in (options.token, options.api_key))
    return [
        f"token {options.token}, or account {DEFAULT_EMAIL} with API key {options.api_key}",
        f"sandbox: {address}{SANDBOX_PATH}, token {token}, API key {api_key}",
    ]


def _initial_state(options: argparse.Namespace) -> EmulatorState:
    """
    Build the emulator that the command line describes.

    :raises ValueError: An option cannot be read, or is out of range.
    """
    import msgspec

    from airflow_provider_messaggisms.emulator.account.clock import Clock
    from airflow_provider_messaggisms.emulator.control.emulator_state import EmulatorSettings, EmulatorState
    from airflow_provider_messaggisms.emulator.control.fault_script import read_fault_option
    from airflow_provider_messaggisms.emulator.http.authentication import ALL_METHODS

    settings = {
        "credit": options.credit,
        "personality": {name: getattr(options, name) for name in Personality.choices()},
        "tokens": dict(map(_limited, options.limited_token)) | {options.token: ALL_METHODS},
        "api_key": options.api_key,
        "faults": [read_fault_option(text) for text in options.fault],
    }
    clock = Clock(0.0 if options.clock == "manual" else options.speed)
    return EmulatorState(clock, msgspec.convert(settings, EmulatorSettings))


def _limited(text: str) -> tuple[str, list[str]]:
    token, _, methods = text.rpartition(":")
    if not token.strip():
        raise ValueError(f"--limited-token {text}: write TOKEN:GET,POST")
    return token, methods.upper().split(",")


if __name__ == "__main__":
    sys.exit(main())
