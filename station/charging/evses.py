"""One object per EVSE: what the board reports, what the core wants of it, and what follows.

Permission (safety rule R3). A setpoint carries `permit_until`, at most LEASE_S ahead, written
only while the board's last look at the pilot is under 500 ms old and the core is not late.
Opening and lowering go to the board at once; offering and raising wait until the turn that
decided them is durable, and are dropped if the decision has changed meanwhile.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from hal.api import (
    LEASE_S,
    Board,
    EvseDescription,
    EvseReport,
    EvseSetpoint,
    PilotState,
    Power,
    Severity,
)
from station.charging.faults import MEANINGS
from station.charging.queries import Queries
from station.charging.transaction import Facts
from station.ocpp.messages.availability import ConnectorStatus
from station.ports import Store
from station.reactor import LATE_S, Reactor, Timer

SETTLING_S = 5.0
"""An EV that has been offered energy for so long and takes none has suspended."""
RENEW_S = 1.4
"""How often permission is renewed: LEASE_S less the lateness that is tolerated, with margin."""
FRESH_S = 0.5
"""A look at the pilot older than this is no ground for permission."""


def clamp_limit(limits: list[float]) -> float:
    """The least of *limits* in ampere; anything that is no finite number counts as 0."""
    least = math.inf
    for limit in limits:
        if not math.isfinite(limit):
            return 0.0
        least = min(least, limit)
    return max(0.0, least) if math.isfinite(least) else 0.0


class Evse:
    """The core's view of one EVSE and its only way to command it."""

    def __init__(
        self,
        description: EvseDescription,
        board: Board,
        reactor: Reactor,
        store: Store,
        queries: Queries,
    ) -> None:
        self.description = description
        self.id = description.id
        self.report = EvseReport(evse=description.id, at=float("-inf"))
        self.seen = False
        """The board has reported at least once since the process began."""
        self.wanted = EvseSetpoint(evse=description.id)
        self.wants_energy = False
        self.holds_lock = False
        self.contained = False
        """A turn of this EVSE failed: open, until the process is sure of itself again."""
        self.plugged_at = float("-inf")
        self._board, self._reactor, self._store, self._queries = board, reactor, store, queries
        self._settled = False
        self._settling: Timer | None = None
        self._seq = 0
        self.on_settled: Callable[[Evse], Any] | None = None

    def limit_a(self) -> float:
        """The current that may be offered now: board, cable, and everybody who limits."""
        limits = [self.description.max_current_a, *self._queries.limit_a.ask(self.id)]
        if self.report.cable_max_a is not None:
            limits.append(self.report.cable_max_a)
        return clamp_limit(limits)

    @property
    def is_offering(self) -> bool:
        return self.wanted.power is Power.OFFER

    def facts(self, *, authorized: bool, signed: bool, withheld: bool = False) -> Facts:
        report = self.report
        return Facts(
            bay=bool(report.bay_occupied),
            connected=self.is_connected,
            authorized=authorized,
            signed=signed,
            offered=self.is_offering,
            settling=self.is_offering and not self._settled,
            withheld=withheld,
            drawing=report.drawing,
        )

    def connector_status(self, connector_id: int) -> ConnectorStatus:
        """Derived from the present alone; the order is that of severity."""
        if any(MEANINGS[fault.name].faulted for fault in self.report.faults):
            return ConnectorStatus.FAULTED
        if self._queries.inoperative.ask(self.id, connector_id):
            return ConnectorStatus.UNAVAILABLE
        if self._queries.reserved.ask(self.id, connector_id):
            return ConnectorStatus.RESERVED
        if self.report.connector == connector_id and self.is_occupied:
            return ConnectorStatus.OCCUPIED
        return ConnectorStatus.AVAILABLE

    @property
    def is_connected(self) -> bool:
        """An EV is at the other end of the cable, as the control pilot says."""
        return self.report.pilot in CONNECTED

    @property
    def is_occupied(self) -> bool:
        return self.report.plugged or self.is_connected

    @property
    def accepts_transactions(self) -> bool:
        """No fault forbids a new transaction, and at least one connector is operative."""
        if any(fault.severity >= Severity.NO_NEW for fault in self.report.faults):
            return False
        return any(
            not self._queries.inoperative.ask(self.id, connector.id)
            for connector in self.description.connectors
        )

    def took_report(self, report: EvseReport) -> None:
        if report.pilot in CONNECTED and self.report.pilot not in CONNECTED:
            self.plugged_at = report.at
            if self.is_offering:  # offered to nobody so far: this EV may take its time
                self._offer_changed(willing=True)
        self.report = report
        self.seen = True
        if report.drawing:
            self._settle()

    def derive(self, *, again: bool = False) -> None:
        """Derive the setpoint from what is wanted now, and bring it to the board.

        *again*: even one that was decided before; a turn that failed took it along.
        """
        limit_a = 0.0 if self.contained else self.limit_a()
        willing = (
            self.wants_energy and not self.contained and limit_a >= self.description.min_current_a
        )
        power = Power.OFFER if willing else Power.STOP_SOFT
        if self.contained:
            power = Power.OPEN_NOW
        phases = self.description.phases
        new = (power, limit_a if willing else 0.0, self.holds_lock)
        old = (self.wanted.power, self.wanted.limit_a, self.wanted.lock)
        if new == old and not again:
            return
        self._seq += 1
        before, self.wanted = (
            self.wanted,
            EvseSetpoint(
                evse=self.id,
                seq=self._seq,
                limit_a=new[1],
                phases=phases,
                power=power,
                lock=self.holds_lock,
            ),
        )
        if willing != (before.power is Power.OFFER):
            self._offer_changed(willing=willing)
        raised = power > before.power or new[1] > before.limit_a
        if raised or (again and willing):
            self._store.after_commit(self._bring, self.wanted)
        else:
            self._bring(self.wanted)

    def renew(self, now: float, *, late: bool) -> None:
        """Extend permission, if it is still right and the board is looking."""
        if self.wanted.power is Power.OFFER and not late and self._is_fresh(now):
            self._board.renew(self.id, now + LEASE_S)

    def open_now(self) -> None:
        """A turn of this EVSE failed: no energy until `contained` is lifted."""
        self.contained = True
        self.derive()

    def _bring(self, setpoint: EvseSetpoint) -> None:
        if setpoint is not self.wanted:
            return  # decided otherwise meanwhile
        if setpoint.power is Power.OFFER:
            now = self._reactor.now()
            until = now + LEASE_S if self._is_fresh(now) else float("-inf")
            setpoint = replace(setpoint, permit_until=until)
            self.wanted = setpoint
        self._board.apply(setpoint)

    def _is_fresh(self, now: float) -> bool:
        return now - self._board.polled_at(self.id) < FRESH_S

    def _offer_changed(self, *, willing: bool) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settled = False
        if willing:
            self._settling = self._reactor.call_later(
                SETTLING_S, self._settle_late, source=f"evse:{self.id}"
            )

    def _settle(self) -> None:
        self._settled = True
        if self._settling is not None:
            self._settling.cancel()

    def _settle_late(self) -> None:
        self._settled = True
        if self.on_settled is not None:
            self.on_settled(self)


