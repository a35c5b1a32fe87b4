"""
What an alarm says: an :class:`Event` becomes a text that is useful on a telephone, in as few parts as allowed.

.. code-block:: text

    Failed: etl.load[3], try 3/3
    run scheduled__2026-12-24T06:00:00+00:00
    ConnectionError: no route to host
    https://airflow.example.com/dags/etl

What happened stays, then the run, then a link if one fits beside the beginning of the error; the error takes the room
that is left and is cut in its middle. A text that somebody wrote is cut in the same order: the error within it first,
then the words, a link never.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

from airflow_provider_messaggisms.alarms.events import Event, index_of
from airflow_provider_messaggisms.gateway.text import Piece, fit, measure, to_gsm7

#: How much of the error a link must leave room for, in characters.
ERROR_BESIDE_LINK = 40

_HEADLINES = {
    "failed": "Failed",
    "retry": "Will retry",
    "succeeded": "Succeeded",
    "skipped": "Skipped",
    "started": "Started",
    "late": "Late",
}
_LINK = r"https?://[^\s<>\"']+"

# Importances, the least first.
_ERROR, _WORDS, _RUN, _LINKS, _HEADLINE = range(5)


def default_text(event: Event, *, max_parts: int | None, links: Iterable[str] = ()) -> str:
    """
    Say what happened.

    :param max_parts: Most parts to take; ``None`` for no limit.
    :param links: Where to read more, the most telling first. The first one that fits is taken.
    """
    plain = _pieces(event)
    for link in links:
        pieces = [*plain, Piece(f"\n{link}", _LINKS, whole=True)]
        least = "".join(
            piece.text[: ERROR_BESIDE_LINK + 1] if piece.importance == _ERROR else piece.text for piece in pieces
        )
        if max_parts is None or measure(to_gsm7(least)).parts <= max_parts:
            return _joined(pieces, max_parts)
    return _joined(plain, max_parts)


def fitted_text(text: str, why: str, *, max_parts: int | None, fields: Collection[Mapping[str, str]] = ()) -> str:
    """
    Make a text that somebody wrote fit.

    :param why: The error; where the text quotes it, that is what is cut first.
    :param fields: What the recipients' placeholders become.
    """
    return text if max_parts is None else fit(list(_parted(text, why)), max_parts, fields=fields)


def links_to(event: Event, base_url: str | None, *, airflow_2: bool) -> Iterator[str]:
    """
    Link to the task, its run and its DAG in Airflow's UI, the most telling first.

    :param base_url: Where the UI is. There is no link where this is unknown, or leads to the machine itself: it would
        be of no use on a telephone.
    """
    host = urlsplit(base_url or "").hostname or ""
    if host in ("", "localhost") or host.startswith("127."):
        return
    dag = f"{str(base_url).rstrip('/')}/dags/{quote(event.dag_id)}"
    run = f"{dag}/grid?dag_run_id={quote(event.run_id)}" if airflow_2 else f"{dag}/runs/{quote(event.run_id)}"
    if event.run_id and event.task_id:
        if airflow_2:
            index = "" if event.map_index is None else f"&map_index={event.map_index}"
            yield f"{run}&task_id={quote(event.task_id)}{index}"
        else:
            index = "" if event.map_index is None else f"/mapped/{event.map_index}"
            yield f"{run}/tasks/{quote(event.task_id)}{index}"
    if event.run_id:
        yield run
    yield dag


def _pieces(event: Event) -> list[Piece]:
    what = event.dag_id
    if event.task_id:
        what += f".{event.task_id}{index_of(event.map_index)}"
    if event.try_number and event.tries and event.kind in ("failed", "retry"):
        what += f", try {event.try_number}/{event.tries}"
    pieces = [Piece(f"{_HEADLINES[event.kind]}: {what}", _HEADLINE)]
    if event.run_id:
        pieces.append(Piece(f"\nrun {event.run_id}", _RUN))
    if event.why:
        pieces.append(Piece(f"\n{event.why}", _ERROR))
    return pieces


def _joined(pieces: list[Piece], max_parts: int | None) -> str:
    return "".join(piece.text for piece in pieces) if max_parts is None else fit(pieces, max_parts)


def _parted(text: str, why: str) -> Iterator[Piece]:
    """Divide a text into the error that it quotes, links, and words."""
    before, error, after = text.partition(why) if why else (text, "", "")
    yield from _words_and_links(before)
    if error:
        yield Piece(error, _ERROR)
    yield from _words_and_links(after)


def _words_and_links(text: str) -> Iterator[Piece]:
    end = 0
    for found in re.finditer(_LINK, text):
        yield Piece(text[end : found.start()], _WORDS)
        yield Piece(found[0], _LINKS, whole=True)
        end = found.end()
    yield Piece(text[end:], _WORDS)
