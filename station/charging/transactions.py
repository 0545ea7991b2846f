"""Authorisations and transactions: the facts of each EVSE in, steps of transactions out.

Theory of operation. A *grant* is an authorisation in force; it belongs to an EVSE, or floats
until a cable decides which. Whatever happens changes facts; `_evaluate` compares them with
those of the last event and gives at most one step: Started, Updated or Ended. Energy is
withdrawn first: when losing the authorisation ends a transaction, its end waits until the
contactor is open, so that the last meter value is the true one.
"""

from collections.abc import Callable, Sequence

import msgspec

from station.charging.evses import Evse, Evses
from station.charging.flow import FlowTimes, phases_used
from station.charging.grants import Grants
from station.charging.policy import Policy
from station.charging.rows import (
    IDLE,
    TRANSACTIONS,
    Cause,
    GrantRow,
    IdleRow,
    TokenRow,
    TransactionRow,
)
from station.charging.steps import Change, reason_of, take_step, trigger_of
from station.charging.transaction import (
    Facts,
    TxPoint,
    ends,
    ends_with_authorization,
    starts,
)
from station.charging.waits import Waits
from station.clock import Clock
from station.events import EventBus, EvseFreed, TransactionEnded, TransactionStarted
from station.ocpp.messages.common import MeterValue
from station.ocpp.messages.transactions import (
    Reason,
    TransactionEvent,
    TriggerReason,
)
from station.ports import Store
from station.reactor import Reactor

OPEN_WAIT_S = 10.0
"""Longest wait for the contactor to open before a stopped transaction ends all the same."""
NOT_SEEN_WAIT_S = 5.0
"""For how long a time-out that passed while nobody ran waits for the board's first report."""


