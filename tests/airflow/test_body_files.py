"""Bodies in files: which texts name one, where it is looked for, and what it may hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from jinja2 import DictLoader, Environment

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.personal import personal_value
from tests.airflow.conftest import Run

ANNA = {"number": "+39 349 123 4567", "fields": {"name": "Anna"}}
BEN = {"number": "+44 7400 123456", "fields": {"name": "Ben"}}


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    """A DAG with files on its search path."""
    (tmp_path / "hello.txt").write_text("Dear {{name}}, the run is {{ run_id }}.\n")
    (tmp_path / "outer.j2").write_text("{% include 'hello.txt' %}Bye.")
    (tmp_path / "marked.txt").write_text("\ufeffDear {{name}}", encoding="utf-8")
    (tmp_path / "text.sql").write_text("Dear {{name}}, {{ 1 + 1 }}")
    (tmp_path / "query.sql").write_text("SELECT {{ 1 + 1 }}")
    return DAG(
        f"files_{tmp_path.name}",
        schedule=None,
        start_date=datetime(2020, 1, 1, tzinfo=UTC),
        template_searchpath=[str(tmp_path)],
        jinja_environment_kwargs={"line_statement_prefix": "#"},
    )


def send(body: Any, kind: type[Any] = MessaggiSmsSendOperator, **arguments: Any) -> Any:
    """Make a send operator."""
    return kind(task_id="send", sender="Airflow", body=body, recipients=ANNA, **arguments)


def texts(gateway: Gateway) -> set[str]:
    """Give what the phones got."""
    return {sms.text for sms in gateway.inbox()}


def run_id_of(run: Any) -> str:
    """Give a run's id, after all of its tasks are green."""
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    return str(run.run_id)


