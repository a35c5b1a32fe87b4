"""
What the values of the core are made of, and how answers are decoded into them.

Values are frozen msgspec structs: defining one takes a seventieth of the time that a dataclass takes, and every parse
of every DAG file pays for that. They end up in logs and tracebacks, so what could hold a number, a text or a token is
a :class:`Value`, which shows only what its class names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Value(msgspec.Struct, frozen=True):
    """A frozen value. Its ``repr``, and rich's, show the attributes named in ``_shown`` and nothing else."""

    _shown: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self._shown]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class Reader(Generic[T]):
    """
    Decodes JSON into one kind of value; leniently, for the gateway sends some numbers as strings.

    The decoder is built at the first answer, not at import.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    @cached_property
    def decode(self) -> Callable[[bytes], T]:
        """
        Decode a text in UTF-8.

        :raises msgspec.DecodeError: It is not JSON, or not of this kind.
        """
        return msgspec.json.Decoder(self._kind, strict=False).decode
