"""What people can graph: the lines that a StatsD server gets, caught on a UDP socket."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_messaggisms import metrics
from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from airflow_provider_messaggisms.exceptions import GatewayUnavailableError
from airflow_provider_messaggisms.metrics import Metrics
from airflow_provider_messaggisms.notifications import MessaggiSmsNotifier
from airflow_provider_messaggisms.operators import MessaggiSmsSendOperator
from airflow_provider_messaggisms.sensors import MessaggiSmsDeliverySensor

ON_AIRFLOW_3 = find_spec("airflow.sdk") is not None

#: Sets metrics up as a task's process, or as the triggerer and the dag-processor do; Airflow 2 does it by itself.
SET_UP = {
    "task": "from airflow.sdk.observability import stats; from airflow.sdk.observability.metrics import stats_utils",
    "triggerer": "from airflow.observability import stats; from airflow.observability.metrics import stats_utils",
}
INITIALIZE = "stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)"


def message(recipients: Any, parts: Any, price: Any, test: Any = False) -> Any:
    """Make what the gateway answers, as far as it is counted."""
    valid, statistics = SimpleNamespace(count=recipients), SimpleNamespace(sms_total=parts)
    return SimpleNamespace(recipients=SimpleNamespace(valid=valid), statistics=statistics, price=price, test=test)


REPORT = {
    "delivered": 3,
    "failed_count": 4,
    "seconds": 12.5,
    "states": {"DELIVERED_TO_HANDSET": 3, "UNDELIVERABLE_NOT_DELIVERED": 1, "EXPIRED": 1, "NO +393491234567": 2},
}


class StatsD:
    """A StatsD server."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def lines(self) -> list[str]:
        """Give the lines that have come, by now; a datagram to one's own machine is there when it is sent."""
        self._socket.setblocking(False)
        lines = []
        with suppress(BlockingIOError):
            while True:
                lines.append(self._socket.recv(65_536).decode())
        return lines

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@pytest.fixture
def statsd() -> Iterator[StatsD]:
    """A StatsD server for one test."""
    server = StatsD()
    yield server
    server.close()


@pytest.fixture(params=["task", "triggerer"] if ON_AIRFLOW_3 else ["airflow 2"])
def counting(request: pytest.FixtureRequest, statsd: StatsD) -> Callable[[str], list[str]]:
    """Run statements in a process of Airflow's whose metrics go to the server; give the lines that came."""

    def run(*statements: str, **environment: str) -> list[str]:
        code = [SET_UP[request.param], INITIALIZE] if ON_AIRFLOW_3 else []
        code += ["from airflow_provider_messaggisms.exceptions import GatewayUnavailableError, NotSentError"]
        code += ["from airflow_provider_messaggisms.metrics import Metrics"]
        code += [
            "from types import SimpleNamespace",
            inspect.getsource(message).replace(" -> Any", "").replace(": Any", ""),
        ]
        code += ["metrics = Metrics.of('sms', 'sandbox', dag_id='news', task_id='send')", *statements]
        settings = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(statsd.port)}
        env = {f"AIRFLOW__METRICS__{name}": value for name, value in settings.items()}
        command = [sys.executable, "-W", "ignore", "-c", "\n".join(code)]
        subprocess.run(command, check=True, env=os.environ | env | environment)
        prefix = "airflow.messaggisms."
        return [line.removeprefix(prefix) for line in statsd.lines() if line.startswith(prefix)]

    return run


def test_sends_waits_alarms_and_errors_are_counted(counting: Callable[..., list[str]]) -> None:
    host = socket.gethostname().replace(".", "_")
    assert counting(
        "metrics.sent(message(20, 40, 1.25))",
        f"metrics.delivered({REPORT!r})",
        "metrics.waits(7)",
        "metrics.alarm(message(1, 1, None))",
        "metrics.alarm(message(1, 1, None, test=True))",
        "metrics.alarm(None)",
        "metrics.failed(GatewayUnavailableError(503, None, 'no'), is_repeated=True)",
        "metrics.failed(NotSentError('no'), is_repeated=False)",
    ) == [
        "messages_sent:1|c",
        "recipients_sent:20|c",
        "parts_sent:40|c",
        "price_eur:1.25|c",
        "recipients_delivered:3|c",
        "recipients_failed.UNDELIVERABLE_NOT_DELIVERED:1|c",
        "recipients_failed.EXPIRED:1|c",
        "recipients_failed.OTHER:2|c",
        "delivery_seconds:12500.000000|ms",
        f"waits_held.{host}:7|g",
        "alarms_sent:1|c",
        "messages_sent:1|c",
        "recipients_sent:1|c",
        "parts_sent:1|c",
        "alarms_silenced:1|c",
        "gateway_errors.GatewayUnavailableError:1|c",
        "retries:1|c",
        "gateway_errors.NotSentError:1|c",
    ]


def test_what_the_gateway_does_not_tell_is_not_counted(counting: Callable[..., list[str]]) -> None:
    lines = counting("metrics.sent(message(1, None, None))")
    assert lines == ["messages_sent:1|c", "recipients_sent:1|c"]


