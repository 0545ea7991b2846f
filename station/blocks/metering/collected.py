"""Values that wait for the Ended event of their transaction."""

from collections.abc import Sequence

from msgspec.structs import replace

from station.clock_fixes import ClockFixes, Doubt
from station.ocpp.messages.common import MeterValue
from station.ports import Store
from station.records import Record, Table

MAX_COLLECTED = 500
"""Samples kept for one Ended event; then every second one goes, from within.

E06.FR.12, E06.FR.13, E07.FR.09, E07.FR.10, E08.FR.10, E08.FR.11, E09.FR.06, E09.FR.07,
E10.FR.05, E10.FR.06, E12.FR.08, E12.FR.09, E15.FR.02, E15.FR.03, F03.FR.05, F03.FR.06, J02.FR.20
"""


class CollectedRow(Record, frozen=True, kw_only=True):
    """One sample that the Ended event of a transaction will carry."""

    transaction_id: str
    number: int
    value: MeterValue
    doubt: Doubt | None = None
    """The clock that dated it was not to be trusted."""


COLLECTED = Table("ended_sample", CollectedRow, lambda row: f"{row.transaction_id}/{row.number:08}")


class Collected:
    """The values kept so far, by transaction."""

    def __init__(self, store: Store, fixes: ClockFixes) -> None:
        self._rows, self._fixes = store.table(COLLECTED), fixes
        self._numbers: dict[str, int] = {}

    def keep(self, transaction_id: str, values: Sequence[MeterValue]) -> None:
        number = self._numbers.get(transaction_id)
        mine = self._of(transaction_id)
        if number is None:
            number = max((kept.number for kept in mine), default=0)
        if len(mine) >= MAX_COLLECTED:
            for kept in mine[1::2]:
                self._rows.delete(COLLECTED.key(kept))
        doubt = self._fixes.doubt()
        for value in values:
            number += 1
            self._rows.put(
                CollectedRow(transaction_id=transaction_id, number=number, value=value, doubt=doubt)
            )
        self._numbers[transaction_id] = number

    def take(self, transaction_id: str) -> list[MeterValue]:
        """What was kept, in order; it is not kept any more."""
        rows = self._of(transaction_id)
        for row in rows:
            self._rows.delete(COLLECTED.key(row))
        return [self._dated(row) for row in rows]

    def forget(self, transaction_id: str) -> None:
        self._numbers.pop(transaction_id, None)

    def _dated(self, row: CollectedRow) -> MeterValue:
        if row.doubt is None:
            return row.value
        moment = row.value.timestamp + self._fixes.shift(row.doubt)
        return replace(row.value, timestamp=moment)

    def _of(self, transaction_id: str) -> list[CollectedRow]:
        return [row for row in self._rows.all() if row.transaction_id == transaction_id]
