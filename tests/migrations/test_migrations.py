"""Databases of every earlier version open, and the runner takes each step once and as a whole."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from station.records import SendClass, StoreHealth
from station.store.database import Database
from station.store.migrate import (
    Migration,
    StoreTooNewError,
    find_migrations,
    migrate,
    read_version,
)
from tests.contracts.stores import VirtualHarness

DUMPS = sorted(Path(__file__).parent.glob("v*.sql"))
FIRST = find_migrations()[0]
SECOND = Migration(2, "CREATE TABLE more (x); INSERT INTO more VALUES (2);")
BROKEN = Migration(3, "CREATE TABLE third (x); INSERT INTO nowhere VALUES (1);")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        yield made


def tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows]


def test_there_is_a_dump_of_every_version() -> None:
    assert [dump.name for dump in DUMPS] == [
        f"v{step.version:04}.sql" for step in find_migrations()
    ]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_old_database_opens_with_its_rows(
    dump: Path, path: Path, connection: sqlite3.Connection
) -> None:
    connection.executescript(dump.read_text(encoding="utf-8"))
    harness = VirtualHarness(Database(path))
    assert harness.store.health is StoreHealth.OK
    assert harness.rows() == [("b", "second"), ("a", "first")]
    from station.store.outbox import Outbox

    outbox = Outbox(harness.store)
    assert outbox.ids(SendClass.TRANSACTION) == [1, 3]
    row = outbox.get(3)
    assert row is not None
    assert (row.transaction_id, row.seq_no, row.offline) == ("t-1", 2, True)
    assert outbox.undelivered == 1
    harness.close()


def test_steps_that_are_missing_are_taken_once(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, [FIRST])
    migrate(connection, path, [FIRST, SECOND])
    migrate(connection, path, [FIRST, SECOND])
    assert read_version(connection) == 2
    assert connection.execute("SELECT x FROM more").fetchall() == [(2,)]


def test_a_copy_is_made_before_migrating_and_none_for_a_new_database(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path, [FIRST])
    assert sorted(each.name for each in path.parent.iterdir()) == ["station.db"]
    migrate(connection, path, [FIRST, SECOND])
    copy = path.with_name("station.db.v1")
    with closing(sqlite3.connect(copy)) as old:
        assert (read_version(old), "more" in tables(old)) == (1, False)


def test_a_step_that_fails_changes_nothing(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, [FIRST, SECOND])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, path, [FIRST, SECOND, BROKEN])
    assert (read_version(connection), "third" in tables(connection)) == (2, False)
    assert not connection.in_transaction


def test_older_software_opens_a_newer_database_that_allows_it(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path, [FIRST, SECOND])
    migrate(connection, path, [FIRST])
    assert read_version(connection) == 2


def test_older_software_refuses_a_database_that_it_cannot_follow(
    connection: sqlite3.Connection, path: Path
) -> None:
    contracted = Migration(2, "UPDATE meta SET value = '2' WHERE name = 'min_reader';")
    migrate(connection, path, [FIRST, contracted])
    with pytest.raises(StoreTooNewError, match="at least version 2; this one knows 1"):
        migrate(connection, path, [FIRST])


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("")
    (tmp_path / "0003_third.sql").write_text("")
    with pytest.raises(ValueError, match="not numbered"):
        find_migrations(tmp_path)


def test_a_database_whose_migration_does_not_fit_on_the_disk_is_still_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(path, [FIRST])
    database.open()
    database.apply({("t_note", "a"): (1, b'{"id":"a"}')})
    database.close()

    def refuse(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("station.store.migrate.sync_file", refuse)
        harness = VirtualHarness(Database(path, [FIRST, SECOND]))
        assert (harness.store.health, harness.rows()) == (StoreHealth.VOLATILE, [("a", "")])
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    harness.close()
