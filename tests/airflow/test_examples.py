"""
The example DAGs do what their words say, unchanged on each version of Airflow that can express them.

``late_run`` and ``approval_by_sms`` need a scheduler: ``tests/system`` runs them.
"""

from __future__ import annotations

import ast
import json
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import task
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.conftest import Run
from tests.airflow.mailbox import Mailbox

EXAMPLES = sorted((Path(__file__).parents[2] / "dags_examples").glob("*.py"))
DAY_SECONDS = 86_400

#: Which versions of Airflow cannot run an example here, and why.
CANNOT = {
    "approval_by_sms": ("<3.1", "no task can ask a person"),
    "late_run": ("<3.1", "there are no deadlines"),
    "on_call_rota": ("==3.0.*", "a DAG's callback cannot read Variables in dag.test()"),
}


def example(name: str) -> Any:
    """Read an example, as the DAG processor does."""
    versions, why = CANNOT.get(name, ("<2.11", ""))
    if Version(airflow_version) in SpecifierSet(versions):
        pytest.skip(f"{name}: {why} in Airflow {versions}")
    (path,) = (path for path in EXAMPLES if path.stem == name)
    return runpy.run_path(str(path))["dag"]


def succeeded(run: Any) -> bool:
    """Tell whether all tasks of a run are green."""
    return {str(ti.state) for ti in run.get_task_instances()} == {"success"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_one_short_commented_idea(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 40
    assert len((ast.get_docstring(ast.parse(source)) or "").splitlines()) >= 3
    dag = example(path.stem)
    assert (dag.dag_id, dag.doc_md) == (path.stem, ast.get_docstring(ast.parse(source), clean=False))
    # Nothing is sent by merely having it.
    assert (dag.schedule_interval if airflow_version.startswith("2.") else dag.schedule) is None
    assert set(dag.tags) == {"messaggisms"}


def test_send_and_wait(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    dag = example("send_and_wait")
    with dag:

        @task
        def time_passes() -> None:
            messaggisms_gateway.advance(10)

        dag.get_task("send") >> time_passes() >> dag.get_task("wait")
    assert succeeded(run_dag(dag, run_conf={"number": "+44 7400 123456", "text": "It is done"}))
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.number, sms.text, sms.state) == ("+44-7400123456", "It is done", "DELIVERED_TO_HANDSET")


def test_personalised(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    assert succeeded(run_dag(example("personalised")))
    assert {(sms.number, sms.text) for sms in messaggisms_gateway.inbox()} == {
        ("+39-3491234567", "Dear Anna, see you at 9:30. Ref. personalised"),
        ("+44-7400123456", "Dear Ben, see you at 10:15. Ref. personalised"),
    }


def test_scheduled_day(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    assert succeeded(run_dag(example("scheduled_day"), run_conf={"days": 3}))
    messaggisms_gateway.advance(DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []
    messaggisms_gateway.advance(3 * DAY_SECONDS)
    assert [sms.number for sms in messaggisms_gateway.inbox()] == ["+39-3491234567"]


def test_reminder_to_the_minute(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    began = datetime.now(UTC)
    assert succeeded(run_dag(example("reminder_to_the_minute"), run_conf={"minutes": 1 / 60}))
    assert datetime.now(UTC) >= began + timedelta(seconds=1)
    assert [sms.text for sms in messaggisms_gateway.inbox()] == ["See you in two hours."]


@pytest.mark.personality(empty_put="accepted")
def test_send_reschedule_cancel(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    assert succeeded(run_dag(example("send_reschedule_cancel")))
    assert [exchange.method for exchange in messaggisms_gateway.requests()] == ["POST", "PUT", "DELETE"]
    messaggisms_gateway.advance(20 * DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []


def test_many_from_a_file(run_dag: Run, messaggisms_gateway: Gateway, tmp_path: Path) -> None:
    dag = example("many_from_a_file")
    path = tmp_path / "people.csv"
    _, _, content = str(dag.doc_md).partition("::\n")
    lines = [line.strip() for line in content.splitlines() if "," in line and line.startswith("    ")]
    path.write_text("\n".join(lines))  # the very file that the example describes
    assert succeeded(run_dag(dag, run_conf={"path": f"file://{path}"}))
    assert {sms.text for sms in messaggisms_gateway.inbox()} == {
        "Dear Anna, our doors are open on Saturday.",
        "Dear Ben, our doors are open on Saturday.",
    }


def test_low_credit(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    MessaggiSmsHook().send_message(sender="Airflow", body="Hello", recipients="+39 349 123 4568")
    assert succeeded(run_dag(example("low_credit")))
    assert not succeeded(run_dag(example("low_credit"), run_conf={"least": 1000.0}))
    warning = "The SMS credit is below 1000.0 EUR. Please recharge the wallet."
    assert [sms.text for sms in messaggisms_gateway.inbox()].count(warning) == 1


def test_fall_back(run_dag: Run, messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    dag = example("fall_back")
    with dag:

        @task
        def time_passes() -> None:
            messaggisms_gateway.advance(10)

        dag.get_task("send") >> time_passes() >> dag.get_task("wait")
    with Mailbox() as mailbox:
        extra = {"disable_ssl": True, "disable_tls": True}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": mailbox.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        assert succeeded(run_dag(dag))
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Subject"]) == ("ben@example.com", "The market is closed today.")
    (words,) = (str(part.get_payload(decode=True)) for part in mail.walk() if part.get_content_maintype() == "text")
    assert "1 of 2 delivered" in words


def test_alarm_on_failure(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    assert not succeeded(run_dag(example("alarm_on_failure")))
    (sms,) = messaggisms_gateway.inbox()  # of three tasks and their run
    assert (sms.number, sms.text.split()[0]) == ("+39-3491234567", "Failed:")


def test_on_call_rota(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    assert not succeeded(run_dag(example("on_call_rota")))
    assert [sms.text for sms in messaggisms_gateway.inbox()] == ["on_call_rota has failed, please look after bill."]


def test_escalation_ends_with_the_first_phone_that_has_it(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    dag = example("escalation")
    with dag:

        @task
        def time_passes() -> None:
            messaggisms_gateway.advance(10)

        dag.get_task("send_0") >> time_passes() >> dag.get_task("reached_0")
    run = run_dag(dag)
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert (states["reached_0"], states["send_1"], states["send_2"]) == ("success", "skipped", "skipped")
    assert [sms.number for sms in messaggisms_gateway.inbox()] == ["+39-3491234567"]