def test_a_file_may_use_fields_and_variables(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        send("hello.txt")
    run_id = run_id_of(run_dag(dag))
    assert texts(messaggisms_gateway) == {f"Dear Anna, the run is {run_id}."}


def test_each_mapped_task_reads_its_own_file(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        MessaggiSmsSendOperator.partial(task_id="send", sender="Airflow").expand_kwargs(
            [{"recipients": ANNA, "body": "hello.txt"}, {"recipients": BEN, "body": "marked.txt"}]
        )
    run_id = run_id_of(run_dag(dag))
    assert texts(messaggisms_gateway) == {f"Dear Anna, the run is {run_id}.", "Dear Ben"}


def test_a_mapped_task_may_have_its_file_from_partial(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        MessaggiSmsSendOperator.partial(task_id="send", sender="Airflow", body="marked.txt").expand(
            recipients=[ANNA, BEN]
        )
    run_id_of(run_dag(dag))
    assert texts(messaggisms_gateway) == {"Dear Anna", "Dear Ben"}


def test_a_files_name_may_be_a_template(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        send("{{ 'mar' ~ 'ked' }}.txt")
    run_id_of(run_dag(dag))
    assert texts(messaggisms_gateway) == {"Dear Anna"}


def test_lines_may_be_jinjas_statements(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        send("# for word in ['a', 'b']\n{{ word }}{{name}}\n# endfor\n")
    run_id_of(run_dag(dag))
    assert {text.strip() for text in texts(messaggisms_gateway)} == {"aAnna\nbAnna"}


class WithQueries(MessaggiSmsSendOperator):
    """A subclass that reads its texts, and a field of its own, from other files."""

    template_ext: Sequence[str] = (".sql",)
    template_fields: Sequence[str] = (*MessaggiSmsSendOperator.template_fields, "query")

    def __init__(self, *, query: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.query = query

    def execute(self, context: Any) -> str:
        """Send, if the query was read."""
        assert self.query == "SELECT 2"
        return super().execute(context)


def test_a_subclass_has_its_own_endings(dag: DAG, run_dag: Run, messaggisms_gateway: Gateway) -> None:
    with dag:
        send("text.sql", WithQueries, query="query.sql")
    run_id_of(run_dag(dag))
    assert texts(messaggisms_gateway) == {"Dear Anna, 2"}


@pytest.mark.parametrize("kind", [MessaggiSmsSendOperator, WithQueries])
def test_a_missing_file_fails_when_the_dag_is_parsed(dag: DAG, kind: type[Any]) -> None:
    missing = "gone.sql" if kind is WithQueries else "gone.txt"
    with dag:
        task = send(missing, kind, **({"query": "x"} if kind is WithQueries else {}))
    with pytest.raises(ConfigurationError, match=rf"^body: the file '{missing}' is not on the DAG's template search"):
        task.resolve_template_files()


@pytest.mark.parametrize("kind", [MessaggiSmsSendOperator, WithQueries])
def test_a_missing_file_of_mapped_tasks_fails_at_parse_time(dag: DAG, kind: type[Any]) -> None:
    missing = "gone.sql" if kind is WithQueries else "gone.txt"
    with dag, pytest.raises(ConfigurationError, match=f"^body: the file '{missing}' is not on"):
        kind.partial(task_id="send", body=missing)
    assert not dag.tasks


def test_a_mapped_file_whose_name_is_a_template_may_come_later(dag: DAG) -> None:
    with dag:
        MessaggiSmsSendOperator.partial(task_id="send", body="{{ run_id }}.txt").expand(recipients=[ANNA])
    dag.resolve_template_files()  # type: ignore[no-untyped-call]


def test_a_mapped_task_without_a_dag_has_no_files() -> None:
    assert MessaggiSmsSendOperator.partial(task_id="send", body="gone.txt").expand(recipients=[ANNA])


@pytest.mark.parametrize(
    "task",
    [
        "(task_id='send', body='gone.txt', recipients='+39 349 123 4567')",
        ".partial(task_id='send', body='gone.txt').expand(recipients=['+39 349 123 4567'])",
    ],
    ids=["plain", "mapped"],
)
def test_a_missing_file_is_an_import_error_in_airflow(task: str, tmp_path: Path, airflow_db: None) -> None:
    (tmp_path / "dag.py").write_text(
        "from airflow.providers.common.compat.sdk import DAG\n"
        "from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator\n"
        "with DAG('gone', schedule=None):\n"
        f"    MessaggiSmsSendOperator{task}\n"
    )
    dagbag = import_module("airflow.dag_processing.dagbag" if find_spec("airflow.sdk") else "airflow.models.dagbag")
    (error,) = dagbag.DagBag(tmp_path).import_errors.values()
    assert "body: the file 'gone.txt' is not on the DAG's template search path" in error


@pytest.mark.parametrize(
    ("name", "value"),
    [("recipients", "people.txt"), ("recipients", ["people.j2"]), ("callback_url", "https://host.example/people.txt"),
     ("custom", "people.txt"), ("idempotency_key", "people.j2"), ("recipients_path", "file:///people.txt")],
)  # fmt: skip
def test_nothing_but_the_body_names_a_file(dag: DAG, name: str, value: Any) -> None:
    from airflow_provider_messaggisms.operators import MessaggiSmsSendTransactionOperator

    arguments = {"recipients": None} if name == "recipients_path" else {}
    with dag:
        task = MessaggiSmsSendTransactionOperator(
            **{"task_id": "send", "body": "Hello", "recipients": ANNA, **arguments, name: value}
        )
    task.resolve_template_files()
    task.render_template_fields({"dag": dag})
    assert personal_value(getattr(task, name)) == value


def test_a_task_without_a_dag_has_no_files() -> None:
    task = send("hello.txt")
    task.render_template_fields({}, Environment())
    with pytest.raises(ConfigurationError, match=r"^body: the file 'hello.txt' is not on"):
        personal_value(task.body)


def test_a_notifier_reads_its_body_from_a_file() -> None:
    notifier = MessaggiSmsNotifier(recipients=ANNA, body="hello.txt")
    context: Any = {"run_id": "r", "dag": None}
    notifier.render_template_fields(context, Environment(loader=DictLoader({"hello.txt": "{{name}} {{run_id}}"})))
    assert personal_value(notifier.body) == "{{name}} r"
