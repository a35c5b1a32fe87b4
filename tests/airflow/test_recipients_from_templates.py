"""One value, one reading: recipients from a text, a native object or another task, for operators and notifier."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipients import read_recipients
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.personal import personal_value

ROSA, LEA, UGO = "+39-3471112223", "+39-3482223334", "+39-3493334445"


class Table(list[str]):
    """Behaves like pandas' DataFrame: going through it gives the names of its columns."""

    def __str__(self) -> str:
        return "       number  name\n0  3491112223  Rosa"


Table.__name__ = "DataFrame"

# Airflow 2 resolves only what has a certain base.
BASE: Any = import_module("airflow.utils.mixins").ResolveMixin if airflow_version.startswith("2.") else object


class Output(BASE):  # type: ignore[misc]
    """What ``task.output`` is to a template field: Airflow resolves it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Output({self.value!r})"  # part of a test's id, which has to be the same in every process

    def iter_references(self) -> Iterator[Any]:
        return iter(())

    def resolve(self, context: Any, *_: Any, **__: Any) -> Any:
        return self.value


def operator_reads(written: Any, native: bool, context: dict[str, Any]) -> Any:
    with DAG(
        "dag", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), render_template_as_native_obj=native
    ):
        operator = MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hi", recipients=written)
    operator.render_template_fields(context)  # type: ignore[arg-type]
    return personal_value(operator.recipients)


def notifier_reads(written: Any, native: bool, context: dict[str, Any]) -> Any:
    notifier = MessaggiSmsNotifier(recipients=written)
    dag = DAG(
        "dag", schedule=None, start_date=dt.datetime(2024, 1, 1, tzinfo=dt.UTC), render_template_as_native_obj=native
    )
    notifier.render_template_fields({"dag": dag, **context})  # type: ignore[typeddict-item]
    return personal_value(notifier.recipients)


READERS = [operator_reads, notifier_reads]

WAYS = {
    "a text": ("{{ value }}", False),
    "a native object": ("{{ value }}", True),
    "another task's output": (Output, False),
}


def outcome(read: Callable[[], Any]) -> Any:
    """What becomes of a value: the numbers, or the complaint."""
    try:
        return [(one.number, dict(one.fields)) for one in read_recipients(read())]
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize("reads", READERS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        (ROSA, [(ROSA, {})]),
        (f"{ROSA}, {LEA}", [(ROSA, {}), (LEA, {})]),
        (f"{ROSA};{LEA}\n", [(ROSA, {}), (LEA, {})]),
        ([ROSA, LEA], [(ROSA, {}), (LEA, {})]),
        ((ROSA, LEA), [(ROSA, {}), (LEA, {})]),
        ({"number": ROSA, "fields": {"name": "Rosa"}}, [(ROSA, {"name": "Rosa"})]),
        ([{"number": ROSA, "fields": {"due": dt.date(2026, 12, 24), "sum": Decimal("12.50"), "none": float("nan")}}],
         [(ROSA, {"due": "2026-12-24", "sum": "12.50"})]),
        ([[ROSA, "02112345678"]], "recipients[0]: it is a row of 2 value(s) (list), not a recipient"),
        ([[ROSA, 7]], "recipients[0]: it is a row of 2 value(s) (list), not a recipient"),
        ([ROSA, None], "recipients[1]: the number is missing (None); did the task"),
        ([ROSA, ""], "recipients[1]: the telephone number is empty"),
        ([f"{ROSA}, {LEA}"], "recipients[0]: "),
        ({1: ROSA}.values(), [(ROSA, {})]),
        (frozenset([ROSA]), [(ROSA, {})]),
        (Table(["number", "name"]), "recipients: "),
        (None, "recipients: expected a number, a recipient or a list of them, got nothing (None); did the task"),
        ([], "recipients: there is no recipient"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_is_read_alike_whichever_way_it_came(reads: Any, way: str, pushed: Any, expected: Any) -> None:
    written, native = WAYS[way]
    found = outcome(lambda: reads(written(pushed) if written is Output else written, native, {"value": pushed}))
    assert found.startswith(expected) if isinstance(expected, str) else found == expected


@pytest.mark.parametrize("reads", READERS)
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["{{ people }}", UGO], [ROSA, LEA, UGO]),
        (["{{ commas }}", UGO], [ROSA, LEA, UGO]),
        ("{{ commas }}", [ROSA, LEA]),
        (f"{ROSA}, {LEA}", [ROSA, LEA]),
        ([Output([ROSA, LEA]), UGO], [ROSA, LEA, UGO]),
        ([UGO, "{{ one }}"], [UGO, ROSA]),
        ([{"number": "{{ one }}", "fields": {"people": "{{ commas }}"}}], [ROSA]),
        (["{{ rows }}", UGO], "recipients[0]: it is a row of 2 value(s)"),
        ([[ROSA, LEA]], "recipients[0]: it is a row of 2 value(s)"),
        (["{{ nothing }}", UGO], "recipients[0]: the number is missing (None)"),
        ([{ROSA: 1}.keys(), UGO], "recipients[0]: it is a row of 1 value(s)"),
        ([deque([ROSA, "02112345678"])], "recipients[0]: it is a row of 2 value(s)"),
        ("{{ printed }}", "recipients: the text is a printed table"),
    ],
    ids=str,
)
def test_only_a_template_inside_a_list_is_spliced_into_it(
    reads: Any, native: bool, written: Any, expected: Any
) -> None:
    context = {"people": [ROSA, LEA], "commas": f"{ROSA}, {LEA}", "one": ROSA, "rows": [[ROSA, "7"]], "nothing": None}
    context["printed"] = "0    3491112223\nName: number, dtype: object"
    found = outcome(lambda: reads(written, native, context))
    assert found.startswith(expected) if isinstance(expected, str) else [number for number, _ in found] == expected
