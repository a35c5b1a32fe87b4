"""On the day, and to the second: what becomes of ``timestamp_send`` and ``send_at``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, TaskDeferred

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError, OutcomeUnknownError
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from tests.airflow.conftest import Run, posts
from tests.airflow.sending.impatient import MessaggiSmsSendOperator, MessaggiSmsSendTransactionOperator
from tests.airflow.sending.many import left_open, people

ROME = ZoneInfo("Europe/Rome")
DAY_SECONDS = 86_400

OPERATORS = {"send": MessaggiSmsSendOperator, "transaction": MessaggiSmsSendTransactionOperator}


def operator(kind: str = "send", **arguments: Any) -> Any:
    """Make a send operator that is right but for what a test adds."""
    return OPERATORS[kind](task_id="send", sender="Airflow", body="Hello", recipients=people(2), **arguments)


def send(context: dict[str, Any], kind: str = "send", **arguments: Any) -> str:
    """Run one try."""
    return str(operator(kind, **arguments).execute(context))


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def with_extra(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    """Give the connection further fields."""
    connection = json.loads(gateway.connection) | {"extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MESSAGGISMS_DEFAULT", json.dumps(connection))


def day_of(message_id: str) -> date:
    """Read on which day, in the gateway's own zone, a message goes out."""
    with MessaggiSmsHook() as hook:
        at: Any = hook.get_message(message_id).options.timestamp_send
    moment: datetime = at.astimezone(ROME)
    assert (moment.hour, moment.minute) == (0, 0)
    return moment.date()


