"""
The tokens of this process: one for each account, found or made when a call needs it, and kept in memory only.

All hooks of the process share them, in whatever thread or event loop they are. A token in hand costs no request. A new
one is looked for when a tenth of its life is left, or when the gateway has refused it. Nothing is written to a disk, an
XCom or a database, so each process looks once: that is what keeps the API key's tokens out of Airflow's storage.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_provider_messaggisms.airflow_versions import hide_from_logs
from airflow_provider_messaggisms.exceptions import MessaggiSmsError, NotSentError
from airflow_provider_messaggisms.gateway.account import Account
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.steps import Pause, Step, Steps, run_steps
from airflow_provider_messaggisms.gateway.token_calls import RENEWED_AT, Token, find_or_make
from airflow_provider_messaggisms.gateway.wire import Call

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a token may take to be found or made where the caller sets no bound.
MAX_SECONDS = 60.0

#: After a failed renewal the token in hand, if it still lives, is used for so long before the next one.
_RENEWAL_PAUSE_SECONDS = 60.0

# Which part of the time that is left may pass before a token is made (see ``token_calls``).
_PAUSED_SHARE = 0.25


class _Kept(RedactedStruct, frozen=True):
    """The token in hand. Times are those of this process's clock."""

    token: Token
    renew_at: float
    ends_at: float


class AccountTokens:
    """
    The tokens of one account in this process. Safe for use by several threads.

    :param account: The account at the token service.
    :param clock: Returns the seconds since the epoch.
    :param sleep: Waits for so many seconds.
    :param chance: Returns a number in [0, 1).
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._account = account
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._later_than: datetime | None = None  # when the last refused token was to expire

    def kept(self, refused: str | None = None) -> Token | None:
        """Return the token in hand, if it need not be renewed and is not the refused one. Asks for nothing."""
        kept = self._kept
        if kept is None or kept.token.value == refused or self._clock() >= kept.renew_at:
            return None
        return kept.token

    def get(self, refused: str | None = None, within_seconds: float | None = None) -> Token:
        """
        Return the token in hand, or find or make another one.

        :param refused: A token that the gateway has refused.
        :param within_seconds: How long that may take. Default 60.
        :raises AuthenticationError: The API key is wrong, or the account may not use the gateway.
        :raises NotSentError: The token service did not answer, so the call that needs the token was not made.
        """
        if (token := self.kept(refused)) is not None:
            return token
        ends = time.monotonic() + min(MAX_SECONDS, MAX_SECONDS if within_seconds is None else within_seconds)
        if not self._lock.acquire(timeout=max(0.0, ends - time.monotonic())):
            raise NotSentError("no token for the gateway, so nothing was sent: another thread is still waiting for one")
        try:
            return self.kept(refused) or self._renewed(refused, ends)
        finally:
            self._lock.release()

    def _renewed(self, refused: str | None, ends: float) -> Token:
        kept = self._kept
        if kept is not None and kept.token.value == refused:
            self._later_than, self._kept, kept = kept.token.expires_at, None, None
        try:
            token = self.ask(self._find_or_make(), ends)
        except MessaggiSmsError as error:
            if kept is not None and self._clock() < kept.ends_at:
                log.warning("%s; going on with the token in hand, which expires at %s", error, kept.token.expires)
                self._kept = _Kept(kept.token, self._clock() + _RENEWAL_PAUSE_SECONDS, kept.ends_at)
                return kept.token
            if error.permanent:
                raise
            raise _not_sent(error) from error
        log.info("%s a token of the account, which expires at %s", "Made" if token.made else "Found", token.expires)
        hide_secrets([token.value])
        now = self._clock()
        renew_in = token.left_seconds - RENEWED_AT * token.life_seconds
        self._kept = _Kept(token, now + renew_in, now + token.left_seconds)
        return token

    def ask(self, steps: Steps[T] | Call[T], ends: float | None = None) -> T:
        """
        Ask the token service, over a session of its own: it is needed once a month.

        :param ends: When to be done, by the monotonic clock. Default: in 60 s.
        :raises MessaggiSmsError: The service refuses, or does not answer.
        """
        from airflow_provider_messaggisms.transport.sync_transport import SyncTransport

        hide_secrets(self._account.secrets)
        ends = time.monotonic() + MAX_SECONDS if ends is None else ends
        with SyncTransport(self._account) as transport:

            def perform(step: Step) -> Any:
                left = max(ends - time.monotonic(), 0.01)
                if isinstance(step, Pause):
                    return self._sleep(min(step.seconds, left * _PAUSED_SHARE))
                return step.parse(transport.send(step.request, left))

            return perform(steps) if isinstance(steps, Call) else run_steps(steps, perform)

    def _find_or_make(self) -> Steps[Token]:
        now = datetime.fromtimestamp(self._clock(), UTC)
        return find_or_make(self._account, now=now, chance=self._chance(), later_than=self._later_than)


def tokens_of(account: Account) -> AccountTokens:
    """Return the tokens of an account, the same for all hooks of this process."""
    with _lock:
        return IN_THIS_PROCESS.setdefault(account, AccountTokens(account))


def hide_secrets(secrets: Iterable[str]) -> None:
    """
    Let Airflow's logs mask secrets, too.

    Our own errors and logs never hold them (see ``gateway.redaction``), so nothing is lost where Airflow cannot mask.
    """
    if "airflow" in sys.modules:
        hide_from_logs(secrets)


def _not_sent(error: MessaggiSmsError) -> NotSentError:
    """Say that the call was not made, whatever happened to the question for its token."""
    not_sent: Any = NotSentError(f"no token for the gateway, so nothing was sent: {error}")
    not_sent.retry_after_seconds = getattr(error, "retry_after_seconds", None)
    return not_sent  # type: ignore[no-any-return]


#: The tokens of each account, for all hooks of this process.
IN_THIS_PROCESS: dict[Account, AccountTokens] = {}

_lock = threading.Lock()

# A forked process starts without: another thread could have held a lock in the moment of the fork.
os.register_at_fork(after_in_child=IN_THIS_PROCESS.clear)
