"""Brings a database to the newest schema: numbered SQL, each step atomic, a copy before the first.

Theory of operation. `PRAGMA user_version` is the number of the last step taken.
Schemas expand first and contract one release later, so version N opens a database
of N+1: `meta.min_reader` names the oldest version that may.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from station.store.files import sync_directory, sync_file

FOLDER = Path(__file__).parent / "migrations"

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class StoreTooNewError(Exception):
    """The database was written by software that this version cannot follow."""


class Migration(Struct, frozen=True):
    version: int
    sql: str


def find_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Every step in *folder*, in order; numbers begin at 1 and leave no gap."""
    found = []
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is not None:
            found.append(Migration(int(match[1]), path.read_text(encoding="utf-8")))
    if [step.version for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations in {folder} are not numbered 1, 2, 3 …")
    return found


def migrate(connection: sqlite3.Connection, path: Path | None, steps: list[Migration]) -> None:
    """Take every step that is missing; a copy is kept beside *path*, if given."""
    version = read_version(connection)
    newest = steps[-1].version
    if version > newest:
        _check_reader(connection, version, newest)
        return
    if 0 < version < newest and path is not None:
        copy_aside(connection, path, version)
    for step in steps[version:]:
        _take(connection, step)


def read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def copy_aside(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """A copy of the whole database beside it, durable before anything changes."""
    copy = path.with_name(f"{path.name}.v{version}")
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(copy)) as target:
        connection.backup(target)
    sync_file(copy)
    sync_directory(path.parent)
    return copy


def _check_reader(connection: sqlite3.Connection, version: int, newest: int) -> None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'min_reader'").fetchone()
    min_reader = int(row[0]) if row is not None else version
    if min_reader > newest:
        raise StoreTooNewError(
            f"the database has version {version} and needs software that knows at least version "
            f"{min_reader}; this one knows {newest}: install the newer release, or restore the "
            "copy that was made before the migration"
        )


def _take(connection: sqlite3.Connection, step: Migration) -> None:
    script = f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.version};\nCOMMIT;"
    try:
        connection.executescript(script)
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
