"""
Scopes, such as ``POST:ws.messaggisms.com/messages``: method, host of the gateway, first part of the path.

A client writes the host that its connection has. So the emulator knows two kinds of hosts in each environment: the
vendor's own (the sandbox's begins with ``test.``), and any name or address that can be the emulator's.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from airflow_provider_messaggisms.emulator.http.authentication import ALL_METHODS
from airflow_provider_messaggisms.emulator.http.cross_origin import is_private_host
from airflow_provider_messaggisms.emulator.http.environments import Environment

VENDOR_HOSTS: dict[Environment, str] = {"production": "ws.messaggisms.com", "sandbox": "test.ws.messaggisms.com"}
ENDPOINT = "messages"
# As older tokens have it: ``*`` is every method or every path.
ANY = "*"
_FORM = re.compile(r"([A-Z]+|\*):([\w.:-]+)/([\w-]+|\*)", re.ASCII)


class Scope(NamedTuple):
    """One scope, in its parts."""

    method: str
    host: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.method}:{self.host}/{self.endpoint}"

    @property
    def id(self) -> str:
        """The id by which the service knows this scope. Assumed: in the form of MongoDB's."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:24]

    def exists_in(self, environment: Environment) -> bool:
        """Tell whether the gateway of an environment has this scope."""
        known_host = self.host == VENDOR_HOSTS[environment] or is_private_host(self.host)
        return known_host and self.method in {*ALL_METHODS, ANY} and self.endpoint in (ENDPOINT, ANY)


def read_scope(text: str) -> Scope | None:
    """Read a scope. Return None if it is in another form."""
    match = _FORM.fullmatch(text)
    return Scope(*match.groups()) if match else None


def scopes_of(hosts: list[str]) -> list[Scope]:
    """Return the scopes of the gateway's calls at some hosts."""
    return [Scope(method, host, ENDPOINT) for host in hosts for method in sorted(ALL_METHODS)]