class Transactions:
    """Keeps grants and transactions; only the core calls it."""

    def __init__(
        self,
        *,
        reactor: Reactor,
        clock: Clock,
        store: Store,
        events: EventBus,
        evses: Evses,
        new_id: Callable[[], str],
        policy: Policy,
    ) -> None:
        self._reactor, self._clock, self._events, self._evses = reactor, clock, events, evses
        self._new_id, self._policy = new_id, policy
        self.grants = Grants(reactor, clock, store, policy.connection_timeout_s)
        self.grants.on_timeout = self._connection_timeout
        self._rows = store.table(TRANSACTIONS)
        self._open_waits = Waits(reactor, OPEN_WAIT_S, self._open_overdue)
        self._idle = store.table(IDLE)
        self._signed: set[int] = set()
        self._flow = FlowTimes(reactor.now)
        self.held: Callable[[Evse], bool] = lambda _evse: False
        """True while a fault keeps energy from an EVSE."""
        self.resumes = True
        """A transaction that a restart interrupted goes on if the EV is still there."""
        self.interrupted = Cause(trigger=TriggerReason.ABNORMAL_CONDITION, reason=Reason.POWER_LOSS)
        """What ends it otherwise."""
        for evse in evses:
            evse.on_settled = self.evse_changed

    # -- looking

    def all(self) -> list[TransactionRow]:
        return self._rows.all()

    def find(self, transaction_id: str) -> TransactionRow | None:
        return self._rows.get(transaction_id)

    def on_evse(self, evse_id: int) -> TransactionRow | None:
        return next((row for row in self._rows.all() if row.evse_id == evse_id), None)

    def floating(self) -> TransactionRow | None:
        return next((row for row in self._rows.all() if row.evse_id is None), None)

    def is_free(self, evse_id: int) -> bool:
        """No transaction and no authorisation on this EVSE."""
        return self.on_evse(evse_id) is None and self.grants.of(evse_id) is None

    def candidate(self, allowed: Sequence[int] = ()) -> Evse | None:
        """The EVSE that a driver at the station's own reader must mean: plugged in last."""
        waiting = [
            evse
            for evse in self._evses
            if (not allowed or evse.id in allowed)  # C01.FR.21
            and self.grants.is_open_to_anyone(evse.id)
            and (self._is_connected(evse) or self.on_evse(evse.id))
            and evse.accepts_transactions
        ]
        return max(waiting, key=lambda evse: evse.plugged_at, default=None)

    # -- authorisation

    def grant(
        self,
        token: TokenRow,
        cause: Cause,
        *,
        evse_id: int | None,
        group_id_token: str = "",
        evse_ids: tuple[int, ...] = (),
        remote_start_id: int | None = None,
    ) -> None:
        """Authorise *token* for an EVSE; None lets it float until a cable decides."""
        grant = GrantRow(
            id=self._new_id(),
            token=token,
            at=self._clock.utc(),
            group_id_token=group_id_token,
            evse_id=evse_id,
            remote_start_id=remote_start_id,
            evse_ids=evse_ids,
        )
        self.grants.put(grant)
        if evse_id is None or not self._is_connected(self._evses.get(evse_id)):
            self.grants.arm(grant)
        if evse_id is None:
            self._evaluate_floating(cause)
        else:
            self.grants.release_lock(evse_id)
            self._evaluate(self._evses.get(evse_id), cause)

    def stop(self, grant: GrantRow, cause: Cause) -> None:
        """End an authorisation; energy first, then the transaction if that ends it."""
        if grant.evse_id is None:
            self._withdraw(grant, cause)
            return
        evse = self._evses.get(grant.evse_id)
        row = self.on_evse(evse.id)
        if row is not None and self._must_open_first(evse, row, cause):
            self._rows.put(replace(row, stop=cause))
            self._open_waits.begin(row.id)
            self._derive(evse)
            return
        self._withdraw(grant, cause)

    def end(self, row: TransactionRow, cause: Cause) -> None:
        """End a transaction whatever its stop points: reset, fault, timeout."""
        cause = replace(cause, forced=True)
        if row.evse_id is None:
            self._finish_floating(row, cause)
            return
        evse = self._evses.get(row.evse_id)
        if evse.report.contactor_closed:
            self._rows.put(replace(row, stop=cause))
            self._open_waits.begin(row.id)
            self._derive(evse)
        else:
            self._evaluate(evse, cause)

    def suspend(self, row: TransactionRow) -> None:
        """Withhold energy, keep the authorisation (E05.FR.02)."""
        self._rows.put(replace(row, suspended=True))
        if row.evse_id is not None:
            self._evaluate(self._evses.get(row.evse_id), None)

    def set_group(self, row: TransactionRow, group_id_token: str) -> None:
        """The CSMS told the group of the token that runs this transaction (C09)."""
        if row.group_id_token != group_id_token:
            self._rows.put(replace(row, group_id_token=group_id_token))

    def release_lock(self, evse_id: int) -> None:
        """The owner of a kept cable has presented the token (E09.FR.03, E10.FR.01)."""
        self.grants.release_lock(evse_id)
        self._derive(self._evses.get(evse_id))

    def reserve_next(self, transaction_id: str, reservation_id: int) -> None:
        """This transaction ends a reservation: the next event says so (E01.FR.13)."""
        row = self._rows.get(transaction_id)
        if row is not None:
            self._rows.put(replace(row, reservation_owed=reservation_id))

    def update(
        self, transaction_id: str, trigger: TriggerReason, values: Sequence[MeterValue] = ()
    ) -> None:
        """An Updated event for something that changed no fact: meter values, a trigger.

        E02.FR.16, F01.FR.18
        """
        row = self._rows.get(transaction_id)
        if row is None or row.stop is not None:
            return
        now, phases = self._facts_of(row), row.phases
        if row.evse_id is not None:
            phases = self._phases(self._evses.get(row.evse_id), row, now)
        news = phases if phases != row.phases else None  # E02.FR.19, E03.FR.14
        change = Change(TransactionEvent.UPDATED, trigger, phases=news, meter_values=values)
        self._emit(replace(row, phases=phases), change, now)

    def note_signed(self, evse_id: int) -> None:
        """A signed meter value was obtained for this EVSE (start point DataSigned)."""
        if evse_id not in self._signed:
            self._signed.add(evse_id)
            self._evaluate(self._evses.get(evse_id), None)

    # -- hardware

    def evse_changed(self, evse: Evse, cause: Cause | None = None) -> None:
        """The board reported, or time made a fact of it: see what follows.

        *cause* is a fault that was just raised: forced if it ends a transaction, else it suspends.
        """
        connected = self._is_connected(evse)
        was = self._before(evse)
        if connected and not was.connected:
            self._bind_floating(evse)
            self.grants.disarm(self.grants.of(evse.id))
        row = self.on_evse(evse.id)
        if cause is not None and cause.forced and row is not None and row.stop is None:
            self.end(row, cause)
            return
        if was.connected and not connected:
            self._signed.discard(evse.id)
            if self._lost_ev(evse):
                return
        self._evaluate(evse, cause)

    def reconsider(self, evse: Evse, cause: Cause | None) -> None:
        """A turn of this EVSE was undone: whatever holds now counts as new."""
        self._idle.delete(str(evse.id))
        self.evse_changed(evse, cause)

    def derive_again(self) -> None:
        """A turn was undone, and with it perhaps what an EVSE was about to be told."""
        for evse in self._evses:
            self._derive(evse)
            evse.derive(again=True)

    def first_seen(self, evse: Evse) -> None:
        """The board's first report since the process began: go on with what ran, or end it."""
        row = self.on_evse(evse.id)
        if row is not None and row.stop is not None:
            self._open_waits.begin(row.id)
        elif row is not None and not self.resumes:
            self.end(row, self.interrupted)

    # -- the heart

    def _evaluate(self, evse: Evse, cause: Cause | None) -> None:
        """Compare the facts with those of the last event and take the step that follows."""
        row = self.on_evse(evse.id)
        if row is not None and row.stop is not None and not evse.report.contactor_closed:
            cause, row = self._complete_stop(evse, row)
        before = self._before(evse)
        self._derive(evse)
        now = self._facts(evse)
        if row is None:  # one transaction for all connectors of an EVSE: E01.FR.14
            self._note_idle(evse, now)
            if starts(before, now, self._policy.start_points()) and evse.accepts_transactions:
                self._start(evse, now, before, cause)
        elif row.stop is not None:
            pass  # its end is told once the contactor is open
        elif (cause is not None and cause.forced) or ends(before, now, self._policy.stop_points()):
            if cause is None and now.drawing:  # it left the bay, they say
                trigger = trigger_of(before, now, None) or TriggerReason.CHARGING_STATE_CHANGED
                self.end(row, Cause(trigger=trigger, reason=reason_of(before, now)))
            else:
                self._finish(evse, row, before, now, cause)
        else:
            self._continue(evse, row, before, now, cause)
        self._derive(evse)

    def _complete_stop(
        self, evse: Evse, row: TransactionRow
    ) -> tuple[Cause | None, TransactionRow]:
        """The contactor is open: now the authorisation ends too."""
        cause = row.stop
        self._open_waits.cancel(row.id)
        row = replace(row, stop=None)
        self._rows.put(row)
        grant = self.grants.of(evse.id)
        self.grants.drop(grant)
        return cause, row

    def _start(self, evse: Evse, now: Facts, before: Facts, cause: Cause | None) -> None:
        grant = self.grants.of(evse.id)
        row = TransactionRow(
            id=self._new_id(),  # E01.FR.08, E02.FR.08
            started_at=self._clock.utc(),
            evse_id=evse.id,
            connector_id=evse.report.connector,
            evse_owed=True,
        )
        if grant is not None:
            row = self._with_token(row, grant)
        reading = self._evses.board.reading(evse.id)
        if reading is not None:
            row = replace(row, begin_wh=reading.energy_wh)
        row = self._flow.track(row, before, now)
        phases = self._phases(evse, row, now)  # energy may flow already
        row = replace(row, phases=phases)
        trigger = trigger_of(before, now, cause) or TriggerReason.CHARGING_STATE_CHANGED
        self._rows.put(row)
        self._derive(evse)
        change = Change(TransactionEvent.STARTED, trigger, phases=phases, begin=True)
        self._emit(row, change, self._facts(evse))
        self._events.publish(TransactionStarted(row.id, evse.id))

    def _continue(
        self, evse: Evse, row: TransactionRow, before: Facts, now: Facts, cause: Cause | None
    ) -> None:
        grant = self.grants.of(evse.id)
        if now.authorized and not before.authorized and grant is not None:
            row = self._with_token(row, grant)
        elif before.authorized and not now.authorized and cause is not None:
            row = replace(row, token_owed=cause.token or row.token_owed, reason=cause.reason)
        # E01.FR.16, and again when the EV comes back to the other connector
        if now.connected and evse.report.connector not in (None, row.connector_id):
            row = replace(row, connector_id=evse.report.connector, evse_owed=True)
        row = self._flow.track(row, before, now)
        trigger = trigger_of(before, now, cause)
        if trigger is None and str(now.charging_state) != row.state:
            trigger = TriggerReason.CHARGING_STATE_CHANGED
        phases = self._phases(evse, row, now)
        if trigger is None and row.remote_start_owed is None and phases == row.phases:
            self._rows.put(replace(row, facts=now))
            return
        change = Change(
            TransactionEvent.UPDATED,
            trigger or TriggerReason.CHARGING_STATE_CHANGED,
            phases=phases if phases != row.phases else None,
            begin=row.begin_owed and now.drawing,  # E03.FR.11
        )
        self._emit(replace(row, phases=phases), change, now)

    def _finish(
        self, evse: Evse, row: TransactionRow, before: Facts, now: Facts, cause: Cause | None
    ) -> None:
        row = self._flow.track(row, before, now)
        grant = self.grants.of(evse.id)
        if cause is not None and cause.token is not None:
            row = replace(row, token_owed=cause.token)
        trigger = trigger_of(before, now, cause) or TriggerReason.CHARGING_STATE_CHANGED
        if cause is not None and (cause.forced or before.authorized):
            trigger = cause.trigger
        # E06.FR.08, E07.FR.06
        reason = cause.reason if cause is not None else row.reason or reason_of(before, now)
        self.grants.drop(grant)
        now = msgspec.structs.replace(now, authorized=False)
        self._emit(row, Change(TransactionEvent.ENDED, trigger, reason=reason), now)  # E08.FR.04
        self._forget(row)
        self._note_idle(evse, now)
        if reason is Reason.DE_AUTHORIZED and row.token is not None:
            self._keep_lock(evse, row)  # E05.FR.11
        self._derive(evse)
        self._events.publish(TransactionEnded(row.id, evse.id, reason))
        self._events.publish(EvseFreed(evse.id))

    def _emit(self, row: TransactionRow, change: Change, now: Facts) -> None:
        """Commit the step and tell block E."""
        step = take_step(row, change, now, self._clock.utc(), self._flow.charged_s(row))
        if step.kind is not TransactionEvent.ENDED:
            self._rows.put(step.row)
        self._events.publish(step)

    # -- floating authorisations and transactions

    def _evaluate_floating(self, cause: Cause) -> None:
        """A floating grant came or went: only `Authorized` can start or end anything here."""
        row, grant = self.floating(), self.grants.of(None)
        if grant is not None and row is None:
            if TxPoint.AUTHORIZED in self._policy.start_points():
                started = TransactionRow(
                    id=self._new_id(), started_at=self._clock.utc(), evse_owed=True
                )
                row = self._with_token(started, grant)
                now = Facts(authorized=True)
                self._emit(row, Change(TransactionEvent.STARTED, cause.trigger), now)
                self._events.publish(TransactionStarted(row.id, None))
        elif row is not None and grant is None:
            self._finish_floating(row, cause)

    def _finish_floating(self, row: TransactionRow, cause: Cause) -> None:
        grant = self.grants.of(None)
        self.grants.drop(grant)
        row = replace(row, token_owed=cause.token or row.token_owed)
        change = Change(TransactionEvent.ENDED, cause.trigger, reason=cause.reason)
        self._emit(row, change, Facts())
        self._forget(row)
        self._events.publish(TransactionEnded(row.id, None, cause.reason))

    def _bind_floating(self, evse: Evse) -> None:
        """A cable was plugged in: the authorisation that waited for one belongs here now."""
        grant = self.grants.of(None)
        if (
            grant is None
            or not self.grants.is_open_to_anyone(evse.id)
            or not evse.accepts_transactions
        ):
            return
        if grant.evse_ids and evse.id not in grant.evse_ids:  # C01.FR.21
            return
        row = self.floating()
        if row is not None and self.on_evse(evse.id) is not None:
            return  # a transaction runs here already; the other one waits for its own cable
        self.grants.put(replace(grant, evse_id=evse.id))
        if row is not None:
            self._rows.put(
                replace(row, evse_id=evse.id, connector_id=evse.report.connector, evse_owed=True)
            )
            self._events.publish(TransactionStarted(row.id, evse.id))

    # -- the EV goes

    def _lost_ev(self, evse: Evse) -> bool:
        """E09, E10: the EV end is out; True when the transaction has been dealt with."""
        grant, row = self.grants.of(evse.id), self.on_evse(evse.id)
        if grant is None or row is None:
            if grant is not None:
                self.grants.arm(self.grants.count_from_now(grant))
            return False
        stops = self._policy.stop_on_ev_side_disconnect()
        if stops or ends(row.facts, self._facts(evse), self._policy.stop_points()):
            if evse.report.plugged and not self._policy.unlock_on_ev_side_disconnect():
                self._keep_lock(evse, row)  # E09.FR.02, E09.FR.03, E10.FR.01
        if stops:  # E09.FR.01
            self.grants.drop(grant)
            cause = Cause(
                trigger=TriggerReason.EV_COMMUNICATION_LOST, reason=Reason.EV_DISCONNECTED
            )
            self._evaluate(evse, cause)
            return True
        again = self.grants.count_from_now(grant)
        if evse.report.plugged:  # E10.FR.01: the cable stays locked, however long it takes
            self.grants.disarm(again)
        else:  # E10.FR.02: a fixed cable must come back in time
            self.grants.arm(again)
        return False

    def _keep_lock(self, evse: Evse, row: TransactionRow) -> None:
        if evse.report.locked:
            self.grants.keep_lock(evse.id, row)

    # -- timeouts

    def _connection_timeout(self, grant: GrantRow) -> None:
        if grant.evse_id is not None:
            evse = self._evses.get(grant.evse_id)
            if not evse.seen:  # the process has just begun: the board knows best
                self.grants.arm_in(grant, NOT_SEEN_WAIT_S)
                return
            if self._is_connected(evse):
                return
        cause = Cause(trigger=TriggerReason.EV_CONNECT_TIMEOUT, reason=Reason.TIMEOUT)
        if TxPoint.PARKING_BAY_OCCUPANCY not in self._policy.stop_points():
            # E03.FR.05, E03.FR.15, F02.FR.07, F02.FR.08
            cause = replace(cause, forced=True)
        self._withdraw(grant, cause)

    def _withdraw(self, grant: GrantRow, cause: Cause) -> None:
        """The authorisation ends, here and now; its EVSE may be free by that."""
        self.grants.drop(grant)
        if grant.evse_id is None:
            self._evaluate_floating(cause)
        else:
            self._evaluate(self._evses.get(grant.evse_id), cause)
        if grant.evse_id is None or self.is_free(grant.evse_id):
            self._events.publish(EvseFreed(grant.evse_id))

    def _open_overdue(self, transaction_id: str) -> None:
        """The contactor did not open (welded): the transaction must end all the same."""
        row = self._rows.get(transaction_id)
        if row is None or row.stop is None or row.evse_id is None:
            return
        evse = self._evses.get(row.evse_id)
        cause, row = self._complete_stop(evse, row)
        if cause is not None:
            self._evaluate(evse, replace(cause, forced=True))

    # -- small parts

    def _before(self, evse: Evse) -> Facts:
        row = self.on_evse(evse.id)
        if row is not None:
            return row.facts
        idle = self._idle.get(str(evse.id))
        return Facts() if idle is None else idle.facts

    def _note_idle(self, evse: Evse, now: Facts) -> None:
        """What is no news any more: it starts nothing, not even after a restart."""
        now = msgspec.structs.replace(now, offered=False, settling=False)
        if self._before(evse) != now or self.on_evse(evse.id) is not None:
            self._idle.put(IdleRow(evse_id=evse.id, facts=now))

    def _facts(self, evse: Evse) -> Facts:
        authorized = self.grants.of(evse.id) is not None or not self._policy.authorization_needed()
        return evse.facts(authorized=authorized, signed=evse.id in self._signed)

    def _facts_of(self, row: TransactionRow) -> Facts:
        if row.evse_id is None:
            return Facts(authorized=self.grants.of(None) is not None)
        return self._facts(self._evses.get(row.evse_id))

    def _is_connected(self, evse: Evse) -> bool:
        return evse.facts(authorized=False, signed=False).connected

    def _derive(self, evse: Evse) -> None:
        """What the EVSE should do, from grant, transaction and lock."""
        row, grant = self.on_evse(evse.id), self.grants.of(evse.id)
        allowed = grant is not None or not self._policy.authorization_needed()  # C01.FR.01
        reaching = (
            row is None
            and TxPoint.ENERGY_TRANSFER in self._policy.start_points()
            and evse.accepts_transactions
        )
        going = row is not None and row.stop is None and not row.suspended
        evse.wants_energy = allowed and (going or reaching) and not self.held(evse)
        in_use = evse.is_occupied and allowed and (row is None or row.stop is None)
        # E06.FR.10, E07.FR.07, E08.FR.03: let go once the energy is off
        evse.holds_lock = (
            in_use or evse.report.contactor_closed or self.grants.kept_lock(evse.id) is not None
        )
        evse.derive()
        self._evses.keep_renewing()

    def _must_open_first(self, evse: Evse, row: TransactionRow, cause: Cause) -> bool:
        if not evse.report.contactor_closed:
            return False
        if cause.forced or cause.trigger is TriggerReason.DEAUTHORIZED:
            return True  # E05.FR.09: told with the charging state that follows from it
        return ends_with_authorization(row.facts, self._policy.stop_points())

    def _with_token(self, row: TransactionRow, grant: GrantRow) -> TransactionRow:
        return replace(
            row,
            token=row.token or grant.token,
            group_id_token=row.group_id_token or grant.group_id_token,
            token_owed=grant.token,  # E02.FR.01, E02.FR.20, E03.FR.01
            remote_start_owed=grant.remote_start_id,  # F01.FR.25, F02.FR.01
            suspended=False,
            reason=None,
        )

    def _forget(self, row: TransactionRow) -> None:
        self._open_waits.cancel(row.id)
        self._flow.forget(row.id)
        self._rows.delete(row.id)

    def _phases(self, evse: Evse, row: TransactionRow, now: Facts) -> int | None:
        reading = self._evses.board.reading(evse.id) if now.drawing else None
        return phases_used(reading, row.phases, now)


replace = msgspec.structs.replace
