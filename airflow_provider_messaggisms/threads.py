"""Blocking work beside an event loop, in the threads that Airflow's own look-ups and masking work in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Do *work* in a thread; the event loop goes on meanwhile."""
    from asgiref.sync import sync_to_async

    return await sync_to_async(work, thread_sensitive=False)(*args)
