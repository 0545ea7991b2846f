"""Functional block G, Availability: the CSMS takes things out of service, and back (G03, G04).

Theory of operation. A row says that the CSMS wants the station, an EVSE or a connector
Inoperative; the three are independent, and a connector works when none of them applies to it
(G03.FR.07, G04.FR.08: taking one back brings the status that the others leave). What a
transaction still uses stays as it is until the transaction has ended. Nothing else is kept, so
a restart finds what was wanted, and what it means is derived anew.
"""

import logging

from msgspec import UNSET

from station.context import Context
from station.events import TransactionEnded
from station.ocpp.messages.availability import (
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    ChangeAvailabilityStatus,
    OperationalStatus,
)
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.registration import Registration
from station.records import Record, Table

log = logging.getLogger(__name__)


class InoperativeRow(Record, frozen=True, kw_only=True):
    """What the CSMS took out of service; 0 means the tier above."""

    evse_id: int = 0
    connector_id: int = 0


def _key(evse_id: int, connector_id: int) -> str:
    return f"{evse_id}/{connector_id}"


# G03.FR.08, G04.FR.09, B01.FR.07, B11.FR.02, B12.FR.06
INOPERATIVE = Table("inoperative", InoperativeRow, lambda row: _key(row.evse_id, row.connector_id))


class ChangeAvailability:
    """Answers ChangeAvailability, and keeps connectors Unavailable."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows = context.store.table(INOPERATIVE)
        context.queries.inoperative.register(self._keeps_out)
        context.csms.answer(ChangeAvailabilityRequest, self.change_availability)
        context.events.subscribe(TransactionEnded, self._on_ended)

    def change_availability(self, request: ChangeAvailabilityRequest) -> ChangeAvailabilityResponse:
        """G03.FR.01, G03.FR.02, G04.FR.02, G04.FR.03; without an EVSE the station: G04.FR.01"""
        evse_id = connector_id = 0
        if request.evse is not UNSET:
            evse_id = request.evse.id
            connector_id = 0 if request.evse.connector_id is UNSET else request.evse.connector_id
            evse = self._context.evses.find(evse_id)
            if evse is None:
                return _rejected("UnknownEvse")
            known = {each.id for each in evse.description.connectors}
            if request.evse.connector_id is not UNSET and connector_id not in known:
                return _rejected("UnknownConnectorId")
        if self._context.csms.registration is not Registration.ACCEPTED:
            return _rejected("CSNotAccepted")  # it would have to be followed by a CALL
        self._set(evse_id, connector_id, request.operational_status)
        waits = request.operational_status is OperationalStatus.INOPERATIVE and self._in_use(
            evse_id, connector_id
        )
        if waits:  # G03.FR.05, G04.FR.06
            return ChangeAvailabilityResponse(status=ChangeAvailabilityStatus.SCHEDULED)
        # also when nothing changes: G03.FR.03, G04.FR.04
        return ChangeAvailabilityResponse(status=ChangeAvailabilityStatus.ACCEPTED)

    def _set(self, evse_id: int, connector_id: int, wanted: OperationalStatus) -> None:
        log.info("EVSE %d connector %d shall be %s (0: all)", evse_id, connector_id, wanted)
        key, inoperative = _key(evse_id, connector_id), wanted is OperationalStatus.INOPERATIVE
        if (self._rows.get(key) is not None) is inoperative:
            self._tell_again()
            return
        if inoperative:
            self._rows.put(InoperativeRow(evse_id=evse_id, connector_id=connector_id))
        else:
            self._rows.delete(key)
        self._context.refresh()  # G03.FR.04, G04.FR.05: of what has changed, the status is told

    def _tell_again(self) -> None:
        """Nothing changes: the CSMS must have missed something, so it hears all of it again."""
        tell = self._context.queries.triggers[MessageTrigger.STATUS_NOTIFICATION]
        for evse in self._context.evses:
            for connector in evse.description.connectors:
                tell(evse.id, connector.id)

    def _on_ended(self, _: TransactionEnded) -> None:
        if len(self._rows):
            self._context.refresh()

    def _keeps_out(self, evse_id: int, connector_id: int) -> bool | None:
        """G03.FR.06, G04.FR.07"""
        marks = (_key(0, 0), _key(evse_id, 0), _key(evse_id, connector_id))
        if any(self._rows.get(mark) for mark in marks):
            return True if not self._is_used(evse_id, connector_id) else None
        return None

    def _in_use(self, evse_id: int, connector_id: int) -> bool:
        return any(
            self._is_used(evse.id, connector.id)
            for evse in self._context.evses
            for connector in evse.description.connectors
            if evse_id in (0, evse.id) and connector_id in (0, connector.id)
        )

    def _is_used(self, evse_id: int, connector_id: int) -> bool:
        """A transaction runs here; one that has not named its connector may take any."""
        row = self._context.transactions.on_evse(evse_id)
        return row is not None and row.connector_id in (None, connector_id)


def _rejected(reason_code: str) -> ChangeAvailabilityResponse:
    return ChangeAvailabilityResponse(
        status=ChangeAvailabilityStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code)
    )
