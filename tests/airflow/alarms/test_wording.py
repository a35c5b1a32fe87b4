"""What an alarm says, within the characters that it has."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from airflow_provider_messaggisms.alarms.events import Event
from airflow_provider_messaggisms.alarms.wording import (
    ERROR_BESIDE_LINK,
    default_text,
    fitted_text,
    links_to,
    plain_where_needed,
)
from airflow_provider_messaggisms.gateway.recipients import Recipient
from airflow_provider_messaggisms.gateway.sms_text import measure

FAILED = Event(
    "failed",
    "etl",
    "manual__2026-12-24T06:00:00+00:00",
    task_id="load",
    map_index=3,
    try_number=2,
    tries=3,
    why="ConnectionError: no route to host",
)
LINK = "https://airflow.example.com/dags/etl"


def test_a_failed_task_is_told_in_four_lines() -> None:
    assert default_text(FAILED, max_parts=1, links=[LINK]) == (
        "Failed: etl.load[3], try 2/3\n"
        "run manual__2026-12-24T06:00:00+00:00\n"
        "ConnectionError: no route to host\n"
        "https://airflow.example.com/dags/etl"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event("failed", "etl", "r", why="task failure: load"), "Failed: etl\nrun r\ntask failure: load"),
        (
            Event("late", "etl", "r", why="was due 2026-12-24 07:30 UTC"),
            "Late: etl\nrun r\nwas due 2026-12-24 07:30 UTC",
        ),
        (Event("succeeded", "etl", "r", "load", None, 1, 3), "Succeeded: etl.load\nrun r"),
        (Event("retry", "etl", "r", "load", None, 1, 3, why="X"), "Will retry: etl.load, try 1/3\nrun r\nX"),
        (Event("skipped", "etl", "r", "load", 0), "Skipped: etl.load[0]\nrun r"),
        (Event("late", "etl", "", why="missed its SLA"), "Late: etl\nmissed its SLA"),
    ],
)
def test_every_event_has_a_text_of_its_own(event: Event, text: str) -> None:
    assert default_text(event, max_parts=1) == text


def test_a_long_error_is_cut_in_its_middle_and_the_rest_stays_whole() -> None:
    event = replace(FAILED, why="DatabaseError: " + "x" * 300 + " in table orders")
    text = default_text(event, max_parts=1, links=[LINK])
    headline, run, error, link = text.split("\n")
    assert (headline, run, link) == ("Failed: etl.load[3], try 2/3", f"run {FAILED.run_id}", LINK)
    assert error.startswith("DatabaseError: xx")
    assert "..." in error
    assert error.endswith("table orders")
    assert measure(text).units == 160


def test_a_link_that_leaves_no_room_for_the_error_gives_way_to_another() -> None:
    event = replace(FAILED, why="E" * 100)
    long = "https://airflow.example.com/" + "a" * 60
    text = default_text(event, max_parts=1, links=[long, "https://a.example/b"])
    assert "\nhttps://a.example/b" in text
    assert long not in text
    assert text.count("E") >= ERROR_BESIDE_LINK


def test_no_link_fits_and_none_is_cut() -> None:
    text = default_text(replace(FAILED, why="E" * 100), max_parts=1, links=["https://airflow.example.com/" + "a" * 100])
    assert "http" not in text


def test_names_that_are_too_long_are_cut_before_the_try_is_lost() -> None:
    text = default_text(replace(FAILED, dag_id="d" * 250, task_id="t" * 250), max_parts=1, links=[LINK])
    assert measure(text).parts == 1
    assert text.startswith("Failed: dddd")
    assert text.endswith("[3], try 2/3")


@pytest.mark.parametrize("why", ["naïve “quotes” – and emoji 🔥", "数据库连接失败" * 20, "~" * 200, "\t\x00 odd"])
def test_any_error_fits_into_one_part(why: str) -> None:
    assert measure(default_text(replace(FAILED, why=why), max_parts=1, links=[LINK])).parts == 1


def test_without_a_limit_nothing_is_lost() -> None:
    event = replace(FAILED, why="naïve “error” " + "x" * 500)
    text = default_text(event, max_parts=None, links=[LINK + "/runs/1", LINK])
    assert event.why in text
    assert text.endswith(LINK + "/runs/1")


def test_two_parts_leave_more_room() -> None:
    event = replace(FAILED, why="x" * 500)
    assert measure(default_text(event, max_parts=2, links=[LINK])).parts == 2


def test_of_a_notifiers_own_text_the_error_is_cut_first() -> None:
    error = "boom " * 60
    text = fitted_text(f"Orders are late, call Anna. {error} See {LINK} please", error, max_parts=1)
    assert text.startswith("Orders are late, call Anna. boom")
    assert text.endswith(f"See {LINK} please")
    assert "..." in text
    assert measure(text).parts == 1


def test_of_a_notifiers_own_text_the_link_stays() -> None:
    text = fitted_text("word " * 60 + LINK, "", max_parts=1)
    assert text.endswith(LINK)
    assert measure(text).parts == 1


def test_a_text_that_fits_stays_as_it_is() -> None:
    assert fitted_text("Tutto rotto, è ora di alzarsi", "", max_parts=1) == "Tutto rotto, è ora di alzarsi"


def test_a_text_of_70_characters_beyond_gsm7_stays_too() -> None:
    assert fitted_text("🔥 " * 20, "", max_parts=1) == "🔥 " * 20


def test_no_placeholder_is_cut_and_the_longest_name_counts() -> None:
    text = fitted_text("{{name}}: " + "x" * 200, "", max_parts=1, fields=[{"name": "Anna"}, {"name": "N" * 50}])
    assert text.startswith("{{name}}: xx")
    assert measure(text.replace("{{name}}", "N" * 50)).parts == 1


def test_links_lead_to_the_task_its_run_and_its_dag() -> None:
    run = "https://airflow.example.com/dags/etl/runs/manual__2026-12-24T06%3A00%3A00%2B00%3A00"
    assert list(links_to(FAILED, "https://airflow.example.com/", airflow_2=False)) == [
        f"{run}/tasks/load/mapped/3",
        run,
        "https://airflow.example.com/dags/etl",
    ]


def test_links_of_airflow_2_lead_to_its_grid() -> None:
    run = "https://airflow.example.com/dags/etl/grid?dag_run_id=manual__2026-12-24T06%3A00%3A00%2B00%3A00"
    assert list(links_to(FAILED, "https://airflow.example.com", airflow_2=True)) == [
        f"{run}&task_id=load&map_index=3",
        run,
        "https://airflow.example.com/dags/etl",
    ]


@pytest.mark.parametrize("base_url", [None, "", "http://localhost:8080", "http://127.0.0.1:8080/", "nonsense"])
def test_no_link_leads_to_the_telephone_itself(base_url: str | None) -> None:
    assert list(links_to(FAILED, base_url, airflow_2=False)) == []


@pytest.mark.parametrize("why", ["1", "2", "airflow.example.com", "etl", "orders", "d", "late", "e"])
def test_a_short_error_is_not_found_by_chance_in_what_must_stay(why: str) -> None:
    words = f"2026-12-24: orders are late, look at {LINK}: "
    text = fitted_text(words + why + " " + "and do not wait " * 10, why, max_parts=1)
    assert LINK in text
    assert text.startswith("2026-12-24: orders are late")
    assert measure(text).parts == 1


def test_the_last_quotation_of_the_error_is_the_one_that_is_cut() -> None:
    error = "connection refused"
    link = f"{LINK}?why=connection refused"
    text = fitted_text(f"{link} {'x' * 60} disconnection refused: {error}", error, max_parts=1)
    assert text.startswith(link)
    assert text.endswith("disconnection refused: connect...efused")


@pytest.mark.parametrize("ending", ["\n", " \n\n", "\r\n"])
def test_an_error_that_ends_in_a_line_break_is_recognised(ending: str) -> None:
    error = "no such table: " + "x" * 200
    text = fitted_text(f"Call Anna or Ben, both of them: {error}", error + ending, max_parts=1)
    assert text.startswith("Call Anna or Ben, both of them: no such table")
    assert "..." in text


@pytest.mark.parametrize("around", ["“{}”", "«{}»", "{}…", "‘{}’", "({}).", "{}!"])
def test_a_link_stays_whatever_stands_around_it(around: str) -> None:
    text = fitted_text(f"{'word ' * 40}{around.format(LINK)} {'word ' * 10}", "", max_parts=1)
    assert LINK in text
    assert measure(text).parts == 1


def test_a_link_does_not_cost_the_run_beside_another_alphabet() -> None:
    event = replace(FAILED, why="数据库连接失败" * 20)
    text = default_text(event, max_parts=1, links=[LINK])
    assert text.startswith("Failed: etl.load[3], try 2/3\n")
    assert "http" not in text
    assert "数据库" in default_text(event, max_parts=2, links=[LINK])


def test_what_looks_like_a_placeholder_in_an_error_is_none() -> None:
    text = default_text(replace(FAILED, why="KeyError: {{name}} in {'a': {}}"), max_parts=1)
    assert "KeyError: ((name)) in {'a': {}}" in text


def test_fields_become_plain_only_where_that_is_needed() -> None:
    people = (Recipient("+39-1", {"name": "Łucja"}), Recipient("+39-2", {"name": "李"}))
    assert plain_where_needed("Ciao {{name}}", people, 1) == people
    assert plain_where_needed("Ciao {{name}}" + "x" * 100, people, None) == people
    plain = plain_where_needed("Ciao {{name}}" + "x" * 100, people, 1)
    assert [one.fields["name"] for one in plain] == ["Lucja", "李"]
    assert [one.number for one in plain] == ["+39-1", "+39-2"]
