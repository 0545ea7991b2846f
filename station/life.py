"""How the last process ended, and what the next one calls the reason of its boot."""

from enum import StrEnum

from station.ocpp.messages.provisioning import BootReason
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


def boot_reason(last: ProcessRow | None, boot_id: str, *, watchdog: bool) -> BootReason:
    """Told from what was committed before the end and from the kernel's boot id (B01.FR.09)."""
    if last is None or last.boot_id != boot_id:
        planned = last is not None and last.intent not in (None, BootReason.LOCAL_RESET)
        return last.intent if last and planned and last.intent else BootReason.POWER_UP
    if last.intent is not None:
        return last.intent
    return BootReason.WATCHDOG if watchdog else BootReason.APPLICATION_RESET
