"""
Read recipients from a text: what a template, an Airflow Variable or a Param with several recipients renders to.

Without native rendering, Jinja turns a list into its text, so ``"{{ ti.xcom_pull(...) }}"`` gives
``"['+39...', '+39...']"``. :func:`parse_recipients` reads that back, so that the value is the same as with native
rendering or ``task.output``. Lists of rows stay lists of rows: nothing is flattened, and the check of a recipient
refuses a row. Only the code that renders a template inside a list may splice what it gives into that list
(:func:`spliced`).
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.sms_text import BLANKS

_BEGINS_A_VALUE = r"""[\[{]|\(\s*['"\[{(]|(?:dict_values|dict_keys|frozenset|set|deque|array)\("""
_QUOTES = ("'", '"')
_GIVE_THE_VALUE = "give the value itself, as task.output does, or set render_template_as_native_obj=True in the DAG"

# numpy writes no commas: of ['349...' '348...'] Python would make one long text.
_NO_COMMA = r"""['"]\s+['"]"""

# A printed Series or DataFrame: each line begins with its index, which must not become a part of a number.
_INDEXED_LINE = r"(?m)^[ \t]*[0-9]+[ \t]{2,}\S"
_FIRST_INDEX = r"(?m)^[ \t]*0[ \t]{2,}\S"

# Names that stand for a missing value where Python shows one.
_MISSING_NAMES = ("nan", "inf", "NaT", "NaN", "Infinity")


def parse_recipients(text: str) -> Any:
    """
    Read the recipients in a text.

    :param text: A list or an object as JSON or Python writes it; or numbers with commas, semicolons or line breaks
        between them; or one number.
    :returns: The value, unchecked: ``None`` for the text ``None``, and the text itself for one number.
    :raises ConfigurationError: It begins like a list or an object and cannot be read as one, or is a printed table.
    """
    bare = text.strip(BLANKS)
    if bare == "None":
        return None
    if re.match(_BEGINS_A_VALUE, bare):
        return _value(bare)
    if _is_printed_table(bare):
        raise ConfigurationError(f"recipients: the text is a printed table; {_GIVE_THE_VALUE}")
    if bare.startswith(_QUOTES):
        with suppress(ConfigurationError):
            return parse_recipients(str(_value(bare)))
    parts = re.split("[,;\n]", bare)
    return text if len(parts) == 1 else [part.strip(BLANKS) for part in parts if part.strip(BLANKS)]


def spliced(parts: Iterable[tuple[Any, bool]]) -> list[Any]:
    """
    Make one list of the rendered parts of a list, splicing in the parts that are lists.

    :param parts: Each part, and whether it was a template: only such a part is spliced, one level deep. A list that
        the author wrote inside the list is a row, and stays one.
    """
    recipients: list[Any] = []
    for part, was_template in parts:
        if was_template and isinstance(part, str):
            part = parse_recipients(part)
        if was_template and isinstance(part, Iterable) and not isinstance(part, str | bytes | Mapping):
            recipients.extend(part)
        else:
            recipients.append(part)
    return recipients


def _value(text: str) -> Any:
    """Read a value as JSON or Python writes it. Python's may hold numbers and dates that JSON has no form for."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    try:
        if re.search(_NO_COMMA, text) and _lacks_commas(text):
            raise _NoPlainValueError("it shows values without commas between them")
        return _of_node(ast.parse(text, mode="eval").body)
    except (
        SyntaxError,
        tokenize.TokenError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
        MemoryError,
    ) as error:
        unreadable = str(error) if isinstance(error, _NoPlainValueError) else type(error).__name__
        raise ConfigurationError(
            f"recipients: the text begins like a list or an object, but cannot be read as one ({unreadable}); "
            f"{_GIVE_THE_VALUE}"
        ) from None


def _lacks_commas(text: str) -> bool:
    """Tell whether two texts in quotes stand side by side."""
    lines = iter(text.splitlines(keepends=True))
    kinds: list[int] = []
    with suppress(tokenize.TokenError, SyntaxError):
        kinds.extend(token.type for token in tokenize.generate_tokens(lines.__next__) if token.string.strip())
    return any(one == other == tokenize.STRING for one, other in pairwise(kinds))


def _is_printed_table(text: str) -> bool:
    """Tell whether a text of several lines is what Python prints for a table of pandas."""
    if "\n" not in text or not re.search(_INDEXED_LINE, text):
        return False
    return bool(re.search(_FIRST_INDEX, text) or re.search(r"[^\W\d_]", text))


class _NoPlainValueError(ValueError):
    """A text shows a value of a type that cannot be read back."""


def _of_node(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return [_of_node(part) for part in parts]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {_of_node(key): _of_node(value) for key, value in pairs if key is not None}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return None if (value := _of_node(operand)) is None else -value
        case ast.Name(id=name) if name in _MISSING_NAMES:
            return None
        case ast.Call(func=func, args=args, keywords=keywords):
            return _of_call(ast.unparse(func), args, keywords)
    raise _NoPlainValueError(f"it shows {type(node).__name__}")


def _of_call(function: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
    """Read a value whose ``repr`` is the call that makes it, such as ``Decimal('12.50')``."""
    name = function.rpartition(".")[2]
    make = _MAKERS.get(name)
    if make is None or any(keyword.arg != "tzinfo" for keyword in keywords):
        raise _NoPlainValueError(f"it shows a value of the type {name[:40]}")
    value = make(*map(_of_node, args))
    if keywords and isinstance(value, datetime):
        if "utc" not in ast.unparse(keywords[0].value).lower():
            raise _NoPlainValueError("it shows an instant in a time zone")
        value = value.replace(tzinfo=UTC)
    return value


def _same(value: Any) -> Any:
    return value


#: What makes the values of these types, as Python, pandas, numpy and pendulum show them.
_MAKERS: Mapping[str, Callable[..., Any]] = {
    "Decimal": Decimal,
    "date": date,
    "Date": date,
    "datetime": datetime,
    "DateTime": datetime,
    "time": time,
    "Timestamp": datetime.fromisoformat,
    "datetime64": datetime.fromisoformat,
    **dict.fromkeys(("set", "frozenset", "deque", "dict_values", "dict_keys", "array", "str_"), _same),
    **dict.fromkeys(("float16", "float32", "float64", "int8", "int16", "int32", "int64"), _same),
    **dict.fromkeys(("uint8", "uint16", "uint32", "uint64"), _same),
}
