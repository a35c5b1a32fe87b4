"""
A local MessaggiSMS gateway: the same seven calls, credit that is not money, SMS that reach no phone.

Start it with ``messaggisms-emulator`` (or ``python -m airflow_provider_messaggisms.emulator``), give an Airflow
connection its address as host and ``emulator-token`` as password, and look at what the phones received. It shares no
code with the client, so that a field misread there cannot be misread here in the same way.
"""

from __future__ import annotations

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - opens nothing but an emulator
DEFAULT_PORT = 8025
