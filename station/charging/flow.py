"""How long energy has flowed in a transaction, and over how many phases."""

from collections.abc import Callable

from msgspec.structs import replace

from hal.api import MeterReading
from station.charging.rows import TransactionRow
from station.charging.transaction import Facts

FLOWS_A = 0.5
"""A phase that carries less is not used."""


class FlowTimes:
    """Counts the seconds; what flowed before the last restart is in the row."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since: dict[str, float] = {}

    def track(self, row: TransactionRow, before: Facts, now: Facts) -> TransactionRow:
        """The row after the facts went from *before* to *now*."""
        if now.drawing and row.id not in self._since:
            self._since[row.id] = self._now()
        elif before.drawing and not now.drawing:
            row = self.keep(row)
            self._since.pop(row.id, None)
        return row

    def keep(self, row: TransactionRow) -> TransactionRow:
        """The row with what has flowed so far, so that a power cut cannot take it along."""
        charged_s = self._charged_s(row)
        if row.id in self._since:
            self._since[row.id] = self._now()
        return replace(row, charged_s=charged_s)

    def _charged_s(self, row: TransactionRow) -> float:
        since = self._since.get(row.id)
        return row.charged_s + (0.0 if since is None else self._now() - since)

    def forget(self, transaction_id: str) -> None:
        self._since.pop(transaction_id, None)


def phases_used(reading: MeterReading | None, before: int | None, now: Facts) -> int | None:
    """E02.FR.18, E03.FR.13: how many phases the EV uses, once energy flows."""
    if reading is None or not now.drawing:
        return before
    used = sum(1 for current_a in reading.current_a if current_a > FLOWS_A)
    return used or before
