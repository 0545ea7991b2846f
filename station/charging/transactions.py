"""Authorisations and transactions: the facts of each EVSE in, steps of transactions out.

Theory of operation. A *grant* is an authorisation in force; it belongs to an EVSE, or floats
until a cable decides which. Whatever happens changes facts; `Progress.evaluate` compares them
with those of the last event and gives at most one step: Started, Updated or Ended. Energy is
withdrawn first: when losing the authorisation ends a transaction, its end waits until the
contactor is open, so that the last meter value is the true one.

The rooms, each of which knows only those before it:

- `transaction`, `steps`: pure. When a transaction starts and ends, what an event says.
- `grants`: authorisations in force, kept cables, EVConnectionTimeOut.
- `ledger`: the transactions that run, their numbered events, the facts last told.
- `permission`: from all that, what an EVSE is told to do.
- `pending_ends`: transactions that end once their contactor is open.
- `progress`: the heart; one step of the transaction of one EVSE.
- `phase_watch`: has that step taken when an EV begins to use other phases.
- `floating`: what waits for a cable to say which EVSE.
- `endings`: stop, end and withdraw, for both.
- `refusals`: a token that the CSMS refuses after its transaction has begun.
- `resumption`: whether a restart ends what ran.
- `visits`: the EV comes, goes, or does not come in time.

`Transactions` puts them together and is all that others see.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from station.charging.endings import Endings
from station.charging.evses import Evse, Evses
from station.charging.floating import Floating
from station.charging.grants import Grants
from station.charging.ledger import NOTHING, Ledger
from station.charging.permission import Permission
from station.charging.phase_watch import PhaseWatch
from station.charging.policy import Policy
from station.charging.progress import Progress
from station.charging.refusals import Refusals
from station.charging.resumption import Resumption
from station.charging.rows import Cause, GrantRow, TokenRow, TransactionRow
from station.charging.steps import Change
from station.charging.visits import Visits
from station.clock import Clock
from station.events import EventBus, RegistrationAccepted
from station.life import LifeSigns
from station.ocpp.messages.common import MeterValue
from station.ocpp.messages.transactions import TransactionEvent, TriggerReason
from station.ports import Store
from station.reactor import Reactor


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
        signs: LifeSigns,
        interrupted: Cause,
    ) -> None:
        self._reactor, self._evses = reactor, evses
        self.grants = grants = Grants(reactor, clock, store, policy.connection_timeout_s, new_id)
        self._ledger = ledger = Ledger(
            clock=clock,
            store=store,
            events=events,
            evses=evses,
            grants=grants,
            policy=policy,
            new_id=new_id,
            now=reactor.now,
        )
        self.permission = permission = Permission(evses, grants, ledger, policy)
        self._progress = progress = Progress(
            reactor=reactor,
            events=events,
            evses=evses,
            grants=grants,
            ledger=ledger,
            permission=permission,
            policy=policy,
        )
        PhaseWatch(reactor, events, evses, ledger, progress)
        self._floating = floating = Floating(events, grants, ledger, policy)
        self._endings = endings = Endings(
            events=events,
            evses=evses,
            grants=grants,
            ledger=ledger,
            permission=permission,
            progress=progress,
            floating=floating,
        )
        self.refusals = Refusals(
            reactor=reactor,
            events=events,
            evses=evses,
            grants=grants,
            ledger=ledger,
            policy=policy,
            progress=progress,
            endings=endings,
        )
        resumption = Resumption(
            reactor=reactor,
            events=events,
            ledger=ledger,
            policy=policy,
            signs=signs,
            interrupted=interrupted,
        )
        self.visits = Visits(
            evses=evses,
            grants=grants,
            ledger=ledger,
            policy=policy,
            progress=progress,
            floating=floating,
            endings=endings,
            resumption=resumption,
        )
        events.subscribe(RegistrationAccepted, lambda _: self.look_again())
        for evse in evses:
            evse.on_settled = self.visits.evse_changed

    # -- looking

    def all(self) -> list[TransactionRow]:
        return self._ledger.all()

    def find(self, transaction_id: str) -> TransactionRow | None:
        return self._ledger.find(transaction_id)

    def on_evse(self, evse_id: int) -> TransactionRow | None:
        return self._ledger.on_evse(evse_id)

    def is_free(self, evse_id: int) -> bool:
        """No transaction and no authorisation on this EVSE."""
        return self._ledger.on_evse(evse_id) is None and self.grants.of(evse_id) is None

    def candidate(self, allowed: Sequence[int] = (), token: TokenRow | None = None) -> Evse | None:
        """The EVSE that a driver at the station's own reader must mean: plugged in last.

        Not one whose transaction another token has begun than *token* (C01.FR.23).
        """
        waiting = [
            evse
            for evse in self._evses
            if (not allowed or evse.id in allowed)  # C01.FR.21
            and self.grants.is_open_to_anyone(evse.id)
            and (evse.is_connected or self._ledger.on_evse(evse.id))
            and evse.accepts_transactions
            and not self._is_of_another(evse, token)
        ]
        return max(waiting, key=lambda evse: evse.plugged_at, default=None)

    def _is_of_another(self, evse: Evse, token: TokenRow | None) -> bool:
        row = self._ledger.on_evse(evse.id)
        began = None if row is None else row.token
        return token is not None and began is not None and began != token

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
        grant = self.grants.new(
            token,
            evse_id=evse_id,
            group_id_token=group_id_token,
            evse_ids=evse_ids,
            remote_start_id=remote_start_id,
        )
        if evse_id is None or not self._evses.get(evse_id).is_connected:
            self.grants.arm(grant)
        if evse_id is None:
            self._floating.evaluate(cause)
        else:
            self.grants.release_lock(evse_id)
            self._progress.evaluate(self._evses.get(evse_id), cause)

    def stop(self, grant: GrantRow, cause: Cause) -> None:
        """End an authorisation; energy first, then the transaction if that ends it."""
        self._endings.stop(grant, cause)

    def end(self, row: TransactionRow, cause: Cause) -> None:
        """End a transaction whatever its stop points: reset, fault, time-out."""
        self._endings.end(row, cause)

    def set_group(self, row: TransactionRow, group_id_token: str) -> None:
        """The CSMS told the group of the token that runs this transaction (C09)."""
        if row.group_id_token != group_id_token:
            self._ledger.put(replace(row, group_id_token=group_id_token))

    def release_lock(self, evse_id: int) -> None:
        """The owner of a kept cable has presented the token (E09.FR.03, E10.FR.01)."""
        self.grants.release_lock(evse_id)
        self.permission.derive(self._evses.get(evse_id))

    def look_again(self) -> None:
        """Transactions may begin where they might not: each EVSE in a turn of its own."""
        for evse in self._evses:
            if evse.seen and self._ledger.waiting(evse) != NOTHING:
                self._reactor.post(self.visits.may_begin, evse, source=f"evse:{evse.id}")

    # -- what the next event tells

    def reserve_next(self, transaction_id: str, reservation_id: int) -> None:
        """This transaction ends a reservation: the next event says so (E01.FR.13)."""
        row = self._ledger.find(transaction_id)
        if row is not None:
            self._ledger.put(replace(row, reservation_owed=reservation_id))

    def update(
        self, transaction_id: str, trigger: TriggerReason, values: Sequence[MeterValue] = ()
    ) -> None:
        """An Updated event for something that changed no fact: meter values, a trigger.

        E02.FR.16, F01.FR.18
        """
        row = self._ledger.find(transaction_id)
        if row is None or row.stop is not None:
            return
        now, phases = self._ledger.facts_of(row), row.phases
        if row.evse_id is not None:
            phases = self._ledger.phases(self._evses.get(row.evse_id), row, now)
        news = phases if phases != row.phases else None  # E02.FR.19, E03.FR.14
        change = Change(TransactionEvent.UPDATED, trigger, phases=news, meter_values=values)
        self._ledger.emit(replace(row, phases=phases), change, now)

    def note_signed(self, evse_id: int) -> None:
        """A signed meter value was obtained for this EVSE (start point DataSigned)."""
        if self._ledger.note_signed(evse_id):
            self._progress.evaluate(self._evses.get(evse_id), None)

    def forget_signed(self, evse_id: int) -> None:
        """Nothing came of it: the next transaction needs another one."""
        self._ledger.forget_signed(evse_id)
