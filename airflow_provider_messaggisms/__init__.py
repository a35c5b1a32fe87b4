"""
Apache Airflow provider for the MessaggiSMS gateway.

Airflow finds this package through the ``apache_airflow_provider`` entry point and asks :func:`get_provider_info` what
is in it. Nothing heavy is imported here: every Airflow process loads this module.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_INTEGRATION = "MessaggiSMS"

#: How the connection form treats Airflow's standard fields. Airflow 2.11 reads it from the hook.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": [],
    "relabeling": {"login": "Account (e-mail)", "password": "Token or API key"},
    "placeholders": {
        "login": "only with Authentication: account",
        "password": "the gateway's token; with Authentication: account, the API key",
        "host": "empty for the vendor's host; http://127.0.0.1:8025 for the emulator",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow, in the shape of Airflow's ``provider_info.schema.json``."""
    from airflow_provider_messaggisms.gateway.settings import FIELDS

    def modules(*names: str) -> list[dict[str, Any]]:
        return [{"integration-name": _INTEGRATION, "python-modules": [f"{__name__}.{name}" for name in names]}]

    return {
        "package-name": "airflow-provider-messaggisms",
        "name": _INTEGRATION,
        "description": "Send SMS through the MessaggiSMS gateway, each exactly once, and wait for their delivery.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://ws.messaggisms.com",
                "tags": ["service"],
            }
        ],
        "hooks": modules("hooks"),
        "operators": modules("operators"),
        "sensors": modules("sensors"),
        "notifications": [f"{__name__}.notifications.MessaggiSmsNotifier"],
        "triggers": modules("triggers"),
        "extra-links": [f"{__name__}.links.MessaggiSmsMessageLink"],
        "connection-types": [
            {
                "connection-type": "messaggisms",
                "hook-class-name": f"{__name__}.hooks.MessaggiSmsHook",
                "hook-name": _INTEGRATION,
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": FIELDS,
            }
        ],
    }
