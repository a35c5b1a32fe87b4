"""
What a send needs, for a worker to import once instead of each of its tasks.

Airflow runs a task in a fork of its worker, and a fork has what its worker has imported. One line in
``airflow_local_settings.py``, which every process of Airflow imports when it starts, makes use of that:

.. code-block:: python

    import airflow_provider_messaggisms.preload  # noqa: F401

Without it each task that sends imports the libraries for HTTP and reads the certificates of all authorities: most of
the CPU that it costs over an empty task. Nothing here raises, because Airflow does not start if that file fails.
"""

from __future__ import annotations

import logging


def _preload() -> None:
    from airflow_provider_messaggisms import clients, hooks, installation, operators  # noqa: F401
    from airflow_provider_messaggisms.gateway import calls, cost  # noqa: F401
    from airflow_provider_messaggisms.sending import (  # noqa: F401
        due_time,
        exactly_once,
        price_limit,
        remaining_recipients,
        summary,
    )
    from airflow_provider_messaggisms.transport.network import prepare

    prepare()


try:
    _preload()
except Exception as error:  # noqa: BLE001 (Airflow must start; the task that needs what is missing says why)
    logging.getLogger(__name__).warning("Not all that a send needs is imported ahead: %s", type(error).__name__)
