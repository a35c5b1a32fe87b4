"""What the gateway answers, read in every form in which it contradicts its own contract, and never shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from airflow_provider_messaggisms.gateway import models
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Message,
    MessageSummary,
    RecipientReport,
    instant,
    number,
)
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from tests.gateway.answers import ID, MESSAGE, NUMBER, RECIPIENT, json_values

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def message(**changes: Any) -> Message:
    return msgspec.json.decode(json.dumps(MESSAGE | changes), type=Message, strict=False)


def recipient(**changes: Any) -> RecipientReport:
    return msgspec.json.decode(json.dumps(RECIPIENT | changes), type=RecipientReport, strict=False)


def without(whole: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if name not in names}


# --- the attributes keep the wire's names -----------------------------------------------------------------------------


def test_a_message_has_the_wires_names_and_the_right_kinds() -> None:
    found = message()
    assert (found.id, found.sender, found.body) == (ID, "Depot", "Your parcel is here")
    assert (found.test, found.transaction, found.state) == (False, False, 0)
    assert (found.priority, found.base_price, found.price, found.credit) == (1.5, 0.12, 0.18, None)
    assert (found.recipients.valid.count, found.recipients.invalid.total, found.recipients.invalid.list) == (
        2,
        1,
        ["12"],
    )
    counts = found.statistics
    assert (counts.error, counts.sent, counts.delivered, counts.total, counts.sms_total) == (0, 1, 1, 2, 4)
    assert found.timestamp == found.options.timestamp_send == NEW_YEAR
    assert found.last_update == NEW_YEAR + timedelta(seconds=5.5)


def test_a_recipient_has_the_wires_names_and_the_right_kinds() -> None:
    found = recipient()
    assert (found.number, found.prefix, found.i, found.sms, found.fields) == (NUMBER, "+39", 0, 2, {"name": "Rosa"})
    assert (found.state, found.state_description) == ("DELIVERED", "DELIVERED_TO_HANDSET")
    assert (found.price, found.real_cost, found.remaining_chr) == (0.09, 0.09, 90)
    assert found.timestamp_sent == NEW_YEAR + timedelta(seconds=1)
    assert found.timestamp_delivery == NEW_YEAR + timedelta(seconds=5)
    assert found.report
    assert found.report.status
    assert found.report.error
    assert (found.report.status.groupId, found.report.status.name) == (3, "DELIVERED_TO_HANDSET")
    assert (found.report.error.name, found.report.error.permanent) == ("NO_ERROR", False)
    assert (found.report.smsCount, found.report.doneAt) == (2, "2026-01-01T01:00:05.000+0100")


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        message().price = 0.0  # type: ignore[misc]


def test_unknown_keys_are_ignored_at_every_depth() -> None:
    odd = {"new": [1], "statistics": {"total": 3, "queued": 1}, "recipients": {"valid": {"count": 3, "list": []}}}
    found = message(**odd)
    assert (found.statistics.total, found.recipients.valid.count) == (3, 3)


# --- quirks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(MESSAGE) - {"id"}))
def test_a_message_is_readable_without_any_part_but_its_id(name: str) -> None:
    assert msgspec.json.decode(json.dumps(without(MESSAGE, name)), type=Message, strict=False).id == ID
    assert message(**{name: None}).id == ID


def test_a_message_without_an_id_is_none() -> None:
    for broken in (without(MESSAGE, "id"), MESSAGE | {"id": None}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(broken), type=Message, strict=False)


@pytest.mark.parametrize("name", sorted(RECIPIENT))
def test_a_recipient_is_readable_without_any_part(name: str) -> None:
    left = without(RECIPIENT, name)
    for kind in (RecipientReport, Delivery):
        msgspec.json.decode(json.dumps(left), type=kind, strict=False)
        msgspec.json.decode(json.dumps(RECIPIENT | {name: None}), type=kind, strict=False)


@pytest.mark.parametrize("nothing", [[], None])
def test_an_empty_object_of_php_is_an_empty_object(nothing: Any) -> None:
    found = message(options=nothing, statistics=nothing, recipients=nothing)
    assert found.options == models.Options()
    assert found.statistics == models.Statistics()
    assert found.recipients == models.RecipientCounts()
    counts = message(recipients={"valid": nothing, "invalid": nothing}).recipients
    assert (counts.valid.count, counts.invalid.total) == (0, 0)


@pytest.mark.parametrize("nothing", [[], None])
def test_a_report_that_is_empty_or_has_empty_parts_is_as_good_as_none(nothing: Any) -> None:
    assert not recipient(report=nothing).report
    hollow = recipient(report={"status": nothing, "error": nothing}).report
    assert hollow
    assert not hollow.status
    assert not hollow.error


@pytest.mark.parametrize("fields", [[], {}, None, {"name": "Rosa"}, [{"name": "Rosa"}], "Rosa"])
def test_fields_are_kept_as_they_come(fields: Any) -> None:
    assert recipient(fields=fields).fields == fields


def test_numbers_and_flags_may_come_as_text() -> None:
    found = message(price="0.18", priority="1", state="2", test="true", transaction="0", statistics={"total": "2"})
    assert (found.price, found.priority, found.state, found.test, found.transaction) == (0.18, 1.0, 2, True, False)
    assert found.statistics.total == 2
    assert recipient(sms="2", price="0.09", i="4").price == 0.09


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('{"order": 12, "tags": ["a"]}', {"order": 12, "tags": ["a"]}),
        ({"order": 12}, {"order": 12}),
        ("plain words", "plain words"),
        ("[1, 2]", [1, 2]),
        ([1, 2], [1, 2]),
        ("17", 17),
        ("{broken", "{broken"),
        ("", ""),
        (None, None),
        pytest.param("[" * 100_000, "[" * 100_000, id="brackets"),
    ],
)
def test_custom_is_what_was_meant_whether_it_comes_as_text_or_as_an_object(written: Any, found: Any) -> None:
    assert message(options={"custom": written}).options.custom == found


MOMENT = datetime(2026, 5, 20, 10, 30, 15, 250_000, tzinfo=UTC)
EPOCH_MS = 1_779_273_015_250


@pytest.mark.parametrize(
    "written",
    [
        EPOCH_MS,
        str(EPOCH_MS),
        f" {EPOCH_MS} ",
        float(EPOCH_MS),
        {"$date": {"$numberLong": str(EPOCH_MS)}},
        {"$date": EPOCH_MS},
        {"$date": "2026-05-20T10:30:15.250Z"},
        {"$numberLong": str(EPOCH_MS)},
        "2026-05-20T10:30:15.250Z",
        "2026-05-20T12:30:15.250+02:00",
        "2026-05-20T12:30:15.250+0200",
    ],
)
def test_an_instant_is_read_in_every_form(written: Any) -> None:
    found = instant(written)
    assert found == MOMENT
    assert found
    assert found.tzinfo is UTC


def test_an_instant_may_lie_before_1970() -> None:
    assert instant("-1000") == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "soon",
        "2026-05-20",
        "2026-05-20T10:30:15",
        [],
        {},
        {"$date": None},
        {"date": 1},
        "true",
        "9" * 30,
        pytest.param("9" * 5000, id="5000 digits"),
        10**30,
        1e300,
        "--5",
        "٣",
        [EPOCH_MS],
    ],
)
def test_what_is_no_instant_is_none_and_no_error(written: Any) -> None:
    # Arabic-Indic digits are digits to Python, hence a third millisecond of 1970.
    assert instant(written) in (None, datetime(1970, 1, 1, microsecond=3000, tzinfo=UTC))


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(["$date", "$numberLong", "x"]), inner, max_size=2)


@given(st.recursive(json_values, wrapped, max_leaves=4))
def test_no_value_is_an_error_as_an_instant(written: Any) -> None:
    found = instant(written)
    assert found is None or found.utcoffset() == timedelta()


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_any_aware_instant_comes_back_from_its_iso_text(moment: datetime) -> None:
    found = instant(moment.isoformat())
    assert found == moment or (found is None and not 1 < moment.year < 9999)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("91.25", 91.25),
        (91.25, 91.25),
        (91, 91.0),
        ("-1", -1.0),
        (None, None),
        ("", None),
        ("a lot", None),
        ([], None),
        ({}, None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        pytest.param(10**400, None, id="a googol to the fourth"),
    ],
)
def test_an_amount_is_a_number_or_none(written: Any, amount: float | None) -> None:
    assert number(written) == amount


# --- privacy ----------------------------------------------------------------------------------------------------------

SECRETS = ("3471112223", "Your parcel", "Rosa", "Lovelace", "s3cret")


def test_no_value_shows_a_number_a_text_or_a_custom_field() -> None:
    options = {"custom": {"patient": "Lovelace"}, "callback_url": "https://hooks.example/s3cret"}
    counts = {"valid": {"count": 1}, "invalid": {"total": 1, "list": [NUMBER]}}
    told = message(options=options, recipients=counts)
    got = recipient(send_id=NUMBER, state_detail="Rosa")
    report = got.report
    assert report
    values: list[Any] = [told, told.options, told.recipients, told.recipients.invalid, told.statistics, got, report]
    values += [report.status, report.error, Delivery(number=NUMBER), MessageSummary(id=ID, sender=NUMBER)]
    for value in values:
        for seen in (repr(value), str(value), f"{value}", pretty_repr(value), pretty_repr([value])):
            assert not [secret for secret in SECRETS if secret in seen], seen


def test_a_value_shows_what_is_needed_to_follow_a_message() -> None:
    assert repr(message()).startswith(f"Message(id='{ID}', state=0, recipients=RecipientCounts(valid=Valid(count=2)")
    assert repr(recipient()) == (
        "RecipientReport(number='+39-*******223', state='DELIVERED', state_description='DELIVERED_TO_HANDSET')"
    )
    assert pretty_repr(recipient(), max_width=200) == repr(recipient())


def test_every_value_chooses_what_it_shows() -> None:
    kinds = [kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, RedactedStruct)]
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.__repr__ is RedactedStruct.__repr__
        assert set(kind._shown) <= set(kind.__struct_fields__)
        assert not {"body", "fields", "custom", "list", "sender"} & set(kind._shown)
