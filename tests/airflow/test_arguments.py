"""Arguments that a template may have turned into texts, and arguments of the wrong kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_messaggisms.arguments import (
    as_flag,
    as_number,
    check_choice,
    check_count,
    check_limit,
    check_timedelta,
)
from airflow_provider_messaggisms.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("True", True), (" true ", True), ("FALSE", False), (False, False), (None, None), ("", None)],
)
def test_a_truth_value_may_come_as_a_text(value: Any, expected: bool | None) -> None:
    assert as_flag("flash", value) is expected


@pytest.mark.parametrize("value", ["yes", "1", 1, 0, "+39 349 123 4567", []])
def test_what_is_no_truth_value_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^flash: expected True or False") as caught:
        as_flag("flash", value)
    assert "349" not in str(caught.value)


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), ("1.5", 1.5), (" 2 ", 2.0), (None, None), ("", None)])
def test_a_number_may_come_as_a_text(value: Any, expected: float | None) -> None:
    assert as_number("priority", value) == expected


@pytest.mark.parametrize("value", ["much", True, "nan", float("inf"), [], "+39 349 123 4567"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^priority: expected a number"):
        as_number("priority", value)


@pytest.mark.parametrize("value", ["ignore", None, 1, "+39 349 123 4567"])
def test_a_word_that_is_not_among_the_choices_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^on_invalid: expected 'fail' or 'drop', got '") as caught:
        check_choice("on_invalid", value, ("fail", "drop"))
    assert "349" not in str(caught.value)
    check_choice("on_invalid", "drop", ("fail", "drop"))


@pytest.mark.parametrize("value", [0, -1, True, "2", 1.5, None])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^chunk_size: '.*' is not a whole number of 1 or more"):
        check_count("chunk_size", value)
    check_count("chunk_size", 1)


@pytest.mark.parametrize("max_parts", [0, -1, True, "2", 1.5])
def test_a_limit_of_parts_is_a_whole_number(max_parts: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_parts: '.*' is not a whole number of 1 or more"):
        check_limit("max_parts", max_parts)
    check_limit("max_parts", None)


def test_a_number_is_no_timedelta() -> None:
    with pytest.raises(ConfigurationError, match=r"^send_at_grace: expected a timedelta, got int"):
        check_timedelta("send_at_grace", 3600)
    check_timedelta("send_at_grace", timedelta(0))
