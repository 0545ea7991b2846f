"""Functional block B, Provisioning: reset of the station or of one EVSE (B11, B12).

OnIdle waits for idleness; Immediate ends transactions. Both wait until the CSMS has the last
transaction events, or for a while. The process then ends with an intent that the next one
reads: the boot reason is a fact, not a guess.
"""

import logging
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from station.charging.queries import Refusal
from station.charging.rows import Cause
from station.context import Context
from station.device_model import Boolean, Integer, Mutability, Variable
from station.events import ConnectorStatusChanged, EvseFreed, StationFreed, TransactionEnded
from station.ocpp.messages.availability import ConnectorStatus
from station.ocpp.messages.common import IdToken, StatusInfo
from station.ocpp.messages.provisioning import (
    BootReason,
    Reset,
    ResetRequest,
    ResetResponse,
    ResetStatus,
)
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.reactor import Timer
from station.records import Record, Table

log = logging.getLogger(__name__)

RESET_RETRIES = Variable("OCPPCommCtrlr", "ResetRetries", Integer(min=0, max=10), default=1)
ALLOW_RESET_STATION = Variable(
    "ChargingStation",
    "AllowReset",
    Boolean(),
    default=True,
    mutability=Mutability.READ_ONLY,
    constant=True,
)
ALLOW_RESET_EVSE = Variable(
    "EVSE",
    "AllowReset",
    Boolean(),
    default=True,
    mutability=Mutability.READ_ONLY,
    constant=True,
)
FLUSH_S = 5.0
"""Wait for answers to the last messages before the process ends (B12.FR.05)."""
SHUT_AFTER_S = 1.0
"""An EVSE that becomes Available is reported so before a waiting reset shuts it."""
EVSE_RESET_S = 2.0
"""An EVSE that is reset stays out of service for so long."""


class ResetRow(Record, frozen=True, kw_only=True):
    """A reset that waits for idleness; a restart for any reason fulfils it."""

    evse_id: int = 0
    scheduled: bool = False


RESETS = Table("reset", ResetRow, lambda row: str(row.evse_id))


