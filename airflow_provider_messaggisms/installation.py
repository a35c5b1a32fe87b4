"""
Which Airflow this is: part of every key, because several Airflows may share one account of the gateway.

It must be the same in worker, dag-processor and triggerer, and differ between two Airflows. Airflow itself has no such
name. The UI's base address comes closest: ``[api] base_url`` (``[webserver] base_url`` on Airflow 2.11) is read by all
three, for links to logs. Two Airflows without it, or with the same one, need the connection's field ``installation``.
"""

from __future__ import annotations

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import conf

from airflow_provider_messaggisms.gateway.settings import Settings


def installation_of(settings: Settings) -> str:
    """Return the name of this Airflow: the connection's ``installation``, or else the base address of its UI."""
    return settings.installation or _base_url()


def _base_url() -> str:
    section = "webserver" if airflow_version.startswith("2.") else "api"
    return str(conf.get(section, "base_url", fallback=None) or "").strip().rstrip("/").lower()
