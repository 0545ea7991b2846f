"""The work of a store lane on its disk: groups of units, what to do when the disk refuses."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from station.records import StoreHealth
from station.store.backend import Blob, Disk, Opening, Reports
from station.store.units import Unit

log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0

Report = tuple[Callable[..., Any], Any]
"""A method of `Reports` and its argument, for the lane to hand to the core."""

_CORRUPT = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


def is_corrupt(error: Exception) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _CORRUPT


class Writer:
    """Merges what is handed over into one group and commits it; owned by one lane.

    A group that the disk refuses is kept, takes up what follows, and is tried again
    with back-off: as large as what changed, however long it lasts. A file found to be
    damaged is replaced; the new one takes nothing until the core has handed over
    everything it remembers (`whole`).
    """

    def __init__(self, disk: Disk, retry_first_s: float = RETRY_FIRST_S) -> None:
        self._disk = disk
        self._retry_first_s = retry_first_s
        self._reports: Reports | None = None
        self._pending: Unit = {}
        self._serial = 0
        self._damaged = False
        self._needs_whole = False
        self._back_off_s = 0.0
        self.retry_s = 0.0
        """How long to wait before the next attempt; 0 when there is no need to wait."""
        self.groups = 0
        """Transactions that succeeded (metrics)."""

    def open(self, reports: Reports) -> Opening:
        self._reports = reports
        opening = self._disk.open()
        if opening.health is StoreHealth.VOLATILE:
            self.retry_s = self._back_off_s = self._retry_first_s
            self._damaged = opening.blind
        return opening

    @property
    def is_low(self) -> bool:
        return self._disk.is_low

    def take(self, serial: int, unit: Unit, whole: bool) -> None:
        self._serial = serial
        if self._pending:
            self._pending.update(unit)
        else:
            self._pending = unit
        if whole:
            self._needs_whole = False

    @property
    def has_work(self) -> bool:
        return self._damaged or (bool(self._pending) and not self._needs_whole)

    def commit(self) -> Report:
        """Make durable whatever was taken; returns what the core must know."""
        assert self._reports is not None
        try:
            if self._damaged:
                return self._replace()
            self._disk.apply(self._pending)
        except Exception as error:  # noqa: BLE001 - whatever it is, the station goes on from memory
            return self._fail(error)
        self._pending = {}
        self.retry_s = self._back_off_s = 0.0
        self.groups += 1
        return self._reports.on_durable, self._serial

    def read(self, queue: str, ids: Sequence[int]) -> list[Blob] | None:
        """Rows as they will be once everything taken is durable; None when it cannot be read."""
        waiting = [row_id for row_id in ids if (queue, row_id) in self._pending]
        try:
            on_disk = [row_id for row_id in ids if (queue, row_id) not in self._pending]
            found = dict(self._disk.read(queue, on_disk)) if on_disk else {}
        except Exception as error:  # noqa: BLE001 - the caller is told and asks again
            log.warning("the store cannot be read: %s", error)
            self._damaged = self._damaged or is_corrupt(error)
            return None
        for row_id in waiting:
            operation = self._pending[queue, row_id]
            if operation is not None:
                found[row_id] = operation[1]
        return [(row_id, found[row_id]) for row_id in ids if row_id in found]

    def close(self) -> bool:
        """True when nothing that was taken is lost."""
        self._disk.close()
        return not self._pending

    def _replace(self) -> Report:
        assert self._reports is not None
        problem = self._disk.replace()
        self._damaged = False
        self._needs_whole = True
        self.retry_s = 0.0
        log.error("%s; the store begins anew", problem)
        return self._reports.on_replaced, problem

    def _fail(self, error: Exception) -> Report:
        assert self._reports is not None
        if not self._back_off_s:
            log.error("the store takes nothing: %s", error)
        self._disk.close()
        self._damaged = self._damaged or is_corrupt(error)
        self._back_off_s = min(self._back_off_s * 2 or self._retry_first_s, RETRY_LAST_S)
        self.retry_s = self._back_off_s
        return self._reports.on_failed, str(error)
