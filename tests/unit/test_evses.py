"""What an EVSE is told: limits, permission, what waits for durability and what does not."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import (
    FAULTS,
    LEASE_S,
    BoardDescription,
    EvseReport,
    EvseSetpoint,
    FaultName,
    PilotState,
    Power,
)
from hal.sim.board import sim_board_description
from station.bench.virtual import VirtualReactor
from station.charging.evses import FRESH_S, RENEW_S, SETTLING_S, Evse, Evses, clamp_limit
from station.charging.queries import Queries
from station.reactor import LATE_S


class WatchingBoard:
    """Keeps what it is told of EVSE 1; looked at the pilots *look_age_s* ago."""

    def __init__(self, description: BoardDescription, reactor: VirtualReactor) -> None:
        self.description, self._reactor = description, reactor
        self.applied: list[EvseSetpoint] = []
        self.renewed: list[tuple[int, float]] = []
        self.look_age_s = 0.0

    def apply(self, setpoint: EvseSetpoint) -> None:
        if setpoint.evse == 1:
            self.applied.append(setpoint)

    def renew(self, evse: int, permit_until: float) -> None:
        self.renewed.append((evse, permit_until))

    def polled_at(self, evse: int) -> float:
        return self._reactor.now() - self.look_age_s


class SlowStore:
    """A store whose effects wait until it is told that they are durable."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def after_commit(self, effect: Callable[..., Any], *args: Any) -> None:
        self._waiting.append((effect, args))

    def make_durable(self) -> None:
        waiting, self._waiting = self._waiting, []
        for effect, args in waiting:
            effect(*args)


class Bench:
    """Two EVSEs on a board that watches."""

    def __init__(self) -> None:
        self.reactor = VirtualReactor(start=100.0)
        self.board = WatchingBoard(sim_board_description(2, connectors=2), self.reactor)
        self.store = SlowStore()
        self.queries = Queries()
        self.evses = Evses(self.board, self.reactor, self.store, self.queries)  # type: ignore[arg-type]
        self.evse = self.evses.get(1)

    def want(self, *, energy: bool, evse: Evse | None = None) -> None:
        evse = evse or self.evse
        evse.wants_energy = energy
        evse.derive()
        self.evses.keep_renewing()

    def report(self, pilot: PilotState = PilotState.A, **what: Any) -> None:
        self.evse.took_report(EvseReport(evse=1, at=self.reactor.now(), pilot=pilot, **what))

    def offer(self) -> None:
        self.report(PilotState.B, plugged=True, connector=1)
        self.want(energy=True)
        self.store.make_durable()

    @property
    def last(self) -> EvseSetpoint:
        return self.board.applied[-1]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- limits


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([32.0], 32.0),
        ([32.0, 16.0, 20.0], 16.0),
        ([32.0, 0.0], 0.0),
        ([32.0, -5.0], 0.0),
        ([32.0, math.nan], 0.0),
        ([math.nan, 32.0], 0.0),
        ([32.0, math.inf], 0.0),
        ([32.0, -math.inf], 0.0),
        ([], 0.0),
    ],
)
def test_the_least_limit_counts_and_nonsense_is_none_at_all(
    limits: list[float], expected: float
) -> None:
    assert clamp_limit(limits) == expected


@given(st.lists(st.floats()))
def test_a_limit_is_finite_not_negative_and_at_most_each_of_them(limits: list[float]) -> None:
    limit = clamp_limit(limits)
    assert math.isfinite(limit)
    assert limit >= 0.0
    assert all(limit <= max(0.0, each) for each in limits if not math.isnan(each))


def test_board_cable_and_everybody_who_limits_have_a_say(bench: Bench) -> None:
    assert bench.evse.limit_a() == 32.0
    bench.report(PilotState.B, cable_max_a=20.0)
    assert bench.evse.limit_a() == 20.0
    bench.queries.limit_a.register(lambda evse_id: 13.0 if evse_id == 1 else None)
    assert bench.evse.limit_a() == 13.0
    assert bench.evses.get(2).limit_a() == 32.0


def test_less_than_the_smallest_current_is_no_offer(bench: Bench) -> None:
    """IEC 61851-1: there is no offer below 6 A."""
    limit = [5.9]
    bench.queries.limit_a.register(lambda evse_id: limit[0])
    bench.offer()
    assert not bench.evse.is_offering
    limit[0] = 6.0
    bench.evses.derive()
    bench.store.make_durable()
    assert (bench.last.power, bench.last.limit_a) == (Power.OFFER, 6.0)


