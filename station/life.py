"""How and when the last process ended, and what the next one calls the reason of its boot."""

from datetime import datetime, timedelta
from enum import StrEnum

from station.clock import Clock, Trust
from station.ocpp.messages.provisioning import BootReason
from station.ports import Store
from station.records import Record, Table


class Ending(StrEnum):
    """How a station has ended; only the command line acts on it."""

    STOP = "stop"
    RESTART = "restart"
    FAILED = "failed"


class ProcessRow(Record, frozen=True, kw_only=True):
    """Written at every start, and again before a planned end."""

    boot_id: str
    intent: BootReason | None = None
    """Why the next process will have been started; None while nothing is planned."""
    name: str = "process"
    failures: int = 0
    """Unplanned ends in a row; the third failed boot enters safe mode."""


PROCESS = Table("process", ProcessRow, lambda row: row.name)


def boot_reason(
    last: ProcessRow | None, boot_id: str, *, watchdog: bool, forgetful: bool = False
) -> BootReason:
    """Told from what was committed before the end and from the kernel's boot id (B01.FR.09).

    *forgetful*: the store was lost, and with it why the last process ended.
    """
    if last is None and forgetful:
        return BootReason.UNKNOWN
    if last is None or last.boot_id != boot_id:
        planned = last is not None and last.intent not in (None, BootReason.LOCAL_RESET)
        return last.intent if last and planned and last.intent else BootReason.POWER_UP
    if last.intent is not None:
        return last.intent
    return BootReason.WATCHDOG if watchdog else BootReason.APPLICATION_RESET


KEPT = 16
"""So many boots are remembered."""


class LifeSignRow(Record, frozen=True, kw_only=True):
    """From when to when a boot of the kernel was alive, as far as anybody noted."""

    boot_id: str
    began: float
    """Monotonic seconds of that boot, as `last`."""
    last: float
    utc: datetime | None = None
    """Of `last`; None if no clock could be trusted then."""


LIFE_SIGNS = Table("life_sign", LifeSignRow, lambda row: row.boot_id)


class LifeSigns:
    """Notes that the station is alive; tells for how long it was not."""

    def __init__(self, store: Store, clock: Clock, boot_id: str) -> None:
        self._rows, self._clock = store.table(LIFE_SIGNS), clock
        self.boot_id = boot_id
        rows = self._rows.all()
        self._before = rows[-1] if rows else None
        self._began_at = clock.monotonic()
        self.note()

    def note(self) -> None:
        """The station is alive now."""
        at, row = self._clock.monotonic(), self._rows.get(self.boot_id)
        utc = self._clock.utc() if self._clock.trust > Trust.NONE else None
        began = at if row is None else row.began
        self._rows.put(LifeSignRow(boot_id=self.boot_id, began=began, last=at, utc=utc))
        for old in self._rows.all()[:-KEPT]:
            self._rows.delete(old.boot_id)

    def outage_s(self) -> float | None:
        """From the last process's last sign of life to the start of this one.

        None: there was none before, or the power failed and no clock tells for how long.
        """
        before = self._before
        if before is None:
            return None
        if before.boot_id == self.boot_id:
            return self._began_at - before.last
        if before.utc is None or self._clock.trust is Trust.NONE:
            return None
        began = self._clock.utc_at(self._began_at)
        return max(0.0, (began - before.utc) / timedelta(seconds=1))

    def boots(self) -> list[LifeSignRow]:
        """All that are remembered, the present one last."""
        return self._rows.all()
