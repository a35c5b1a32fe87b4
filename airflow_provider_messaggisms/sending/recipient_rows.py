"""
The rows of a file of recipients, CSV or JSON lines, unchecked.

Each row becomes a number and its fields, as ``recipients`` has them. The check of a recipient is the same for files and
lists.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple

import msgspec

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.sms_text import BLANKS, field_name
from airflow_provider_messaggisms.sending.text_files import open_lines

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = r'"?sep=(.)"?\s*'  # Excel's way to name the delimiter, in a line of its own

_HEADER_LINES = 50  # a header may have line breaks in quotes, but an open quote must not swallow the file
_SHOWN_COLUMNS = 20

# Beginnings of words by which a column of telephone numbers is called, most telling first.
_LIKELY_NAMES = (r"cell|mobil|m[oó]vil|handy|gsm|sms|phone", r"tel|fono|portable", r"num|n[uú]mero|nr")

_decoder = msgspec.json.Decoder(float_hook=Decimal)  # 12.50 stays 12.50

#: The line where it begins, the number, and the fields by name.
Row = tuple[int, Any, dict[str, Any]]


def read_rows(
    path: Any, names: Collection[str], *, number_column: str = "number", encoding: str | None = None
) -> Iterator[Row]:
    """
    Read the rows of a file of recipients, unchecked, as a stream.

    :param names: The fields to read; others are left out.
    :param number_column: The column with the number. Default ``number``.
    :param encoding: See ``text_files.open_lines``.
    :raises ConfigurationError: The file is missing, of another kind, or a row is broken.
    """
    if not isinstance(number_column, str) or not field_name(number_column):
        raise ConfigurationError(f"number_column: expected the name of a column, got {str(number_column)[:40]!r}")
    name = str(path).lower().removesuffix(".gz")
    if not name.endswith((".csv", *_JSON_SUFFIXES)):
        raise ConfigurationError(
            f"recipients_path: expected a file ending in .csv, {' or '.join(_JSON_SUFFIXES)}, or one of these with .gz"
        )
    read = _csv_rows if name.endswith(".csv") else _json_rows
    with open_lines(path, encoding) as lines:
        yield from read(lines, names, field_name(number_column))


# --- CSV --------------------------------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """A CSV file whose header was read: ``columns`` are the names in it, ``rows`` give the header once more."""

    delimiter: str
    columns: list[str]
    lines: Iterator[str]
    skipped: int  # lines before the header


def _csv_rows(lines: Iterator[str], names: Collection[str], number_column: str) -> Iterator[Row]:
    table = _table(lines, number_column)
    columns = table.columns
    begins = table.skipped + 1
    for name in (number_column, *names):
        if columns.count(name) > 1:
            raise ConfigurationError(f"recipients_path, line {begins}: the column {name!r} is there twice")
    number = columns.index(number_column)
    fields = [(columns.index(name), name) for name in names if name in columns and name != number_column]
    rows = _reader(table.lines, table.delimiter, strict=True)
    try:
        next(rows)  # the header once more
        begins += rows.line_num
        for row in rows:
            line, begins = begins, table.skipped + rows.line_num + 1  # a cell may hold several lines
            if len(row) != len(columns) or not row[number] or row[number][0] in BLANKS:
                if _is_blank(row):
                    continue
                _check_width(row, columns, line)
            yield line, row[number], {name: _cell(row[i]) for i, name in fields}
    except csv.Error as error:
        raise ConfigurationError(f"recipients_path, line {begins}: broken CSV ({error})") from None


def _check_width(row: list[str], columns: list[str], line: int) -> None:
    """Refuse a row with more or fewer cells than there are columns, blank ones at the end aside, as Excel has them."""
    fewest = max(i for i, column in enumerate(columns) if column) + 1
    if len(row) < fewest or not _is_blank(row[len(columns) :]):
        raise ConfigurationError(f"recipients_path, line {line}: {len(row)} values for {len(columns)} columns")


def _cell(text: str) -> str:
    """Read ``="0123"`` as Excel does: people write texts so, to keep their zeros."""
    is_formula = text[:2] == '="' and text[-1] == '"' and '"' not in text[2:-1]
    return text[2:-1] if is_formula else text


def _reader(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Any:
    # A blank before a quoted cell must not end the quoting: 1, "Rossi, Anna"
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)


def _is_blank(row: list[str]) -> bool:
    return not any(cell.strip(BLANKS) for cell in row)


def _table(lines: Iterator[str], number_column: str) -> _Table:
    """Read the header. The delimiter is the one with which it has the column of the number."""
    beginning = list(islice(lines, _HEADER_LINES))
    separator = re.fullmatch(_SEPARATOR_LINE, beginning[0], re.IGNORECASE) if beginning else None
    skipped = 1 if separator else 0
    tables = [
        _Table(delimiter, _header(beginning[skipped:], delimiter), chain(beginning[skipped:], lines), skipped)
        for delimiter in (separator[1] if separator else _DELIMITERS)
    ]
    matching = [table for table in tables if number_column in table.columns]
    if not matching:
        found = max(tables, key=lambda table: len(table.columns)).columns
        raise ConfigurationError(f"recipients_path, line {skipped + 1}: {_why_no_column(found, number_column)}")
    return max(matching, key=lambda table: len(table.columns))


def _header(lines: Sequence[str], delimiter: str) -> list[str]:
    try:
        return [field_name(column) for column in next(_reader(lines, delimiter), [])]
    except csv.Error:
        return []


def _why_no_column(columns: list[str], number_column: str) -> str:
    missing = f"expected one column {number_column!r}"
    if any(sum(sign.isdigit() for sign in column) > 6 for column in columns):
        return f"{missing}, but this line looks like a recipient; add a first line with the names of the columns"
    if "\0" in "".join(columns):
        return (
            f"{missing}, but this line has NUL characters; the file may be UTF-16: name it, as in encoding='utf-16-le'"
        )
    named = [" ".join(mask_numbers(column).split())[:40] for column in columns if column]
    if not named:
        return f"{missing}, but this line is empty"
    more = f" and {len(named) - _SHOWN_COLUMNS} more" if len(named) > _SHOWN_COLUMNS else ""
    return f"{missing}, found {', '.join(map(repr, named[:_SHOWN_COLUMNS]))}{more}{_suggestion(named)}"


def _suggestion(columns: list[str]) -> str:
    for words in _LIKELY_NAMES:
        for column in columns:
            if re.search(rf"(?i)(?<![^\W_])(?:{words})", column):
                return f"; is it number_column={column!r}?"
    return "; name the column with the numbers, as in number_column='Phone'"


# --- JSON lines -------------------------------------------------------------------------------------------------------


def _json_rows(lines: Iterator[str], names: Collection[str], number_column: str) -> Iterator[Row]:
    for line, text in enumerate(lines, start=1):
        if not text.strip(BLANKS):
            continue
        text = text.removeprefix("\ufeff")  # files were put together, each with its mark
        row = _decoded(text, {number_column, *names}, f"recipients_path, line {line}")
        fields = {name: row[name] for name in names if name != number_column and row.get(name) is not None}
        yield line, row.get(number_column), fields


def _decoded(text: str, names: Collection[str], where: str) -> dict[str, Any]:
    """Decode a line; fields in an object ``fields`` count as if they stood beside the number."""
    try:
        row = _object(text, names)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: broken JSON ({error})") from None
    if not isinstance(row, dict):
        raise ConfigurationError(f"{where}: expected an object with a number, got {type(row).__name__}")
    pairs = [(field_name(key), value) for key, value in row.items()]
    if isinstance(row.get("fields"), dict):
        pairs += [(field_name(key), value) for key, value in row["fields"].items()]
    if twice := _twice([name for name, _ in pairs], names):
        raise ConfigurationError(f"{where}: the name {twice!r} is there twice")
    return dict(pairs)


def _object(text: str, names: Collection[str]) -> Any:
    # Of two members with one name the fast decoder takes the last, and it does not know NaN.
    if not any(text.count(f'"{name}"') > 1 for name in names):
        with suppress(msgspec.DecodeError):
            return _decoder.decode(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if twice := _twice([name for name, _ in pairs], names):
            raise ValueError(f"the name {twice!r} is there twice")
        return dict(pairs)

    return json.loads(text, parse_float=Decimal, object_pairs_hook=unique)


def _twice(names: Sequence[str], wanted: Collection[str]) -> str | None:
    if len(set(names)) == len(names):
        return None
    return next((name for name in wanted if names.count(name) > 1), None)
