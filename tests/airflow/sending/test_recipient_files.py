"""Recipients from files: what is read, what is refused by its line, and what it costs."""

from __future__ import annotations

import gzip
import json
import logging
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.sending.recipient_files import RecipientFile
from airflow_provider_messaggisms.sending.recipient_rows import read_rows

BODY = "Dear {{name}}"


def csv_file(tmp_path: Path, content: str, *, encoding: str = "utf-8", name: str = "people.csv") -> Path:
    """Write a file just as it is given, with its own line ends."""
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


def people(path: Any, body: str = BODY, **options: Any) -> list[tuple[str, dict[str, str]]]:
    """Read a file as a transaction does."""
    return [(one.number, dict(one.fields)) for one in RecipientFile(path, body=body, **options)]


ANNA_AND_BEN = [("+39-3491234567", {"name": "Anna"}), ("+39-3491234568", {"name": "Ben"})]


# --- CSV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "number,name\n+393491234567,Anna\n+393491234568,Ben\n",
        "number,name\n+393491234567,Anna\n+393491234568,Ben",
        "number;name\r\n+393491234567;Anna\r\n+393491234568;Ben\r\n",
        "number\tname\n+39 349 123 4567\tAnna\n+39-3491234568\tBen\n",
        "\ufeffnumber,name\n+393491234567,Anna\n+393491234568,Ben\n",
        '\ufeff"number";"name"\r\n"+393491234567";"Anna"\r\n"+393491234568";"Ben"\r\n',
        " name , number \nAnna,+393491234567\nBen,+393491234568\n",
        "number,name,\n+393491234567,Anna,\n+393491234568,Ben,x\n",
        "number,name\n\n+393491234567,Anna\n\n+393491234568,Ben\n\n",
        'number;name;"notes, remarks, etc., and so on"\n+393491234567;Anna;\n+393491234568;Ben;a,b,c,d\n',
        "number\tname\tnotes; remarks; more\n+393491234567\tAnna\t\n+393491234568\tBen\ta;b;c\n",
        "number|name\n+393491234567|Anna\n+393491234568|Ben\n",
        'name,"the\nnotes",number\nAnna,"a\nb",+393491234567\nBen,,+393491234568\n',
        'number;name;"Due\r\ndate"\r\n+393491234567;Anna;\r\n+393491234568;Ben;x\r\n',
        "number;name;;\n+393491234567;Anna;;\n+393491234568;Ben;;\n",
        "number;name;;\n+393491234567;Anna\n+393491234568;Ben;\n",
        "number,name\n+393491234567,Anna,,\n+393491234568,Ben, ,\n",
        "number,note,name,note\n+393491234567,x,Anna,y\n+393491234568,,Ben,\n",
        "number;name\n;\n+393491234567;Anna\n ; \n+393491234568;Ben\n;\n",
        "sep=;\nnumber;name\n+393491234567;Anna\n+393491234568;Ben\n",
        '\ufeff"SEP=,"\r\nnumber,name\r\n+393491234567,Anna\r\n+393491234568,Ben\r\n',
        "sep=^\nnumber^name\n+393491234567^Anna\n+393491234568^Ben\n",
        "number,name\n+393491234567, Anna \n+393491234568,\u00a0Ben\u200b\n",
        "\u00a0number\u00a0, name\u200b\n+393491234567,Anna\n+393491234568,Ben\n",
        "number,town,name\n+393491234567,Turin,Anna\n+393491234568,,Ben\n",
        "number,name\r+393491234567,Anna\r+393491234568,Ben\r",
        "number,name\r\n+393491234567,Anna\n+393491234568,Ben\r",
        "\ufeff\ufeffnumber,name\n+393491234567,Anna\n\ufeff+393491234568,Ben\n",
        "number,name\n\u200b,\u200b\n+393491234567,Anna\n+393491234568,Ben\n",
        "number,name\n'+393491234567,Anna\n'+393491234568,Ben\n",
        '"number","name"\n"=""+393491234567""","=""Anna"""\n="+393491234568",="Ben"\n',
        'number, "name, short", "name"\n+393491234567, "a, b", "Anna"\n"+393491234568", , "Ben"\n',
    ],
    ids=[
        "plain",
        "no end of line at the end",
        "semicolons and CRLF",
        "tabs",
        "a byte order mark",
        "a byte order mark and quotes, as Excel does",
        "blanks in the header, another order",
        "a column without a name",
        "empty lines",
        "semicolons, and a header with commas in quotes",
        "tabs, and a header with semicolons",
        "bars",
        "line breaks in quotes in the header",
        "line breaks in quotes in the header, from Windows",
        "empty columns at the right",
        "empty columns at the right, left out in rows",
        "empty cells beyond the header",
        "an unused name twice",
        "rows of separators",
        "Excel's line that names the separator",
        "that line in quotes, after a mark",
        "that line with another separator",
        "blanks around values",
        "invisible blanks around names",
        "a column that the text does not use",
        "line ends of an old Mac",
        "line ends of all kinds",
        "marks in the middle: files were put together",
        "a row of invisible blanks",
        "apostrophes that keep numbers from being calculated with",
        "texts as formulas, so that Excel keeps their zeros",
        "blanks before cells in quotes",
    ],
)
def test_a_csv_file_gives_numbers_and_the_fields_that_the_text_uses(content: str, tmp_path: Path) -> None:
    assert people(csv_file(tmp_path, content)) == ANNA_AND_BEN