# -- what waits and what does not


def test_an_offer_waits_until_what_decided_it_is_durable(bench: Bench) -> None:
    bench.want(energy=True)
    assert bench.board.applied == []
    bench.store.make_durable()
    assert bench.last.power is Power.OFFER


def test_ending_an_offer_does_not_wait(bench: Bench) -> None:
    bench.offer()
    bench.want(energy=False)
    assert (bench.last.power, bench.last.limit_a) == (Power.STOP_SOFT, 0.0)


def test_lowering_does_not_wait_and_raising_does(bench: Bench) -> None:
    limit = [20.0]
    bench.queries.limit_a.register(lambda evse_id: limit[0])
    bench.offer()
    limit[0] = 10.0
    bench.evses.derive()
    assert bench.last.limit_a == 10.0
    limit[0] = 15.0
    bench.evses.derive()
    assert bench.last.limit_a == 10.0
    bench.store.make_durable()
    assert bench.last.limit_a == 15.0


def test_an_offer_that_was_taken_back_meanwhile_never_reaches_the_board(bench: Bench) -> None:
    bench.want(energy=True)
    bench.want(energy=False)
    bench.store.make_durable()
    assert [setpoint.power for setpoint in bench.board.applied] == [Power.STOP_SOFT]


def test_what_has_not_changed_is_not_told_again_and_numbers_rise(bench: Bench) -> None:
    bench.offer()
    told = len(bench.board.applied)
    bench.evses.derive()
    bench.store.make_durable()
    assert len(bench.board.applied) == told
    bench.want(energy=False)
    sequence = [setpoint.seq for setpoint in bench.board.applied]
    assert sequence == sorted(set(sequence))


def test_an_evse_whose_turn_failed_opens_at_once_and_stays_open(bench: Bench) -> None:
    bench.offer()
    bench.evse.open_now()
    assert bench.last.power is Power.OPEN_NOW
    bench.want(energy=True)
    bench.store.make_durable()
    assert bench.last.power is Power.OPEN_NOW


# -- permission


def test_an_offer_carries_permission_for_one_lease(bench: Bench) -> None:
    bench.offer()
    assert bench.last.permit_until == 100.0 + LEASE_S


def test_an_offer_on_a_stale_look_carries_no_permission(bench: Bench) -> None:
    bench.board.look_age_s = FRESH_S
    bench.offer()
    assert bench.last.permit_until == float("-inf")


def test_permission_is_renewed_while_energy_is_offered(bench: Bench) -> None:
    bench.offer()
    bench.reactor.advance(RENEW_S * 3.5)
    due = [100.0 + RENEW_S * n for n in (1, 2, 3)]
    assert bench.board.renewed == [(1, pytest.approx(at + LEASE_S)) for at in due]
    bench.want(energy=False)
    bench.reactor.advance(60.0)
    assert len(bench.board.renewed) == 3


def test_permission_outlives_the_tolerated_lateness() -> None:
    assert RENEW_S + LATE_S < LEASE_S


def test_a_stale_look_renews_nothing(bench: Bench) -> None:
    bench.offer()
    bench.board.look_age_s = FRESH_S
    bench.reactor.advance(RENEW_S)
    assert bench.board.renewed == []
    bench.board.look_age_s = FRESH_S - 0.001
    bench.reactor.advance(RENEW_S)
    assert len(bench.board.renewed) == 1


def test_a_late_loop_renews_nothing_and_goes_on(bench: Bench) -> None:
    bench.offer()
    bench.reactor.freeze(RENEW_S + LATE_S + 0.001)
    bench.reactor.advance(0.0)
    assert bench.board.renewed == []
    bench.reactor.advance(RENEW_S)
    assert len(bench.board.renewed) == 1


def test_one_timer_renews_every_evse_that_offers(bench: Bench) -> None:
    bench.offer()
    bench.want(energy=True, evse=bench.evses.get(2))
    bench.store.make_durable()
    bench.reactor.advance(RENEW_S)
    assert [evse for evse, _ in bench.board.renewed] == [1, 2]


# -- what is derived


