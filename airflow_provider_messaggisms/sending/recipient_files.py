"""
Recipients from a file, CSV or JSON lines, wherever Airflow's ``ObjectStoragePath`` reaches.

The column ``number`` holds the number; every other column is a field that the text may use as a placeholder. A file is
read twice as a stream: first to check every row before anything is sent, then to send. Only the numbers are kept in
between, each with its line and a hash of its text, because each number gets one SMS. A text without placeholders needs
no second reading. An error names the row by its line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Set
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.cost import PartsCounter
from airflow_provider_messaggisms.gateway.recipients import (
    OnInvalid,
    OnRepeated,
    Recipient,
    RecipientCheck,
    Validate,
)
from airflow_provider_messaggisms.placeholders import check_no_clash
from airflow_provider_messaggisms.sending.progress import Progress
from airflow_provider_messaggisms.sending.recipient_rows import Row, read_rows

log = logging.getLogger(__name__)

_LOOK_EVERY_ROWS = 1_000


class RecipientFile:
    """
    The recipients in a file. They are checked when this is made, and can be iterated over once.

    :param path: ``file://``, ``s3://`` or anything else that ``ObjectStoragePath`` opens. It ends in ``.csv``
        (separated by comma, semicolon, tab or ``|``), ``.jsonl`` or ``.ndjson``, each also with ``.gz``.
    :param body: The text. Only the fields that it uses are read.
    :param default_region: Country of numbers without an international prefix.
    :param validate: ``full`` checks that a number is a mobile, fixed or VoIP line; ``possible`` only its length.
    :param on_invalid: ``fail`` raises at the first invalid row; ``drop`` leaves it out and keeps the reason.
    :param on_repeated: For a number that has another text the second time: ``fail`` raises, ``first`` sends the first.
    :param number_column: The column with the number. Default ``number``.
    :param encoding: A text encoding that Python knows, such as ``cp1252``. Default: UTF-8, or what the file's byte
        order mark says.
    :param names_of_airflow: Names that the body took from Airflow; no field may have such a name.
    :param clock: Monotonic seconds, for the log lines that tell how far the check is.
    :raises ConfigurationError: The file is missing or broken, a row is invalid, or no recipient is left.
    """

    def __init__(
        self,
        path: Any,
        *,
        body: str,
        default_region: str | None = None,
        validate: Validate = "full",
        on_invalid: OnInvalid = "fail",
        on_repeated: OnRepeated = "fail",
        number_column: str = "number",
        encoding: str | None = None,
        names_of_airflow: Set[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.parts_counter = PartsCounter(body)
        self._number_column = number_column
        self._encoding = encoding
        self._clock = clock
        self._check = RecipientCheck(
            body,
            lambda line: f"recipients_path, line {line}",
            default_region=default_region,
            validate=validate,
            on_invalid=on_invalid,
            on_repeated=on_repeated,
        )
        self._used = self._check.used_names or ()
        self._check_all(names_of_airflow)

    @property
    def numbers(self) -> Set[str]:
        """The numbers that the message goes to."""
        return self._check.numbers

    @property
    def dropped(self) -> list[str]:
        """For each row that ``on_invalid="drop"`` left out, the reason."""
        return self._check.dropped

    @property
    def repeated(self) -> int:
        """How many rows were left out because their number was there already."""
        return self._check.repeated

    @property
    def conflicts(self) -> list[str]:
        """For each of these that has another text, the lines."""
        return self._check.conflicts

    def __iter__(self) -> Iterator[Recipient]:
        return self._read_again() if self._used else map(Recipient, self.numbers)

    def _check_all(self, names_of_airflow: Set[str]) -> None:
        progress = Progress(self._clock)
        rows = self._rows({*self._used, *names_of_airflow})
        for count, (line, number, fields) in enumerate(rows, start=1):
            if names_of_airflow:
                check_no_clash(names_of_airflow, [name for name, value in fields.items() if value != ""])
            recipient = self._check.add_row(line, number, fields)
            if recipient is not None:
                self.parts_counter.add(recipient.fields)
            if count % _LOOK_EVERY_ROWS == 0 and progress.is_due():
                log.info("Checked %s rows of %s", f"{count:,}", self.path)
        self._check.finish(f"recipients_path: {self.path}")

    def _rows(self, names: Set[str]) -> Iterator[Row]:
        return read_rows(self.path, names, number_column=self._number_column, encoding=self._encoding)

    def _read_again(self) -> Iterator[Recipient]:
        try:
            for row in self._rows(set(self._used)):
                recipient = self._check.take_row(*row)
                if recipient is not None:
                    yield recipient
        except ConfigurationError as error:
            raise self._changed(f" ({error})") from None
        if self._check.taken < len(self.numbers):
            raise self._changed()

    def _changed(self, detail: str = "") -> ConfigurationError:
        return ConfigurationError(f"recipients_path: {self.path} changed while it was read{detail}; nothing was sent")