def test_a_cell_may_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'number,name\n+393491234567,"Rossi, ""Anna""\nMaria"\n')
    assert people(path) == [("+39-3491234567", {"name": 'Rossi, "Anna"\nMaria'})]


def test_an_address_in_the_form_of_a_url_is_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n+393491234568,Ben\n")
    assert people(f"file://{path}") == ANNA_AND_BEN


def test_numbers_without_a_prefix_belong_to_the_default_region(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n349 123 4567\n")
    assert people(path, "Hello", default_region="IT") == [("+39-3491234567", {})]


def test_a_number_that_is_there_twice_with_one_text_counts_once(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n0039 349 1234567, Anna\n+393491234568,Ben\n")
    file = RecipientFile(path, body=BODY)
    assert [(one.number, one.fields) for one in file] == ANNA_AND_BEN
    assert file.repeated == 1
    assert file.numbers == {"+39-3491234567", "+39-3491234568"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "line 1: expected one column 'number', but this line is empty"),
        ("\nnumber\n+393491234567\n", "line 1: expected one column 'number', but this line is empty"),
        ("phone,name\n+393491234567,Anna\n", "line 1: expected one column 'number'"),
        ("number,name,number\n+393491234567,Anna,x\n", "line 1: the column 'number' is there twice"),
        ("number,name,name\n+393491234567,Anna,x\n", "line 1: the column 'name' is there twice"),
        ("number,name\n", r"^recipients_path: .*people.csv: there is no recipient$"),
        ("number,name\n+393491234567\n", "line 2: 1 values for 2 columns"),
        ("number,name\n+393491234567,Anna\n+393491234568,Ben,Bob\n", "line 3: 3 values for 2 columns"),
        ("number,name\n+393491234567,Anna\n+39349,Ben\n", r"line 3: \+39-\*\*\* has 3 digits after \+39"),
        ("number,name\n+393491234567,Anna\n,Ben\n", "line 3: the telephone number is empty"),
        ("number,name\n\n+393491234567,\n", r"line 3 \(\+39-\*\*\*\*\*\*\*567\); give every recipient that field"),
        ('number,name\n+393491234567,"An\nna"\n+39349,"B\ne\nn"\n', r"line 4: \+39-\*\*\* has 3 digits"),
        ('number,name\n+393491234567,"Anna\n', r"line \d: broken CSV"),
        ('number,name\n+393491234567,"An"na\n', "line 2: broken CSV"),
    ],
)
def test_a_bad_row_is_named_by_its_line(content: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=error) as caught:
        people(csv_file(tmp_path, content))
    assert str(caught.value).startswith(("recipients_path", "body: the placeholder {{name}} has no field"))
    assert "349123" not in str(caught.value).replace("-", "")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("sep=;\nnumber;name\n+39349;Anna\n", r"line 3: \+39-\*\*\* has 3 digits"),
        ('"a\nb",number,name\nx,+39349,Anna\n', r"line 3: \+39-\*\*\* has 3 digits"),
        ('number,name\n+393491234567,Anna\n+393491234568,"Ben\n+393491234569,Eva\n', "line 3: broken CSV"),
        ("number,name\n3491112223.0,Anna\n", r"line 2: .* is a decimal number: the column was numeric"),
        ("number,name\n3.49111E+09,Anna\n", "line 2: .* is in scientific notation"),
        ("number,name\n+393491234567,Anna\nnumber,name\n", r"line 3: \*\*\* is not one telephone number"),
        ("number,name\n+393491234567,Anna\nTotale,1\n", r"line 3: \*\*\* is not one telephone number"),
        ("number,name\n02 1234567-8,Anna\n", r"line 2: .* holds more than one number"),
        ("number,name\nnan,Anna\n", r"line 2: the number is missing \('nan'\)$"),
        ("number,name\n+393491234567,\n", r"line 2 \(\+39-\*{7}567\); .* \(it is blank\)$"),
        ("number,name\n+393491234567,\u00a0\n", r"line 2 \(\+39-\*{7}567\); .* \(it is blank\)$"),
        ("number,name\n+393491234567,nan\n", r"line 2 .* \(it holds 'nan', which stands for a missing value\)$"),
        ("number,name\n+393491234567,#N/D\n", r"line 2 .* \(it holds '#N/D', which stands for a missing value\)$"),
        ("number,Name\n+393491234567,Anna\n", r"no field of that name for recipients_path, line 2"),
        ("number,name\n+393491234567,a\0b\n", r"line 2.fields\['name'\]: .* NUL"),
    ],
)
def test_what_spreadsheets_and_conversions_leave_behind_is_named(content: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=error):
        people(csv_file(tmp_path, content), default_region="IT")


