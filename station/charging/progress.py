"""One EVSE's transaction, step by step: started, updated, ended."""

from msgspec.structs import replace

from station.charging.evses import Evse, Evses
from station.charging.grants import Grants
from station.charging.ledger import Ledger, with_token
from station.charging.pending_ends import PendingEnds
from station.charging.permission import Permission
from station.charging.policy import Policy
from station.charging.rows import Cause, TransactionRow
from station.charging.steps import Change, reason_of, trigger_of
from station.charging.transaction import Facts, TxPoint, ends, news, starts
from station.events import EventBus, EvseFreed, SignatureWanted, TransactionStarted
from station.ocpp.messages.transactions import Reason, TransactionEvent, TriggerReason
from station.reactor import Reactor


class Progress:
    """Compares the facts of an EVSE with those of the last event and takes what follows."""

    def __init__(
        self,
        *,
        reactor: Reactor,
        events: EventBus,
        evses: Evses,
        grants: Grants,
        ledger: Ledger,
        permission: Permission,
        policy: Policy,
    ) -> None:
        self._events, self._evses, self._grants = events, evses, grants
        self._ledger, self._permission, self._policy = ledger, permission, policy
        self._suspending: dict[int, Cause] = {}
        """Of each EVSE, the fault that is about to stop its energy, which still flows."""
        self.pending = PendingEnds(reactor, ledger, grants, policy, self._open_overdue)

    def evaluate(self, evse: Evse, cause: Cause | None) -> None:
        """Take the step that follows from what holds now, if one does; *cause* is why, if known."""
        row = self._ledger.on_evse(evse.id)
        if row is not None and row.stop is not None and not evse.report.contactor_closed:
            cause, row = self.pending.complete(row)
        before = self._ledger.before(evse)
        self._permission.derive(evse, stepping=True)
        now = self._ledger.facts(evse)
        cause = self._late_cause(evse, cause, now)
        if row is None:  # one transaction for all connectors of an EVSE: E01.FR.14
            self._evaluate_idle(evse, before, now, cause)
        elif row.stop is not None:
            pass  # its end is told once the contactor is open
        elif (cause is not None and cause.forced) or ends(before, now, self._policy.stop_points()):
            if cause is None and now.drawing:  # it left the bay, they say
                trigger = trigger_of(before, now, None) or TriggerReason.CHARGING_STATE_CHANGED
                self.end(evse, row, Cause(trigger=trigger, reason=reason_of(before, now)))
            else:
                self._finish(evse, row, before, now, cause)
        else:
            self._continue(evse, row, before, now, cause)
        self._permission.derive(evse)

    def end(self, evse: Evse, row: TransactionRow, cause: Cause) -> None:
        """End it whatever its stop points are, once no energy flows."""
        cause = replace(cause, forced=True)
        if evse.report.contactor_closed:
            self.pending.begin(row, cause)
            self._permission.derive(evse)
        else:
            self.evaluate(evse, cause)

    def resume(self, evse: Evse, row: TransactionRow, interrupted: Cause) -> None:
        """After a restart: energy was withheld, and comes back if nothing forbids it."""
        self._permission.derive(evse)
        before, now = row.facts, replace(self._ledger.facts(evse), withheld=True)
        if not (before.offered and now.connected) or now.drawing:
            return
        if ends(before, now, self._policy.stop_points()):  # E06.FR.07
            self.evaluate(evse, interrupted)
        else:
            row = self._ledger.track(row, before, now)
            change = Change(TransactionEvent.UPDATED, interrupted.trigger)
            self._ledger.emit(row, change, now)

    def _late_cause(self, evse: Evse, cause: Cause | None, now: Facts) -> Cause | None:
        """A contactor opens a moment after the fault that opens it: the fault is still why."""
        if cause is not None and not cause.forced and now.drawing:
            self._suspending[evse.id] = cause
        elif not now.drawing:
            return self._suspending.pop(evse.id, None) if cause is None else cause
        elif not self._permission.held(evse):
            self._suspending.pop(evse.id, None)
        return cause

    # -- the steps

    def _evaluate_idle(self, evse: Evse, before: Facts, now: Facts, cause: Cause | None) -> None:
        before = news(self._ledger.waiting(evse), before)
        # B02.FR.03, B03.FR.01
        if not (self._policy.may_begin() and evse.accepts_transactions):
            self._ledger.note_idle(evse, now, news(before, now))
            return
        self._ledger.note_idle(evse, now)
        points = self._policy.start_points()
        if starts(before, now, points):
            self._start(evse, now, before, cause)
        elif TxPoint.DATA_SIGNED in points and now.connected and now.authorized and not now.signed:
            self._events.publish(SignatureWanted(evse.id))  # E01.FR.04

    def _start(self, evse: Evse, now: Facts, before: Facts, cause: Cause | None) -> None:
        row = self._ledger.begin(evse, self._grants.of(evse.id))
        row = self._ledger.track(row, before, now)
        phases = self._ledger.phases(evse, row, now)  # energy may flow already
        row = replace(row, phases=phases)
        trigger = trigger_of(before, now, cause) or TriggerReason.CHARGING_STATE_CHANGED
        self._ledger.put(row)
        self._permission.derive(evse)
        change = Change(TransactionEvent.STARTED, trigger, phases=phases, begin=True)
        self._ledger.emit(row, change, self._ledger.facts(evse))
        self._events.publish(TransactionStarted(row.id, evse.id))

    def _continue(
        self, evse: Evse, row: TransactionRow, before: Facts, now: Facts, cause: Cause | None
    ) -> None:
        grant = self._grants.of(evse.id)
        if now.authorized and not before.authorized and grant is not None:
            row = with_token(row, grant)
        elif before.authorized and not now.authorized and cause is not None:
            row = replace(row, token_owed=cause.token or row.token_owed, reason=cause.reason)
        # E01.FR.16, and again when the EV comes back to the other connector
        if now.connected and evse.report.connector not in (None, row.connector_id):
            row = replace(row, connector_id=evse.report.connector, evse_owed=True)
        row = self._ledger.track(row, before, now)
        trigger = trigger_of(before, now, cause)
        if trigger is None and str(now.charging_state) != row.state:
            trigger = TriggerReason.CHARGING_STATE_CHANGED
        phases = self._ledger.phases(evse, row, now)
        if trigger is None and row.remote_start_owed is None and phases == row.phases:
            self._ledger.put(replace(row, facts=now))
            return
        change = Change(
            TransactionEvent.UPDATED,
            trigger or TriggerReason.CHARGING_STATE_CHANGED,
            phases=phases if phases != row.phases else None,
            begin=row.begin_owed and now.drawing,  # E03.FR.11
        )
        self._ledger.emit(replace(row, phases=phases), change, now)

    def _finish(
        self, evse: Evse, row: TransactionRow, before: Facts, now: Facts, cause: Cause | None
    ) -> None:
        row = self._ledger.track(row, before, now)
        if cause is not None and cause.token is not None:
            row = replace(row, token_owed=cause.token)
        trigger = trigger_of(before, now, cause) or TriggerReason.CHARGING_STATE_CHANGED
        if cause is not None and (cause.forced or before.authorized):
            trigger = cause.trigger
        # E06.FR.08, E07.FR.06
        reason = cause.reason if cause is not None else row.reason or reason_of(before, now)
        self._grants.drop(self._grants.of(evse.id))
        now = replace(now, authorized=False)
        self._ledger.forget_signed(evse.id)  # the next transaction needs another one
        self.pending.forget(row)
        # E08.FR.04
        self._ledger.emit_end(row, Change(TransactionEvent.ENDED, trigger, reason=reason), now)
        self._ledger.note_idle(evse, replace(now, signed=False))
        if reason is Reason.DE_AUTHORIZED and row.token is not None:
            self.keep_lock(evse, row, owner_only=True)  # C15.FR.05, E05.FR.11
        self._permission.derive(evse)
        self._ledger.tell_end(row, reason)
        self._events.publish(EvseFreed(evse.id))

    def keep_lock(self, evse: Evse, row: TransactionRow, *, owner_only: bool = False) -> None:
        """The cable stays locked until its owner comes, or (not *owner_only*) one of the group."""
        if evse.report.locked:
            self._grants.keep_lock(evse.id, row, owner_only=owner_only)

    def _open_overdue(self, transaction_id: str) -> None:
        """The contactor did not open (welded): the transaction must end all the same."""
        row = self._ledger.find(transaction_id)
        if row is None or row.stop is None or row.evse_id is None:
            return
        evse = self._evses.get(row.evse_id)
        cause, _ = self.pending.complete(row)
        if cause is not None:
            self.evaluate(evse, replace(cause, forced=True))
