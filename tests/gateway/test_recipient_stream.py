"""Counting recipients while they come in: the count is that of the whole, however the answer is cut and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway import calls, recipient_stream
from airflow_provider_messaggisms.gateway.delivery import DeliveryCounts
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.wire import Response
from tests.gateway.answers import RECIPIENT

CALL = calls.get_delivery_counts("m1", many=True)
#: Everything that could be taken for the border between two recipients, inside of one.
TRAPS = ['},{"', "},{", '"},{"data":[{', '\\"},{\\"', "}, {", "]}", "\\", '"data":[{"a":1},{"b":2}]', "è}é,{à"]

STATES = ("DELIVERED_TO_HANDSET", "PENDING_ENROUTE", "UNDELIVERABLE_NOT_DELIVERED", "DELIVERED_TO_OPERATOR", "ODD")


def recipients(count: int) -> list[dict[str, Any]]:
    return [
        {
            **RECIPIENT,
            "i": index,
            "number": f"+39-34{index:08d}",
            "body": TRAPS[index % len(TRAPS)],
            "fields": [{TRAPS[index % 3]: "x"}, {"b": {"c": [{}, {}]}}] if index % 2 else [],
            "state_description": STATES[index % 7 % len(STATES)],
            "report": {"status": {"name": STATES[index % 7 % len(STATES)]}},
        }
        for index in range(count)
    ]


def answer(data: Any, **dumps: Any) -> bytes:
    return json.dumps({"message": "x", "data": data, "success": True, "error": None, "credit": "9.1"}, **dumps).encode()


def collected(body: bytes, piece: int) -> tuple[DeliveryCounts, int]:
    """Count an answer that comes in pieces; tell also how much was left to decode at the end."""
    collector = CALL.collect()
    for start in range(0, len(body), piece):
        collector.add(body[start : start + piece])
    rest = collector.rest()
    return CALL.parse(Response(200, {}, rest, taken=collector.taken)), len(rest)


def whole(body: bytes) -> DeliveryCounts:
    return calls.get_delivery_counts("m1").parse(Response(200, {}, body))


def told(counts: DeliveryCounts) -> tuple[Any, ...]:
    verdict = counts.verdict("m1", Rule(0.1, accept_delivered_to_operator=True))
    return verdict.outcome, verdict.report, verdict.unknown_states


@pytest.mark.parametrize("piece", [7, 1_000, 65_536, 1_000_000])
@pytest.mark.parametrize("dumps", [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_a_long_answer_is_counted_as_if_it_had_been_read_whole(piece: int, dumps: dict[str, Any]) -> None:
    body = answer(recipients(700), **dumps)
    counts, left = collected(body, piece)
    assert told(counts) == told(whole(body))
    assert counts.total == 700
    assert left < len(body)


def test_an_answer_that_has_not_changed_is_counted_once() -> None:
    call = calls.get_delivery_counts("m1")

    def read(status: int, body: bytes) -> DeliveryCounts:
        return call.parse(Response(status, {}, body))

    pending, complete = answer(recipients(3)), answer(recipients(4))
    first = read(200, pending)
    assert read(200, pending) is first
    assert (first.total, read(200, complete).total, read(200, pending).total) == (3, 4, 3)
    with pytest.raises(errors.GatewayUnavailableError):
        read(502, pending)
    assert told(read(200, pending)) == told(whole(pending))


def test_hardly_anything_of_a_long_answer_is_kept() -> None:
    body = answer(recipients(5_000))
    _, left = collected(body, 65_536)
    assert len(body) > 20 * recipient_stream.SLICE_BYTES
    assert left < 2 * recipient_stream.SLICE_BYTES


@given(st.lists(st.text(alphabet='{}[],:"\\ dat', max_size=30), max_size=40), st.integers(1, 300), st.integers(1, 400))
def test_no_text_inside_a_recipient_is_taken_for_a_border(bodies: list[str], piece: int, slice_bytes: int) -> None:
    body = answer([{"body": text, "fields": [{text: text}], "state": "SENT"} for text in bodies])
    before, recipient_stream.SLICE_BYTES = recipient_stream.SLICE_BYTES, slice_bytes
    try:
        assert told(collected(body, piece)[0]) == told(whole(body))
    finally:
        recipient_stream.SLICE_BYTES = before


@pytest.mark.parametrize("data", [[], None, RECIPIENT, [RECIPIENT]])
def test_a_short_answer_in_any_of_its_shapes_is_counted(data: Any) -> None:
    counts, _ = collected(answer(data), 100)
    assert counts.total == (1 if data else 0)


def test_the_first_hundred_failures_keep_their_places_across_slices() -> None:
    people = recipients(1_000)
    failed = collected(answer(people), 10_000)[0].verdict("m1", Rule()).report["failed"]
    places = [i for i, one in enumerate(people) if one["state_description"].startswith("UNDELIVERABLE")]
    assert [one["index"] for one in failed] == places[:100]


def test_a_recipient_of_another_shape_in_a_long_answer_is_an_error() -> None:
    people = recipients(1_000)
    people[500]["report"] = "soon"
    with pytest.raises(errors.ProtocolError, match="shaped in another way"):
        collected(answer(people), 10_000)


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.9999])
def test_an_answer_that_ends_in_the_middle_is_an_error(cut: float) -> None:
    body = answer(recipients(1_000))
    with pytest.raises(errors.ProtocolError):
        collected(body[: int(cut * len(body))], 10_000)


def test_a_refusal_is_a_refusal_for_every_collector() -> None:
    collector = CALL.collect()
    collector.add(json.dumps({"data": None, "success": False, "message": "no", "error": 202}).encode())
    with pytest.raises(errors.MessageNotFoundError):
        CALL.parse(Response(406, {}, collector.rest(), taken=collector.taken))


def test_a_long_answer_that_says_no_success_is_a_refusal() -> None:
    body = answer(recipients(1_000)).replace(b'"success": true', b'"success": false')
    with pytest.raises(errors.GatewayError):
        collected(body, 10_000)


def test_a_list_that_is_not_the_envelopes_own_is_no_answer() -> None:
    body = json.dumps({"more": {"data": recipients(1_000)}, "success": True}).encode()
    with pytest.raises(errors.ProtocolError, match="data is no list"):
        collected(body, 10_000)
