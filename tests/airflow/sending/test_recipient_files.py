"""Recipients from files: what is read, what is refused by its line, and what it costs."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.sending.recipient_files import RecipientFile, read_rows

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
        "number,town,name\n+393491234567,Turin,Anna\n+393491234568,,Ben\n",
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
        "a column that the text does not use",
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


def test_a_number_that_is_there_twice_counts_once_with_its_first_fields(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n0039 349 1234567,Other\n+393491234568,Ben\n")
    file = RecipientFile(path, body=BODY)
    assert [(one.number, one.fields) for one in file] == ANNA_AND_BEN
    assert file.repeated == 1
    assert file.numbers == {"+39-3491234567", "+39-3491234568"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "line 1: expected one column 'number', and no name twice"),
        ("\nnumber\n+393491234567\n", "line 1: expected one column 'number'"),
        ("phone,name\n+393491234567,Anna\n", "line 1: expected one column 'number'"),
        ("number,name,number\n+393491234567,Anna,x\n", "line 1: expected one column 'number'"),
        ("number,name,name\n+393491234567,Anna,x\n", "line 1: expected one column 'number', and no name twice"),
        ("number,name\n", "names nobody who can be sent to"),
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


def test_a_row_that_cannot_be_sent_to_may_be_dropped(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+39349,Anna\n+393491234568,Ben\n+393491234569,\n")
    file = RecipientFile(path, body=BODY, on_invalid="drop")
    assert [one.number for one in file] == ["+39-3491234568"]
    assert [why.partition(":")[0] for why in file.dropped] == ["recipients_path, line 2", "body"]


def test_dropping_everybody_is_an_error_that_tells_the_first_reason(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+39349\n+39350\n")
    with pytest.raises(ConfigurationError, match=r"names nobody who can be sent to; the first: .*line 2"):
        RecipientFile(path, body="Hello", on_invalid="drop")


def test_a_broken_file_is_not_dropped_from(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Anna\n+393491234568\n")
    with pytest.raises(ConfigurationError, match="line 3: 1 values"):
        RecipientFile(path, body=BODY, on_invalid="drop")


def test_full_validation_asks_whether_the_number_exists(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number\n+391234567890\n")
    assert people(path, "Hello") == [("+39-1234567890", {})]
    with pytest.raises(ConfigurationError, match=r"line 2: .* does not exist"):
        people(path, "Hello", validate="full")


def test_a_field_called_like_what_the_text_takes_from_airflow_is_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,ds\n+393491234567,x\n")
    with pytest.raises(ConfigurationError, match="'ds' is a field of a recipient and a template variable"):
        people(path, "On 2026-05-01", names_of_airflow={"ds"})


# --- JSON lines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people.jsonl", "people.ndjson", "PEOPLE.JSONL"])
def test_json_lines_give_the_same(name: str, tmp_path: Path) -> None:
    rows = [{"number": "+393491234567", "name": "Anna", "town": None}, {"name": "Ben", "number": "+393491234568"}]
    content = "\ufeff" + "\r\n\r\n".join(map(json.dumps, rows))
    assert people(csv_file(tmp_path, content, name=name)) == ANNA_AND_BEN


def test_a_field_of_a_json_row_may_be_a_number(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '{"number": "+393491234567", "euro": 12.5}', name="people.jsonl")
    assert people(path, "{{euro}}") == [("+39-3491234567", {"euro": "12.5"})]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("{", r"line 2: broken JSON \("),
        ("[" * 100_000, r"line 2: broken JSON \("),
        ('["+393491234567"]', "line 2: expected an object with 'number'"),
        ('{"name": "Ben"}', "line 2: a number is a text, not nothing"),
        ('{"number": 393491234567, "name": "Ben"}', "line 2: a number is a text, not int; write it in quotes"),
        ('{"number": "+393491234567", "name": null}', r"no field of that name for recipients_path, line 2"),
        ('{"number": "+393491234567", "name": ["Ben"]}', r"line 2.fields\['name'\]: expected a text or a number"),
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
        ConfigurationError, match=r"^recipients_path: expected a file ending in .csv, .jsonl or .ndjson"
    ):
        people(name)


def test_a_region_that_is_none_is_no_fault_of_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("number\n+447400123456\n07400 123457\n")
    with pytest.raises(ConfigurationError, match="default_region 'UK' is not a country"):
        RecipientFile(f"file://{path}", body="x", on_invalid="drop", default_region="UK")


@pytest.mark.parametrize("path", ["nosuch://people.csv", "https://[bad/people.csv"])
def test_an_address_that_nobody_can_open_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .*people.csv cannot be opened"):
        people(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "people.csv").mkdir()
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .*people.csv cannot be read"):
        people(f"file://{tmp_path}/people.csv")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^recipients_path: there is no file .*/nowhere.csv"):
        people(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_than_utf_8_is_refused(encoding: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "number,name\n+393491234567,Nicolò\n", encoding=encoding)
    with pytest.raises(ConfigurationError, match=r"^recipients_path: .* is not UTF-8 text; save it as such") as caught:
        people(path)
    assert "3491234567" not in str(caught.value)


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
