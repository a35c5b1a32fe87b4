"""
Tell a message's ``callback_url`` of each change of its state.

Assumed, as nobody documents more than "a summary": the JSON is the message as ``GET /messages/{id}`` shows it at that
instant; one call tells of all recipients that changed at the same instant; the departure itself is no change; nothing
is repeated if the receiver fails; redirects are not followed. Without ``callback_field`` the JSON is the body, with it
the JSON is that field of a form.

Only loopback addresses are called: an emulator must not reach out into the world on the word of a test.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from airflow_provider_messaggisms.emulator import answers
from airflow_provider_messaggisms.emulator.store import Message, Store

TIMEOUT_SECONDS = 5.0
AT_ONCE = 20
KEPT = 1_000
_TICK_SECONDS = 0.05


class Callbacks:
    """
    Watch messages that want to be called back about.

    :param store: Where the messages are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[str, float] = {}
        self._decided: set[str] = set()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._wanted = asyncio.Event()
        self._turnstile = asyncio.Semaphore(AT_ONCE)
        self.record: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def watch(self, message: Message) -> None:
        """Call back about this message from now on, if it asks for that."""
        if message.options.callback_url:
            self._told.setdefault(message.id, self._store.clock.now())
            self._wanted.set()

    def decided(self, message: Message) -> None:
        """Tell of a decision about this message, even at an instant that was told of before."""
        if message.options.callback_url:
            self._decided.add(message.id)
            self.watch(message)

    def reset(self) -> None:
        """Forget all messages and what was told about them."""
        for task in self._busy.values():
            task.cancel()
        self._told.clear()
        self._decided.clear()
        self._busy.clear()
        self.record.clear()

    async def run(self) -> None:
        """Look every 50 ms for what there is to tell; sleep while nobody wants to be told."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._wanted.wait()
                self._start_telling(session)
                if not self._told:
                    self._wanted.clear()
                await asyncio.sleep(_TICK_SECONDS)

    def _start_telling(self, session: aiohttp.ClientSession) -> None:
        now = self._store.clock.now()
        for message_id, told in list(self._told.items()):
            if message_id in self._busy:
                continue
            message = self._store.known(message_id)
            if message is None:
                del self._told[message_id]
                continue
            changes = message.changes(told, now)
            if message_id in self._decided:
                self._decided.discard(message_id)
                changes = changes if now in changes else [*changes, now]
            if changes:
                self._told[message_id] = now
                task = asyncio.create_task(self._tell(session, message, changes))
                self._busy[message_id] = task
            elif message.is_final(now):
                del self._told[message_id]

    async def _tell(self, session: aiohttp.ClientSession, message: Message, instants: list[float]) -> None:
        """Tell of one message's changes, one after the other."""
        try:
            for instant in instants:
                summary = answers.message_object(message, instant, self._store.personality)
                entry: dict[str, Any] = {"message_id": message.id, "state": summary["state"], "result": None}
                self.record.append(entry)
                async with self._turnstile:
                    entry["result"] = await _post(session, message, msgspec.json.encode(summary).decode())
        finally:
            self._busy.pop(message.id, None)


async def _post(session: aiohttp.ClientSession, message: Message, summary: str) -> str:
    """Make one call; return its status, or why there is none."""
    url, field = message.options.callback_url, message.options.callback_field
    if not is_loopback_url(url):
        return "not called: only loopback addresses are"
    headers = {"Content-Type": "application/json"}
    form: Any = {"data": {field: summary}} if field else {"data": summary.encode(), "headers": headers}
    try:
        async with session.post(url, allow_redirects=False, **form) as answer:
            return str(answer.status)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        return type(error).__name__


def is_loopback_url(url: str) -> bool:
    """Tell whether a URL leads to this machine and nowhere else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False