# --- on the day -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    "written",
    [
        date(2098, 12, 24),
        "2098-12-24",
        "24-12-2098",
        " 2098-12-24 ",
        datetime(2098, 12, 24, tzinfo=ROME),
        pendulum.datetime(2098, 12, 24, tz="Europe/Rome"),
        "2098-12-24T00:00:00+01:00",
        datetime(2098, 12, 23, 23, tzinfo=UTC),  # an evening in UTC is tomorrow in Rome
        "2098-12-23T23:00:00Z",
        "2098-12-23T18:00:00-05:00",
    ],
    ids=str,
)
def test_a_day_is_written_as_people_like(
    written: Any, kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    assert day_of(send(context, kind, timestamp_send=written)) == date(2098, 12, 24)


@pytest.mark.parametrize(("on", "offset"), [(date(2098, 3, 30), 1), (date(2098, 10, 26), 2)], ids=["spring", "autumn"])
def test_the_days_on_which_the_clocks_change_begin_at_midnight_too(
    on: date, offset: int, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    midnight = datetime(on.year, on.month, on.day, tzinfo=timezone(timedelta(hours=offset)))
    assert midnight.astimezone(ROME).utcoffset() != (midnight + timedelta(days=1)).astimezone(ROME).utcoffset()
    assert day_of(send(context, timestamp_send=midnight.astimezone(UTC))) == on


def test_the_day_begins_in_the_zone_of_the_connection(
    context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_extra(messaggisms_gateway, monkeypatch, timezone="America/New_York")
    assert day_of(send(context, timestamp_send="2098-12-24T05:00:00Z")) == date(2098, 12, 24)
    with pytest.raises(ConfigurationError, match="18:00:00 in America/New_York"):
        send(context, timestamp_send="2098-12-23T23:00:00Z", idempotency_key="other")


def test_the_gateway_keeps_it_until_the_day(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    send(context, timestamp_send=(datetime.now(ROME) + timedelta(days=2)).date())
    messaggisms_gateway.advance(DAY_SECONDS)
    assert messaggisms_gateway.inbox() == []
    messaggisms_gateway.advance(DAY_SECONDS)
    assert len(messaggisms_gateway.inbox()) == 2


def test_today_is_a_day_to_send_on(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    send(context, timestamp_send=datetime.now(ROME).date())
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (date(2020, 1, 1), "timestamp_send: 2020-01-01 is past"),
        ("01-01-2020", "timestamp_send: 2020-01-01 is past"),
        (datetime(2098, 12, 24), "timestamp_send: the time has no zone"),
        ("2098-12-24T00:00:00", "timestamp_send: the time has no zone"),
        ("2098-02-30", "timestamp_send: '2098-02-30' is no date"),
        ("24/12/2098", "timestamp_send: '24/12/2098' is no date"),
        (4068745200, "timestamp_send: '4068745200' is no date"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", OPERATORS)
def test_what_is_no_day_to_send_on_is_refused(
    kind: str, written: Any, error: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{error}") as caught:
        send(context, kind, timestamp_send=written)
    assert isinstance(caught.value, AirflowFailException)
    assert messaggisms_gateway.requests() == []


def test_a_time_of_day_is_refused_with_the_two_ways_out(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^timestamp_send: it has a time of day \(08:30:00 in Europe/Rome\)"
    ) as caught:
        send(context, timestamp_send=datetime(2098, 12, 24, 8, 30, tzinfo=ROME))
    assert "send_at" in str(caught.value)
    assert "timestamp_send_format" in str(caught.value)
    assert messaggisms_gateway.requests() == []


def test_an_account_whose_gateway_takes_times_gets_them_in_its_form(
    context: dict[str, Any], messaggisms_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    messaggisms_gateway.reset(personality={"send_times": "accepted"})
    with_extra(messaggisms_gateway, monkeypatch, timestamp_send_format="%Y-%m-%d %H:%M:%S")
    in_two_hours = now() + timedelta(hours=2)
    send(context, timestamp_send=in_two_hours)
    messaggisms_gateway.advance(7_100)
    assert messaggisms_gateway.inbox() == []
    messaggisms_gateway.advance(200)
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_retry_after_midnight_adopts_what_was_sent_in_time(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("drop_after", method="POST")
    messaggisms_gateway.fail_next("status_before", method="GET", times=3)  # the look after it: one call, thrice
    with pytest.raises(OutcomeUnknownError):
        send(context, timestamp_send="2098-12-24")
    context["ti"].try_number = 2
    assert day_of(send(context, timestamp_send="2020-01-01")) == date(2098, 12, 24)
    assert posts(messaggisms_gateway) == 1


def test_a_retry_after_midnight_of_what_was_not_sent_is_refused(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].try_number = 2
    with pytest.raises(ConfigurationError, match="is past"):
        send(context, timestamp_send="2020-01-01")
    assert posts(messaggisms_gateway) == 0


def test_a_retry_after_midnight_does_not_close_a_transaction_that_is_open(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    context["ti"].max_tries = 3
    messaggisms_gateway.fail_next("drop_before", method="PUT")
    with pytest.raises(OutcomeUnknownError):
        send(context, "transaction", timestamp_send="2098-12-24")
    context["ti"].try_number = 2
    with pytest.raises(ConfigurationError, match="is past"):
        send(context, "transaction", timestamp_send="2020-01-01")
    assert left_open(messaggisms_gateway) == []  # no later try comes back to it


# --- to the second ----------------------------------------------------------------------------------------------------


def test_a_moment_that_is_but_seconds_away_is_waited_for_without_deferring(
    messaggisms_gateway: Gateway, context: Any
) -> None:
    moment = now() + timedelta(seconds=1)
    assert send(context, send_at=moment)
    assert now() >= moment
    with pytest.raises(TaskDeferred):
        send(context, send_at=now() + timedelta(seconds=6))


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    "form", [lambda at: at, datetime.isoformat, lambda at: at.astimezone(ROME).isoformat(), pendulum.instance]
)
def test_a_moment_to_come_defers_the_task_and_asks_the_gateway_nothing(
    form: Callable[[datetime], Any], kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    moment = now() + timedelta(hours=30)
    with pytest.raises(TaskDeferred) as deferred:
        send(context, kind, send_at=form(moment))
    trigger: Any = deferred.value.trigger
    assert timedelta(0) <= trigger.moment - moment < timedelta(minutes=1)
    assert deferred.value.method_name == "execute_at"
    assert messaggisms_gateway.requests() == []


@pytest.mark.parametrize("kind", OPERATORS)
def test_when_the_moment_has_come_it_is_sent(kind: str, context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    moment = now() - timedelta(minutes=1)
    reminder = operator(kind, send_at=moment)
    message_id = reminder.execute_at(context, event=moment)
    assert {sms.message_id for sms in messaggisms_gateway.inbox()} == {message_id}
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_template_that_names_a_later_moment_each_time_is_waited_for_once(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    reminder = operator(send_at=now() + timedelta(hours=1))  # "in an hour", rendered anew after the wait
    reminder.execute_at(context, event=now() - timedelta(seconds=1))
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(minutes=59)])
def test_a_moment_that_is_a_little_past_is_now(
    late: timedelta, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    send(context, send_at=now() - late)
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("waited", [False, True], ids=["at once", "after the wait"])
def test_a_moment_that_is_long_past_fails_and_asks_the_gateway_nothing(
    waited: bool, kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    moment = now() - timedelta(minutes=61)
    reminder = operator(kind, send_at=moment)
    with pytest.raises(
        ConfigurationError, match=r"^send_at: .* ago, more than send_at_grace \(1:00:00\) allows; nothing was sent"
    ) as caught:
        reminder.execute_at(context, event=moment) if waited else reminder.execute(context)
    assert isinstance(caught.value, AirflowFailException)
    assert messaggisms_gateway.requests() == []


def test_how_late_is_too_late_can_be_said(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    moment = now() - timedelta(hours=5)
    with pytest.raises(ConfigurationError, match=r"more than send_at_grace \(4:00:00\) allows"):
        send(context, send_at=moment, send_at_grace=timedelta(hours=4))
    send(context, send_at=moment, send_at_grace=timedelta(hours=6))
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_cleared_reminder_that_was_sent_is_adopted_however_late_it_is(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    first = send(context, kind, send_at=now())
    context["ti"].try_number = 2
    assert send(context, kind, send_at=now() - timedelta(days=3)) == first
    assert posts(messaggisms_gateway) == 1


@pytest.mark.parametrize(
    ("written", "error"),
    [
        (datetime(2098, 12, 24, 8, 30), "send_at: '2098-12-24 08:30:00' is no instant"),
        ("2098-12-24T08:30:00", "send_at: '2098-12-24T08:30:00' is no instant; write it with its offset"),
        ("2098-12-24", "send_at: '2098-12-24' is no instant"),
        (date(2098, 12, 24), "send_at: '2098-12-24' is no instant"),
        ("tomorrow", "send_at: 'tomorrow' is no instant"),
    ],
    ids=str,
)
def test_what_is_no_moment_is_refused(
    written: Any, error: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{error}"):
        send(context, send_at=written)
    assert messaggisms_gateway.requests() == []


def test_a_day_and_a_moment_are_one_too_many(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    with pytest.raises(ConfigurationError, match=r"^send_at: timestamp_send is given too; one of them says when"):
        send(context, send_at=now() + timedelta(hours=1), timestamp_send="2098-12-24")
    assert messaggisms_gateway.requests() == []


@pytest.mark.parametrize("nothing", [None, ""])
def test_neither_of_them_means_now(nothing: Any, context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    send(context, send_at=nothing, timestamp_send=nothing)
    assert len(messaggisms_gateway.inbox()) == 2


# --- in a real DAG ----------------------------------------------------------------------------------------------------


def test_reminders_of_a_dag_are_sent_each_in_its_time(run_dag: Run, messaggisms_gateway: Gateway) -> None:
    moment = now() + timedelta(seconds=2)
    macros = {"soon": lambda: (now() + timedelta(seconds=1)).isoformat()}
    with DAG(
        "reminders",
        schedule=None,
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        params={"at": moment.isoformat()},
        user_defined_macros=macros,
    ) as dag:
        usual: dict[str, Any] = {"sender": "Airflow", "body": "Hello {{name}}"}
        person = {"number": people(1)[0], "fields": {"name": "Anna"}}
        MessaggiSmsSendOperator(task_id="at", recipients=person, send_at="{{ params.at }}", **usual)
        MessaggiSmsSendOperator(task_id="soon", recipients=person, send_at="{{ soon() }}", **usual)
        MessaggiSmsSendOperator(
            task_id="on_the_day",
            recipients=person,
            timestamp_send="{{ macros.ds_add(data_interval_end | ds, 3) }}",
            **usual,
        )
    run = run_dag(dag)
    assert now() > moment
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    assert sorted((sms.airflow or {})["task_id"] for sms in messaggisms_gateway.inbox()) == ["at", "soon"]
    messaggisms_gateway.advance(4 * DAY_SECONDS)
    assert [sms.text for sms in messaggisms_gateway.inbox()] == ["Hello Anna"] * 3
