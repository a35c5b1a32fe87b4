"""Whatever comes as an answer is a value or one of our own errors, in bounded time and memory (see answer_fuzzing)."""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.answer_fuzzing.any_answer import CORPUS, SEND, check, check_call
from tests.gateway.answers import json_values

FILES = sorted(CORPUS.iterdir())
ANSWERS = [json.loads(file.read_bytes()) for file in FILES if file.suffix == ".json"]

#: Far more than an answer of this length takes, and far less than work takes that grows with its square.
LENGTH, SECONDS, MEMORY_BYTES = 10_000, 10, 24_000_000


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_each_answer_of_the_corpus_is_a_value_or_one_of_our_errors(file: Path) -> None:
    check(file.read_bytes())


def spoiled(answer: Any, draw: st.DrawFn) -> Any:
    """Put any value in the place of a part of an answer, at any depth."""
    if not isinstance(answer, dict | list) or not answer or draw(st.integers(0, 3)) == 0:
        return draw(json_values)
    names = list(answer) if isinstance(answer, dict) else list(range(len(answer)))
    name = draw(st.sampled_from(names))
    copy = answer.copy()
    copy[name] = spoiled(answer[name], draw)
    return copy


@st.composite
def spoiled_answers(draw: st.DrawFn) -> bytes:
    return json.dumps(spoiled(draw(st.sampled_from(ANSWERS)), draw)).encode()


@st.composite
def spoiled_bytes(draw: st.DrawFn) -> bytes:
    """Cut something out of an answer, and put bytes or a part of another answer there."""
    body, other = (draw(st.sampled_from(FILES)).read_bytes() for _ in range(2))
    start, end = sorted(draw(st.integers(0, len(body))) for _ in range(2))
    begin = draw(st.integers(0, len(other)))
    return body[:start] + draw(st.binary(max_size=20) | st.just(other[begin : begin + 200])) + body[end:]


@given(spoiled_answers())
@settings(max_examples=200, deadline=None)
def test_an_answer_with_any_value_in_it_is_a_value_or_our_error(body: bytes) -> None:
    check(body)


@given(spoiled_bytes())
@settings(max_examples=200, deadline=None)
def test_an_answer_with_any_bytes_in_it_is_a_value_or_our_error(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize("name", ["data", "error", "message", "credit"])
@pytest.mark.parametrize(("success", "status"), [(b"true", 200), (b"false", 200), (b"false", 422)])
def test_brackets_as_deep_as_the_decoder_goes_are_no_other_error(name: str, success: bytes, status: int) -> None:
    # The decoder and the code after it stop at different depths. One between the two is among these.
    limit = sys.getrecursionlimit()
    for depth in range(limit // 2, limit):
        for brackets in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
            check_call(SEND, b'{"success": %s, "%s": %s}' % (success, name.encode(), brackets), status)


@pytest.mark.parametrize("sign", ['"', "\\", "1", "(1) ", "{", '"\\', '"a":', "*", "é"])
def test_a_long_answer_takes_bounded_time_and_memory(sign: str) -> None:
    long = sign * (LENGTH // len(sign))
    whole = {"success": False, "data": long, "message": long, "error": long, "scopes": [long], "name": long}
    for body in (long.encode(), json.dumps(whole).encode(), f'{{"message": "{{{long}'.encode()):
        tracemalloc.start()
        began = time.process_time()
        check(body)
        seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (seconds < SECONDS, peak < MEMORY_BYTES) == (True, True), (seconds, peak)
