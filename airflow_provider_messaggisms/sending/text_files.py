"""
The lines of a text file, wherever Airflow's ``ObjectStoragePath`` reaches: decompressed and decoded, as a stream.

A file's first bytes tell more than its name: a byte order mark says how it is encoded, other marks say that it is
compressed or not text at all. Files without a mark are UTF-8, or have the encoding that the DAG author names.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import IO, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_messaggisms.arguments import check_encoding
from airflow_provider_messaggisms.exceptions import ConfigurationError

_GZIP = b"\x1f\x8b"

# UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NO_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"PAR1", "a Parquet file"),
)

_BATCH_LINES = 500

# What `surrogateescape` makes of a byte that the encoding does not have.
_UNDECODED = r"[\udc80-\udcff]"


@contextmanager
def open_lines(path: Any, encoding: str | None = None) -> Iterator[Iterator[str]]:
    """
    Open a file and give its lines, with their ends.

    :param path: Anything that ``ObjectStoragePath`` opens. A file compressed with gzip is decompressed.
    :param encoding: A text encoding that Python knows, such as ``cp1252``. Default: UTF-8. A byte order mark in the
        file has priority.
    :raises ConfigurationError: The file is missing, cannot be read, is not text, or has another encoding.
    """
    check_encoding(encoding)
    with ExitStack() as stack:
        binary = _plain(io.BufferedReader(_Raw(stack.enter_context(_opened(path)))), path)
        codec = _codec(binary.peek(4), encoding)
        # Only csv may decide where a line in quotes ends, so line ends stay as they are.
        text = io.TextIOWrapper(binary, encoding=codec, errors="surrogateescape", newline="")
        yield chain.from_iterable(_checked(text, path, codec))


class _Raw(io.RawIOBase):
    """Read from what ``ObjectStoragePath`` opens: not every file of it has more of Python's interface than ``read``."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _opened(path: Any) -> Any:
    try:
        return ObjectStoragePath(path).open("rb")  # type: ignore[no-untyped-call]
    except FileNotFoundError:
        raise ConfigurationError(f"recipients_path: there is no file {path}") from None
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ConfigurationError(f"recipients_path: {path} cannot be read ({type(error).__name__})") from None
    except (ValueError, ImportError) as error:  # an unknown protocol, or one whose library is not installed
        raise ConfigurationError(f"recipients_path: {path} cannot be opened ({error})") from None


def _plain(binary: io.BufferedReader, path: Any) -> io.BufferedReader:
    """Decompress a file, and refuse one that is not text."""
    if binary.peek(2).startswith(_GZIP):
        binary = io.BufferedReader(gzip.GzipFile(fileobj=binary))
    try:
        beginning = binary.peek(8)
    except (OSError, EOFError, zlib.error) as error:
        raise _broken_gzip(path, error) from None
    for mark, what in _NO_TEXT:
        if beginning.startswith(mark):
            raise ConfigurationError(f"recipients_path: {path} is {what}; save it as CSV (UTF-8), plain or gzipped")
    return binary


def _broken_gzip(path: Any, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"recipients_path: {path} is broken or cut off, as a gzip file ({type(error).__name__})")


def _codec(beginning: bytes, encoding: str | None) -> str:
    return next((codec for mark, codec in _MARKS if beginning.startswith(mark)), encoding or "utf-8")


def _checked(text: Iterator[str], path: Any, codec: str) -> Iterator[list[str]]:
    """Give the lines in batches, because that is quicker; check them for bytes that their encoding does not have."""
    before = 0
    batch: list[str] = []
    try:
        while True:
            batch.extend(islice(text, _BATCH_LINES))  # it keeps the lines before an error
            if not batch:
                return
            if not all(map(str.isascii, batch)):
                _refuse_undecoded(batch, before, codec)
            yield batch
            before += len(batch)
            batch = []
    except UnicodeError:
        raise ConfigurationError(
            f"recipients_path: {path} is not {codec.upper()} after line {before + len(batch)}; save it as UTF-8"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _broken_gzip(path, error) from None


def _refuse_undecoded(lines: list[str], before: int, codec: str) -> None:
    for number, line in enumerate(lines, start=before + 1):
        if not line.isascii() and (found := re.search(_UNDECODED, line)):
            byte = ord(found[0]) - 0xDC00
            raise ConfigurationError(
                f"recipients_path, line {number}: the byte 0x{byte:02X} is not {codec.removesuffix('-sig').upper()}"
                "; save the file as UTF-8, or name its encoding, such as encoding='cp1252'"
            )
