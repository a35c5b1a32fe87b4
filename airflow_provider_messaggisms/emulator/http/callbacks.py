"""
Report each change of a message's state to its ``callback_url``.

The vendor documents no more than "a summary", so this is assumed: the JSON is the message as ``GET /messages/{id}``
shows it at that instant; one callback reports all recipients that changed at the same instant; that the message goes
out is no change; a failed callback is not repeated; redirects are not followed. Without ``callback_field`` the JSON is
the body, with it the JSON is that field of a form.

Callbacks go to loopback addresses only: a test must not make the emulator send requests into the internet.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from airflow_provider_messaggisms.emulator.account.sms_account import SmsAccount
from airflow_provider_messaggisms.emulator.account.stored_message import StoredMessage
from airflow_provider_messaggisms.emulator.http import serialization
from airflow_provider_messaggisms.emulator.http.cross_origin import is_loopback

TIMEOUT_SECONDS = 5.0
LOG_LENGTH = 1_000
_INTERVAL_SECONDS = 0.05


class CallbackSender:
    """
    Send the callbacks of all messages that ask for them.

    :param account: The account with the messages.
    """

    def __init__(self, account: SmsAccount) -> None:
        self._account = account
        self._reported: dict[str, float] = {}  # by message: the instant up to which all changes are reported
        self._sending: dict[str, asyncio.Task[None]] = {}
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)

    def watch(self, message: StoredMessage) -> None:
        """Report the changes of this message from now on, if it has a ``callback_url``."""
        if message.options.callback_url:
            self._reported.setdefault(message.id, self._account.clock.now())

    def report_decision(self, message: StoredMessage) -> None:
        """Report a decision that was just made, even if changes at the same instant are reported already."""
        if message.options.callback_url:
            just_before = math.nextafter(self._account.clock.now(), 0)
            self._reported[message.id] = min(self._reported.get(message.id, just_before), just_before)

    def reset(self) -> None:
        """Forget all messages and callbacks."""
        for task in self._sending.values():
            task.cancel()
        self._reported.clear()
        self._sending.clear()
        self.log.clear()

    async def run(self) -> None:
        """Look for changes every 50 ms, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                for message_id in self._reported.keys() - self._sending.keys():
                    self._report_changes(session, message_id)
                await asyncio.sleep(_INTERVAL_SECONDS)

    def _report_changes(self, session: aiohttp.ClientSession, message_id: str) -> None:
        now = self._account.clock.now()
        message = self._account.find(message_id)
        changes = message.changes(self._reported[message_id], now) if message else []
        if message and changes:
            self._reported[message_id] = now
            self._sending[message_id] = asyncio.create_task(self._send(session, message, changes))
        elif message is None or message.is_final(now):
            del self._reported[message_id]

    async def _send(self, session: aiohttp.ClientSession, message: StoredMessage, changes: list[float]) -> None:
        """Send the callbacks of one message, one after the other."""
        try:
            for instant in changes:
                summary = serialization.message_object(message, instant, self._account.personality)
                entry: dict[str, Any] = {"message_id": message.id, "state": summary["state"], "result": None}
                self.log.append(entry)
                entry["result"] = await _post(session, message, msgspec.json.encode(summary).decode())
        finally:
            self._sending.pop(message.id, None)


async def _post(session: aiohttp.ClientSession, message: StoredMessage, summary: str) -> str:
    """Send one callback. Return its HTTP status, or why there is none."""
    url, field = message.options.callback_url, message.options.callback_field
    if not is_loopback_url(url):
        return "not called: only loopback addresses are"
    headers = {"Content-Type": "application/json"}
    form: Any = {"data": {field: summary}} if field else {"data": summary.encode(), "headers": headers}
    try:
        async with session.post(url, allow_redirects=False, **form) as response:
            return str(response.status)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        return type(error).__name__


def is_loopback_url(url: str) -> bool:
    """Tell whether a URL leads to this machine and nowhere else."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and is_loopback(parts.hostname or "")
    except ValueError:
        return False