# --- the columns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Due date", "first-name", "Amount (EUR)", "1", "città", "it's"])
def test_any_column_may_be_a_placeholder(name: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, f"number;{name}\n+393491234567;x\n")
    assert people(path, f"{{{{ {name} }}}}") == [("+39-3491234567", {name: "x"})]


def test_a_name_matches_whichever_way_its_accents_are_written(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number;citta\u0300\n+393491234567;Lecce\n")
    assert people(path, "{{citt\u00e0}}") == [("+39-3491234567", {"citt\u00e0": "Lecce"})]


@pytest.mark.parametrize("name", ["people.csv", "people.jsonl"])
def test_the_column_of_the_number_may_have_another_name(name: str, tmp_path: Path) -> None:
    content = "Cellulare;number\n349 1234567;7\n"
    if name.endswith(".jsonl"):
        content = '{"Cellulare": "349 1234567", "number": 7}\n'
    path = csv_file(tmp_path, content, name=name)
    found = people(path, "{{number}}", number_column=" Cellulare", default_region="IT")
    assert found == [("+39-3491234567", {"number": "7"})]


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Nome;Cellulare;Note", "found 'Nome', 'Cellulare', 'Note'; is it number_column='Cellulare'?"),
        ("Hotel,Telefono", "found 'Hotel', 'Telefono'; is it number_column='Telefono'?"),
        ("order_number,mobile_phone", "is it number_column='mobile_phone'?"),
        ("Number,Name", "is it number_column='Number'?"),
        ("a\tb", "found 'a', 'b'; name the column with the numbers, as in number_column='Phone'"),
        (",".join(f"c{i}" for i in range(30)), "'c19' and 10 more; name the column"),
        ("+393491234567,Anna", "expected one column 'number', but this line looks like a recipient; add a first line"),
    ],
)
def test_a_missing_column_is_an_error_with_the_columns_found(header: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(error)) as caught:
        people(csv_file(tmp_path, f"{header}\nx,y\n"))
    assert "Anna" not in str(caught.value)


