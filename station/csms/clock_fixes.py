"""What UTC was during each kernel boot, once somebody trustworthy has told it.

Messages written before that wait with the monotonic time of their boot; the first trusted
correction dates them, for good: every copy of a message says the same, also after a restart.
"""

from datetime import timedelta

from station.clock import Clock, Trust
from station.events import ClockSynchronised, EventBus
from station.ports import Store
from station.records import Record, Table

KEPT = 16
"""Boots that are remembered: a message that waited through more keeps the time it has."""


class ClockFixRow(Record, frozen=True, kw_only=True):
    """UTC minus monotonic time of one kernel boot."""

    boot_id: str
    first_offset_s: float
    """As first told: this dates what was written before."""
    offset_s: float
    """As last told: this is where a restarted process takes up."""


CLOCK_FIXES = Table("clock_fix", ClockFixRow, lambda row: row.boot_id)


class ClockFixes:
    """Remembers corrections of the clock, and gives a restarted process its time back."""

    def __init__(self, store: Store, events: EventBus, clock: Clock, boot_id: str) -> None:
        self._rows, self._clock, self._boot_id = store.table(CLOCK_FIXES), clock, boot_id
        events.subscribe(ClockSynchronised, self._on_synchronised)
        row = self._rows.get(boot_id)
        if row is not None and clock.trust is Trust.NONE:
            step_s = row.offset_s - clock.offset_s
            clock.set_utc(clock.utc() + timedelta(seconds=step_s), Trust.CSMS)

    def offset_s(self, boot_id: str) -> float | None:
        """What dates the messages of that boot; None while nobody has told the time."""
        row = self._rows.get(boot_id)
        return None if row is None else row.first_offset_s

    def _on_synchronised(self, _: ClockSynchronised) -> None:
        row, offset_s = self._rows.get(self._boot_id), self._clock.offset_s
        first_s = offset_s if row is None else row.first_offset_s
        self._rows.put(
            ClockFixRow(boot_id=self._boot_id, first_offset_s=first_s, offset_s=offset_s)
        )
        for old in self._rows.all()[:-KEPT]:
            self._rows.delete(old.boot_id)