CONNECTED = frozenset({PilotState.B, PilotState.C, PilotState.D})


class Evses:
    """All EVSEs of the station, and the timer that renews their permission."""

    def __init__(self, board: Board, reactor: Reactor, store: Store, queries: Queries) -> None:
        self.board, self._reactor, self._queries = board, reactor, queries
        self._evses = {
            description.id: Evse(description, board, reactor, store, queries)
            for description in board.description.evses
        }
        self._renewal: Timer | None = None

    def __iter__(self) -> Iterator[Evse]:
        return iter(self._evses.values())

    def __len__(self) -> int:
        return len(self._evses)

    def find(self, evse_id: int) -> Evse | None:
        return self._evses.get(evse_id)

    def get(self, evse_id: int) -> Evse:
        return self._evses[evse_id]

    def taken_wh(self, transaction_id: str) -> int | None:
        """What a transaction has taken; None while its meter has told nothing."""
        meter = self._queries.meter
        return None if meter is None else meter.energy_wh(transaction_id)

    def derive(self) -> None:
        """Derive every setpoint anew: a limit or an availability has changed."""
        for evse in self:
            evse.derive()
        self.keep_renewing()

    def keep_renewing(self) -> None:
        """Arm the renewal while anything is offered."""
        if self._renewal is not None:
            return
        for evse in self._evses.values():
            if evse.wanted.power is Power.OFFER:
                self._renewal = self._reactor.call_later(RENEW_S, self._renew, source="permission")
                return

    def _renew(self) -> None:
        now = self._reactor.now()
        late = self._reactor.lateness_s > LATE_S
        self._renewal = None
        for evse in self._evses.values():
            evse.renew(now, late=late)
        self.keep_renewing()
