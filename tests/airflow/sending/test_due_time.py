"""Quiet hours, old news and late reminders: when a send operator sends, by moved clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_messaggisms import operators
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.hooks import MessaggiSmsHook
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from tests.airflow.conftest import posts
from tests.airflow.faces import Open
from tests.airflow.sending.many import people

ROME = ZoneInfo("Europe/Rome")
NIGHT = "21:00-08:00"


def rome(*parts: int, fold: int = 0) -> datetime:
    """Make an instant of 2099 or so, as Rome's clocks show it."""
    return datetime(*parts, tzinfo=ROME, fold=fold).astimezone(UTC)  # type: ignore[misc,arg-type]


# The clocks of 2099 change on 29 March and on 25 October.
NOON, EVENING, MORNING = rome(2099, 6, 10, 12), rome(2099, 6, 10, 22, 30), rome(2099, 6, 11, 8)


class Clock:
    """What time it is for the operators of a test."""

    now: ClassVar[datetime] = NOON


class SendOperator(operators.MessaggiSmsSendOperator):
    """A send operator whose clock can be moved."""

    def _now(self) -> datetime:
        return Clock.now


class TransactionOperator(operators.MessaggiSmsSendTransactionOperator):
    """A transaction operator whose clock can be moved."""

    def _now(self) -> datetime:
        return Clock.now


OPERATORS = {"send": SendOperator, "transaction": TransactionOperator}


@pytest.fixture(autouse=True)
def _noon() -> None:
    Clock.now = NOON


def operator(kind: str = "send", **arguments: Any) -> Any:
    """Make a send operator that keeps quiet at night."""
    usual: dict[str, Any] = {"sender": "Airflow", "body": "Hello", "recipients": people(2), "quiet_hours": NIGHT}
    return OPERATORS[kind](task_id="send", **usual | arguments)


def rendered(name: str, value: Any, kind: str = "send", **arguments: Any) -> Any:
    """Make a send operator of which one argument was a template."""
    task = operator(kind, **{name: "{{ a template }}"}, **arguments)
    setattr(task, name, value)
    return task


def wake_up(task: Any, context: dict[str, Any], until: datetime, *, asked_at: datetime | None = None) -> str:
    """Expect a task to defer until a moment, then let it come."""
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger: Any = deferred.value.trigger
    left = trigger.moment - datetime.now(UTC)
    assert abs(left - (until - Clock.now)) < timedelta(seconds=30)
    assert deferred.value.method_name == "execute_at"
    Clock.now = until
    return str(task.execute_at(context, event=until))


