"""
Where the vendor's services are, and how a connection names another address: the emulator, or a proxy.

A secret travels with every request, so plain http leads to this machine only.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_messaggisms.exceptions import ConfigurationError

#: The hosts of the gateway, by environment.
HOSTS = {"production": "https://ws.messaggisms.com", "sandbox": "https://test.ws.messaggisms.com"}

#: The hosts of the vendor's token service, by environment.
TOKEN_HOSTS = {"production": "https://oauth.openapi.com", "sandbox": "https://test.oauth.openapi.com"}

# No blank, no second address, nothing that an HTTP library would have to escape.
_HOSTNAME = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*(?:%\w+)?")
_PATH = re.compile(r"[!-~]*")
_USUAL_PORTS = {"http": 80, "https": 443}


def read_address(field: str, host: str, schema: str = "", port: Any = None) -> str:
    """
    Read the address of a service: scheme, host, port and an optional path, without a slash at the end.

    :param field: What the connection calls it, for errors.
    :param host: A host or an http(s) address. Its own scheme and port win over the other arguments.
    :param schema: ``http`` or ``https``. Default: https.
    :param port: 1 to 65535. Default: the scheme's.
    :raises ConfigurationError: It is not an address, or plain http to another machine.
    """
    wrong = ConfigurationError(
        f"connection, field {field}: it is not a host or an http(s) address; leave it empty for the vendor's own host, "
        "or write it like http://127.0.0.1:8025"
    )
    try:
        url = urlsplit(host if "://" in host else f"{schema or 'https'}://{_bracketed(host)}")
        port = port if url.port is None else url.port
        (url.hostname or "").encode("idna")
    except ValueError:  # also a UnicodeError: a name that cannot be resolved
        raise wrong from None
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise wrong
    if not _HOSTNAME.fullmatch(url.hostname) or not _PATH.fullmatch(url.path):
        raise wrong
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise ConfigurationError(
            f"connection, field {field}: the token would travel in clear over http; "
            "use https (http is for loopback only)"
        )
    number = None if port is None else _port(port)
    is_usual = number in (None, _USUAL_PORTS[url.scheme])  # named or not, it is the same address
    where = _bracketed(url.hostname) + ("" if is_usual else f":{number}")
    return f"{url.scheme}://{where}{url.path.rstrip('/')}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _port(value: Any) -> int:
    text = str(value).strip()
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 65535:
        raise ConfigurationError(f"connection, field port: {text[:40]!r} is not a port from 1 to 65535")
    return int(text)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
