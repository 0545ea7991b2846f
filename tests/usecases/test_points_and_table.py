"""Any start points, any stop points, any order of what drivers do: held against the table.

The oracle below knows the table of TxStartPoint and TxStopPoint in part 2 and the sentences of
E03, E09 and F02 on how an authorisation ends. It shares nothing with the station: it keeps
which stop points have been valid during the transaction, and ends it when one is no longer.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from station.bench.virtual import VirtualStation
from tests.conformance.states import check_events

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
TOKEN = "04A1B2C3"
TIMEOUT_S = 60.0
STEP_S = 8.0
"""Long enough for an EV to begin and to stop; no multiple of it is TIMEOUT_S."""

some_points = st.lists(st.sampled_from(POINTS), min_size=1, max_size=2, unique=True).map(sorted)


@dataclass
class Oracle:
    """What the standard says, for one EVSE with a bay sensor and a fixed cable."""

    starts: list[str]
    stops: list[str]
    bay: bool = False
    connected: bool = False
    willing: bool = False
    """The EV wants energy."""
    authorized: bool = False
    waits_s: float = 0.0
    """For how long an authorisation has waited for the EV."""
    running: bool = False
    begun: int = 0
    ended: int = 0
    was_valid: set[str] = field(default_factory=set)
    """Stop points that were valid at some time of the transaction."""

    @property
    def flows(self) -> bool:
        may = self.running or "EnergyTransfer" in self.starts
        return self.connected and self.willing and self.authorized and may

    def valid(self) -> set[str]:
        holds = {
            "ParkingBayOccupancy": self.bay,
            "EVConnected": self.connected,
            "Authorized": self.authorized,
            "PowerPathClosed": self.connected and self.authorized,
            "EnergyTransfer": self.flows,
        }
        return {point for point in POINTS if holds[point]}

    def become(self, **facts: bool) -> None:
        """Facts change at once; a transaction may end, begin, or begin because energy flows."""
        before, was_authorized = self.valid(), self.authorized
        was_there = self.bay or self.connected or self.authorized
        was_connected = self.connected
        for name, value in facts.items():
            setattr(self, name, value)
        unplugged = was_connected and not self.connected
        if self.running:
            if unplugged:  # E09.FR.01
                self.authorized = False
            self._look_for_the_end(was_authorized, was_connected, was_there)
        elif self._newly(before) or (self.authorized and not was_authorized and self._any_start()):
            self.running = True
            self.begun += 1
            self.was_valid = set()
        if self.running:
            self.was_valid |= self.valid()

    def _any_start(self) -> bool:
        return bool(self.valid() & set(self.starts))

    def _newly(self, before: set[str]) -> bool:
        return bool((self.valid() - before) & set(self.starts))

    def _look_for_the_end(self, authorized: bool, connected: bool, was_there: bool) -> None:
        lost_authorization = authorized and not self.authorized
        lost_connection = connected and not self.connected
        no_longer = (self.was_valid - self.valid()) & set(self.stops)
        path = "PowerPathClosed" in self.stops and (lost_authorization or lost_connection)
        energy = "EnergyTransfer" in self.stops and lost_authorization
        nobody = was_there and not (self.bay or self.connected or self.authorized)
        # the EV that has gone was the last that a stop point could wait for
        hopeless = lost_connection and not (self.valid() & set(self.stops))
        if no_longer or path or energy or nobody or hopeless:
            self.end()

    def end(self) -> None:
        self.running = self.authorized = False
        self.ended += 1
        self.was_valid = set()

    def wait(self, duration_s: float) -> None:
        """C01.FR.26, E03.FR.05, E03.FR.15: an authorisation does not wait for ever."""
        if not self.authorized or self.connected:
            self.waits_s = 0.0
            return
        self.waits_s += duration_s
        if self.waits_s > TIMEOUT_S:
            if self.running and "ParkingBayOccupancy" not in self.stops:
                self.end()
            self.become(authorized=False)


class Points(RuleBasedStateMachine):
    """Drivers and the CSMS at EVSE 1."""

    @initialize(starts=some_points, stops=some_points)
    def begin(self, starts: list[str], stops: list[str]) -> None:
        self.station = VirtualStation(
            evses=1,
            variables={
                "TxCtrlr.TxStartPoint": ",".join(starts),
                "TxCtrlr.TxStopPoint": ",".join(stops),
                "TxCtrlr.EVConnectionTimeOut": str(int(TIMEOUT_S)),
                "AlignedDataCtrlr.Interval": "0",
            },
        ).boot()
        self.oracle = Oracle(starts, stops)

    def _pass(self) -> None:
        self.station.advance(STEP_S)
        self.oracle.wait(STEP_S)

    @rule()
    def drive(self) -> None:
        self.station.sim.bay(1, occupied=not self.oracle.bay)
        self.oracle.become(bay=not self.oracle.bay)
        self._pass()

    @rule(willing=st.booleans())
    @precondition(lambda self: not self.oracle.connected)
    def plug(self, willing: bool) -> None:
        self.station.sim.plug(1, ready_after_s=1.0 if willing else 1e6)
        self.oracle.become(connected=True)
        self.oracle.become(willing=willing)
        self._pass()

    @rule()
    @precondition(lambda self: self.oracle.connected)
    def unplug(self) -> None:
        self.station.sim.unplug(1)
        self.oracle.become(connected=False)
        self.oracle.become(willing=False)
        self._pass()

    @rule()
    @precondition(lambda self: self.oracle.connected)
    def pause_or_go_on(self) -> None:
        self.station.sim.ev(1, "B" if self.oracle.willing else "C")
        self.oracle.become(willing=not self.oracle.willing)
        self._pass()

    @rule()
    def present(self) -> None:
        self.station.sim.token(TOKEN, evse=1)
        self.oracle.become(authorized=not self.oracle.authorized)
        self._pass()

    @rule()
    @precondition(lambda self: self.oracle.running)
    def stop_remotely(self) -> None:
        (row,) = self.station.station.transactions.all()
        answer = self.station.csms.call("RequestStopTransaction", {"transactionId": row.id})
        assert answer["status"] == "Accepted"
        self.oracle.become(authorized=False)
        self._pass()

    @rule(steps=st.sampled_from((1, 8)))
    def wait(self, steps: int) -> None:
        for _ in range(steps):
            self._pass()

    # -- what must hold

    @invariant()
    def transactions_are_those_of_the_table(self) -> None:
        """E01.FR.01 to E01.FR.06, E06.FR.01 to E06.FR.07"""
        if not hasattr(self, "oracle"):
            return
        kinds = [event["eventType"] for event in self.station.csms.events()]
        told = kinds.count("Started"), kinds.count("Ended")
        assert told == (self.oracle.begun, self.oracle.ended)
        assert len(self.station.station.transactions.all()) == int(self.oracle.running)

    @invariant()
    def energy_flows_to_whom_it_should(self) -> None:
        """C01.FR.01"""
        if hasattr(self, "oracle"):
            grant = self.station.station.transactions.grants.of(1)
            assert (grant is not None) is self.oracle.authorized
            assert self.station.station.evses.get(1).report.drawing is self.oracle.flows
            self.station.assert_safe()

    @invariant()
    def events_are_numbered_without_a_gap(self) -> None:
        """E01.FR.07, E06.FR.14"""
        if not hasattr(self, "oracle"):
            return
        numbered: dict[str, list[dict[str, object]]] = {}
        for event in self.station.csms.events():
            mine = numbered.setdefault(event["transactionInfo"]["transactionId"], [])
            mine.append(event)
        for events in numbered.values():
            check_events(events)
        assert len(numbered) == self.oracle.begun


@pytest.mark.parametrize(("start", "stop"), list(product(POINTS, POINTS)))
def test_a_long_walk_with_one_point_each(start: str, stop: str) -> None:
    """Every pair, with time-outs and vehicles that only pass by."""
    walk, rng = Points(), random.Random(f"{start} {stop}")
    walk.begin([start], [stop])
    for _ in range(80):
        connected = walk.oracle.connected
        acts: list[Callable[[], object]] = [walk.drive, walk.present, lambda: walk.wait(8)]
        elsewhere = [lambda: walk.plug(True), lambda: walk.wait(8)]
        acts += [walk.unplug, walk.pause_or_go_on] if connected else elsewhere
        acts += [walk.stop_remotely] if walk.oracle.running else []
        rng.choice(acts)()
        walk.transactions_are_those_of_the_table()
        walk.energy_flows_to_whom_it_should()
    walk.events_are_numbered_without_a_gap()


TestPoints = Points.TestCase
TestPoints.settings = settings(max_examples=80, stateful_step_count=12, deadline=None)
