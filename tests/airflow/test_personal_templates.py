"""Airflow's templates and the gateway's placeholders in one text, and what Airflow may show of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from airflow_provider_messaggisms.personal import personal_value
from tests.airflow.conftest import plain

ANNA = {"number": "+39 349 123 4567", "fields": {"name": "Anna"}}
BEN = {"number": "+44 7400 123456", "fields": {"name": "Ben"}}


def rendered(
    body: Any,
    recipients: Any = None,
    dag: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **context: Any,
) -> Any:
    """Render the fields of a send operator in a DAG, as Airflow does before it executes it."""
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), **dag or {}):
        operator = MessaggiSmsSendOperator(
            task_id="send", sender="Airflow", body=body, recipients=recipients or [ANNA], **options or {}
        )
    everything: Any = {"ds": "2026-05-01", "params": {"city": "Turin"}, **context}
    operator.render_template_fields(everything)
    return operator


def body_of(body: Any, recipients: Any = None, dag: dict[str, Any] | None = None, **context: Any) -> Any:
    """Render a body."""
    return personal_value(rendered(body, recipients, dag, **context).body)


# --- placeholders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Dear {{name}}", "Dear {{name}}"),
        ("Dear {{ name }}", "Dear {{name}}"),
        ("{{name}}, {{ params.city }} on {{ ds }}", "{{name}}, Turin on 2026-05-01"),
        ("{% if params.city == 'Turin' %}Ciao{% endif %} {{name}}", "Ciao {{name}}"),
        ("{% for one in 'ab' %}{{ one }}{{name}}{% endfor %}", "a{{name}}b{{name}}"),
        ("{% raw %}{{name}} {{ds}}{% endraw %}", "{{name}} {{ds}}"),
        ("{# {{name}} #}Hello", "Hello"),
        ("100 % of {name}", "100 % of {name}"),
        ("Hello\n", "Hello"),  # as Jinja has it
    ],
)
def test_a_recipients_field_stays_a_placeholder_the_rest_is_rendered(body: str, expected: str) -> None:
    assert body_of(body) == expected


def test_a_field_that_only_some_recipients_have_stays_a_placeholder_too() -> None:
    assert body_of("{{name}} {{room}}", [ANNA, {"number": "+393491234568", "fields": {"room": "12"}}]) == (
        "{{name}} {{room}}"
    )


@pytest.mark.parametrize("name", ["1", "true", "None", "not", "self", "due date", "first-name", "a.b", "it's"])
@pytest.mark.parametrize("dag", [{}, {"render_template_as_native_obj": True}], ids=["texts", "native"])
def test_a_field_that_jinja_reads_otherwise_stays_a_placeholder_too(name: str, dag: dict[str, Any]) -> None:
    recipients = [{"number": "+39 349 123 4567", "fields": {name: "1", "name": "Anna"}}]
    body = "{{ X }}{% raw %}{{X}}{% endraw %} {{name}}, {{ 2 }} {{ '{{2}}' }} {{ ds }}{# {{X}} #}".replace("X", name)
    assert body_of(body, recipients, dag) == "{{X}}{{X}} {{name}}, 2 {{2}} 2026-05-01".replace("X", name)


def test_a_local_variable_of_the_template_is_no_placeholder() -> None:
    assert body_of("{% for name in ['x', 'y'] %}{{ name }}{% endfor %}") == "xy"
    assert body_of("{% set name = params.city %}{{ name }}") == "Turin"


def test_fields_are_templates_themselves() -> None:
    operator = rendered(
        "{{name}}", [{"number": "{{ params.phone }}", "fields": {"name": "{{ ds }}"}}], params={"phone": "+39"}
    )
    assert personal_value(operator.recipients) == [{"number": "+39", "fields": {"name": "2026-05-01"}}]
    assert personal_value(operator.body) == "{{name}}"


def test_the_context_of_other_fields_and_tasks_is_left_alone() -> None:
    lenient: dict[str, Any] = {"template_undefined": jinja2.Undefined}
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), **lenient):
        operator = MessaggiSmsSendOperator(task_id="send", body="{{name}}", recipients=[ANNA], custom="<{{name}}>")
    context: Any = {"ds": "2026-05-01"}
    operator.render_template_fields(context)
    assert context == {"ds": "2026-05-01"}
    assert personal_value(operator.custom) == "<>"


def test_a_macro_of_the_dag_is_no_placeholder() -> None:
    dag = {"user_defined_macros": {"shop": lambda: "Bar Sport"}, "user_defined_filters": {"loud": str.upper}}
    assert body_of("{{name}}: {{ shop() | loud }}", dag=dag) == "{{name}}: BAR SPORT"


@pytest.mark.parametrize("name", ["ds", "params", "range"])
def test_a_field_with_the_name_of_a_variable_of_airflow_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^body: '{name}' is a field of a recipient and a template variable"):
        body_of(f"Dear {{{{ {name} }}}}", [{"number": "+393491234567", "fields": {name: "x"}}])


def test_such_a_field_does_no_harm_while_the_body_does_not_use_it() -> None:
    assert body_of("Dear {{name}}", [{"number": "+393491234567", "fields": {"name": "Anna", "ds": "x"}}]) == (
        "Dear {{name}}"
    )


def test_the_name_of_a_macro_is_refused_as_well() -> None:
    with pytest.raises(ConfigurationError, match="'shop' is a field"):
        body_of("{{ shop }}", [{"number": "+39", "fields": {"shop": "x"}}], {"user_defined_macros": {"shop": "y"}})


@pytest.mark.parametrize(
    "body",
    [
        "Dear {{ name | upper }}",
        "{{ name | length }} letters",
        "{{ name[:1] }}.",
        "{{ name.first }}",
        "{{ 'Dear ' ~ name }}",
        "{% if name == 'Anna' %}Dear{% endif %} you",
        "{% for sign in name %}{{ sign }}{% endfor %}",
        "{% set short = name %}{{ short }}",
        "{{ name | default('you') }}",
    ],
)
def test_what_only_the_gateway_knows_cannot_be_computed_with(body: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^body: the gateway fills in \{\{name\}\} .* \(line 1\); prepare"):
        body_of(body)


@pytest.mark.parametrize("name", ["nmae", "Name"])
def test_an_unknown_name_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^body: the template cannot be rendered: '{name}' is undefined"):
        body_of(f"Dear {{{{ {name} }}}}")


def test_a_dag_that_wants_unknown_names_empty_gets_them_so() -> None:
    assert body_of("Dear {{nmae}}{{name}}", dag={"template_undefined": jinja2.Undefined}) == "Dear {{name}}"


# --- from a file, where the names of the fields come later ------------------------------------------------------------


def from_file(body: str) -> str:
    """Render a body whose recipients are in a file."""
    with DAG("dag", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)):
        operator = MessaggiSmsSendTransactionOperator(task_id="send", body=body, recipients_path="people.csv")
    operator.render_template_fields({"ds": "2026-05-01"})
    return str(personal_value(operator.body))


def test_with_a_file_each_name_that_airflow_does_not_know_is_a_placeholder() -> None:
    assert from_file("{{name}} on {{ ds }}") == "{{name}} on 2026-05-01"


def test_with_a_file_a_column_may_be_called_as_a_constant_of_jinja() -> None:
    assert from_file("{{ 1 }} {{True}} {{ 1 + 1 }} {{ 'x' }}") == "{{1}} {{True}} 2 x"


def test_with_a_file_too_nothing_is_computed_with_a_placeholder() -> None:
    with pytest.raises(ConfigurationError, match="the gateway fills in"):
        from_file("{% if vip %}Dear{% endif %} {{name}}")


# --- templates as native objects --------------------------------------------------------------------------------------

NATIVE: dict[str, Any] = {"render_template_as_native_obj": True}


@pytest.mark.parametrize(
    "text", ["12.50", "1_000", "+393491234567", "007", "True", "'Hello'", "[1, 2]", "None", "1e3", "{{name}}", "Hello"]
)
def test_native_rendering_makes_no_number_or_list_of_a_text(text: str) -> None:
    assert body_of(text, dag=NATIVE) == text
    assert body_of("{{ params.text }}", dag=NATIVE, params={"text": text}) == text


def test_a_number_keeps_its_plus_where_the_dag_renders_native_objects() -> None:
    operator = rendered(
        "{{code}}",
        ["{{ params.phone }}", {"number": "{{ params.phone }}", "fields": {"code": "{{ params.code }}"}}],
        NATIVE,
        params={"phone": "+393491234567", "code": "12.50"},
    )
    assert personal_value(operator.recipients) == [
        "+393491234567",
        {"number": "+393491234567", "fields": {"code": "12.50"}},
    ]


@pytest.mark.parametrize("people", ["+393491234567,+447400123456", "+393491234567, 12.5", "+393491234567,"])
def test_native_rendering_keeps_the_plus_of_numbers_with_commas(people: str) -> None:
    for written in (people, "{{ params.people }}"):
        operator = rendered("Hello", written, NATIVE, params={"people": people})
        assert personal_value(operator.recipients) == [one.strip() for one in people.split(",") if one]


def test_native_rendering_may_give_a_list_of_recipients() -> None:
    operator = rendered("Dear {{name}}", "{{ params.people }}", NATIVE, params={"people": [ANNA, BEN]})
    assert personal_value(operator.recipients) == [ANNA, BEN]
    assert personal_value(operator.body) == "Dear {{name}}"


# --- fields that are no plain templates -------------------------------------------------------------------------------


def test_a_field_may_be_a_function_of_the_context() -> None:
    operator = rendered(lambda context, jinja_env: f"On {context['ds']}", lambda context, jinja_env: [ANNA])
    assert personal_value(operator.body) == "On 2026-05-01"
    assert operator.recipients.serialize() == [{"number": "+39-*******567", "fields": "***"}]


def test_a_function_may_give_its_recipients_one_by_one() -> None:
    operator = rendered("Dear {{name}}", lambda context, jinja_env: (one for one in (ANNA, BEN)))
    assert personal_value(operator.recipients) == [ANNA, BEN]
    assert personal_value(operator.body) == "Dear {{name}}"


@pytest.mark.parametrize(
    "body", ["Dear {{ ds }}", lambda context, jinja_env: "Dear 2026-05-01"], ids=["text", "callable"]
)
def test_rendered_templates_shows_the_length_of_a_text(body: Any) -> None:
    assert rendered(body).body.serialize() == "*** (15 characters)"


def test_rendering_twice_changes_nothing() -> None:
    operator = rendered("Dear {{name}}")
    operator.render_template_fields({"ds": "2026-05-01"})
    assert personal_value(operator.recipients) == [ANNA]
    assert personal_value(operator.body) == "Dear {{name}}"


class Lazy(Sequence[Any]):
    """What Airflow gives of a mapped task: each look asks it, and only while the task runs."""

    over = False

    def resolve(self, context: Any) -> Lazy:
        return self

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        assert not self.over
        return [ANNA, BEN][index]


def test_recipients_that_come_one_by_one_have_fields_too_and_are_kept() -> None:
    people = Lazy()
    operators = [rendered("Dear {{name}}", written, NATIVE, people=people) for written in (people, "{{ people }}")]
    people.over = True
    for operator in operators:
        assert personal_value(operator.recipients) == [ANNA, BEN]
        assert personal_value(operator.body) == "Dear {{name}}"


def test_a_list_that_a_template_made_a_text_of_is_a_list_again() -> None:
    operator = rendered("Dear {{name}}", "{{ params.people }}", params={"people": [ANNA, BEN]})
    assert personal_value(operator.recipients) == [ANNA, BEN]
    assert personal_value(operator.body) == "Dear {{name}}"


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_airflow_shows_the_other_options_with_numbers_masked() -> None:
    custom = {
        "phone": "{{ params.phone }}",
        "to": [393491234567, "+39 349 123 4567"],
        "+393491234567": {"order": 7, "rate": 1.5, "vip": True, "note": None, "in": "{{ params.city }}"},
    }
    options: dict[str, Any] = {
        "custom": custom,
        "callback_url": "https://x.example/{{ params.city }}?to=%2B393491234567",
    }
    operator = rendered("{{name}}", params={"phone": "+39 349 123 4567", "city": "Turin"}, options=options)
    assert operator.custom.serialize() == {
        "phone": "+39-*******567",
        "to": ["*********567", "+39-*******567"],
        "+39-*******567": {"order": 7, "rate": 1.5, "vip": True, "note": None, "in": "Turin"},
    }
    assert operator.callback_url.serialize() == "https://x.example/Turin?to=%2B*********567"
    assert personal_value(operator.custom)["phone"] == "+39 349 123 4567"
    assert personal_value(operator.callback_url) == "https://x.example/Turin?to=%2B393491234567"


def test_the_same_text_in_two_fields_is_hidden_in_the_personal_one_only() -> None:
    url = "https://x.example"
    options: dict[str, Any] = {"custom": {"url": url, "text": "Hello"}, "callback_url": url, "idempotency_key": url}
    operator = rendered("Hello", options=options)
    assert personal_value(operator.custom) == {"url": url, "text": "Hello"}
    assert operator.idempotency_key == url


BROKEN = {
    "a division by zero": "{{ 1 / 0 }}",
    "an unknown name": "{{ unknown }}",
    "an unknown filter": "{{ ds | nofilter }}",
    "an unknown tag": "{% Secretword %}",
    "an open brace": "{{ ds. Secretword",
    "a missing comma": "{{ ds Secretword }}",
    "a macro that fails": "{{ fails() }}",
}


def fails() -> None:
    """Fail as a user's macro may."""
    raise LookupError("no such thing")