# --- quiet hours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATORS)
def test_by_day_it_is_sent_at_once(kind: str, context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    operator(kind).execute(context)
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    ("now", "end"),
    [
        (EVENING, MORNING),
        (rome(2099, 6, 11, 3), MORNING),
        (rome(2099, 3, 28, 21), rome(2099, 3, 29, 8)),
        (rome(2099, 10, 24, 21), rome(2099, 10, 25, 8)),
        (rome(2099, 10, 25, 2, 30, fold=1), rome(2099, 10, 25, 8)),
    ],
    ids=["before midnight", "after midnight", "spring", "autumn", "the second 02:30"],
)
def test_at_night_it_waits_for_the_morning_and_asks_nothing(
    kind: str, now: datetime, end: datetime, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    Clock.now = now
    task = operator(kind)
    with pytest.raises(TaskDeferred):
        task.execute(context)
    assert messaggisms_gateway.requests() == []
    message_id = wake_up(task, context, end)
    assert {sms.message_id for sms in messaggisms_gateway.inbox()} == {message_id}
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_task_that_wakes_too_early_waits_on(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    Clock.now = MORNING - timedelta(minutes=1)
    with pytest.raises(TaskDeferred):
        operator().execute_at(context, event=Clock.now)
    assert messaggisms_gateway.requests() == []


def test_after_a_long_outage_the_message_still_goes_out(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    Clock.now = MORNING + timedelta(hours=5)
    operator().execute_at(context, event=MORNING)
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_retry_at_night_takes_what_was_sent_by_day(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    first = operator(kind).execute(context)
    context["ti"].try_number, Clock.now = 2, EVENING
    assert operator(kind).execute(context) == first
    assert posts(messaggisms_gateway) == 1


@pytest.mark.parametrize(("own", "waits"), [(None, True), ("", False), ("11:00-13:00", False), (NIGHT, True)])
def test_a_tasks_own_hours_replace_the_connections(
    own: str | None, waits: bool, context: dict[str, Any], messaggisms_gateway: Gateway, connect: Open
) -> None:
    gateway = messaggisms_gateway
    connect(host=gateway.url, password=gateway.token, extra={"quiet_hours": NIGHT})
    Clock.now = EVENING
    if waits:
        with pytest.raises(TaskDeferred):
            operator(quiet_hours=own).execute(context)
    else:
        operator(quiet_hours=own).execute(context)
    assert posts(gateway) == (0 if waits else 1)


def test_the_hours_are_those_of_the_connections_time_zone(
    context: dict[str, Any], messaggisms_gateway: Gateway, connect: Open
) -> None:
    gateway = messaggisms_gateway
    connect(host=gateway.url, password=gateway.token, extra={"timezone": "America/New_York"})
    wake = datetime(2099, 6, 10, 8, tzinfo=ZoneInfo("America/New_York"))
    Clock.now = NOON - timedelta(hours=2)  # 04:00 there
    wake_up(operator(), context, wake.astimezone(UTC))


def test_an_alarm_goes_out_at_night(context: dict[str, Any], messaggisms_gateway: Gateway, connect: Open) -> None:
    gateway = messaggisms_gateway
    connect(host=gateway.url, password=gateway.token, extra={"sender": "Airflow", "quiet_hours": "00:00-23:59"})
    MessaggiSmsNotifier(recipients=people(1)[0], body="It is broken")(context)
    assert len(gateway.inbox()) == 1


@pytest.mark.parametrize("written", ["night", "08:00-08:00", 21])
def test_hours_that_cannot_be_read_fail_when_the_dag_is_parsed(written: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^quiet_hours: "):
        operator(quiet_hours=written)


# --- planned moments in quiet hours -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    ("name", "moment"),
    [("send_at", EVENING), ("send_at", EVENING.isoformat()), ("timestamp_send", date(2099, 6, 11)),
     ("timestamp_send", "11-06-2099")],
    ids=str,
)  # fmt: skip
def test_a_literal_moment_at_night_is_refused_by_name(
    kind: str, name: str, moment: Any, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}: .* lies in the quiet hours \(21:00-08:00 Europe/Rome\)"):
        operator(kind, **{name: moment}).execute(context)
    assert messaggisms_gateway.requests() == []


def test_a_rendered_moment_at_night_is_moved_with_a_warning(
    context: dict[str, Any], messaggisms_gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    wake_up(rendered("send_at", EVENING.isoformat()), context, MORNING)
    assert len(messaggisms_gateway.inbox()) == 2
    assert "send_at: 2099-06-10T20:30:00+00:00 lies in the quiet hours" in caplog.text


def test_a_moment_of_a_mapped_task_counts_as_rendered(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    context["ti"].map_index = 3
    wake_up(operator(send_at=EVENING), context, MORNING)
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_rendered_day_waits_in_airflow_for_its_morning(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    tomorrow = datetime.now(ROME).date() + timedelta(days=1)
    Clock.now = datetime.now(UTC)
    morning = datetime(tomorrow.year, tomorrow.month, tomorrow.day, 8, tzinfo=ROME).astimezone(UTC)
    task = rendered("timestamp_send", tomorrow.isoformat(), quiet_hours="00:00-08:00")
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    trigger: Any = deferred.value.trigger
    assert abs(trigger.moment - morning) < timedelta(seconds=30)
    assert messaggisms_gateway.requests() == []


def test_a_day_whose_midnight_is_not_quiet_is_the_gateways(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    Clock.now = rome(2099, 6, 10, 13)
    operator(timestamp_send="2099-06-11", quiet_hours="12:30-15:00").execute(context)
    assert posts(messaggisms_gateway) == 1


def test_an_account_that_takes_times_gets_the_morning(
    context: dict[str, Any], messaggisms_gateway: Gateway, connect: Open
) -> None:
    gateway = messaggisms_gateway
    gateway.reset(personality={"send_times": "accepted"})
    connect(host=gateway.url, password=gateway.token, extra={"timestamp_send_format": "%Y-%m-%d %H:%M:%S"})
    message_id = rendered("timestamp_send", EVENING.isoformat()).execute(context)
    with MessaggiSmsHook() as hook:
        assert hook.get_message(message_id).options.timestamp_send == MORNING


def test_today_is_over_before_its_quiet_hours_are(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    today = datetime.now(ROME).date()
    Clock.now = datetime(today.year, today.month, today.day, 22, tzinfo=ROME).astimezone(UTC)
    with pytest.raises(ConfigurationError, match=r"^timestamp_send: .* is over before the quiet hours are"):
        rendered("timestamp_send", today.isoformat()).execute(context)
    assert messaggisms_gateway.requests() == []


# --- late reminders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_reminder_that_is_too_late_is_skipped_if_wanted(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    moment = NOON - timedelta(hours=2)
    with pytest.raises(AirflowSkipException, match="more than send_at_grace"):
        operator(kind, send_at=moment, if_too_late="skip").execute(context)
    with pytest.raises(ConfigurationError, match="more than send_at_grace") as failed:
        operator(kind, send_at=moment).execute(context)
    assert isinstance(failed.value, AirflowFailException)
    assert messaggisms_gateway.requests() == []


def test_a_late_reminder_is_not_kept_for_a_morning_that_is_too_late(
    context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    Clock.now = rome(2099, 6, 10, 21, 10)
    with pytest.raises(ConfigurationError, match=r"^send_at: the quiet hours end 11:30:00 after 2099-06-10 18:30"):
        operator(send_at=rome(2099, 6, 10, 20, 30)).execute(context)
    wake_up(operator(send_at=rome(2099, 6, 10, 20, 30), send_at_grace=timedelta(hours=12)), context, MORNING)
    assert posts(messaggisms_gateway) == 1


def test_what_to_do_when_it_is_too_late_is_checked_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"^if_too_late: expected 'fail' or 'skip'"):
        operator(if_too_late="maybe")


# --- old news ---------------------------------------------------------------------------------------------------------


def about(context: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """Let a task's run be about a moment."""
    context["dag_run"].data_interval_end = moment
    return context


@pytest.mark.parametrize("kind", OPERATORS)
def test_old_news_is_skipped_and_nothing_is_asked(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    within = timedelta(hours=6)
    with pytest.raises(AirflowSkipException, match=r"send_only_within is 6:00:00: nothing is sent"):
        operator(kind, send_only_within=within).execute(about(context, NOON - timedelta(hours=7)))
    assert messaggisms_gateway.requests() == []
    operator(kind, send_only_within=within).execute(about(context, NOON - timedelta(hours=5)))
    assert len(messaggisms_gateway.inbox()) == 2


def test_a_backfill_is_skipped_before_anything_is_read(context: dict[str, Any], connect: Open) -> None:
    connect(host="https://nowhere.example", password="")
    task = operator("transaction", recipients=None, recipients_path="file:///gone.csv", send_only_within=timedelta(1))
    with pytest.raises(AirflowSkipException):
        task.execute(about(context, NOON - timedelta(days=100)))


def test_news_that_is_old_by_the_morning_is_not_kept(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    Clock.now = EVENING
    with pytest.raises(AirflowSkipException):
        operator(send_only_within=timedelta(hours=6)).execute(about(context, EVENING))


def test_a_reminder_is_news_at_its_own_moment(context: dict[str, Any], messaggisms_gateway: Gateway) -> None:
    task = operator(send_only_within=timedelta(hours=6), send_at=NOON + timedelta(days=1))
    wake_up(task, about(context, NOON), NOON + timedelta(days=1))
    assert len(messaggisms_gateway.inbox()) == 2


@pytest.mark.parametrize("kind", OPERATORS)
def test_old_news_that_an_earlier_try_sent_is_adopted(
    kind: str, context: dict[str, Any], messaggisms_gateway: Gateway
) -> None:
    first = operator(kind, send_only_within=timedelta(hours=6)).execute(about(context, NOON))
    context["ti"].try_number, Clock.now = 2, NOON + timedelta(hours=7)
    assert operator(kind, send_only_within=timedelta(hours=6)).execute(context) == first
    assert posts(messaggisms_gateway) == 1


def test_how_old_is_too_old_is_checked_when_the_dag_is_parsed() -> None:
    with pytest.raises(ConfigurationError, match=r"^send_only_within: expected a positive timedelta"):
        operator(send_only_within=6)
