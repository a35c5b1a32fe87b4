"""
The length of a text, its GSM-7 form, and fitting.

Two libraries that share no code with ours say what is right: ``gsm0338``, a codec made from 3GPP's tables, whose bytes
are then cut here, and ``smsutil``, which also splits into parts. (Counters that divide the units by 153 are wrong at
the border of two parts, which no escape sequence and no surrogate pair may cross; neither of these does so.) Both take
a bare escape character for a letter of GSM-7, and ``smsutil`` calls the empty text UCS-2; ours do not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import gsm0338
import pytest
import smsutil
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.sms_text import (
    BLANKS,
    Measure,
    Piece,
    fill,
    fit,
    measure,
    placeholder,
    placeholders,
    to_gsm7,
    whole_characters,
)

CODEC = gsm0338.Codec()
GSM7 = "".join(sorted(set(CODEC._decode_map.values()) - {"\x1b"}))

unhurried = settings(deadline=None)  # the machine may be busy; speed is for the benchmarks to measure

near_gsm7 = st.one_of(st.sampled_from(GSM7), st.sampled_from("€{}[]\\~^|"), st.sampled_from("aàè\n 0"))
gsm7_texts = st.text(near_gsm7, max_size=500)
any_texts = st.text(
    st.one_of(
        near_gsm7, st.sampled_from("À’–…🔥😀я中\u0300\u200d"), st.characters(exclude_characters="\x1b", codec="utf-8")
    ),
    max_size=300,
)
texts = st.one_of(gsm7_texts, any_texts, st.builds(lambda text: text * 3, gsm7_texts))


def is_gsm7(text: str) -> bool:
    try:
        CODEC.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def measure_by_codec(text: str) -> Measure:
    """Cut the bytes that go on air: a part holds 153 septets or 134 octets, and no sequence of two is cut through."""
    if is_gsm7(text):
        data = CODEC.encode(text)[0]
        starts, single, each, unit = [0x1B], 160, 153, 1
    else:
        data = text.encode("utf-16-be")
        starts, single, each, unit = list(range(0xD8, 0xDC)), 140, 134, 2
    parts, at = 1, each
    while len(data) > single and at < len(data):
        at -= unit if data[at - unit] in starts else 0
        parts, at = parts + 1, at + each
    return Measure("GSM-7" if unit == 1 else "UCS-2", len(data) // unit, parts)


def measure_by_smsutil(text: str) -> Measure:
    split = smsutil.split(text)
    gsm7 = split.encoding == "gsm0338"
    return Measure("GSM-7" if gsm7 else "UCS-2", split.total_bytes // (1 if gsm7 else 2), len(split.parts))


# --- placeholders ---


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("Ciao {{name}}, {{ code }} {{name}}", ("name", "code")),
        ("{{{name}}}", ("name",)),
        ("{{first name}}{{città}}", ("first name", "città")),
        ("{{}} {{ }} {name} {{a\nb}} {{a{b}} {{open", ()),
    ],
)
def test_placeholders_are_found_once_each_in_their_order(body: str, names: tuple[str, ...]) -> None:
    assert placeholders(body) == names


def test_filling_allows_blanks_and_leaves_unknown_placeholders() -> None:
    fields = {"name": "Ada", "code": "{{name}}"}
    assert fill("{{name}} {{ name }} {{code}} {{other}}", fields) == "Ada Ada {{name}} {{other}}"


@pytest.mark.parametrize("name", ["", " ", " name", "name ", "a}b", "{a", "a\nb"])
def test_a_name_that_would_not_be_found_again_is_no_placeholder(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a placeholder"):
        placeholder(name)


@unhurried
@given(st.text(max_size=20))
def test_a_written_placeholder_is_found_and_filled(name: str) -> None:
    try:
        written = placeholder(name)
    except ConfigurationError:
        return
    assert placeholders(f"a {written} b") == (name,)
    assert fill(f"a {written} b", {name: "x"}) == "a x b"


@pytest.mark.parametrize("piece", ["{{", "{{a", "{{ ", "}}", "{{a}}"])
def test_placeholders_of_a_megabyte_are_found_in_the_end(piece: str) -> None:
    body = piece + "a" * 1_000_000 + piece * 200_000
    assert len(placeholders(body)) <= 1
    assert fill(body, {"a": "{{a}}"}) == body


# --- length ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Measure("GSM-7", 0, 1)),
        ("a" * 160, Measure("GSM-7", 160, 1)),
        ("a" * 161, Measure("GSM-7", 161, 2)),
        ("a" * 306, Measure("GSM-7", 306, 2)),
        ("a" * 307, Measure("GSM-7", 307, 3)),
        ("€" * 80, Measure("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, Measure("GSM-7", 306, 3)),
        ("a" * 151 + "€" + "a" * 153, Measure("GSM-7", 306, 2)),
        ("À" + "a" * 69, Measure("UCS-2", 70, 1)),
        ("À" + "a" * 70, Measure("UCS-2", 71, 2)),
        ("😀" * 35, Measure("UCS-2", 70, 1)),
        ("a" * 66 + "😀" + "a" * 66, Measure("UCS-2", 134, 3)),
        ("\x1b", Measure("UCS-2", 1, 1)),
    ],
)
def test_a_text_is_measured_in_units_and_parts(text: str, expected: Measure) -> None:
    assert measure(text) == expected


def test_every_character_is_measured_as_by_the_codec() -> None:
    for character in map(
        chr, [*range(0x1B), *range(0x1C, 0xD800), *range(0xE000, 0x10000), 0x10000, 0x1F600, 0x10FFFF]
    ):
        assert measure(character) == measure_by_codec(character), hex(ord(character))


@unhurried
@given(texts)
@example("a" * 152 + "€" + "a" * 152)
@example("a" * 66 + "😀" + "a" * 66)
def test_encoding_units_and_parts_agree_with_both_libraries(text: str) -> None:
    assert measure(text) == measure_by_codec(text)
    if text:
        assert measure(text) == measure_by_smsutil(text)


@pytest.mark.parametrize("filler", range(60, 160))
def test_parts_agree_with_both_libraries_around_every_border(filler: int) -> None:
    for sign in ("€", "😀"):
        text = "a" * filler + sign * 130
        assert measure(text) == measure_by_codec(text) == measure_by_smsutil(text)


# --- the nearest plain form ---


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("l’ora – “così”…", 'l\'ora - "così"...'),
        ("À È Ì Ò Ù É", "A E I O U É"),
        ("à è é ì ò ù Ç Ñ ß ä ö ü Ø Å", "à è é ì ò ù Ç Ñ ß ä ö ü Ø Å"),
        ("á â ã ç ê í ó õ ú č š ž ő ł đ", "a a a c e i o o u c s z o l d"),
        ("e\u0300 n\u0303 x\u0323 o\u0345", "è ñ x o"),
        ("a\tb\u00a0c\u202fd\u2028e\r\nf", "a b c d\ne\r\nf"),
        ("ﬁne ｆｕｌｌ œuvre ½ 20°C m² № ™", "fine full oeuvre  1/2 20C m2 No TM"),
        ("5 µs ± 2 ≤ 8 ≠ 9 → x×y", "5 us +/- 2 <= 8 != 9 -> xxy"),
        ("€ [a] {b} \\ ^ ~ |", "€ [a] {b} \\ ^ ~ |"),
        ("`code` ´ «q»", "'code' ' \"q\""),
        ("Καλημέρα Ωmega", "KAΛHMEPA Ωmega"),
        ("fire 🔥 👩‍💻 ✔️ done", "fire    done"),
        ("\x00\x1b[31mred\x1b[0m\ud800", "[31mred[0m"),
        ("привет 中文", " "),
    ],
)
def test_a_text_gets_its_nearest_plain_form(text: str, plain: str) -> None:
    assert to_gsm7(text) == plain


def test_every_character_has_a_plain_form_that_the_codec_can_write() -> None:
    for character in map(chr, [*range(0x20000), 0xE0001, 0xF0000, 0x10FFFF]):
        assert is_gsm7(to_gsm7(character)), hex(ord(character))


def test_every_accented_latin_letter_stays_a_letter() -> None:
    for character in map(chr, range(0xC0, 0x180)):
        if character.isalpha():
            assert any(map(str.isalpha, to_gsm7(character))), character


@unhurried
@given(any_texts)
def test_the_plain_form_of_a_plain_form_is_itself(text: str) -> None:
    plain = to_gsm7(text)
    assert is_gsm7(plain)
    assert to_gsm7(plain) == plain
    assert to_gsm7(unicodedata.normalize("NFD", text)) == plain


# --- fitting ---


def test_what_fits_comes_back_as_it_is() -> None:
    assert fit("Città – È già l’ora 🔥", 1) == "Città – È già l’ora 🔥"
    assert fit([Piece("a"), Piece("’", whole=True)], 1) == "a’"


def test_what_fits_once_it_is_plain_is_not_cut() -> None:
    assert fit("’" * 160, 1) == "'" * 160


def test_a_string_is_cut_in_its_middle() -> None:
    assert fit("a" * 100 + "b" * 100, 1) == "a" * 79 + "..." + "b" * 78


def test_the_least_important_piece_is_cut_and_the_link_stays() -> None:
    link = "\nhttps://airflow.example/dags/etl/grid"
    pieces = [Piece("etl.load failed, try 2 of 3", 3), Piece(": " + "error " * 50, 1), Piece(link, 2, whole=True)]
    fitted = fit(pieces, 1)
    assert fitted.startswith("etl.load failed, try 2 of 3: error error")
    assert fitted.endswith("error " + link)
    assert fitted.count("...") == 1
    assert measure(fitted) == Measure("GSM-7", 160, 1)


def test_the_next_piece_is_cut_when_the_least_important_is_used_up() -> None:
    assert fit([Piece("a" * 200, 2), Piece("b" * 200, 1), Piece("c", 3)], 1) == "a" * 78 + "..." + "a" * 78 + "c"


def test_of_equal_pieces_the_last_is_cut_first() -> None:
    assert fit([Piece("a" * 100), Piece("b" * 100)], 1) == "a" * 100 + "b" * 29 + "..." + "b" * 28


def test_a_whole_piece_that_does_not_fit_leaves_its_room_to_the_others() -> None:
    pieces = [Piece("a" * 60, 3), Piece("https://" + "l" * 100, 2, whole=True), Piece("e" * 90, 1)]
    assert fit(pieces, 1) == "a" * 60 + "e" * 90


def test_a_piece_that_gsm7_cannot_write_is_left_out_not_changed() -> None:
    assert fit([Piece("a" * 150), Piece("http://x/ç", 1, whole=True)], 1) == "a" * 150


def test_another_alphabet_is_cut_rather_than_lost() -> None:
    fitted = fit("Задача " * 30, 1)
    assert fitted.startswith("Задача Задача")
    assert measure(fitted) == Measure("UCS-2", 70, 1)
    assert measure(fit("🔥" * 100, 1)) == Measure("UCS-2", 69, 1)


def test_a_few_signs_beyond_gsm7_do_not_make_the_rest_short() -> None:
    fitted = fit("🔥 " + "failure " * 30, 1)
    assert measure(fitted) == Measure("GSM-7", 160, 1)


def test_letters_under_a_heap_of_accents_are_kept_without_them() -> None:
    assert fit("a\u0323\u0337\u0338\u0336" * 150, 1) == "a" * 150


def test_no_more_is_cut_than_the_borders_of_the_parts_need() -> None:
    fitted = fit("€" * 1000, 3)
    assert measure(fitted).parts == 3
    assert len(fitted) == 76 * 3 + 2  # "..." takes three septets, so one of the borders falls even


def test_a_text_with_placeholders_fits_for_the_longest_fields() -> None:
    body = "Ciao {{name}}, " + "bla " * 40 + "codice {{ code }}"
    fields = [{"name": "Massimiliano", "code": "1"}, {"name": "Al", "code": "€" * 10}, {"name": "", "code": ""}]
    fitted = fit(body, 1, fields=fields)
    assert fitted.startswith("Ciao {{name}}, bla bla")
    assert fitted.endswith("codice {{ code }}")
    assert "..." in fitted
    assert max(measure(fill(fitted, one)).units for one in fields) > 145
    assert all(measure(fill(fitted, one)).parts == 1 for one in fields)


def test_a_placeholder_too_long_for_its_half_leaves_room_to_the_other() -> None:
    assert fit("{{a}}" + "b" * 200, 1, fields=[{"a": "a" * 100}]) == "..." + "b" * 157


def test_a_placeholder_keeps_its_name_when_the_text_becomes_plain() -> None:
    assert fit("È {{č}}" + "’" * 150, 1, fields=[{"č": "x"}]) == "E {{č}}" + "'" * 150


@pytest.mark.parametrize("max_parts", [0, -1])
def test_fewer_than_one_part_is_refused(max_parts: int) -> None:
    with pytest.raises(ConfigurationError, match="max_parts must be 1 or more"):
        fit("a", max_parts)


pieces = st.builds(Piece, texts, st.integers(0, 3), st.booleans())


@unhurried
@given(st.lists(pieces, max_size=5), st.integers(1, 4))
def test_the_result_always_fits_and_stays_as_it_is(some: Sequence[Piece], max_parts: int) -> None:
    fitted = fit(some, max_parts)
    assert measure(fitted).parts <= max_parts
    assert fit(fitted, max_parts) == fitted


@unhurried
@given(texts.filter(lambda text: len(text) > 75), st.integers(1, 3))
def test_a_text_that_is_cut_leaves_no_room_unused(text: str, max_parts: int) -> None:
    fitted = fit(text, max_parts)
    if fitted not in (text, to_gsm7(text)):
        size = measure(fitted)
        room = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[size.encoding]
        assert size.units >= (room[0] if max_parts == 1 else room[1] * max_parts) - max_parts - 2
        assert "..." in fitted


@unhurried
@given(st.lists(st.tuples(gsm7_texts, st.integers(0, 3)), max_size=3), st.text("l/:", max_size=200), st.integers(0, 3))
def test_a_link_comes_through_unchanged_or_not_at_all(
    others: list[tuple[str, int]], link: str, importance: int
) -> None:
    link = f"<{link}>"
    some = [Piece(text.replace("<", "").replace(">", ""), rank) for text, rank in others]
    fitted = fit([*some, Piece(link, importance, whole=True)], 1)
    assert fitted.endswith(link) or ("<" not in fitted and ">" not in fitted)


@unhurried
@given(
    st.lists(st.one_of(texts, st.sampled_from(["{{a}}", "{{ b }}", "{{c}}"])), max_size=6).map("".join),
    st.lists(st.fixed_dictionaries({"a": texts, "b": st.text("b", max_size=90)}), min_size=1, max_size=3),
    st.integers(1, 3),
)
def test_the_result_fits_for_every_recipient(body: str, fields: list[dict[str, str]], max_parts: int) -> None:
    fitted = fit(body, max_parts, fields=fields)
    assert all(measure(fill(fitted, one)).parts <= max_parts for one in fields)


def test_a_piece_that_is_left_out_is_marked_even_without_room() -> None:
    for length in (157, 158, 159, 160):
        text = fit([Piece("a" * length, 2), Piece("error text", 1)], 1)
        assert "..." in text
        assert measure(text).units == 160


def test_half_a_character_becomes_a_whole_one() -> None:
    assert whole_characters("bad \udcff.csv 🔥 è") == "bad \ufffd.csv 🔥 è"
    assert whole_characters("a\0b\0") == "ab"


def test_every_white_space_is_a_blank() -> None:
    assert {chr(code) for code in range(0x110000) if chr(code).isspace()} <= set(BLANKS)
    assert not set(BLANKS) & set(GSM7.replace("\n", "").replace("\r", "").replace("\f", "").replace(" ", ""))


def test_a_placeholder_matches_its_field_however_accents_are_written() -> None:
    assert placeholders("{{citta\u0300}} {{citt\u00e0}} {{ citt\u00e0\u00a0}}") == ("citt\u00e0",)
    assert fill("{{citta\u0300}}", {"citt\u00e0": "Lecce"}) == "Lecce"
