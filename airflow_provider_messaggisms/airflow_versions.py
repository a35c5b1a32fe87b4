"""
What some versions of Airflow, or of its common-compat provider, lack.

The constraints of Airflow 2.11.2 and 3.1.8 hold common-compat at 1.14.2, so all that this package takes from it exists
there. Names that came later are here, each with what is done without it. Nothing else in this package asks for a name
that may be missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

#: Where Airflow keeps its masker of secrets: since 3.1, in 3.0, in 2.11.
_MASKERS = ("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker")


class _Masker(NamedTuple):
    mask_secret: Callable[[str], None]
    redact: Callable[[str], Any]


def hide_from_logs(secrets: Iterable[str]) -> bool:
    """
    Have Airflow's logs mask secrets, and tell whether they do.

    Looking is part of it: Airflow leaves a very short secret as it is, and may move its masker one day.

    :return: ``False`` if one of them would stand in a log as it is.
    """
    secrets = [secret for secret in secrets if secret]
    if not secrets:
        return True
    masker = _masker()
    if masker is None:
        return False
    for secret in secrets:
        masker.mask_secret(secret)
    return not any(secret in str(masker.redact(secret)) for secret in secrets)


def _masker() -> _Masker | None:
    for name in _MASKERS:
        try:
            module = importlib.import_module(name)
            return _Masker(module.mask_secret, module.redact)
        except (ImportError, AttributeError):
            continue
    return None


async def extra_of(connection: Any) -> Any:
    """
    Read the extra of a connection without blocking the event loop. It may be anything that JSON can be.

    common-compat has ``get_async_extra_dejson`` for that since 1.21. It takes the connection's own method where there
    is one (Airflow 3.3.2), else a thread: reading masks secrets, and Airflow must not be told of them on the loop.
    """
    if hasattr(connection, "aextra_dejson"):
        return await connection.aextra_dejson()
    from asgiref.sync import sync_to_async

    return await sync_to_async(lambda: connection.extra_dejson)()
