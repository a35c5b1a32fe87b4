"""
Proxies and certificates, as the environment names them and as requests reads them.

aiohttp looks in other places, and in ``.netrc`` too. So both transports ask here, once for each session.
"""

from __future__ import annotations

import os
import ssl
from functools import cache

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.transport.exchange import Endpoint


def proxies(endpoint: Endpoint) -> dict[str, str]:
    """Find the proxies for https; plain http is for this machine, and so is the token in it."""
    from requests.utils import get_environ_proxies

    return get_environ_proxies(endpoint.base_url) if _is_tls(endpoint) else {}


def proxy(endpoint: Endpoint) -> str | None:
    """Find the one proxy on the way to the gateway, as an address with its scheme."""
    from requests.utils import select_proxy

    found = select_proxy(endpoint.base_url, proxies(endpoint))
    return found if not found or "://" in found else f"http://{found}"


def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """
    Give the process's TLS context; ``None`` for plain http.

    :raises ConfigurationError: ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` names what cannot be read.
    """
    return _context(_ca_bundle()) if _is_tls(endpoint) else None


def prepare() -> None:
    """
    Do now, for this process and its forks, what the first exchange of a process does: import requests, read the CA
    bundle.

    :raises ConfigurationError: As :func:`tls_context`.
    """
    import requests  # noqa: F401

    _context(_ca_bundle())


def _is_tls(endpoint: Endpoint) -> bool:
    return endpoint.base_url.startswith("https:")


def _ca_bundle() -> str:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH


@cache
def _context(ca_bundle: str) -> ssl.SSLContext:
    """Build the context for a CA bundle (a file or a directory), once per process: it costs 29 ms of CPU."""
    try:
        if os.path.isdir(ca_bundle):
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        why = error.strerror or error
        raise ConfigurationError(
            f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {ca_bundle!r} is no CA bundle: {why}"
        ) from error
