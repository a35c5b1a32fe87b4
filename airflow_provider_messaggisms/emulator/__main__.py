"""
``python -m airflow_provider_messaggisms.emulator`` and the command ``messaggisms-emulator``.

Prints one line with its address once it listens, and ends with exit code 0 on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_messaggisms.emulator import DEFAULT_PORT, DEFAULT_TOKEN
from airflow_provider_messaggisms.emulator.personality import Personality


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="messaggisms-emulator", description="A local MessaggiSMS gateway.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--allow-remote", action="store_true", help="permit a host that other machines can reach")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the token to ask for (default: %(default)s)")
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
        from airflow_provider_messaggisms.emulator import app, control, exchanges, server, store
        from airflow_provider_messaggisms.emulator.clock import Clock
    except ModuleNotFoundError as error:
        print(f"{error}. Install airflow-provider-messaggisms[emulator].", file=sys.stderr)
        return 1
    if not (server.is_loopback(options.host) or options.allow_remote):
        parser.error(f"--host {options.host} can be reached from other machines; say --allow-remote if that is meant")
    if options.speed <= 0:
        parser.error("--speed must be above 0; for a clock that stands still there is --clock manual")
    try:
        listener = server.listen(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    memory = store.Store(Clock(0.0 if options.clock == "manual" else options.speed), options.credit)
    record = exchanges.Record()
    personality = Personality.read({name: getattr(options, name) for name in Personality.choices()})
    controls = control.Control(memory, record, options.credit, personality)
    controls.reset({})
    gateway = app.create_app(memory, controls, record, {options.token: frozenset(("GET", "POST", "PUT", "DELETE"))})
    server.serve(gateway, listener, stop_with_stdin=options.stop_with_stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
