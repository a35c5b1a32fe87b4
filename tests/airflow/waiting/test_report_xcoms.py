"""The parts of a report that are XComs: as arguments, in templates, and beside what a task is mapped over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor
from tests.airflow.conftest import Run

NUMBERS = ["+39 349 123 4567", "+39 349 123 0001"]
STATES = {"DELIVERED_TO_HANDSET": 1, "UNDELIVERABLE_NOT_DELIVERED": 1}
PARTS = {"states": STATES, "failed": [{"index": 1}], "summary": "1 of 2 delivered"}
EVENT = {"status": "delivered", "report": {"message_id": "m1", **PARTS}}


def test_parts_of_a_report_are_arguments_of_the_next_task(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with DAG("parts", schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC)) as dag:
        send = MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hello", recipients=NUMBERS)
        message_id = cast("str", send.output)
        wait: Any = MessaggiSmsDeliverySensor(task_id="wait", message_id=message_id, min_delivered=0, poke_interval=0.1)

        @task
        def time_passes() -> None:
            messaggisms_gateway.advance(10)

        @task
        def failed_numbers(failed: Any) -> list[str]:
            return [NUMBERS[one["index"]] for one in failed]

        @task
        def tell(number: str, states: Any, summary: str, templated: str) -> list[Any]:
            return [number, states, summary, templated]

        parts = {name: wait.output[name] for name in ("states", "summary")}
        tell.partial(**parts, templated=f"{wait.output['failed']}").expand(number=failed_numbers(wait.output["failed"]))
        send >> time_passes() >> wait
    (ti,) = [ti for ti in run_dag(dag).get_task_instances() if ti.task_id == "tell"]
    (told,) = ti.xcom_pull(task_ids="tell", map_indexes=[0])
    number, states, summary, templated = told
    assert (number, states) == (NUMBERS[1], STATES)
    assert summary.startswith("1 of 2 delivered")
    assert "'index': 1" in templated


@pytest.mark.parametrize("pushed", [True, False])
def test_a_wait_that_was_deferred_pushes_the_parts_too(context: dict[str, Any], pushed: bool) -> None:
    sensor: Any = MessaggiSmsDeliverySensor(task_id="wait", message_id="m1", do_xcom_push=pushed)
    sensor.execute_complete(context, EVENT)
    assert context["ti"].xcoms == (PARTS if pushed else {})


def test_a_send_that_waits_pushes_the_parts_beside_its_report(context: dict[str, Any]) -> None:
    send: Any = MessaggiSmsSendOperator(task_id="send", body="Hello", recipients=NUMBERS, wait_for_delivery=True)
    send.execute_complete(context, EVENT)
    assert context["ti"].xcoms == {"delivery": EVENT["report"], **PARTS}


def test_both_waits_tell_after_how_many_seconds(context: Any, messaggisms_gateway: Gateway) -> None:
    send: Any = MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hello", recipients=NUMBERS[0])
    message_id = send.execute(context)
    messaggisms_gateway.advance(10)
    wait: Any = MessaggiSmsDeliverySensor(task_id="wait", message_id=message_id)
    report = wait.execute(context)
    assert (report["seconds"], report["summary"]) == (4.0, "delivered to +39-*******567 after 4 s")
    context["ti"].try_number, send.wait_for_delivery = 2, True  # finds the message sent, and waits for it
    send.execute(context)
    assert context["ti"].xcoms["delivery"] == report
