"""
Recipients from a file, row by row: CSV or JSON lines, wherever Airflow's ``ObjectStoragePath`` reaches.

The column ``number`` says who; every other column is a field that the text may use as a placeholder. A file is read
twice as a stream: once to check every row before anything is sent, once to send. What is kept in between is the
numbers, to send to each once; a text without placeholders needs no more, and no second reading. A bad row is named by
its line.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Set
from contextlib import contextmanager
from typing import Any

import msgspec
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.cost import PartsCounter
from airflow_provider_messaggisms.gateway.phone import known_region
from airflow_provider_messaggisms.gateway.recipients import (
    OnInvalid,
    Recipient,
    Validate,
    addressee_of,
    check_placeholders,
)
from airflow_provider_messaggisms.gateway.sms_text import placeholders
from airflow_provider_messaggisms.placeholders import check_no_clash

_JSON_SUFFIXES = (".jsonl", ".ndjson")
_DELIMITERS = ",;\t"

Row = tuple[int, Any, dict[str, Any]]


class RecipientFile:
    """
    The recipients in a file, checked when made, then to be iterated over once.

    :param path: ``file://``, ``s3://`` or anything else that ``ObjectStoragePath`` opens, ending in ``.csv`` (separated
        by comma, semicolon or tab), ``.jsonl`` or ``.ndjson``; UTF-8.
    :param body: The text; only the fields that it uses are sent.
    :param default_region: Country of numbers without an international prefix.
    :param validate: ``full`` asks whether a number can be a mobile or fixed line; ``possible`` only its length.
    :param on_invalid: ``fail`` raises at the first row that cannot be sent to; ``drop`` leaves it out and says so.
    :param names_of_airflow: What the body took from Airflow; no field may have such a name.
    :raises ConfigurationError: The file is missing or broken, a row cannot be sent to, or nobody is left.
    """

    def __init__(
        self,
        path: Any,
        *,
        body: str,
        default_region: str | None = None,
        validate: Validate = "possible",
        on_invalid: OnInvalid = "fail",
        names_of_airflow: Set[str] = frozenset(),
    ) -> None:
        self.path = path
        self.dropped: list[str] = []
        self.repeated = 0
        self.tally = PartsCounter(body)
        self._body = body
        self._used = placeholders(body)
        self._default_region = default_region
        self._validate = validate
        self._numbers: dict[str, None] = {}  # in the order of the file
        for line, number, fields in read_rows(path, (*self._used, *names_of_airflow)):
            if not names_of_airflow.isdisjoint(fields):
                check_no_clash(names_of_airflow, fields)
            try:
                addressee = self._read(line, number, fields)
            except ConfigurationError as error:
                if on_invalid != "drop":
                    raise
                self.dropped.append(str(error))
                continue
            if addressee.number in self._numbers:
                self.repeated += 1
            else:
                self._numbers[addressee.number] = None
                self.tally.add(addressee.fields)
        if self.dropped:
            known_region(default_region)  # a wrong one would be no fault of the numbers
        if not self._numbers:
            first = f"; the first: {self.dropped[0]}" if self.dropped else ""
            raise ConfigurationError(f"recipients_path: {path} names nobody who can be sent to{first}")

    @property
    def numbers(self) -> Set[str]:
        """Whom the message goes to."""
        return self._numbers.keys()

    def __iter__(self) -> Iterator[Recipient]:
        return self._read_again() if self._used else map(Recipient, self._numbers)

    def _read_again(self) -> Iterator[Recipient]:
        waiting = set(self._numbers)
        try:
            for row in read_rows(self.path, self._used):
                try:
                    addressee = self._read(*row)
                except ConfigurationError:  # left out by the first reading
                    continue
                if addressee.number in waiting:
                    waiting.remove(addressee.number)
                    yield addressee
        except ConfigurationError as error:
            raise self._changed(f" ({error})") from None
        if waiting:
            raise self._changed()

    def _changed(self, detail: str = "") -> ConfigurationError:
        return ConfigurationError(f"recipients_path: {self.path} changed while it was read{detail}; nothing was sent")

    def _read(self, line: int, number: Any, fields: dict[str, Any]) -> Recipient:
        where = f"recipients_path, line {line}"
        addressee = addressee_of(number, fields, where, default_region=self._default_region, validate=self._validate)
        if len(addressee.fields) < len(self._used):
            check_placeholders(self._body, [addressee], where=where)
        return addressee


@contextmanager
def _lines_of(path: Any) -> Iterator[Iterator[str]]:
    try:
        file = ObjectStoragePath(path).open("r", encoding="utf-8-sig", newline="")  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise ConfigurationError(f"recipients_path: there is no file {path}") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ConfigurationError(f"recipients_path: {path} cannot be read ({type(error).__name__})") from None
    except (ValueError, ImportError) as error:  # a protocol that nobody knows, or whose library is not installed
        raise ConfigurationError(f"recipients_path: {path} cannot be opened ({error})") from None
    try:
        with file:
            # Airflow 2 wraps the file in something that cannot be iterated over.
            yield iter(file) if hasattr(type(file), "__iter__") else iter(file.readline, "")
    except UnicodeDecodeError:
        raise ConfigurationError(f"recipients_path: {path} is not UTF-8 text; save it as such") from None


def read_rows(path: Any, names: Collection[str]) -> Iterator[Row]:
    """
    Read the rows of a file of recipients, unchecked.

    :param names: The fields to read; others are left out.
    :returns: For each row its line, its number, and its fields by name.
    :raises ConfigurationError: The file is missing, of another kind, or a row is broken.
    """
    name = str(path).lower()
    if name.endswith(".csv"):
        with _lines_of(path) as lines:
            yield from _csv_rows(lines, names)
    elif name.endswith(_JSON_SUFFIXES):
        with _lines_of(path) as lines:
            yield from _json_rows(lines, names)
    else:
        raise ConfigurationError(f"recipients_path: expected a file ending in .csv, {' or '.join(_JSON_SUFFIXES)}")


def _csv_rows(lines: Iterator[str], names: Collection[str]) -> Iterator[Row]:
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter), [])]
    if columns.count("number") != 1 or len(set(columns)) != len(columns):
        raise ConfigurationError("recipients_path, line 1: expected one column 'number', and no name twice")
    number = columns.index("number")
    fields = [(index, column) for index, column in enumerate(columns) if index != number and column in names]
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    begins = 2
    try:
        for row in rows:
            line, begins = begins, rows.line_num + 2  # a cell may hold several lines
            if not row:
                continue
            if len(row) != len(columns):
                raise ConfigurationError(f"recipients_path, line {line}: {len(row)} values for {len(columns)} columns")
            # An empty cell is a missing field, so that a placeholder for it is noticed.
            yield line, row[number], {name: row[i] for i, name in fields if row[i]}
    except csv.Error as error:
        raise ConfigurationError(f"recipients_path, line {rows.line_num + 1}: broken CSV ({error})") from None


def _json_rows(lines: Iterator[str], names: Collection[str]) -> Iterator[Row]:
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            row = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigurationError(f"recipients_path, line {line}: broken JSON ({error})") from None
        if not isinstance(row, dict):
            raise ConfigurationError(
                f"recipients_path, line {line}: expected an object with 'number', got another kind"
            )
        fields = {name: row[name] for name in names if name != "number" and row.get(name) is not None}
        yield line, row.get("number"), fields