@pytest.mark.parametrize("number_column", ["", " ", None, 3])
def test_the_name_of_a_column_is_a_text(number_column: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^number_column: expected the name of a column"):
        people(csv_file(tmp_path, "number\n+393491234567\n"), "Hello", number_column=number_column)


# --- one number twice -------------------------------------------------------------------------------------------------

CHILDREN = "number,name\n+393491234567,Lea\n+393491234568,Ben\n+39 349 1234567,Max\n"


@pytest.mark.parametrize("on_invalid", ["fail", "drop"])
def test_one_number_with_two_texts_is_refused_with_both_lines(on_invalid: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path, CHILDREN)
    with pytest.raises(ConfigurationError, match=r"line 4: .*\*567 is there already, at recipients_path, line 2, with"):
        RecipientFile(path, body=BODY, on_invalid=on_invalid)
    assert people(path, "Hello") == [("+39-3491234567", {}), ("+39-3491234568", {})]


def test_on_repeated_first_sends_the_first_of_two_texts(tmp_path: Path) -> None:
    file = RecipientFile(csv_file(tmp_path, CHILDREN), body=BODY, on_repeated="first")
    assert [(one.number, one.fields["name"]) for one in file] == [("+39-3491234567", "Lea"), ("+39-3491234568", "Ben")]
    assert file.repeated == 1
    assert "line 4: +39-*******567 is there already, at recipients_path, line 2" in file.conflicts[0]


def test_a_row_that_cannot_be_sent_to_may_be_dropped(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+39349,Anna\n+393491234568,Ben\n+393491234569,\n")
    file = RecipientFile(path, body=BODY, on_invalid="drop")
    assert [one.number for one in file] == ["+39-3491234568"]
    assert [why.partition(":")[0] for why in file.dropped] == ["recipients_path, line 2", "body"]


def test_dropping_everybody_is_an_error_that_tells_the_first_reason(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+39349\n+39350\n")
    with pytest.raises(ConfigurationError, match=r"none of the 2 is valid; the first: .*line 2"):
        RecipientFile(path, body="Hello", on_invalid="drop")


def test_a_broken_file_is_not_dropped_from(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n+393491234568\n")
    with pytest.raises(ConfigurationError, match="line 3: 1 values"):
        RecipientFile(path, body=BODY, on_invalid="drop")


def test_full_validation_asks_whether_the_number_exists(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+391234567890\n")
    assert people(path, "Hello", validate="possible") == [("+39-1234567890", {})]
    for options in ({}, {"validate": "full"}):
        with pytest.raises(ConfigurationError, match=r"line 2: .* does not exist"):
            people(path, "Hello", **options)


def test_a_field_called_like_what_the_text_takes_from_airflow_is_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,ds\n+393491234567,x\n")
    with pytest.raises(ConfigurationError, match="'ds' is a field of a recipient and a template variable"):
        people(path, "On 2026-05-01", names_of_airflow={"ds"})


# --- JSON lines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people.jsonl", "people.ndjson", "PEOPLE.JSONL"])
def test_json_lines_give_the_same(name: str, tmp_path: Path) -> None:
    rows = [{"number": "+393491234567", "name": "Anna", "town": None}, {"name": "Ben", "number": "+393491234568"}]
    content = "\ufeff" + "\r\n\r\n\ufeff".join(map(json.dumps, rows))
    assert people(csv_file(tmp_path, content, name=name)) == ANNA_AND_BEN


def test_a_field_of_a_json_row_may_be_a_number(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"number": "+393491234567", "euro": 12.5}', name="people.jsonl")
    assert people(path, "{{euro}}") == [("+39-3491234567", {"euro": "12.5"})]


@pytest.mark.parametrize(
    "row",
    [
        '{"number": "+393491234567", "fields": {"name": "Anna"}}',
        '{"fields": {"name": "Anna", "town": "x"}, "number": "+393491234567", "id": 7}',
        '{"number": "+393491234567", "name": "Anna", "fields": {"town": "x"}}',
        '{"number": "+393491234567", "name": "Anna", "fields": "x"}',
        '{" number": "+393491234567", "name\\u00a0": " Anna "}',
        '{"number": "+393491234567", "name": "Anna", "score": NaN}',
        '{"number": "+393491234567", "name": "Anna", "town": "a", "town": "b"}',
    ],
)
def test_fields_of_a_json_row_may_stand_beside_the_number_or_in_an_object(row: str, tmp_path: Path) -> None:
    assert people(csv_file(tmp_path, row, name="people.jsonl")) == ANNA_AND_BEN[:1]


def test_a_json_number_is_sent_as_it_is_written(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"number": "+393491234567", "euro": 12.50, "id": 7}', name="people.jsonl")
    assert people(path, "{{euro}} {{id}}") == [("+39-3491234567", {"euro": "12.50", "id": "7"})]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ('{"number": "+393491234567", "name": ""}', r"line 2 .* \(it is blank\)$"),
        (
            '{"number": "+393491234567", "name": NaN}',
            r"line 2 .* \(it holds nan, which stands for a missing value\)$",
        ),
        (
            '{"number": "+393491234567", "name": "A", "name": "B"}',
            "line 2: broken JSON .the name 'name' is there twice",
        ),
        ('{"number": "+393491234567", "name": "A", "fields": {"name": "B"}}', "line 2: the name 'name' is there twice"),
        ('{"number": "+393491234567", "number": "+393491234568"}', "line 2: .*'number' is there twice"),
        ('{"number": 3491234567.0, "name": "A"}', "line 2: a number is a text, not Decimal; write it in quotes"),
        ("{", r"line 2: broken JSON \("),
        ("[" * 100_000, r"line 2: broken JSON \("),
        ('["+393491234567"]', "line 2: expected an object with a number, got list"),
        ('{"name": "Ben"}', r"line 2: the number is missing \(None\)$"),
        ('{"number": 393491234567, "name": "Ben"}', "line 2: a number is a text, not int; write it in quotes"),
        ('{"number": "+393491234567", "name": null}', r"no field of that name for recipients_path, line 2"),
        (
            '{"number": "+393491234567", "name": ["Ben"]}',
            r"line 2.fields\['name'\]: expected a text, a number or a date, got list",
        ),
    ],
)
def test_a_bad_json_row_is_named_by_its_line(row: str, error: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"number": "+393491234560", "name": "Anna"}\n' + row, name="people.jsonl")
    with pytest.raises(ConfigurationError, match=error) as caught:
        people(path)
    assert "3491234" not in str(caught.value)


# --- the file as a whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people.txt", "people", "", "people.xlsx", "people.json"])
def test_another_kind_of_file_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^recipients_path: expected a file ending in .csv, .jsonl or .ndjson, or one of"
    ):
        people(name)


def test_a_region_that_is_none_is_no_fault_of_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("number\n+447400123456\n07400 123457\n")
    with pytest.raises(ConfigurationError, match="default_region 'UK' is not a country"):
        RecipientFile(f"file://{path}", body="x", on_invalid="drop", default_region="UK")


@pytest.mark.parametrize("path", ["nosuch://people.csv", "https://[bad/people.csv"])
def test_an_address_that_cannot_be_opened_is_named(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .*people.csv cannot be opened"):
        people(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "people.csv").mkdir()
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .*people.csv cannot be read"):
        people(f"file://{tmp_path}/people.csv")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients_path: there is no file .*/nowhere.csv"):
        people(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz"])
def test_unicode_with_or_without_its_mark_is_read(
    encoding: str, compress: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(compress("number,name\r\n+393491234567,Nicolò 🔥\r\n".encode(encoding)))
    assert people(path) == [("+39-3491234567", {"name": "Nicolò 🔥"})]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be", "mac-roman"])
def test_another_encoding_is_read_by_its_name(encoding: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Nicolò\n", encoding=encoding)
    assert people(path, encoding=encoding) == [("+39-3491234567", {"name": "Nicolò"})]
    with pytest.raises(ConfigurationError, match=r"^recipients_path, line \d: ") as caught:
        people(path)
    assert "3491234567" not in str(caught.value)


def test_an_error_of_the_encoding_names_the_line_and_the_byte(tmp_path: Path) -> None:
    rows = "".join(f"+39349{i:07},Name\n" for i in range(500))
    path = csv_file(tmp_path, f"number,name\n{rows}+393491234567,Nicolò\n", encoding="cp1252")
    with pytest.raises(ConfigurationError, match=r"^recipients_path, line 502: the byte 0xF2 is not UTF-8; .*'cp1252'"):
        people(path)


def test_a_utf_16_file_without_its_mark_is_recognised(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n", encoding="utf-16-le")
    with pytest.raises(ConfigurationError, match=r"line 1: .* the file may be UTF-16: name it"):
        people(path)


def test_a_utf_16_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    rows = "".join(f"+39349{i:07},Name\n" for i in range(600))
    path.write_bytes(f"number,name\n{rows}+393481234567,Anna\n".encode("utf-16")[:-1])
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .*people.csv is not UTF-16 after line 601; save"):
        people(path)


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "", 8, "\0"])
def test_an_unknown_encoding_is_refused_by_name(encoding: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+393491234567\n")
    with pytest.raises(ConfigurationError, match=r"^encoding: .* is not a text encoding that Python knows"):
        people(path, "Hello", encoding=encoding)


@pytest.mark.parametrize("keep", [15, 60, -4])
def test_a_broken_gzip_file_is_refused_as_such(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "people.csv.gz"
    content = "number\n" + "".join(f"+39349{i:07}\n" for i in range(100))
    path.write_bytes(gzip.compress(content.encode())[:keep])
    with pytest.raises(
        ConfigurationError, match=r"^recipients_path: .*people.csv.gz is broken or cut off, as a gzip file"
    ):
        people(path, "Hello")


@pytest.mark.parametrize(
    ("beginning", "what"),
    [
        (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook of the old kind"),
        (b"BZh9", "compressed with bzip2"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    ],
)
def test_a_file_that_is_not_text_is_refused_by_what_it_is(beginning: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(beginning + b"\0" * 100)
    with pytest.raises(ConfigurationError, match=rf"^recipients_path: .*people.csv is {what}; save it as CSV"):
        people(path)


@pytest.mark.parametrize("after", ["number,name\n+393491234567,Anna\n", "number,name\n+393491234567,Anna\n+3934,Ben\n"])
def test_a_file_that_lost_a_number_between_the_two_readings_is_refused(after: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n+393491234568,Ben\n")
    file = RecipientFile(path, body=BODY)
    path.write_text(after)
    with pytest.raises(ConfigurationError, match="changed while it was read; nothing was sent"):
        list(file)


def test_a_number_that_came_between_the_two_readings_is_not_sent_to(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n")
    file = RecipientFile(path, body=BODY)
    path.write_text("number,name\n+393491234568,Ben\n+393491234567,Anna\n")
    assert list(file) == [Recipient("+39-3491234567", {"name": "Anna"})]


def test_rows_are_read_as_a_stream(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+393491234567\nbroken,row\n")
    rows = read_rows(path, ())
    assert next(rows) == (2, "+393491234567", {})
    with pytest.raises(ConfigurationError, match="line 3: 2 values for 1 columns"):
        next(rows)


def test_a_long_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    count, cell = 5_000, "x" * 2_000
    path = tmp_path / "people.csv"
    with path.open("w") as file:
        file.write("number,name,letter\n")
        file.writelines(f"+39349{i:07},Name {i},{cell}\n" for i in range(count))
    people(csv_file(tmp_path, "number\n+393491234567\n", name="warm.csv"), "Hello")
    tracemalloc.start()
    try:
        read = sum(1 for _ in RecipientFile(path, body="Dear {{name}}: {{letter}}"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == count
    assert peak < path.stat().st_size / 4  # 10 MB; the numbers, and once more while sending, take 1 MB


def test_a_long_check_says_every_ten_seconds_where_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = csv_file(tmp_path, "number\n" + "".join(f"+39347{i:07}\n" for i in range(7_000)))
    seconds = iter((0.0, 4.0, 9.9, 10.0, 15.0, 20.0, 29.9, 31.0))
    with caplog.at_level(logging.INFO):
        RecipientFile(path, body="Hello", clock=lambda: next(seconds))
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"Checked {count} rows of {path}" for count in ("3,000", "5,000", "7,000")]
