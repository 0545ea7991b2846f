"""A disk in SQLite: write-ahead log, synchronous=FULL, one transaction per group of units.

Measured over cut power: WAL with FULL kept every acknowledged commit in 200 of 200
cuts, WAL with NORMAL (a common default) in none.
"""

import logging
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from station.records import StoreHealth
from station.store.backend import Blob, Opening
from station.store.files import (
    copy_to_memory,
    create_file,
    has_less_than,
    remove_copy,
    set_aside,
)
from station.store.loading import load_opening
from station.store.migrate import Migration, find_migrations, migrate
from station.store.units import Key, Unit, is_queue
from station.store.writer import is_corrupt

log = logging.getLogger(__name__)

MEMORY = ":memory:"
BUSY_S = 5.0
CHECKPOINT_PAGES = 1000
CACHE_KIB = 1024
LOW_BYTES = 32_000_000
LOW_PART = 0.1
"""Less free space than both, and the disk is low: a small partition may use most of itself."""
LOOK_EVERY = 64
"""Units between two looks at the free space; a look takes 2 µs."""

CREATE = """CREATE TABLE IF NOT EXISTS "{}" (
    key TEXT PRIMARY KEY, ord INTEGER NOT NULL, row BLOB NOT NULL) WITHOUT ROWID"""
PUT = (
    'INSERT OR REPLACE INTO "{}" (key, ord, row) VALUES (?, ?, ?)',
    'INSERT OR REPLACE INTO "{}" (id, row) VALUES (?, ?)',
)
DELETE = ('DELETE FROM "{}" WHERE key = ?', 'DELETE FROM "{}" WHERE id = ?')


class CorruptError(Exception):
    """The file is damaged: checking it or reading it says so."""


class Database:
    """Implements `backend.Disk`; *path* may be ":memory:", which lasts as long as this object."""

    def __init__(self, path: Path | str, migrations: list[Migration] | None = None) -> None:
        self._path = None if path == MEMORY else Path(path)
        self._migrations = migrations
        self._connection: sqlite3.Connection | None = None
        self._tables: set[str] = set()
        self._units = 0
        self.is_low = False

    def open(self) -> Opening:
        """Damaged: set aside and begun anew. Unusable disk: what can be read, VOLATILE."""
        if self._path is None:
            return load_opening(self._connect())
        try:
            return self._open_file(self._path)
        except CorruptError as error:
            return self._begin_anew(self._path, str(error))
        except (sqlite3.Error, OSError) as error:
            return self._open_copy(self._path, str(error))

    def apply(self, unit: Unit) -> None:
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, rows in self._statements(connection, unit).items():
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except BaseException:
            self._tables.clear()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            self._look_for_space()

    def read(self, queue: str, ids: Sequence[int]) -> list[Blob]:
        select = f"SELECT id, row FROM {queue} WHERE id = ?"  # noqa: S608 - a validated name
        connection = self._connect()
        found = (connection.execute(select, (row_id,)).fetchone() for row_id in ids)
        return [(row[0], row[1]) for row in found if row is not None]

    def replace(self) -> str:
        self.discard()
        if self._path is None:
            return "the database in memory is damaged"
        aside = set_aside(self._path)
        return f"{self._path.name} is damaged and kept as {aside.name}"

    def close(self) -> None:
        """The next use opens the file again; a database in memory stays."""
        if self._path is not None:
            self.discard()

    def discard(self) -> None:
        connection, self._connection = self._connection, None
        self._tables.clear()
        if connection is not None:
            connection.close()

    def _look_for_space(self) -> None:
        if self._path is not None and self._units % LOOK_EVERY == 0:
            self.is_low = has_less_than(self._path.parent, LOW_BYTES, LOW_PART)
        self._units += 1

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:
                create_file(self._path)
            self._connection = self._prepare(self._path, keep_copy=True)
        return self._connection

    def _prepare(self, path: Path | None, *, keep_copy: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            MEMORY if path is None else path,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if path is not None:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                connection.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4096}")
            steps = self._migrations or find_migrations()
            migrate(connection, path if keep_copy else None, steps)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_file(self, path: Path) -> Opening:
        create_file(path)
        unclean = path.with_name(f"{path.name}-wal").exists()
        try:
            connection = self._connect()
            if unclean:
                self._check(connection)
            return load_opening(connection)
        except sqlite3.DatabaseError as error:
            self.close()
            if is_corrupt(error):
                raise CorruptError(str(error)) from error
            raise

    def _check(self, connection: sqlite3.Connection) -> None:
        """The last process did not close the database: is it whole?"""
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            self.close()
            raise CorruptError(str(answer))

    def _begin_anew(self, path: Path, problem: str) -> Opening:
        try:
            detail = f"{self.replace()} ({problem})"
            opening = self._open_file(path)
        except (sqlite3.Error, OSError, CorruptError) as error:
            self.close()
            return Opening(StoreHealth.VOLATILE, blind=True, detail=f"{problem}; {error}")
        log.error("%s; the store begins anew", detail)
        return replace(opening, health=StoreHealth.REPLACED, detail=detail)

    def _open_copy(self, path: Path, problem: str) -> Opening:
        """Everything the station knew, from a disk that is full, read-only or failing."""
        log.error("%s cannot be used (%s); the station runs from memory", path.name, problem)
        self.close()
        copy = None
        try:
            copy = copy_to_memory(path)
            self._connection = self._prepare(copy, keep_copy=False)
            opening = load_opening(self._connection)
        except (sqlite3.Error, OSError) as error:
            opening, problem = Opening(blind=True), f"{problem}; {error}"
        finally:
            self.close()
            if copy is not None:
                remove_copy(copy)
        return replace(opening, health=StoreHealth.VOLATILE, detail=problem)

    def _statements(
        self, connection: sqlite3.Connection, unit: Unit
    ) -> dict[str, list[tuple[Key | bytes, ...]]]:
        """The rows of *unit* by prepared statement; new tables are created on the way."""
        statements: dict[str, list[tuple[Key | bytes, ...]]] = {}
        for (table, key), operation in unit.items():
            queue = is_queue(table)
            if not queue and table not in self._tables:
                connection.execute(CREATE.format(table))
                self._tables.add(table)
            if operation is None:
                statements.setdefault(_sql(DELETE, queue, table), []).append((key,))
            elif queue:
                statements.setdefault(_sql(PUT, queue, table), []).append((key, operation[1]))
            else:
                statements.setdefault(_sql(PUT, queue, table), []).append((key, *operation))
        return statements


@cache
def _sql(statements: tuple[str, str], queue: bool, table: str) -> str:
    return statements[queue].format(table)
