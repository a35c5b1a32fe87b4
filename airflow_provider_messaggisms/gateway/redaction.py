"""
What may be shown: values whose ``repr`` hides personal data, and excerpts of answers without it.

Values of the core end up in logs and tracebacks, and answers of the gateway end up in errors. Telephone numbers, texts
of SMS and tokens must not. So the core's values are :class:`RedactedStruct`, which shows only the attributes that its
class names, and an error quotes an answer only through :func:`excerpt` or :func:`redacted`.

The values are frozen msgspec structs because defining one takes a seventieth of the time that a dataclass takes, and
every parse of every DAG file pays for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from airflow_provider_messaggisms.gateway.phone import mask_numbers

#: How much of an unreadable answer an error shows.
EXCERPT_CHARACTERS = 120

# Every text between double quotes, closed or not; the group matches if it is the name of a JSON member.
_QUOTED = r'(?s)("[A-Za-z_$][\w$]{0,30}"\s*:)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)'

_SHORT = 4  # characters; a shorter secret is removed only where it stands as a whole word

_SEARCHED = 64 * 1024  # how much of an answer is searched for secrets


class RedactedStruct(msgspec.Struct, frozen=True):
    """A frozen value. Its ``repr``, and rich's, show the attributes named in ``_shown`` and nothing else."""

    _shown: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self._shown]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """
    Show the first characters of an unreadable answer without personal data.

    Digits that could be a telephone number are masked. Text in double quotes is left out, except names of JSON members,
    because the gateway echoes the text of the SMS.

    :param secrets: Texts that must not be shown, such as the token and the text of the SMS.
    """
    if not body.strip():
        return "an empty body"
    text = body[:_SEARCHED].decode("utf-8", errors="replace").replace("\0", "")
    text = " ".join(outline(redacted(text.lstrip("\ufeff"), secrets)).split())
    return repr(text[:EXCERPT_CHARACTERS] + ("…" if len(text) > EXCERPT_CHARACTERS else ""))


def outline(text: str) -> str:
    """Leave out the text in double quotes, except names of JSON members."""
    return re.sub(_QUOTED, lambda quoted: quoted[0] if quoted[1] else '"…"', text)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Remove *secrets* from a text, and mask everything that could be a telephone number."""
    text = text[:_SEARCHED]
    for secret in sorted(filter(None, set(secrets)), key=len, reverse=True):
        short = len(secret) < _SHORT
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text) if short else text.replace(secret, "…")
    return mask_numbers(text)
