"""AIRFLOW_HOME: whose database is used again, and whose is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.home import Home, HomeInUseError


def make_database(home: Home) -> None:
    with closing(sqlite3.connect(home.folder / "airflow.db")) as database:
        database.execute("CREATE TABLE alembic_version AS SELECT 'abc' AS version_num")
        database.executemany("INSERT INTO alembic_version VALUES (?)", [("x" * 1000,) for _ in range(100)])
        database.commit()


@pytest.fixture
def left_in_order(tmp_path: Path) -> Home:
    """Make a home whose owner made a database and let go of it without an error."""
    home = Home(tmp_path / "home")
    with home.claimed():
        make_database(home)
        (home.folder / "airflow.cfg").write_text("[core]\n")
    return home


def test_a_new_home_has_no_database(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.claimed():
        assert not home.has_database()


def test_a_database_left_in_order_is_used_again(left_in_order: Home) -> None:
    with left_in_order.claimed():
        assert left_in_order.has_database()
        assert (left_in_order.folder / "airflow.cfg").exists()


def test_a_database_left_amid_something_is_not_used_again(left_in_order: Home) -> None:
    with pytest.raises(ZeroDivisionError), left_in_order.claimed():
        raise ZeroDivisionError
    with left_in_order.claimed():
        assert not left_in_order.has_database()


def cut_short(home: Home) -> None:
    database = home.folder / "airflow.db"
    database.write_bytes(database.read_bytes()[:5000])


def of_another_airflow(home: Home) -> None:
    (home.folder / "database-of").write_text("2.11.2")


def not_a_database(home: Home) -> None:
    (home.folder / "airflow.db").write_text("something else")


def empty(home: Home) -> None:
    (home.folder / "airflow.db").write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut_short, of_another_airflow, not_a_database, empty])
def test_a_spoilt_database_is_not_used_again(left_in_order: Home, spoil: Callable[[Home], None]) -> None:
    spoil(left_in_order)
    with left_in_order.claimed():
        assert not left_in_order.has_database()
        assert not (left_in_order.folder / "airflow.cfg").exists()


def test_a_home_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with Home(tmp_path).claimed(), pytest.raises(HomeInUseError, match=str(tmp_path)), Home(tmp_path).claimed():
        pass
