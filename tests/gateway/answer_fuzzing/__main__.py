"""
``python -m tests.gateway.answer_fuzzing``: let atheris look for an answer that is no value and none of our errors.

It begins with the corpus, keeps what it adds in a temporary folder, and takes the options of libFuzzer, such as
``-max_total_time=300``. Atheris is not among the project's dependencies: install it beside msgspec, pendulum and
phonenumbers into an environment of its own. What it finds becomes a file of the corpus, so that the suite checks it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["airflow_provider_messaggisms"]):
    from tests.gateway.answer_fuzzing.any_answer import CORPUS, check

# An answer may take 10 s and 1 GiB; both are far more than any of the corpus needs.
OPTIONS = ["-timeout=10", "-rss_limit_mb=1024"]


def write_words(path: Path) -> None:
    """Write a dictionary for libFuzzer: the names and texts of the corpus, so that it need not guess them."""
    answers = b"".join(file.read_bytes() for file in CORPUS.iterdir())
    words = sorted(set(re.findall(r'"([\w$:./+-]{1,40})"', answers.decode(errors="replace"), re.ASCII)))
    path.write_text("".join(f'"\\"{word}\\""\n' for word in words))


with tempfile.TemporaryDirectory() as folder:
    words, added = Path(folder) / "words", Path(folder) / "added"
    write_words(words)
    added.mkdir()
    atheris.Setup([sys.argv[0], *OPTIONS, f"-dict={words}", *sys.argv[1:], str(added), str(CORPUS)], check)
    atheris.Fuzz()
