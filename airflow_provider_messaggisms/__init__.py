"""
Apache Airflow provider for the MessaggiSMS gateway.

Airflow finds this package through the ``apache_airflow_provider`` entry point and asks :func:`get_provider_info` what
is in it. Nothing heavy is imported here: every Airflow process loads this module.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-messaggisms",
        "name": "MessaggiSMS",
        "description": "SMS",
        "versions": [__version__],
    }
