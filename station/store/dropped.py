"""Remembers which events of a transaction nobody will be told, so that no gap is a riddle."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from station.records import DroppedRow, Run, Sweep, Table, Worth
from station.store.core_store import CoreStore

RUNS = 64
"""Of one row: what a turn of thinning rewrites stays small, however long the transaction is."""
MAX_ROWS = 2000
"""Beyond it the oldest row goes whose transaction has nothing queued any more."""
LOOKED_AT = 64
"""Rows that are looked at for such at a time, so that it never takes long."""

DROPPED = Table("dropped", DroppedRow, lambda row: f"{row.transaction_id}/{row.part:04}")


class Dropped:
    """Only from the core; writes belong to the unit of the present turn."""

    def __init__(self, store: CoreStore, is_queued: Callable[[str], bool]) -> None:
        self._rows = store.table(DROPPED)
        self._is_queued = is_queued

    def sweep(self, transaction_id: str, worth: Worth) -> Sweep | None:
        """How far thinning of this transaction has come."""
        row = self._last(transaction_id)
        return None if row is None else row.sweeps.get(worth)

    def note(
        self, transaction_id: str, seq_nos: Iterable[int], sweeps: dict[Worth, Sweep] | None = None
    ) -> None:
        """These events are dropped; *sweeps* have come so far by that."""
        row = self._last(transaction_id) or DroppedRow(transaction_id=transaction_id)
        row = replace(row, sweeps=row.sweeps | (sweeps or {}))
        for seq_no in seq_nos:
            runs = extended(row.runs, seq_no)
            if len(runs) > RUNS:
                self._rows.put(replace(row, sweeps={}))
                row, runs = replace(row, part=row.part + 1), extended((), seq_no)
            row = replace(row, runs=runs)
        self._rows.put(row)

    def forget_old(self) -> None:
        """Called now and then: keeps the list within its bound."""
        over = len(self._rows) - MAX_ROWS
        if over > 0:
            for row in islice(self._rows.all(), LOOKED_AT):
                if over > 0 and not self._is_queued(row.transaction_id):
                    self._rows.delete(DROPPED.key(row))
                    over -= 1

    def _last(self, transaction_id: str) -> DroppedRow | None:
        found, part = None, 0
        while (row := self._rows.get(f"{transaction_id}/{part:04}")) is not None:
            found, part = row, part + 1
        return found


def extended(runs: tuple[Run, ...], seq_no: int) -> tuple[Run, ...]:
    """*runs* and one more number, in the last run if that goes on by the same step."""
    if not runs:
        return ((seq_no, seq_no, 1),)
    first, last, step = runs[-1]
    if first == last < seq_no:
        return (*runs[:-1], (first, seq_no, seq_no - first))
    if seq_no == last + step:
        return (*runs[:-1], (first, seq_no, step))
    return (*runs, (seq_no, seq_no, 1))


def numbers(runs: Sequence[Run]) -> Iterator[int]:
    """Every number of *runs*."""
    for first, last, step in runs:
        yield from range(first, last + 1, step)