class Resets:
    """Carries out Reset."""

    def __init__(self, context: Context, restart: Callable[[BootReason], Any]) -> None:
        self._context, self._restart = context, restart
        self._rows = context.store.table(RESETS)
        self._resetting: set[int] = set()
        self._shut: set[int] = set()
        """EVSEs that take nobody new while a reset waits."""
        self._ending: Timer | None = None
        self._tries = 0
        context.variables.declare(RESET_RETRIES)
        context.variables.declare(ALLOW_RESET_STATION)
        for evse in context.evses:
            context.variables.declare(ALLOW_RESET_EVSE, evse.id)  # B11.FR.10
        context.csms.answer(ResetRequest, self.reset)
        context.queries.inoperative.register(self._keeps_out)
        context.queries.may_start.register(self._objection)
        context.events.subscribe(TransactionEnded, lambda _: self._check())
        context.events.subscribe(EvseFreed, lambda _: self._check())
        context.events.subscribe(StationFreed, lambda _: self._check())
        context.events.subscribe(ConnectorStatusChanged, self._on_status)

    def start(self) -> None:
        """A reset of the station that was scheduled has happened: it is a restart."""
        for row in self._rows.all():
            self._rows.delete(RESETS.key(row))

    @property
    def pending(self) -> bool:
        """A reset of the whole station is scheduled or under way."""
        return self._rows.get("0") is not None or self._ending is not None

    def reset(self, request: ResetRequest) -> ResetResponse:
        evse_id = 0 if request.evse_id is UNSET else request.evse_id
        if evse_id and self._context.evses.find(evse_id) is None:
            return _rejected("UnknownEvse")
        if self._ending is not None:  # B11.FR.06, B12.FR.10
            return _rejected("InvalidMessageSeq")
        busy = self._context.queries.busy.ask(evse_id or None)
        in_use = self._in_use(evse_id)
        if request.type is Reset.IMMEDIATE:
            if busy is not None:  # B12.FR.10
                return _rejected("FwUpdateInProgress" if busy == "firmware" else "Unspecified")
            self._context.store.after_commit(self._begin, evse_id)
            return ResetResponse(status=ResetStatus.ACCEPTED)  # B11.FR.01, B12.FR.02
        if in_use or busy is not None:
            self._rows.put(ResetRow(evse_id=evse_id, scheduled=True))
            self._shut_available()
            return ResetResponse(status=ResetStatus.SCHEDULED)  # B12.FR.01, B11.FR.07
        self._context.store.after_commit(self._begin, evse_id)  # B11.FR.03
        return ResetResponse(status=ResetStatus.ACCEPTED)

    def _begin(self, evse_id: int) -> None:
        """The answer is on its way: end transactions, then reset."""
        self._context.reactor.post(self._end_transactions, evse_id, source="reset")

    def _end_transactions(self, evse_id: int) -> None:
        self._rows.put(ResetRow(evse_id=evse_id))
        self._end_what_runs(evse_id)
        self._context.refresh()
        self._check()

    def _end_what_runs(self, evse_id: int) -> None:
        """End everything that does not end already.

        Authorisations that wait for a cable too: else a driver who may yet plug in would hold up
        a reset that cannot wait.
        """
        cause = Cause(trigger=TriggerReason.RESET_COMMAND, reason=Reason.IMMEDIATE_RESET)
        transactions = self._context.transactions
        for row in transactions.all():
            if evse_id in (0, row.evse_id) and row.stop is None:
                transactions.end(row, cause)  # B12.FR.04, B12.FR.08
        charged = [row.evse_id for row in transactions.all()]
        for grant in transactions.grants.all():
            if evse_id in (0, grant.evse_id) and grant.evse_id not in charged:
                transactions.stop(grant, cause)

    def _check(self) -> None:
        for row in self._rows.all():
            busy = self._context.queries.busy.ask(row.evse_id or None)
            if busy is None and not self._in_use(row.evse_id):  # B12.FR.03, B12.FR.07
                self._carry_out(row)
            elif not row.scheduled:  # somebody has plugged in meanwhile
                self._context.reactor.post(self._end_what_runs, row.evse_id, source="reset")

    def _carry_out(self, row: ResetRow) -> None:
        if row.evse_id:
            self._rows.delete(RESETS.key(row))
            self._shut.discard(row.evse_id)
            self._resetting.add(row.evse_id)
            self._context.refresh()
            log.info("EVSE %d is reset", row.evse_id)  # B11.FR.08
            self._context.reactor.call_later(
                EVSE_RESET_S, self._evse_done, row.evse_id, source="reset"
            )
        elif self._ending is None:
            log.info("the station is reset")
            self._ending = self._context.reactor.call_later(
                FLUSH_S, self._end_process, source="reset"
            )
            self._context.csms.when_flushed(self._flushed)

    def _evse_done(self, evse_id: int) -> None:
        self._resetting.discard(evse_id)
        self._context.refresh()

    def _flushed(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._end_process()

    def _end_process(self) -> None:
        closed = any(evse.report.contactor_closed for evse in self._context.evses)
        if closed and self._tries < self._context.variables[RESET_RETRIES]:
            self._tries += 1  # a contactor that is still closed: the reset would be no reset
            self._ending = self._context.reactor.call_later(
                FLUSH_S, self._end_process, source="reset"
            )
            return
        row = self._rows.get("0")
        self._rows.delete("0")
        scheduled = row is not None and row.scheduled
        # B01.FR.03, B11.FR.04
        self._restart(BootReason.SCHEDULED_RESET if scheduled else BootReason.REMOTE_RESET)

    def _in_use(self, evse_id: int) -> bool:
        transactions = self._context.transactions
        if evse_id:
            return not transactions.is_free(evse_id)
        return bool(transactions.all() or transactions.grants.all())

    def _on_status(self, event: ConnectorStatusChanged) -> None:
        if event.status == ConnectorStatus.AVAILABLE and self._rows.all():
            self._context.reactor.call_later(SHUT_AFTER_S, self._shut_available, source="reset")

    def _shut_available(self) -> None:
        """B12: EVSEs that are Available become Unavailable; one still in use stays as it is."""
        for evse in self._context.evses:
            statuses = {evse.connector_status(each.id) for each in evse.description.connectors}
            if self._waits_for(evse.id) and statuses == {ConnectorStatus.AVAILABLE}:
                self._shut.add(evse.id)
        self._context.refresh()

    def _waits_for(self, evse_id: int) -> bool:
        return self._rows.get("0") is not None or self._rows.get(str(evse_id)) is not None

    def _objection(self, evse_id: int | None, _: IdToken) -> Refusal | None:
        """A reset that cannot wait is under way: who started now would be cut off at once."""
        rows = [self._rows.get("0"), self._rows.get(str(evse_id))]
        if self._ending is not None or any(row and not row.scheduled for row in rows):
            return Refusal("Unspecified", "a reset is under way")
        return None

    def _keeps_out(self, evse_id: int, connector_id: int) -> bool | None:  # noqa: ARG002
        if evse_id in self._resetting or (evse_id in self._shut and self._waits_for(evse_id)):
            return True
        return None


def _rejected(reason_code: str) -> ResetResponse:
    return ResetResponse(
        status=ResetStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code)
    )
