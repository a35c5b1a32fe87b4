"""A secrets backend that takes its time, as an Airflow does whose first look-up starts half of it."""

from __future__ import annotations

import threading
from typing import ClassVar

from airflow.secrets import BaseSecretsBackend


class SlowSecrets(BaseSecretsBackend):
    """Knows nothing, but only after a while; Airflow then asks its other backends. Airflow keeps one for good."""

    #: How long each look-up takes.
    seconds: ClassVar[float] = 0.0

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> None:
        """Look for a connection."""
        threading.Event().wait(self.seconds)

    def get_variable(self, key: str, team_name: str | None = None) -> None:
        """Look for a Variable."""
        threading.Event().wait(self.seconds)
