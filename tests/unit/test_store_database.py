"""The database file: fresh, unclean, damaged, refused, foreign."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from station.records import SendClass, StoreHealth
from station.store.core_store import CoreStore
from station.store.database import Database
from station.store.files import KEPT_ASIDE, has_less_than, set_aside
from station.store.inline_store import InlineStore
from station.store.migrate import StoreTooNewError, find_migrations
from station.store.outbox import Outbox
from station.store.reader import open_reader
from tests.contracts.stores import NOTES, Note, SteppedReactor, VirtualHarness


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "station.db"


@pytest.fixture
def harness(path: Path) -> Iterator[VirtualHarness]:
    made = VirtualHarness(Database(path))
    yield made
    made.close()


def fill(path: Path, count: int = 200) -> None:
    database = Database(path)
    database.open()
    database.apply({("t_note", f"n{n}"): (n, b'{"id":"n%d"}' % n) for n in range(count)})
    database.close()


def leave_unclean(path: Path) -> None:
    """As after SIGKILL: the write-ahead log is still there."""
    path.with_name(f"{path.name}-wal").touch()


def damage(path: Path, keep: int = 4096) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:keep] + b"\xff" * (len(whole) - keep))


def test_a_new_database_can_be_read_by_nobody_else(path: Path, harness: VirtualHarness) -> None:
    harness.put("a")
    harness.settle()
    assert {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {
        "station.db": 0o600,
        "station.db-wal": 0o600,
        "station.db-shm": 0o600,
    }


def test_commits_are_as_durable_as_sqlite_can_make_them(path: Path) -> None:
    database = Database(path)
    database.open()
    connection = database._connect()
    answers = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
    ]
    database.close()
    assert answers == ["wal", 2, 1000]


def test_a_clean_close_leaves_one_file(path: Path) -> None:
    fill(path)
    assert [each.name for each in path.parent.iterdir()] == ["station.db"]


@pytest.mark.parametrize("keep", [0, 100, 4096])
def test_a_damaged_file_is_kept_aside_and_the_store_begins_anew(path: Path, keep: int) -> None:
    fill(path)
    damage(path, keep)
    leave_unclean(path)
    harness = VirtualHarness(Database(path))
    assert (harness.store.health, harness.health) == (
        StoreHealth.REPLACED,
        [StoreHealth.REPLACED],
    )
    assert "kept as station.db.corrupt-1" in harness.store.last_problem
    assert (path.parent / "station.db.corrupt-1").exists()
    assert harness.rows() == []
    harness.put("a")
    harness.restart()
    assert (harness.rows(), harness.store.health) == ([("a", "")], StoreHealth.OK)
    harness.close()


def test_a_file_that_is_no_database_is_kept_aside_too(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    assert Database(path).open().health is StoreHealth.REPLACED
    assert (path.parent / "station.db.corrupt-1").read_bytes().startswith(b"not a database")


def test_a_whole_file_that_was_not_closed_is_used_as_it_is(path: Path) -> None:
    fill(path, 3)
    leave_unclean(path)
    database = Database(path)
    opening = database.open()
    database.close()
    assert (opening.health, len(opening.tables["t_note"])) == (StoreHealth.OK, 3)


def test_only_a_few_damaged_files_are_kept(path: Path) -> None:
    path.parent.mkdir()
    for _ in range(KEPT_ASIDE + 3):
        path.write_bytes(b"damaged")
        set_aside(path)
    kept = sorted(each.name for each in path.parent.iterdir())
    assert kept == [f"station.db.corrupt-{n}" for n in range(4, 4 + KEPT_ASIDE)]


def test_a_disk_that_cannot_be_written_at_boot_is_read_and_runs_from_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, 3)

    def refuse(_: Path) -> bool:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("station.store.database.create_file", refuse)
        harness = VirtualHarness(Database(path))
        assert (harness.store.health, len(harness.rows())) == (StoreHealth.VOLATILE, 3)
        seen: list[str] = []
        harness.put("new", "", seen.append, "new")
        assert seen == ["new"]
        harness.pass_time(30.0)
        assert harness.store.health is StoreHealth.VOLATILE
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    harness.kill()
    assert [key for key, _ in harness.rows()] == ["n0", "n1", "n2", "new"]
    harness.close()


def test_what_could_not_be_read_at_boot_is_set_aside_not_mixed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, 3)

    def refuse(_: Path) -> Path:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("station.store.database.create_file", refuse)
        patched.setattr("station.store.database.copy_to_memory", refuse)
        harness = VirtualHarness(Database(path))
    assert (harness.store.health, harness.rows()) == (StoreHealth.VOLATILE, [])
    harness.put("new")
    harness.wait_for(lambda: harness.store.health is StoreHealth.REPLACED)
    harness.settle()
    harness.kill()
    assert harness.rows() == [("new", "")]
    assert (path.parent / "station.db.corrupt-1").exists()
    harness.close()


def test_rows_that_do_not_fit_their_index_are_found_by_the_check(path: Path) -> None:
    fill(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t_checked (x INTEGER CHECK (x < 5))")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("INSERT INTO t_checked VALUES (9)")
    connection.close()
    leave_unclean(path)
    opening = Database(path).open()
    assert opening.health is StoreHealth.REPLACED
    assert "t_checked" in opening.detail


def test_a_damaged_file_that_cannot_be_renamed_is_left_until_the_disk_works(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)

    def refuse(_: Path) -> Path:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("station.store.database.set_aside", refuse)
        harness = VirtualHarness(Database(path))
        assert harness.store.health is StoreHealth.VOLATILE
        harness.put("new")
        harness.pass_time(5.0)
        assert harness.store.health is StoreHealth.VOLATILE
    harness.wait_for(lambda: harness.store.health is StoreHealth.REPLACED)
    harness.restart()
    assert harness.rows() == [("new", "")]
    harness.close()


def test_a_database_of_newer_software_is_refused_in_clear_words(path: Path) -> None:
    fill(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("UPDATE meta SET value = '98' WHERE name = 'min_reader'")
    connection.close()
    newest = len(find_migrations())
    with pytest.raises(StoreTooNewError, match=f"at least version 98; this one knows {newest}"):
        Database(path).open()


def test_a_group_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    fill(path, 1)
    database = Database(path)
    database.open()
    with pytest.raises(sqlite3.Error):
        database.apply({("t_note", "a"): (1, b"{}"), ("t_new", "b"): (1, None)})  # type: ignore[dict-item]
    database.apply({("t_new", "c"): (1, b"{}")})
    database.close()
    opening = database.open()
    database.close()
    assert [key for key, _, _ in opening.tables["t_note"]] == ["n0"]
    assert [key for key, _, _ in opening.tables["t_new"]] == ["c"]


def test_a_row_that_no_longer_decodes_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(path, 3)
    database = Database(path)
    database.open()
    database.apply({("t_note", "n1"): (1, b'{"id":7}'), ("t_note", "n2"): (2, b"\xff")})
    harness = VirtualHarness(database)
    assert harness.rows() == [("n0", "")]
    assert harness.notes.set_aside == 2
    assert caplog.text.count("set aside") == 2
    harness.turn(lambda: None)
    harness.settle()
    harness.restart()
    assert (harness.rows(), harness.notes.set_aside) == ([("n0", "")], 0)
    with open_reader(path) as reader:
        kept = reader.execute("SELECT key, row FROM t_quarantine ORDER BY key").fetchall()
    reader.close()
    assert kept == [("note/n1", b'{"id":7}'), ("note/n2", b"\xff")]
    harness.close()


def test_a_message_that_no_longer_decodes_is_set_aside(path: Path) -> None:
    good = b'{"id":3,"send_class":3,"action":"X","payload":{}}'
    rows = {1: b"{", 2: b'{"id":2,"send_class":3}', 3: good, 4: b'{"id":4,"send_class":99}'}
    database = Database(path)
    database.open()
    database.apply({("q_outbox", row_id): (0, blob) for row_id, blob in rows.items()})
    reactor = SteppedReactor()
    store = CoreStore(reactor, InlineStore(reactor, random.Random(1), database))
    outbox = Outbox(store)
    assert outbox.ids(SendClass.TRANSACTION) == [2, 3]
    found: list[object] = []
    reactor.post(lambda: found.extend(outbox.get(row_id) for row_id in (2, 3)))
    reactor.advance(1.0)
    assert found[0] is None
    assert outbox.ids(SendClass.TRANSACTION) == [3]
    store.stop(1.0)
    opening = database.open()
    database.close()
    assert (list(opening.outbox), list(opening.damaged)) == ([3], [])
    assert sorted(key for key, _, _ in opening.tables["t_quarantine"]) == [
        "outbox/1",
        "outbox/2",
        "outbox/4",
    ]


def test_tables_have_plain_names() -> None:
    from station.records import Table

    harness_reactor = SteppedReactor()
    store = CoreStore(
        harness_reactor, InlineStore(harness_reactor, random.Random(1), Database(":memory:"))
    )
    for name in ("", "Note", "a b", 'x"; DROP TABLE meta', "ä", "1st", "n" * 60):
        with pytest.raises(ValueError, match="table name"):
            store.table(Table(name, Note, key=lambda note: note.id))


def test_one_name_means_one_type_of_row(harness: VirtualHarness) -> None:
    from station.records import Record, Table

    class Other(Record, frozen=True, kw_only=True):
        id: str

    with pytest.raises(ValueError, match="declared twice"):
        harness.store.table(Table(NOTES.name, Other, key=lambda row: row.id))


def test_a_reader_sees_what_is_durable_and_cannot_write(
    path: Path, harness: VirtualHarness
) -> None:
    harness.put("a", "1")
    harness.settle()
    reader = open_reader(path)
    assert reader.execute("SELECT row ->> 'text' FROM t_note").fetchall() == [("1",)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM t_note")
    reader.close()


def test_a_reader_does_not_make_a_database(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_reader(tmp_path / "none.db").execute("SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_is_low_when_both_little_and_little_of_it_is_left(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"bytes": 10**9, "part": 0.5}

    def statvfs(_: Path) -> SimpleNamespace:
        total = free["bytes"] / free["part"]
        return SimpleNamespace(f_bavail=free["bytes"], f_frsize=1, f_blocks=total)

    monkeypatch.setattr("os.statvfs", statvfs)
    monkeypatch.setattr("station.store.database.LOOK_EVERY", 1)
    harness = VirtualHarness(Database(path))
    seen = []
    for count, part in ((10**9, 0.5), (10**7, 0.5), (10**9, 0.01), (10**7, 0.01), (10**9, 0.5)):
        free.update(bytes=count, part=part)
        harness.put("a", f"{count} {part}")
        harness.settle()
        seen.append(harness.store.backend.is_low)
    assert seen == [False, False, False, True, False]
    harness.close()


def test_a_folder_that_cannot_be_asked_is_not_low(path: Path) -> None:
    assert not has_less_than(path / "nowhere", 10**18, 1.0)
    assert has_less_than(path.parents[1], 10**18, 1.0)
