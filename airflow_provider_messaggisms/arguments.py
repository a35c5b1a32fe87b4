"""
Checks of arguments that Airflow may hand over in another type than the one they were written in.

A template renders to a text, unless the DAG renders native objects: ``"{{ params.flash }}"`` gives ``"True"``. These
functions read such a value, or refuse it with an error that names the argument and masks what could be a number.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from math import isfinite
from typing import Any

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.content import MessageContent
from airflow_provider_messaggisms.gateway.phone import mask_numbers
from airflow_provider_messaggisms.gateway.poll_interval import checked_seconds


def as_flag(name: str, value: Any) -> bool | None:
    """
    Read a truth value that a template may have turned into a text.

    :returns: ``None`` for ``None`` and for an empty text.
    :raises ConfigurationError: It is neither true, false nor empty.
    """
    text = str(value).strip().lower()
    if value is None or text in ("", "none"):
        return None
    if text not in ("true", "false"):
        raise ConfigurationError(f"{name}: expected True or False, got {_excerpt(value)}")
    return text == "true"


def as_number(name: str, value: Any) -> float | None:
    """
    Read a number that a template may have turned into a text.

    :returns: ``None`` for ``None`` and for an empty text.
    :raises ConfigurationError: It is neither a finite number nor empty.
    """
    if value is None or str(value).strip() in ("", "None"):
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise ConfigurationError(f"{name}: expected a number, got {_excerpt(value)}")
    return number


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """
    Check that a value is one of a few words.

    :raises ConfigurationError: It is none of *choices*.
    """
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ConfigurationError(f"{name}: expected {expected}, got {_excerpt(value)}")


def check_count(name: str, value: Any) -> None:
    """
    Check a number of things.

    :raises ConfigurationError: It is not a whole number of 1 or more.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}: {_excerpt(value)} is not a whole number of 1 or more")


def check_limit(name: str, value: Any) -> None:
    """
    Check a limit to a number of things; ``None`` is none.

    :raises ConfigurationError: It is neither a whole number of 1 or more nor ``None``.
    """
    if value is not None:
        check_count(name, value)


def check_flag(name: str, value: Any) -> None:
    """
    Check a flag that no template can change.

    :raises ConfigurationError: It is not a ``bool``.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}: expected True or False, got {type(value).__name__}")


def seconds_of(name: str, value: Any) -> float:
    """
    Read a duration, in seconds or as a ``timedelta``.

    :raises ConfigurationError: It is neither, infinite or negative.
    """
    return checked_seconds(name, value.total_seconds() if isinstance(value, timedelta) else value)


def check_timedelta(name: str, value: Any) -> None:
    """
    Check a duration.

    :raises ConfigurationError: It is not a ``timedelta``.
    """
    if not isinstance(value, timedelta):
        raise ConfigurationError(f"{name}: expected a timedelta, got {type(value).__name__}")


def literal(value: Any, default: Any = None) -> Any:
    """Return a text without a template, a number or a flag as it is, and *default* for what is not known yet."""
    if isinstance(value, str):
        return default if "{" in value else value
    return value if isinstance(value, bool | int | float) else default


def check_literals(
    *,
    sender: Any = None,
    body: Any = "x",
    test: Any = False,
    priority: Any = None,
    flash: Any = None,
    realtime: Any = None,
    callback_url: Any = None,
    callback_field: Any = None,
) -> None:
    """
    Check the parts of a message as far as no template can change them: such an argument is wrong however the task runs.

    :raises ConfigurationError: A part is invalid; the text names it.
    """
    text: Any = None if body is None else str(literal(body, "x"))
    MessageContent(  # checks itself
        sender=literal(sender) or "Airflow",
        body=text,
        test=as_flag("test", literal(test)) or False,
        priority=as_number("priority", literal(priority)),
        flash=as_flag("flash", literal(flash)),
        realtime=as_flag("realtime", literal(realtime)),
        callback_url=literal(callback_url) or None,
        callback_field=None if callback_url else literal(callback_field) or None,
    )


def check_encoding(encoding: Any) -> None:
    """
    Check the name of a text encoding; ``None`` is fine.

    :raises ConfigurationError: Python has no such encoding.
    """
    try:
        if encoding is not None:
            "".encode(encoding)
    except (LookupError, TypeError, ValueError):
        raise ConfigurationError(
            f"encoding: {_excerpt(encoding)} is not a text encoding that Python knows, such as 'cp1252' or 'utf-16-le'"
        ) from None


def _excerpt(value: Any) -> str:
    return repr(mask_numbers(str(value)[:40]))
