"""
What Airflow knows of a send: which task instance makes it, and what the earlier tries of that task instance wrote down.

Right before each write to the gateway, a try announces it to Airflow. That stops an orphan, a process whose supervisor
is dead or whose task instance has moved on to another try: its announcement fails, so it writes nothing. Where Airflow
has a task state store, the announcement is also what the next try reads.

=================  =====================================  ==========================
Airflow            an announcement is                     the next try can read it
=================  =====================================  ==========================
3.3 and later      a value in the task state store        yes
3.0 to 3.2         an XCom                                no: it asks the gateway
2.11               a look at the task instance's row      no: it asks the gateway
=================  =====================================  ==========================
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_messaggisms.exceptions import MessaggiSmsError
from airflow_provider_messaggisms.gateway.idempotency import carried, derived_key
from airflow_provider_messaggisms.gateway.models import Message

log = logging.getLogger(__name__)

#: Name of the record in the task state store, and of the XCom that is announced before Airflow 3.3.
RECORD = "messaggisms_send"

#: A record is of use for as long as its run exists, and Airflow deletes it with the run.
_RETENTION = timedelta(days=36_500)

#: States in Airflow 2's database of a task instance whose try is over, although its process may still run.
_OVER = ("up_for_retry", "failed", "success", "skipped", "restarting", "removed")


class Origin(msgspec.Struct, frozen=True):
    """
    The task instance that sends, in one life of its run: a run that is deleted and made anew is another origin.

    :param installation: Which Airflow this is (see ``installation``).
    :param run_row: Id of the run in Airflow's database; empty from Airflow 3 on, where a task does not know it.
    :param run_started: When the run started; empty if it was cleared, because clearing changes it.
    :param not_before: No try of it can have sent anything before this instant; ``None`` if that is unknown.
    """

    installation: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    run_row: str = ""
    run_started: str = ""
    not_before: datetime | None = None

    @classmethod
    def of(cls, context: Mapping[str, Any], installation: str) -> Origin:
        """Read it from a task's context."""
        ti, dag_run = context["ti"], context.get("dag_run")
        started, was_cleared = getattr(dag_run, "start_date", None), bool(getattr(dag_run, "clear_number", None))
        return cls(
            installation,
            ti.dag_id,
            ti.run_id,
            ti.task_id,
            getattr(ti, "map_index", -1),
            ti.try_number or 1,
            run_row=str(getattr(dag_run, "id", None) or ""),
            run_started="" if started is None or was_cleared else started.astimezone(UTC).isoformat(),
            not_before=_began(dag_run),
        )

    def key(self, numbers: Iterable[str]) -> str:
        """Derive the key of a send: the same for all tries that write to the same set of numbers."""
        return derived_key(*self._parts(), installation=self.installation, numbers=numbers)

    def on_the_message(self) -> dict[str, Any]:
        """Return what the message carries of it: for people to find the task, and for later tries."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
            "origin": self._token(),
            "run_started": self.run_started,
        }

    def may_have_sent(self, message: Message) -> bool:
        """
        Tell whether a message is from this origin, for want of a better witness than what it carries.

        A run that was cleared does not know when it first started, so it takes each start for its own.
        """
        any_start = bool(self.run_row) or not self.run_started
        same_start = any_start or carried(message, "run_started") == self.run_started
        return same_start and carried(message, "origin") == self._token()

    def _parts(self) -> tuple[str, ...]:
        return self.dag_id, self.run_id, self.run_row, self.task_id, str(self.map_index)

    def _token(self) -> str:
        return derived_key("origin", *self._parts(), installation=self.installation, numbers=())


def _began(dag_run: Any) -> datetime | None:
    """
    Find an instant before the first try.

    A run's ``run_after`` (3.x) never changes. On 2.11 the logical date serves: it is the start of a manual run and lies
    far before the start of a scheduled one. Clearing a run changes its start date, so that is the last resort.
    """
    instants = [getattr(dag_run, "run_after", None)]
    if instants == [None]:
        instants = [getattr(dag_run, name, None) for name in ("logical_date", "execution_date", "start_date")]
    known = [at for at in instants if isinstance(at, datetime)]
    return min(known) if known else None


class SendRecord(msgspec.Struct, frozen=True):
    """
    What the tries of a task instance know of one send.

    :param key: The key of the send (see ``exactly_once``).
    :param sender: Under which sender the message is to be found.
    :param is_derived: Whether the key was derived from the recipients, for a send that is not simulated.
    :param marks: The marks of the POSTs that were announced.
    :param reached: Ids of the messages that earlier lives of the task instance sent under other derived keys.
    :param first: When the first write was announced.
    :param last: When the last write was announced.
    :param message_id: The gateway's id, once it is known.
    :param open: Whether the message is a transaction that was not closed when this was written.
    """

    key: str = ""
    sender: str | None = None
    is_derived: bool = False
    marks: list[str] = []  # lists, because Airflow keeps it as JSON
    reached: list[str] = []
    first: datetime | None = None
    last: datetime | None = None
    message_id: str | None = None
    open: bool = False

    @property
    def open_id(self) -> str | None:
        """Id of the message that may be open at the gateway."""
        return self.message_id if self.open else None


class TaskState:
    """
    Airflow's memory of one task instance.

    :param context: The task's context.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._ti = context["ti"]
        self._store = context.get("task_state_store")

    @property
    def remembers(self) -> bool:
        """Whether a later try can read what this one announces."""
        return self._store is not None

    def read(self) -> SendRecord:
        """
        Read what the last announcement of this task instance says; a record without a key if there is none.

        A first try asks Airflow for nothing: an earlier life of its task instance would have given it a higher number,
        and a run that is deleted takes its task states along. A task instance that is deleted by itself, which only
        Airflow's API can do, and made anew sends anew, as a run does.
        """
        is_first = (self._ti.try_number or 1) <= 1
        written = None if is_first or self._store is None else self._store.get(RECORD)
        try:
            return msgspec.convert(written or {}, SendRecord)
        except msgspec.ValidationError:  # not ours
            return SendRecord()

    def announce(self, record: SendRecord) -> None:
        """
        Tell Airflow what is about to be written; call this right before each write.

        :raises Exception: This process is an orphan, or Airflow cannot be reached: it must not write.
        """
        if self._store is not None:
            self._store.set(RECORD, msgspec.to_builtins(record), retention=_RETENTION)
        elif hasattr(self._ti, "refresh_from_db"):  # Airflow 2
            self._check_not_superseded()
        else:  # Airflow 3.0 to 3.2
            self._ti.xcom_push(key=RECORD, value={"key": record.key})

    def write(self, record: SendRecord) -> None:
        """Write a record, best effort: the gateway knows the message too, so a failure costs the next try a search."""
        if self._store is None:
            return
        try:
            self._store.set(RECORD, msgspec.to_builtins(record), retention=_RETENTION)
        except Exception as error:  # noqa: BLE001 (the SMS is sent, whatever is wrong with the store)
            log.warning("Cannot write message %s to the task state: %s", record.message_id, type(error).__name__)

    def _check_not_superseded(self) -> None:
        mine = self._ti.try_number
        self._ti.refresh_from_db()
        if self._ti.try_number != mine or self._ti.state in _OVER:
            raise MessaggiSmsError(
                f"try {mine} of this task has been superseded: try {self._ti.try_number} is {self._ti.state}; stopping"
            )
