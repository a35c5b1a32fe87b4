"""The id of a message: one id, or an error that says what came instead."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.message_id import check_message_id


@pytest.mark.parametrize("value", ["5e5f6ae4e2d1c", "abc-DEF_9", "0"])
def test_a_plain_word_is_an_id(value: str) -> None:
    assert check_message_id(value) == value


@pytest.mark.parametrize("value", [None, "None", "", " "])
def test_a_missing_id_is_called_missing(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^message_id: missing \(.*\); did the task .* push nothing"):
        check_message_id(value)


@pytest.mark.parametrize("value", [["a", "b"], ["a"], ("a",), {"a": 1}, iter("ab"), "['a', 'b']", " ('a',)"])
def test_the_output_of_a_mapped_task_is_told_to_be_expanded(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^message_id: several ids, .* one message .*\.expand\(message_id="):
        check_message_id(value)


@pytest.mark.parametrize("value", [17, 1.5, b"abc", "a/b", "a b", "a\n", "é", "+39-3471112223", object()])
def test_what_cannot_be_an_id_is_shown_masked(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not an id of the gateway; a send operator") as caught:
        check_message_id(value)
    assert "3471112223" not in str(caught.value)