@pytest.mark.parametrize("field", ["body", "recipients", "custom"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_template_that_cannot_be_rendered_shows_neither_text_nor_number(
    field: str, broken: str, said: Callable[[], str]
) -> None:
    written = f"Secretword to +39 349 123 4567 {BROKEN[broken]}"
    body = written if field == "body" else "Secretword"
    recipients = [written, "+393491234567"] if field == "recipients" else [ANNA]
    options = {"custom": {"text": written}} if field == "custom" else {}
    operator = rendered(body, recipients, {"user_defined_macros": {"fails": fails}}, options)
    with pytest.raises(Exception, match=r".") as caught:
        personal_value(getattr(operator, field))
    everything = f"{plain(caught.value)} {getattr(operator, field)} {operator.recipients!r} {said()}"
    assert "Secretword" not in everything
    assert "3491234567" not in everything.replace(" ", "")


class Rota:
    """A function whose ``repr`` shows a recipient, as ``functools.partial`` does."""

    def __call__(self, **_: Any) -> Any:
        raise LookupError("no such thing")

    def __repr__(self) -> str:
        return "Rota(+39 349 123 4567, Secretword)"


def test_the_error_of_a_function_comes_up_where_the_field_is_needed(
    said: Callable[[], str],
) -> None:
    for operator in (rendered("Hello", Rota()), rendered(Rota())):
        with pytest.raises(LookupError, match="no such thing"):
            personal_value(operator.recipients) and personal_value(operator.body)
        assert "Rota" not in f"{operator.recipients} {operator.body} {said()}"


def test_the_error_of_a_macro_keeps_its_class_so_that_a_retry_may_cure_it() -> None:
    with pytest.raises(LookupError, match="no such thing"):
        body_of("{{ fails() }}", dag={"user_defined_macros": {"fails": fails}})
