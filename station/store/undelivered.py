"""Messages given up after their last attempt: kept, counted, and bounded in number (E13.FR.04)."""

from bisect import bisect_left, insort

import msgspec

from station.records import OutboxRow, UndeliveredRow, Worth
from station.store.backend import Kept
from station.store.core_store import CoreStore
from station.store.dropped import Dropped
from station.store.units import UNDELIVERED

MAX_UNDELIVERED = 10_000
"""Beyond it the oldest Updated goes, and when there is none the oldest message."""

_encode = msgspec.json.Encoder().encode


class Undelivered:
    """Only from the core; writes belong to the unit of the present turn."""

    def __init__(self, store: CoreStore, dropped: Dropped) -> None:
        self._turn, self._dropped = store.turn, dropped
        self._kept: dict[int, Kept] = {}
        self._updated: list[int] = []
        self._others: list[int] = []
        for row_id, kept in store.opening.undelivered.items():
            self._insert(row_id, kept)

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, row: OutboxRow, reason: str) -> int:
        """Keep *row*; returns how many older ones had to go for it."""
        kept = UndeliveredRow(
            id=row.id,
            action=row.action,
            payload=row.payload,
            transaction_id=row.transaction_id,
            seq_no=row.seq_no,
            reason=reason,
            worth=row.worth,
        )
        self._insert(row.id, Kept(row.transaction_id, row.seq_no, row.worth))
        self._turn.write(UNDELIVERED, row.id, (0, _encode(kept)), self._remove, row.id)
        over = len(self._kept) - MAX_UNDELIVERED
        for _ in range(over):
            self._forget_one()
        return max(over, 0)

    def clear(self) -> None:
        """The disk has lost them all."""
        self._kept.clear()
        self._updated.clear()
        self._others.clear()

    def _forget_one(self) -> None:
        row_id = (self._updated or self._others)[0]
        kept = self._kept[row_id]
        self._remove(row_id)
        self._turn.write(UNDELIVERED, row_id, None, self._insert, row_id, kept)
        if kept.transaction_id:
            self._dropped.note(kept.transaction_id, [kept.seq_no])

    def _insert(self, row_id: int, kept: Kept) -> None:
        self._kept[row_id] = kept
        insort(self._ids(kept), row_id)

    def _remove(self, row_id: int) -> None:
        ids = self._ids(self._kept.pop(row_id))
        del ids[bisect_left(ids, row_id)]

    def _ids(self, kept: Kept) -> list[int]:
        return self._others if kept.worth is Worth.FULL else self._updated
