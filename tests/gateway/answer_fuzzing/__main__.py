"""
``python -m tests.gateway.answer_fuzzing``: let atheris look for an answer that is no value and none of our errors.

It begins with the corpus, keeps what it adds in a temporary folder, and takes the options of libFuzzer, such as
``-max_total_time=300``. Atheris is not among the project's dependencies: install it beside msgspec, pendulum and
phonenumbers into an environment of its own. What it finds becomes a file of the corpus, so that the suite checks it.
"""

from __future__ import annotations

import sys
import tempfile

import atheris  # type: ignore[import-not-found,unused-ignore]

with atheris.instrument_imports(include=["airflow_provider_messaggisms"]):
    from tests.gateway.answer_fuzzing.any_answer import CORPUS, check

# An answer may take 10 s and 1 GiB; both are far more than any of the corpus needs.
OPTIONS = ["-timeout=10", "-rss_limit_mb=1024"]

with tempfile.TemporaryDirectory() as added:
    atheris.Setup([sys.argv[0], *OPTIONS, *sys.argv[1:], added, str(CORPUS)], check)
    atheris.Fuzz()
