"""Short read-only connections for web pages, history and tools; they never delay the writer."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from station.control import UnreadableError
from station.records import DroppedRow, Run, UndeliveredRow
from station.store.database import BUSY_S
from station.store.dropped import DROPPED
from station.store.units import UNDELIVERED, to_sql_name

LAST_ID = 2**62


def open_reader(path: Path, *, closed: bool = False) -> sqlite3.Connection:
    """Open for reading; close it soon, since a long read keeps the write-ahead log growing.

    *closed*: no station uses the file; it is read as it lies, and nothing is left beside it.
    """
    how = "mode=ro&immutable=1" if closed else "mode=ro"
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S)
    connection.execute("PRAGMA query_only = ON")
    return connection


class QueueReader:
    """What a station could not tell its CSMS; from any thread. Implements `control.QueueView`."""

    def __init__(self, path: Path, *, closed: bool = False) -> None:
        self._path, self._closed = path, closed

    def undelivered(
        self, before: int | None, count: int, *, payloads: bool = False
    ) -> list[dict[str, Any]]:
        select = f"SELECT id, row FROM {UNDELIVERED} WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        with self._reading() as connection:
            found = connection.execute(
                select, (LAST_ID if before is None else before, count)
            ).fetchall()
        return [_told(row_id, blob, payloads=payloads) for row_id, blob in found]

    def dropped(self) -> list[dict[str, Any]]:
        table = to_sql_name(DROPPED.name)
        is_there = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        with self._reading() as connection:
            if not connection.execute(is_there, (table,)).fetchone()[0]:
                return []
            found = connection.execute(f"SELECT row FROM {table} ORDER BY ord").fetchall()  # noqa: S608
        runs: dict[str, list[Run]] = {}
        for (blob,) in found:
            row = msgspec.json.decode(blob, type=DroppedRow)
            if row.runs:
                runs.setdefault(row.transaction_id, []).extend(row.runs)
        return [
            {
                "transaction_id": name,
                "count": sum(len(range(first, last + 1, step)) for first, last, step in mine),
                "seq_nos": [_in_words(run) for run in mine],
            }
            for name, mine in runs.items()
        ]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(open_reader(self._path, closed=self._closed)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise UnreadableError(f"{self._path.name} cannot be read: {error}") from error


def _told(row_id: int, blob: bytes, *, payloads: bool) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(blob, type=UndeliveredRow)
        payload = msgspec.json.decode(row.payload)
    except (msgspec.MsgspecError, ValueError):
        return {"id": row_id, "reason": "the row is damaged"}
    told = {
        "id": row_id,
        "action": row.action,
        "transaction_id": row.transaction_id or None,
        "seq_no": row.seq_no if row.transaction_id else None,
        "event_type": payload.get("eventType"),
        "trigger_reason": payload.get("triggerReason"),
        "timestamp": payload.get("timestamp"),
        "reason": row.reason,
    }
    return {**told, "payload": payload} if payloads else told


def _in_words(run: Run) -> str:
    """ "7", "3-9" for all of them, "1-359/2" for every second."""
    first, last, step = run
    if first == last:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}/{step}"
