"""The transactions that run, their events, and the facts that the last events told."""

from collections.abc import Callable

from msgspec.structs import replace

from station.charging.evses import Evse, Evses
from station.charging.flow import FlowTimes, phases_used
from station.charging.grants import Grants
from station.charging.policy import Policy
from station.charging.rows import (
    IDLE,
    TRANSACTIONS,
    GrantRow,
    IdleRow,
    TransactionRow,
)
from station.charging.steps import Change, take_step
from station.charging.transaction import Facts
from station.clock import Clock
from station.events import EventBus, TransactionEnded
from station.ocpp.messages.transactions import ChargingState, Reason, TransactionEvent
from station.ports import Store

NOTHING = Facts()


class Ledger:
    """Keeps the rows; every event of a transaction is numbered and committed here."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        events: EventBus,
        evses: Evses,
        grants: Grants,
        policy: Policy,
        new_id: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._clock, self._events, self._evses = clock, events, evses
        self._grants, self._policy, self._new_id = grants, policy, new_id
        self._rows = store.table(TRANSACTIONS)
        self._idle = store.table(IDLE)
        self._signed: set[int] = set()
        self._flow = FlowTimes(now)

    # -- the rows

    def all(self) -> list[TransactionRow]:
        return self._rows.all()

    def find(self, transaction_id: str) -> TransactionRow | None:
        return self._rows.get(transaction_id)

    def on_evse(self, evse_id: int | None) -> TransactionRow | None:
        """The transaction of an EVSE; of None: the one that waits for a cable."""
        return next((row for row in self._rows.all() if row.evse_id == evse_id), None)

    def put(self, row: TransactionRow) -> None:
        self._rows.put(row)

    def begin(self, evse: Evse | None, grant: GrantRow | None) -> TransactionRow:
        """The row of a new transaction, not kept yet; with its token when somebody is authorised.

        E01.FR.08, E02.FR.08
        """
        row = TransactionRow(id=self._new_id(), started_at=self._clock.utc(), evse_owed=True)
        if evse is not None:
            row = replace(row, evse_id=evse.id, connector_id=evse.report.connector)
        return row if grant is None else with_token(row, grant)

    def emit(self, row: TransactionRow, change: Change, now: Facts) -> None:
        """Commit the step and tell block E."""
        row = self._flow.keep(row)
        step = take_step(row, change, now, self._clock.utc(), row.charged_s)
        if step.kind is not TransactionEvent.ENDED:
            self._rows.put(step.row)
        self._events.publish(step)

    def emit_end(self, row: TransactionRow, change: Change, now: Facts) -> None:
        """The last event; whoever must hear of the end hears of it later, from `tell_end`."""
        self.emit(row, change, now)
        self._flow.forget(row.id)
        self._rows.delete(row.id)

    def tell_end(self, row: TransactionRow, reason: Reason) -> None:
        self._events.publish(TransactionEnded(row.id, row.evse_id, reason))

    # -- facts

    def before(self, evse: Evse) -> Facts:
        """As of the last event of this EVSE's transaction, or of the last look without one."""
        row = self.on_evse(evse.id)
        if row is not None:
            return row.facts
        idle = self._idle.get(str(evse.id))
        return Facts() if idle is None else idle.facts

    def facts(self, evse: Evse) -> Facts:
        """As they are now."""
        row = self.on_evse(evse.id)
        withheld = row is not None and row.state == ChargingState.SUSPENDED_EVSE
        signed = evse.id in self._signed
        return evse.facts(
            authorized=self._grants.of(evse.id) is not None, signed=signed, withheld=withheld
        )

    def facts_of(self, row: TransactionRow) -> Facts:
        if row.evse_id is None:
            return Facts(authorized=self._grants.of(None) is not None)
        return self.facts(self._evses.get(row.evse_id))

    def note_idle(self, evse: Evse, now: Facts, waiting: Facts = NOTHING) -> None:
        """What is no news any more: it starts nothing, not even after a restart.

        But for *waiting*: that came while nothing could begin, and may begin something yet.
        """
        now = replace(now, offered=False, settling=False)
        row = IdleRow(evse_id=evse.id, facts=now, waiting=waiting)
        if self._idle.get(str(evse.id)) != row or self.on_evse(evse.id) is not None:
            self._idle.put(row)

    def waiting(self, evse: Evse) -> Facts:
        """What holds since a time when nothing could begin, and still counts as news."""
        idle = self._idle.get(str(evse.id))
        return NOTHING if idle is None or self.on_evse(evse.id) is not None else idle.waiting

    def forget_idle(self, evse: Evse) -> None:
        """Whatever holds on this EVSE counts as new."""
        self._idle.delete(str(evse.id))

    def note_signed(self, evse_id: int) -> bool:
        """A signed value was obtained; whether that is news."""
        news = evse_id not in self._signed
        self._signed.add(evse_id)
        return news

    def forget_signed(self, evse_id: int) -> None:
        self._signed.discard(evse_id)

    # -- energy flow

    def track(self, row: TransactionRow, before: Facts, now: Facts) -> TransactionRow:
        """The row after the facts went from *before* to *now*: for how long energy has flowed."""
        return self._flow.track(row, before, now)

    def phases(self, evse: Evse, row: TransactionRow, now: Facts) -> int | None:
        """How many phases the EV uses now, as far as that can be known."""
        reading = self._evses.board.reading(evse.id) if now.drawing else None
        return phases_used(reading, row.phases, now)


def with_token(row: TransactionRow, grant: GrantRow) -> TransactionRow:
    """The row after somebody was authorised: the next event tells who."""
    return replace(
        row,
        token=row.token or grant.token,
        group_id_token=row.group_id_token or grant.group_id_token,
        token_owed=grant.token,  # C05.FR.05, E02.FR.01, E02.FR.20, E03.FR.01
        remote_start_owed=grant.remote_start_id,  # C05.FR.03, F01.FR.25, F02.FR.01
        refused=False,
        suspended=False,
        reason=None,
    )
