from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_messaggisms.emulator.account.api_errors import ApiError
from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.account.request_bodies import (
    read_message_update,
    read_new_message,
    read_recipients,
)

PLAIN = Personality()
GOOD: dict[str, Any] = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}


def post_body(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def day(text: str, **personality: Any) -> float | None:
    return read_new_message(post_body(options={"timestamp_send": text}), Personality(**personality)).send_at


@pytest.mark.parametrize("name", ["sender", "body", "recipients"])
@pytest.mark.parametrize("empty", [None, ""])
def test_a_missing_parameter_is_named(name: str, empty: Any) -> None:
    with pytest.raises(ApiError, match=name) as error:
        read_new_message(post_body(**{name: empty}), PLAIN)
    assert (error.value.status, error.value.code) == (422, 302)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": 5},
        {"body": ["x"]},
        {"recipients": 5},
        {"test": "yes"},
        {"test": None},
        {"options": {"custom": None}},
        {"priority": "1"},
        {"priority": 0.99},
        {"priority": 1001},
        {"transaction": 1},
        {"options": []},
        {"options": {"custom": {"a": 1}}},
        {"options": {"flash": "no"}},
        {"options": {"timestamp_send": 20260520}},
        {"recipients": {"number": "+39-3491234567", "fields": ["x"]}},
        {"recipients": {"number": "+39-3491234567", "fields": None}},
        {"recipients": {"number": "+39-3491234567", "fields": {"name": [5]}}},
        {"recipients": {"number": "+39-3491234567", "fields": {"name": True}}},
    ],
    ids=str,
)
def test_a_parameter_of_a_wrong_type_or_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as error:
        read_new_message(post_body(**wrong), PLAIN)
    assert (error.value.status, error.value.code) == (422, 302)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'{"sender": "\xff"}',
        b'{"sender": "\\ud800"}',
        b'{"recipients": ' + b"[" * 100_000,
        b'{"priority": 1e999}',
        b'{"priority": NaN}',
        b"sender=ops",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ApiError):
        read_new_message(raw, PLAIN)


def test_a_byte_order_mark_is_ignored() -> None:
    assert read_new_message(b"\xef\xbb\xbf" + post_body(), PLAIN).sender == "ops"


@pytest.mark.parametrize("sender", ["ops", "elevenchars", "12345678901234", "+1234567890"])
def test_a_sender_in_range_is_accepted(sender: str) -> None:
    assert read_new_message(post_body(sender=sender), PLAIN).sender == sender


@pytest.mark.parametrize("sender", ["op", "twelve chars", "123456789012345", "12", "+1234567890123", "    "])
def test_a_sender_out_of_range_is_refused(sender: str) -> None:
    with pytest.raises(ApiError, match="sender"):
        read_new_message(post_body(sender=sender), PLAIN)


def test_recipients_are_read_in_each_documented_form() -> None:
    person = {"number": "+39-3491234567", "fields": {"name": "Anna"}}
    assert read_recipients("+39-3491234567").valid == [("+39-3491234567", None)]
    assert read_recipients(person).valid == [("+39-3491234567", {"name": "Anna"})]
    older = {"number": "+39-3491234567", "fields": {"name": "Anna", "age": 39, "height": 1.7}}
    assert read_recipients(older).valid[0][1] == {"name": "Anna", "age": "39", "height": "1.7"}
    assert read_recipients(["+1-2125550123", person]).valid == [
        ("+1-2125550123", None),
        ("+39-3491234567", {"name": "Anna"}),
    ]


@pytest.mark.parametrize(
    "number",
    [
        "+393491234567",
        "3491234567",
        "+39-349 1234567",
        "+39-349123456x",
        "+39-123",
        "+0-3491234567",
        "+39-34912345678901",
        "+39-٣٤٩١٢٣٤٥٦٧",
        "+39-3490000009",
        "",
        5,
        None,
        {"a": 1},
        10**5000,
    ],
    ids=lambda number: str(number)[:20] if not isinstance(number, int) else "a number of JSON",
)
def test_a_number_in_any_other_form_is_counted_as_invalid(number: Any) -> None:
    recipients = read_recipients([number, "+39-3491234567"])
    assert len(recipients.invalid) == 1
    assert len(recipients.valid) == 1


def test_a_day_begins_at_midnight_in_rome() -> None:
    rome = ZoneInfo("Europe/Rome")
    assert day("2026-12-24") == day("24-12-2026") == datetime(2026, 12, 24, tzinfo=rome).timestamp()
    assert day("2026-03-29") == datetime(2026, 3, 29, tzinfo=rome).timestamp()


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026/12/24", "2026-12-24T10:00", "12-2026-24", "0000-01-01", "0001-01-01x"]
)
def test_an_invalid_day_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="timestamp_send"):
        day(text)


def test_an_empty_list_in_a_put_depends_on_the_personality() -> None:
    raw = b'{"recipients": [], "transaction": false}'
    assert read_message_update(raw, PLAIN).transaction is False
    with pytest.raises(ApiError, match="recipients"):
        read_message_update(raw, Personality(empty_put="refused"))


def test_a_put_needs_recipients() -> None:
    with pytest.raises(ApiError, match="recipients"):
        read_message_update(b'{"transaction": false}', PLAIN)


def test_a_time_of_day_is_read_if_the_personality_accepts_it() -> None:
    noon = day("2026-12-24T12:00:00", send_times="accepted")
    assert noon == day("2026-12-24 11:00+00:00", send_times="accepted")
    assert noon == (day("2026-12-24") or 0) + 12 * 3600
    with pytest.raises(ApiError, match="timestamp_send"):
        day("soon", send_times="accepted")
