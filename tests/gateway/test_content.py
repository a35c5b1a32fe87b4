"""What is to be sent: checked when it is made, with the connection's defaults, and not again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway import calls
from airflow_provider_messaggisms.gateway.content import MessageContent, compose
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.settings import Settings

SETTINGS = Settings("https://ws.example", "token", sender="Depot")
#: One second before midnight in Rome.
BEFORE_MIDNIGHT = datetime(2026, 12, 24, 22, 59, 59, tzinfo=UTC)


def composed(**written: Any) -> MessageContent:
    return compose(SETTINGS, now=BEFORE_MIDNIGHT, **{"body": "Hello"} | written)


def test_the_connections_sender_is_the_default() -> None:
    assert composed().sender == "Depot"
    assert composed(sender="Acme").sender == "Acme"


def test_without_any_sender_the_error_says_where_to_give_one() -> None:
    with pytest.raises(ConfigurationError, match=r"sender: missing.*connection"):
        compose(Settings("https://ws.example", "token"), now=BEFORE_MIDNIGHT, body="Hello")


def test_a_day_that_was_checked_before_midnight_can_be_sent_after_it() -> None:
    content = composed(timestamp_send="2026-12-24")
    assert content.timestamp_send == "2026-12-24"
    request = calls.send_message(content, [Recipient("+39-3471112223")]).request
    assert b'"timestamp_send":"2026-12-24"' in (request.body or b"")


def test_a_value_that_cannot_be_sent_cannot_be_made() -> None:
    with pytest.raises(ConfigurationError, match="priority"):
        composed(priority=0.5)
    with pytest.raises(ConfigurationError, match="body"):
        MessageContent(sender="Depot", body=" ")


def test_no_text_shows_in_its_repr() -> None:
    assert "secret" not in repr(composed(body="a secret", custom="secret"))


def test_a_body_with_a_nul_character_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^body: the text of the SMS holds a NUL character"):
        composed(body="a\0b")


@pytest.mark.parametrize("blank", ["", "\n", "\u00a0", "\u200b\ufeff"])
def test_a_blank_body_is_empty(blank: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^body: the text of the SMS is empty$"):
        composed(body=blank)


def test_accents_of_a_body_are_composed() -> None:
    assert composed(body="citta\u0300 {{citta\u0300}}").body == "citt\u00e0 {{citt\u00e0}}"
