"""Registers as a transaction tells them: never less, and never more than what flowed.

Theory of operation. A transaction begins with the registers as the meter counts them (J02.FR.17)
and follows what is counted from there, whatever becomes of the meter meanwhile
(`MeterReading.carried`). What was told is kept with the moment. When the process begins anew the
board knows nothing of before: then what was told goes on from there if the meter agrees, and if it
does not, it goes on all the same and the difference is nobody's energy.
"""

import logging
from datetime import datetime

from hal.api import MeterReading, Registers, minus, plus
from station.clock_fixes import Doubt
from station.ports import Store
from station.records import Record, Table

log = logging.getLogger(__name__)

KEEP_S = 300.0
"""At least so often what is told of a running transaction is kept."""
LIVED_ON_S = 10.0
"""The contactor opens long before, once the process is dead."""
HEADROOM = 1.25
MARGIN_WH = 20.0


class MeteredRow(Record, frozen=True, kw_only=True):
    """What was last told of the registers in a transaction."""

    transaction_id: str
    at: datetime
    doubt: Doubt | None = None
    """The clock of that moment was not to be trusted."""
    counted: Registers
    """As the meter showed them."""
    told: Registers
    begin: Registers
    """What was told of the beginning."""
    anchors: dict[str, Registers] = {}
    """What was told at the last sample of each kind, where intervals are measured."""


METERED = Table("metered", MeteredRow, lambda row: row.transaction_id)


class Continuity:
    """Of every transaction that runs."""

    def __init__(self, store: Store) -> None:
        self._rows = store.table(METERED)
        self._shifts: dict[str, Registers] = {}
        """What makes of `MeterReading.counted` what is told."""
        self._told: dict[str, Registers] = {}

    def find(self, transaction_id: str) -> MeteredRow | None:
        return self._rows.get(transaction_id)

    def told(self, transaction_id: str, reading: MeterReading, max_power_w: float) -> Registers:
        """The registers as this transaction tells them now. J02.FR.16"""
        shift = self._shifts.get(transaction_id)
        if shift is None:
            shift = self._shifts[transaction_id] = self._take_up(
                transaction_id, reading, max_power_w
            )
        now = _highest(plus(reading.counted, shift), self._told.get(transaction_id, ()))
        self._told[transaction_id] = now
        return now

    def keep(self, row: MeteredRow) -> None:
        self._rows.put(row)

    def forget(self, transaction_id: str) -> None:
        self._shifts.pop(transaction_id, None)
        self._told.pop(transaction_id, None)
        self._rows.delete(transaction_id)

    def _take_up(self, transaction_id: str, reading: MeterReading, max_power_w: float) -> Registers:
        row = self._rows.get(transaction_id)
        if row is None:
            return minus(tuple(0 for _ in reading.registers), reading.carried)
        most = max_power_w * HEADROOM * (KEEP_S + LIVED_ON_S) / 3600.0 + MARGIN_WH
        shift: list[int] = []
        for index, shown in enumerate(reading.registers):
            before, told = _at(row.counted, index), _at(row.told, index)
            if shown is None or before is None or told is None:
                shift.append(0)
                continue
            goes_on = -MARGIN_WH <= shown - before <= most
            if not goes_on and index == 0:
                log.warning(
                    "transaction %s: the meter shows %d Wh after %d Wh: that is not its energy",
                    transaction_id,
                    shown,
                    before,
                )
            shift.append(told - (before if goes_on else shown))
        self._told[transaction_id] = row.told
        return minus(tuple(shift), reading.carried)


def _highest(registers: Registers, before: Registers) -> Registers:
    return tuple(
        now if now is None else max(now, _at(before, index) or now)
        for index, now in enumerate(registers)
    )


def _at(registers: Registers, index: int) -> int | None:
    return registers[index] if index < len(registers) else None
