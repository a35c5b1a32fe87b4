"""
Wording: an event becomes a text that is useful on a telephone, in as few SMS parts as allowed.

.. code-block:: text

    Failed: etl.load[3], try 3/3
    run scheduled__2026-12-24T06:00:00+00:00
    ConnectionError: no route to host
    https://airflow.example.com/dags/etl

A question has its subject in the place of the error, and no run: the link leads to where one answers.

The first line stays, then the run, then a link if one fits beside the beginning of the error. The error takes the room
that is left and is cut in its middle. A notifier's own text is cut in the same order: the error within it first, then
the words, a link never. An error is not a template: ``{{name}}`` in it is written ``((name))``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

from airflow_provider_messaggisms.alarms.events import Event, index_of
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.sms_text import Piece, fill, fit, is_mostly_beyond_gsm7, measure, to_gsm7

#: How much of the error a link must leave room for, in characters.
ERROR_BESIDE_LINK = 40

_HEADLINES = {
    "failed": "Failed",
    "retry": "Will retry",
    "succeeded": "Succeeded",
    "skipped": "Skipped",
    "started": "Started",
    "late": "Late",
    "question": "Answer needed",
}
# A link ends before a bracket, a quote or the sign that ends a sentence.
_LINK = r"https?://[^\s<>\"'‘’“”«»…]*[^\s<>\"'‘’“”«»….,:;!?)\]}]"

#: Cutting a shorter error saves no room, and a shorter text may equal it by chance.
_SHORTEST_ERROR = 12

# What the gateway would fill in as a placeholder.
_DOUBLE_BRACES = r"\{\{([^{}]*)\}\}"

# Importances of pieces, the least first.
_ERROR, _WORDS, _RUN, _LINKS, _HEADLINE = range(5)


def default_text(event: Event, *, max_parts: int | None, links: Iterable[str] = ()) -> str:
    """
    Say what happened.

    :param max_parts: Most parts to take; ``None`` for no limit.
    :param links: Addresses with more about it, the best first. The first one that fits is taken.
    """
    plain = _pieces(event)
    for link in links:
        pieces = [*plain, Piece(f"\n{link}", _LINKS, whole=True)]
        least = "".join(
            piece.text[: ERROR_BESIDE_LINK + 1] if piece.importance == _ERROR else piece.text for piece in pieces
        )
        beyond_gsm7 = is_mostly_beyond_gsm7("".join(piece.text for piece in pieces))
        if max_parts is None or measure(least if beyond_gsm7 else to_gsm7(least)).parts <= max_parts:
            return _joined(pieces, max_parts)
    return _joined(plain, max_parts)


def fitted_text(text: str, why: str, *, max_parts: int | None, fields: Collection[Mapping[str, str]] = ()) -> str:
    """
    Make a notifier's own text fit.

    :param why: The error. Where the text quotes it, the quotation is cut first.
    :param fields: What the recipients' placeholders become.
    """
    return text if max_parts is None else fit(list(_parted(text, why)), max_parts, fields=fields)


def plain_where_needed(text: str, recipients: tuple[Recipient, ...], max_parts: int | None) -> tuple[Recipient, ...]:
    """Turn the recipients' fields into GSM-7 if the text is too long otherwise; other alphabets stay."""
    if max_parts is None or all(measure(fill(text, one.fields)).parts <= max_parts for one in recipients):
        return recipients
    return tuple(
        Recipient(one.number, {name: to_gsm7(value) or value for name, value in one.fields.items()})
        for one in recipients
    )


def links_of(event: Event) -> Iterator[str]:
    """Link to this Airflow, as its configuration says."""
    from airflow.providers.common.compat.sdk import conf
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    base_url = conf.get("api" if AIRFLOW_V_3_0_PLUS else "webserver", "base_url", fallback=None)
    return links_to(event, base_url, airflow_2=not AIRFLOW_V_3_0_PLUS)


def links_to(event: Event, base_url: str | None, *, airflow_2: bool) -> Iterator[str]:
    """
    Link to the task, its run and its DAG in Airflow's UI, in this order; for a question to the page that takes answers.

    :param base_url: The address of the UI. Without it, or where it means the machine itself, there is no link: it would
        be useless on a telephone.
    """
    host = urlsplit(base_url or "").hostname or ""
    if host in ("", "localhost") or host.startswith("127."):
        return
    page = "/required_actions" if event.kind == "question" else ""
    base = str(base_url).rstrip("/")
    dag = f"{base}/dags/{quote(event.dag_id)}"
    run = f"{dag}/grid?dag_run_id={quote(event.run_id)}" if airflow_2 else f"{dag}/runs/{quote(event.run_id)}"
    if event.run_id and event.task_id:
        if airflow_2:
            index = "" if event.map_index is None else f"&map_index={event.map_index}"
            yield f"{run}&task_id={quote(event.task_id)}{index}"
        else:
            index = "" if event.map_index is None else f"/mapped/{event.map_index}"
            yield f"{run}/tasks/{quote(event.task_id)}{index}{page}"
    if event.run_id:
        yield run + page
    yield dag + page
    if page:
        yield base + page


def _pieces(event: Event) -> list[Piece]:
    what = event.dag_id
    if event.task_id:
        what += f".{event.task_id}{index_of(event.map_index)}"
    if event.try_number and event.tries and event.kind in ("failed", "retry"):
        what += f", try {event.try_number}/{event.tries}"
    pieces = [Piece(f"{_HEADLINES[event.kind]}: {what}", _HEADLINE)]
    if event.run_id and event.kind != "question":
        pieces.append(Piece(f"\nrun {event.run_id}", _RUN))
    if event.why:
        pieces.append(Piece("\n" + re.sub(_DOUBLE_BRACES, r"((\1))", event.why), _ERROR))
    return pieces


def _joined(pieces: list[Piece], max_parts: int | None) -> str:
    return "".join(piece.text for piece in pieces) if max_parts is None else fit(pieces, max_parts)


def _parted(text: str, why: str) -> Iterator[Piece]:
    """Divide a text into the error that it quotes, its links, and its words."""
    begin, end = _place_of(why.strip(), text)
    yield from _words_and_links(text[:begin])
    yield Piece(text[begin:end], _ERROR)
    yield from _words_and_links(text[end:])


def _place_of(why: str, text: str) -> tuple[int, int]:
    """Find the last place where a text quotes the error, not within a word and not across the end of a link."""
    links = [link.span() for link in re.finditer(_LINK, text)]
    for begin, end in _places_of(why, text) if len(why) >= _SHORTEST_ERROR else ():
        within_a_word = text[max(begin - 1, 0) : begin].isalnum() or text[end : end + 1].isalnum()
        divides_a_link = any(first < edge < last for first, last in links for edge in (begin, end))
        if not within_a_word and not divides_a_link:
            return begin, end
    return 0, 0


def _places_of(part: str, text: str) -> Iterator[tuple[int, int]]:
    end = len(text)
    while (begin := text.rfind(part, 0, end)) >= 0:
        yield begin, begin + len(part)
        end = begin


def _words_and_links(text: str) -> Iterator[Piece]:
    end = 0
    for found in re.finditer(_LINK, text):
        yield Piece(text[end : found.start()], _WORDS)
        yield Piece(found[0], _LINKS, whole=True)
        end = found.end()
    yield Piece(text[end:], _WORDS)
