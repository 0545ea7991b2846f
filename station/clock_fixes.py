"""What UTC was during each kernel boot, once somebody trustworthy has told it.

Messages written before that wait with the monotonic time of their boot; the first trusted
correction dates them, for good: every copy of a message says the same, also after a restart.
A boot that ended before anybody told the time is dated by the one after it: it was alive at
most until that began.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from station.clock import Clock, Trust
from station.events import ClockSynchronised, EventBus
from station.life import LifeSigns
from station.ports import Store
from station.records import Record, Table

KEPT = 16
"""Boots that are remembered: a message that waited through more keeps the time it has."""


class Doubt(Record, frozen=True, kw_only=True):
    """By which clock that nobody could trust a moment was taken."""

    boot_id: str
    offset_s: float
    """UTC minus monotonic time, as that clock had it."""


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

    def __init__(self, store: Store, events: EventBus, clock: Clock, signs: LifeSigns) -> None:
        self._rows, self._clock, self._signs = store.table(CLOCK_FIXES), clock, signs
        self._true: set[datetime] = set()
        events.subscribe(ClockSynchronised, self._on_synchronised)
        row = self._rows.get(signs.boot_id)
        if row is not None and clock.trust is Trust.NONE:
            step_s = row.offset_s - clock.offset_s
            clock.set_utc(clock.utc() + timedelta(seconds=step_s), Trust.CSMS)

    def doubt(self) -> Doubt | None:
        """What must be kept with a moment that is taken now; None: the clock is trusted."""
        if self._clock.trust is not Trust.NONE:
            return None
        return Doubt(boot_id=self._signs.boot_id, offset_s=self._clock.offset_s)

    def moment(self, at: datetime, doubt: Doubt | None) -> datetime:
        """What was *at* when it was taken, for a message of now.

        True, or by the clock of now if nobody can tell better: such a message is dated as a
        whole when it is sent, but for the moments of which `is_true` says that they stand.
        """
        offset_s = None if doubt is None else self.offset_s(doubt.boot_id)
        if doubt is not None:
            guessed = self._guessed(self._clock.offset_s)
            by_now_s = guessed.get(doubt.boot_id, doubt.offset_s) if offset_s is None else offset_s
            at += timedelta(seconds=by_now_s - doubt.offset_s)
        if (doubt is None or offset_s is not None) and self._clock.trust is Trust.NONE:
            self._true.add(at)
        return at

    def is_true(self, at: datetime) -> bool:
        """Whether `moment` has told it while the clock of now was in doubt, and knew it."""
        return at in self._true

    def offset_s(self, boot_id: str) -> float | None:
        """What dates the messages of that boot; None while nobody has told the time."""
        row = self._rows.get(boot_id)
        return None if row is None else row.first_offset_s

    def _on_synchronised(self, _: ClockSynchronised) -> None:
        row, offset_s = self._rows.get(self._signs.boot_id), self._clock.offset_s
        self._true.clear()
        if row is not None:
            self._rows.put(replace(row, offset_s=offset_s))
            return
        for each, guessed_s in reversed(self._guessed(offset_s).items()):
            self._rows.put(ClockFixRow(boot_id=each, first_offset_s=guessed_s, offset_s=guessed_s))
        for old in self._rows.all()[:-KEPT]:
            self._rows.delete(old.boot_id)

    def _guessed(self, offset_s: float) -> dict[str, float]:
        """The present boot has *offset_s*: those of all boots since the last that knew its own."""
        *before, boot = self._signs.boots()
        guessed = {boot.boot_id: offset_s}
        for older in reversed(before):
            if self._rows.get(older.boot_id) is not None:
                break
            offset_s += boot.began - older.last
            guessed[older.boot_id] = offset_s
            boot = older
        return guessed
