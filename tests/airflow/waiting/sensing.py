"""Delivery sensors to test with: made, and run by hand or by Airflow, in each of their modes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run
from tests.airflow.waiting.waits import finished
from tests.progress import SILENCE_SECONDS

STUCK_AT_OPERATOR, STUCK, UNDELIVERABLE, EXPIRED, REJECTED = (
    f"+39 349 123 {digits}" for digits in ("0004", "0005", "0001", "0002", "0003")
)

_numbers = count()


class Ended(NamedTuple):
    """How a task has ended; ``error`` is why it failed for good, or what its next try would begin with."""

    state: str
    report: Any = None
    error: BaseException | None = None


def sensor(message_id: str = "m1", **arguments: Any) -> MessaggiSmsDeliverySensor:
    """Make a sensor without a DAG."""
    return MessaggiSmsDeliverySensor(
        task_id=f"wait_{next(_numbers)}",
        message_id=message_id,
        **{"poke_interval": 0.1, "timeout": SILENCE_SECONDS, **arguments},
    )


Waits = Callable[..., Ended]


def by_hand(context: Any, **mode: Any) -> Waits:
    """Wait without Airflow's machinery, which is slow."""

    def wait(message_id: str, **arguments: Any) -> Ended:
        try:
            return Ended("success", finished(sensor(message_id, **mode, **arguments), context))
        except AirflowSkipException as skipped:
            return Ended("skipped", error=skipped.__cause__)
        except Exception as error:  # noqa: BLE001 (whatever it is, the test asks)
            not_retried = isinstance(error, AirflowFailException | AirflowSensorTimeout)
            return Ended("failed" if not_retried else "up_for_retry", error=error)

    return wait


def one_dag() -> DAG:
    """Make an empty DAG."""
    return DAG(f"wait_{next(_numbers)}", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC))


def by_airflow(run_dag: Run, **mode: Any) -> Waits:
    """Run a DAG with nothing but the sensor."""

    def wait(message_id: str, **arguments: Any) -> Ended:
        raised: list[BaseException] = []
        with one_dag():
            task = sensor(
                message_id,
                retries=1,
                on_failure_callback=lambda context: raised.append(context["exception"]),
                on_retry_callback=lambda context: pytest.fail("it is retried"),
                **mode,
                **arguments,
            )
        task.handover_seconds = 0.0
        (ti,) = run_dag(task.dag).get_task_instances()
        return Ended(str(ti.state), ti.xcom_pull(task_ids=task.task_id), raised[0] if raised else None)

    return wait
