"""How errors end a task: what no retry can cure is not retried, and stays what it is."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_messaggisms import exceptions
from airflow_provider_messaggisms.exceptions import (
    ConfigurationError,
    DeliveryError,
    GatewayError,
    InsufficientCreditError,
    MessaggiSmsError,
    OutcomeUnknownError,
)
from airflow_provider_messaggisms.permanent_errors import without_retries

CLASSES = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, MessaggiSmsError)]


def example(kind: type[MessaggiSmsError]) -> MessaggiSmsError:
    """Make an error of this class."""
    return kind(402, 201, "No credit") if issubclass(kind, GatewayError) else kind("Something is wrong")


def raised(error: BaseException) -> BaseException:
    """Raise an error in the block, and catch what leaves it."""
    with pytest.raises(type(error)) as caught, without_retries():
        raise error
    return caught.value


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.permanent], ids=lambda kind: kind.__name__)
def test_a_permanent_error_leaves_as_its_own_class_and_as_airflows_failure(kind: type[MessaggiSmsError]) -> None:
    error = example(kind)
    final = raised(error)
    assert isinstance(final, kind)
    assert isinstance(final, AirflowFailException)
    assert (str(final), repr(final), type(final).__name__) == (str(error), repr(error), kind.__name__)
    assert isinstance(final, ValueError) == isinstance(error, ValueError)
    assert vars(final).items() >= vars(error).items()


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if not kind.permanent], ids=lambda kind: kind.__name__)
def test_an_error_that_a_retry_may_cure_leaves_as_it_is(kind: type[MessaggiSmsError]) -> None:
    error = example(kind)
    assert raised(error) is error
    assert not isinstance(error, AirflowFailException)


def test_attributes_that_a_callback_reads_are_kept() -> None:
    error = InsufficientCreditError(402, 201, "No credit", retry_after_seconds=3.0)
    error.after_lost_answer = True
    final: Any = raised(error)
    assert (final.status, final.code, final.message, final.retry_after_seconds) == (402, 201, "No credit", 3.0)
    assert final.after_lost_answer is True
    delivery: Any = raised(DeliveryError("Not delivered", report={"failed_count": 1}))
    assert delivery.report == {"failed_count": 1}


def test_the_traceback_shows_where_it_went_wrong_once_and_why() -> None:
    def go_wrong() -> None:
        try:
            raise OutcomeUnknownError("no answer")
        except OutcomeUnknownError as cause:
            raise ConfigurationError("the end") from cause

    with pytest.raises(ConfigurationError) as caught, without_retries():
        go_wrong()
    assert isinstance(caught.value.__cause__, OutcomeUnknownError)
    text = "".join(traceback.format_exception(caught.value))
    assert "in go_wrong" in text
    assert text.count("the end") - text.count('ConfigurationError("the end")') == 1
    assert "During handling of the above exception" not in text


@pytest.mark.parametrize(
    "error",
    [
        AirflowSkipException("skipped"),
        TaskDeferred(trigger=None, method_name="execute_at"),
        KeyError("x"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_ours_passes(error: BaseException) -> None:
    assert raised(error) is error


def test_one_block_in_another_changes_nothing_more() -> None:
    inner = raised(ConfigurationError("wrong"))
    assert raised(inner) is inner


def test_a_block_that_ends_well_ends_well() -> None:
    with without_retries():
        pass
