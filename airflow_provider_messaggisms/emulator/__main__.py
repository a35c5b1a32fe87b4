"""
``python -m airflow_provider_messaggisms.emulator`` and the command ``messaggisms-emulator``.

Prints one line with its address once it listens, and ends with exit code 0 on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_messaggisms.emulator import DEFAULT_PORT, DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.personality import Personality

if TYPE_CHECKING:
    from airflow_provider_messaggisms.emulator.control import Control

MAX_SPEED = 100_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="messaggisms-emulator", description="A local MessaggiSMS gateway.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--allow-remote", action="store_true", help="permit a host that other machines can reach")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the token to ask for (default: %(default)s)")
    parser.add_argument(
        "--limited-token",
        action="append",
        default=[],
        metavar="TOKEN:GET,POST",
        help="a further token that may use only these methods; may be given several times",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND:NAME=VALUE,...",
        help="script a failure, for example drop_after:method=POST,times=2; may be given several times",
    )
    parser.add_argument("--credit", type=float, default=100.0, help="EUR in the account (default: %(default)s)")
    parser.add_argument("--clock", choices=("real", "manual"), default="real", help="manual: moved by hand only")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="emulated seconds in a real one (default: %(default)s)"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop also when standard input ends")
    for name, values in Personality.choices().items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", choices=values, default=values[0], help="undocumented (default: %(default)s)"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulator; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        from airflow_provider_messaggisms.emulator import app, server
    except ModuleNotFoundError as error:
        print(f"{error}. Install airflow-provider-messaggisms[emulator].", file=sys.stderr)
        return 1
    if not (server.is_loopback(options.host) or options.allow_remote):
        parser.error(f"--host {options.host} can be reached from other machines; say --allow-remote if that is meant")
    if not 0 <= options.port <= 65_535:
        parser.error(f"--port {options.port} is not from 0 to 65535")
    if not options.token.strip():
        parser.error("--token is empty; leave it out for the usual one")
    if options.clock == "manual" and options.speed != 1.0:
        parser.error("--speed is for the real clock; --clock manual moves by hand only")
    if not 0 < options.speed <= MAX_SPEED:
        parser.error(f"--speed is above 0, up to {MAX_SPEED}; for a clock that stands still there is --clock manual")
    try:
        control = _control(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        listener = server.listen(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    server.serve(app.create_app(control), listener, stop_with_stdin=options.stop_with_stdin)
    return 0


def _control(options: argparse.Namespace) -> Control:
    """
    Build the gateway that the command line asks for.

    :raises ValueError: An option cannot be read, or is out of range.
    """
    import msgspec

    from airflow_provider_messaggisms.emulator.clock import Clock
    from airflow_provider_messaggisms.emulator.control import ALL_METHODS, Beginning, Control, Credit, Methods
    from airflow_provider_messaggisms.emulator.faults import read_command

    beginning = Beginning(
        credit_eur=msgspec.convert(options.credit, Credit),
        personality=Personality.read({name: getattr(options, name) for name in Personality.choices()}),
        tokens={
            token: msgspec.convert(methods.upper().split(","), Methods)
            for token, methods in map(_limited, options.limited_token)
        }
        | {options.token: ALL_METHODS},
        faults=[read_command(text) for text in options.fault],
    )
    return Control(Clock(0.0 if options.clock == "manual" else options.speed), beginning)


def _limited(text: str) -> tuple[str, str]:
    token, _, methods = text.rpartition(":")
    if not token.strip():
        raise ValueError(f"--limited-token {text}: write TOKEN:GET,POST")
    return token, methods


if __name__ == "__main__":
    sys.exit(main())