def test_an_ev_that_takes_nothing_has_suspended_after_a_while(bench: Bench) -> None:
    settled: list[Evse] = []
    bench.evse.on_settled = settled.append
    bench.offer()
    facts = bench.evse.facts(authorized=True, signed=False)
    assert (facts.offered, facts.settling) == (True, True)
    bench.reactor.advance(SETTLING_S)
    assert settled == [bench.evse]
    assert not bench.evse.facts(authorized=True, signed=False).settling


def test_an_ev_settles_whether_or_not_anybody_wants_to_know(bench: Bench) -> None:
    bench.offer()
    bench.reactor.advance(SETTLING_S)
    assert not bench.evse.facts(authorized=True, signed=False).settling


def test_an_ev_that_comes_to_a_standing_offer_may_take_its_time(bench: Bench) -> None:
    bench.want(energy=True)
    bench.store.make_durable()
    bench.reactor.advance(SETTLING_S)
    assert not bench.evse.facts(authorized=True, signed=False).settling
    bench.report(PilotState.B, plugged=True, connector=1)
    assert bench.evse.facts(authorized=True, signed=False).settling
    bench.reactor.advance(SETTLING_S)
    assert not bench.evse.facts(authorized=True, signed=False).settling


def test_an_ev_that_draws_has_settled(bench: Bench) -> None:
    settled: list[Evse] = []
    bench.evse.on_settled = settled.append
    bench.offer()
    bench.report(PilotState.C, plugged=True, contactor_closed=True, drawing=True)
    facts = bench.evse.facts(authorized=True, signed=False)
    assert (facts.drawing, facts.settling) == (True, False)
    bench.reactor.advance(SETTLING_S)
    assert settled == []


def test_the_ev_counts_as_connected_in_states_b_c_and_d_only(bench: Bench) -> None:
    connected = set()
    for pilot in PilotState:
        bench.report(pilot)
        if bench.evse.facts(authorized=False, signed=False).connected:
            connected.add(pilot)
    assert connected == {PilotState.B, PilotState.C, PilotState.D}


def test_the_time_of_plugging_in_is_that_of_the_first_contact(bench: Bench) -> None:
    bench.report(PilotState.B)
    bench.reactor.advance(10.0)
    bench.report(PilotState.C)
    assert bench.evse.plugged_at == 100.0


FAULTED = frozenset({FAULTS[FaultName.GROUND_FAULT]})
HARMLESS = frozenset({FAULTS[FaultName.DEVICE_SILENT]})


@pytest.mark.parametrize(
    ("faults", "inoperative", "reserved", "plugged", "expected"),
    [
        (frozenset(), False, False, False, "Available"),
        (HARMLESS, False, False, False, "Available"),
        (frozenset(), False, False, True, "Occupied"),
        (frozenset(), False, True, True, "Reserved"),
        (frozenset(), True, True, True, "Unavailable"),
        (FAULTED, True, True, True, "Faulted"),
    ],
)
def test_the_connector_status_is_that_of_the_gravest_fact(
    bench: Bench,
    faults: frozenset[Any],
    inoperative: bool,
    reserved: bool,
    plugged: bool,
    expected: str,
) -> None:
    bench.queries.inoperative.register(lambda evse_id, connector_id: inoperative or None)
    bench.queries.reserved.register(lambda evse_id, connector_id: reserved or None)
    bench.report(plugged=plugged, connector=1 if plugged else None, faults=faults)
    assert bench.evse.connector_status(1) == expected


def test_only_the_connector_in_use_is_occupied(bench: Bench) -> None:
    bench.report(PilotState.B, plugged=True, connector=2)
    assert bench.evse.connector_status(1) == "Available"
    assert bench.evse.connector_status(2) == "Occupied"


def test_a_grave_fault_or_no_operative_connector_keeps_transactions_out(bench: Bench) -> None:
    assert bench.evse.accepts_transactions
    bench.report(faults=HARMLESS)
    assert bench.evse.accepts_transactions
    bench.report(faults=frozenset({FAULTS[FaultName.LOCK_STUCK]}))
    assert not bench.evse.accepts_transactions
    bench.report()
    out_of_service = [1]
    bench.queries.inoperative.register(lambda evse_id, c: True if c in out_of_service else None)
    assert bench.evse.accepts_transactions
    out_of_service.append(2)
    assert not bench.evse.accepts_transactions


def test_evses_are_found_by_number(bench: Bench) -> None:
    assert bench.evses.find(2) is bench.evses.get(2)
    assert bench.evses.find(3) is None
    assert len(bench.evses) == 2
    assert [evse.id for evse in bench.evses] == [1, 2]
