"""An authorisation, and perhaps a transaction, that waits for a cable to say which EVSE."""

from msgspec.structs import replace

from station.charging.evses import Evse
from station.charging.grants import Grants
from station.charging.ledger import Ledger
from station.charging.policy import Policy
from station.charging.rows import Cause, TransactionRow
from station.charging.steps import Change
from station.charging.transaction import Facts, TxPoint
from station.events import EventBus, TransactionStarted
from station.ocpp.messages.transactions import TransactionEvent


class Floating:
    """At most one of each: who is authorised next must wait until this one has an EVSE."""

    def __init__(self, events: EventBus, grants: Grants, ledger: Ledger, policy: Policy) -> None:
        self._events, self._grants, self._ledger, self._policy = events, grants, ledger, policy

    def evaluate(self, cause: Cause) -> None:
        """The authorisation came or went: only `Authorized` can start or end anything here."""
        row, grant = self._ledger.on_evse(None), self._grants.of(None)
        if grant is not None and row is None:
            if TxPoint.AUTHORIZED in self._policy.start_points():
                row = self._ledger.begin(None, grant)
                change = Change(TransactionEvent.STARTED, cause.trigger)
                self._ledger.emit(row, change, Facts(authorized=True))
                self._events.publish(TransactionStarted(row.id, None))
        elif row is not None and grant is None:
            self.finish(row, cause)

    def finish(self, row: TransactionRow, cause: Cause) -> None:
        self._grants.drop(self._grants.of(None))
        row = replace(row, token_owed=cause.token or row.token_owed)
        change = Change(TransactionEvent.ENDED, cause.trigger, reason=cause.reason)
        self._ledger.emit_end(row, change, Facts())
        self._ledger.tell_end(row, cause.reason)

    def bind(self, evse: Evse) -> None:
        """A cable was plugged in: the authorisation that waited for one belongs here now."""
        grant = self._grants.of(None)
        if (
            grant is None
            or not self._grants.is_open_to_anyone(evse.id)
            or not evse.accepts_transactions
        ):
            return
        if grant.evse_ids and evse.id not in grant.evse_ids:  # C01.FR.21
            return
        row = self._ledger.on_evse(None)
        if row is not None and self._ledger.on_evse(evse.id) is not None:
            return  # a transaction runs here already; the other one waits for its own cable
        self._grants.put(replace(grant, evse_id=evse.id))
        if row is not None:
            self._ledger.put(
                replace(row, evse_id=evse.id, connector_id=evse.report.connector, evse_owed=True)
            )
            self._events.publish(TransactionStarted(row.id, evse.id))