def test_metrics_that_are_broken_stop_nothing(counting: Callable[..., list[str]]) -> None:
    assert counting("metrics.alarm(None)", AIRFLOW__METRICS__STATSD_PORT="none") == []


def test_tags_name_dag_task_connection_and_environment(counting: Callable[..., list[str]]) -> None:
    tagged = {"AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True"}
    (line,) = counting("metrics.alarm(None)", **tagged)
    tags = "dag_id=news,task_id=send,conn_id=sms,environment=sandbox"
    assert line == f"alarms_silenced,{tags}:1|c"


def test_a_tasks_process_knows_its_dag_and_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "news")
    monkeypatch.setenv("AIRFLOW_CTX_TASK_ID", "send")
    tags = {"dag_id": "news", "task_id": "send", "conn_id": "sms", "environment": "production"}
    assert Metrics.of("sms", "production").tags == tags
    monkeypatch.delenv("AIRFLOW_CTX_DAG_ID")
    monkeypatch.delenv("AIRFLOW_CTX_TASK_ID")
    assert Metrics.of("sms", "production").tags == {"conn_id": "sms", "environment": "production"}


def test_without_metrics_in_airflow_all_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    Metrics.of("sms", "production").sent(message(1, 1, 0.05))
    Metrics.of("sms", "production").failed(GatewayUnavailableError(503, None, "no"), is_repeated=True)
    assert caplog.text == ""


@pytest.mark.skipif(not ON_AIRFLOW_3, reason="Airflow 2 has its metrics once")
def test_airflow_still_has_two_metrics_told_apart_by_their_factory() -> None:
    modules: list[Any] = [sys.modules[stats.__module__] for stats in (Stats, metrics_of_airflow())]
    assert modules[0] is not modules[1]
    assert all(hasattr(module, "_factory") for module in modules)


def metrics_of_airflow() -> Any:
    """Give the metrics of the triggerer and the dag-processor."""
    from airflow.observability.stats import Stats as StatsOfAirflow

    return StatsOfAirflow


# --- who counts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(statsd: StatsD, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """Let this process's metrics go to the server; give the lines that came since the last time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # no alarm's note from another run
    if not ON_AIRFLOW_3:
        pytest.skip("Airflow 2 sets its metrics up when it is imported")
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    for name, value in {"ON": "True", "HOST": "127.0.0.1", "PORT": str(statsd.port)}.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
    loggers: list[Any] = []

    def make() -> Any:
        loggers.append(get_stats_factory()())
        return loggers[-1]

    metrics._stats.cache_clear()
    stats.initialize(factory=make, export_legacy_names=True)
    prefix = "airflow.messaggisms."
    yield lambda: [line.removeprefix(prefix) for line in statsd.lines() if line.startswith(prefix)]
    for logger in loggers:
        logger.statsd.close()
    monkeypatch.undo()
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
    metrics._stats.cache_clear()


NUMBERS = ["+39 349 123 4567", "+39 349 123 0001"]


def test_operators_sensor_and_notifier_count_what_they_do(
    counted: Callable[[], list[str]], context: Any, messaggisms_gateway: Gateway
) -> None:
    messaggisms_gateway.fail_next("rate_limit", method="POST", retry_after=0)
    send = MessaggiSmsSendOperator(task_id="send", sender="Airflow", body="Hello", recipients=NUMBERS)
    message_id = send.execute(context)
    errors = ["gateway_errors.RateLimitedError:1|c", "retries:1|c"]
    assert counted() == [*errors, "messages_sent:1|c", "recipients_sent:2|c", "parts_sent:2|c", "price_eur:0.1|c"]

    context["ti"].try_number = 2
    assert send.execute(context) == message_id
    assert counted() == []  # adopted

    messaggisms_gateway.advance(10)
    MessaggiSmsDeliverySensor(task_id="wait", message_id=message_id, min_delivered=0).execute(context)
    delivered, failed, seconds = counted()
    assert (delivered, failed) == ("recipients_delivered:1|c", "recipients_failed.UNDELIVERABLE_NOT_DELIVERED:1|c")
    assert seconds.startswith("delivery_seconds:")

    alarm = MessaggiSmsNotifier(recipients=NUMBERS[0], sender="Airflow", body="It is broken", alarm_key="broken")
    alarm(context)
    alarm(context)
    sent, silenced = "alarms_sent:1|c", "alarms_silenced:1|c"
    assert counted() == [
        sent,
        "messages_sent:1|c",
        "recipients_sent:1|c",
        "parts_sent:1|c",
        "price_eur:0.05|c",
        silenced,
    ]


def test_a_simulated_send_counts_nothing(
    counted: Callable[[], list[str]], context: Any, messaggisms_gateway: Gateway
) -> None:
    MessaggiSmsSendOperator(task_id="s", sender="Airflow", body="Hello", recipients=NUMBERS, test=True).execute(context)
    assert counted() == []
