"""Reads a whole database into what memory keeps of it."""

import sqlite3
from collections.abc import Iterable

import msgspec

from station.store.backend import WINDOW, Blob, Entry, Kept, Opening
from station.store.units import OUTBOX, UNDELIVERED


def load_opening(connection: sqlite3.Connection) -> Opening:
    opening = Opening()
    for table in _find_tables(connection):
        select = f'SELECT key, ord, row FROM "{table}" ORDER BY ord, key'  # noqa: S608
        opening.tables[table] = connection.execute(select).fetchall()
    rows = connection.execute(f"SELECT id, row FROM {OUTBOX} ORDER BY id")  # noqa: S608
    add_messages(opening, rows)
    kept = connection.execute(f"SELECT id, row FROM {UNDELIVERED} ORDER BY id")  # noqa: S608
    add_undelivered(opening, kept)
    return opening


def add_messages(opening: Opening, rows: Iterable[Blob]) -> None:
    """Index every queued message of *rows*, and keep the first of them whole."""
    decode = msgspec.json.Decoder(Entry).decode
    names: dict[str, str] = {}
    for row_id, blob in rows:
        try:
            entry = decode(blob)
        except (msgspec.MsgspecError, ValueError):
            opening.damaged[row_id] = blob
            continue
        entry.size = len(blob)
        entry.transaction_id = names.setdefault(entry.transaction_id, entry.transaction_id)
        opening.outbox[row_id] = entry
        if len(opening.window) < WINDOW:
            opening.window[row_id] = blob


def add_undelivered(opening: Opening, rows: Iterable[Blob]) -> None:
    """Index every message that was given up; one that no longer decodes still counts."""
    decode = msgspec.json.Decoder(Kept).decode
    for row_id, blob in rows:
        try:
            opening.undelivered[row_id] = decode(blob)
        except (msgspec.MsgspecError, ValueError):
            opening.undelivered[row_id] = Kept()


def _find_tables(connection: sqlite3.Connection) -> list[str]:
    select = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 't_*' ORDER BY name"
    return [name for (name,) in connection.execute(select)]
