"""Functional block A, Security: the security log, and the events the CSMS must hear of (A04).

The log is a chain: each entry carries the digest of itself and of the one before, so that a
change in the middle shows. It rolls: the oldest entries go, the chain goes on.
"""

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from station.context import Context
from station.device_model import Integer, Variable
from station.events import ClockSynchronised, SecurityHappened
from station.ocpp.messages.security import SecurityEventNotificationRequest
from station.records import Record, SendClass, Table

log = logging.getLogger(__name__)

CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "InvalidTLSVersion",
        "InvalidTLSCipherSuite",
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
        "DiscardedRenewedClientCertificate",
    }
)
TIME_ADJUSTMENT_REPORTING_THRESHOLD = Variable(
    "ClockCtrlr", "TimeAdjustmentReportingThreshold", Integer(unit="s", min=1), default=20
)
KEPT = 1000
"""Entries of the log; beyond that the oldest goes."""
FLOODABLE = frozenset({"InvalidMessages", "AttemptedReplayAttacks"})
"""What the other side can cause as often as it likes."""
QUIET_S = 60.0
"""Each of them is logged once in this time, so that it cannot push all else out of the log."""
MAX_TECH_INFO = 255


class SecurityLogRow(Record, frozen=True, kw_only=True):
    """One entry of the security log."""

    number: int
    at: datetime
    type: str
    tech_info: str = ""
    digest: str = ""
    """SHA-256 over this entry and the digest of the one before."""


SECURITY_LOG = Table("security_log", SecurityLogRow, lambda row: f"{row.number:012}")


class SecurityEvents:
    """Logs every security event, and owes the CSMS the critical ones until it has them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows = context.store.table(SECURITY_LOG)
        self._quiet_until: dict[str, float] = {}
        context.variables.declare(TIME_ADJUSTMENT_REPORTING_THRESHOLD)
        context.events.subscribe(SecurityHappened, self._on_security_happened)
        context.events.subscribe(ClockSynchronised, self._on_clock_synchronised)

    def entries(self) -> Iterator[SecurityLogRow]:
        """Oldest first."""
        return iter(sorted(self._rows.all(), key=lambda row: row.number))

    def _on_clock_synchronised(self, event: ClockSynchronised) -> None:
        if abs(event.step_s) > self._context.variables[TIME_ADJUSTMENT_REPORTING_THRESHOLD]:
            self._on_security_happened(
                SecurityHappened("SettingSystemTime", f"{event.source}, {event.step_s:+.0f} s")
            )

    def _on_security_happened(self, event: SecurityHappened) -> None:
        critical = event.type in CRITICAL
        now = self._context.reactor.now()
        if event.type in FLOODABLE:
            if now < self._quiet_until.get(event.type, now):
                return
            self._quiet_until[event.type] = now + QUIET_S
        tech_info = event.tech_info[:MAX_TECH_INFO]
        newest = max(self._rows.all(), key=lambda row: row.number, default=_FIRST)
        row = SecurityLogRow(
            number=newest.number + 1,
            at=self._context.clock.utc(),
            type=event.type,
            tech_info=tech_info,
        )
        row = msgspec.structs.replace(row, digest=digest_of(row, newest.digest))
        self._rows.put(row)  # A04.FR.04
        if len(self._rows) > KEPT:
            self._rows.delete(SECURITY_LOG.key(next(self.entries())))
        if critical:
            self._owe(row)

    def _owe(self, row: SecurityLogRow) -> None:
        """A04.FR.01, A04.FR.02"""
        request = SecurityEventNotificationRequest(
            type=row.type, timestamp=row.at, tech_info=row.tech_info or msgspec.UNSET
        )
        self._context.csms.owe(request, send_class=SendClass.SECURITY)


def digest_of(row: SecurityLogRow, before: str) -> str:
    """The digest that *row* must carry after an entry with the digest *before*."""
    bare = msgspec.structs.replace(row, digest="")
    return hashlib.sha256(before.encode() + msgspec.json.encode(bare)).hexdigest()


def first_broken(entries: list[SecurityLogRow]) -> int | None:
    """The number of the first entry that does not fit the one before it; None if all do."""
    for before, row in pairwise(entries):
        if row.digest != digest_of(row, before.digest) or row.number != before.number + 1:
            return row.number
    return None


_FIRST = SecurityLogRow(number=0, at=datetime(1970, 1, 1, tzinfo=UTC), type="")
