"""The interlock: when the contactor may be closed, for whatever it is shown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hal.api import FAULTS, LEASE_S, EvseSetpoint, FaultName, PilotState, Power, Severity
from hal.interlock import (
    DOES_NOT_CLOSE,
    NEVER,
    NO_TIME,
    SOFT_STOP_S,
    SWITCHING_TIME_S,
    WELDED,
    Decision,
    Inputs,
    Since,
    decide,
    notice,
    obey,
)

READY = Inputs(PilotState.C, mirror_closed=False)
OFFER = EvseSetpoint(1, limit_a=16.0, power=Power.OFFER, permit_until=1.0)


def look(
    seen: Inputs = READY,
    wanted: EvseSetpoint = OFFER,
    since: Since | None = None,
    now: float = 0.0,
) -> Decision:
    return decide(seen, wanted, notice(since or Since(), seen, wanted, now), now)


def closed_since(now: float, wanted: EvseSetpoint = OFFER) -> Since:
    """What is remembered when the contactor has been closed and the mirror agrees."""
    seen = replace(READY, mirror_closed=True)
    return notice(Since(commanded=True), seen, wanted, now)


def test_contactor_closes_for_an_ev_that_is_ready_under_a_valid_offer() -> None:
    decision = look()
    assert decision.close
    assert decision.offer
    assert decision.lease_due == decision.next_due == 1.0


@pytest.mark.parametrize("pilot", [p for p in PilotState if p is not PilotState.C])
def test_contactor_stays_open_in_every_pilot_state_but_c(pilot: PilotState) -> None:
    assert not look(replace(READY, pilot=pilot)).close


def test_pilot_d_charges_only_where_the_room_is_ventilated() -> None:
    assert not look(replace(READY, pilot=PilotState.D)).close
    assert look(replace(READY, pilot=PilotState.D, ventilated=True)).close


@pytest.mark.parametrize(
    "wanted",
    [
        replace(OFFER, power=Power.OPEN_NOW),
        replace(OFFER, power=Power.STOP_SOFT),
        replace(OFFER, available=False),
        replace(OFFER, limit_a=5.9),
        replace(OFFER, limit_a=math.nan),
        replace(OFFER, permit_until=0.0),
        replace(OFFER, permit_until=NEVER),
        replace(OFFER, permit_until=NO_TIME),
        replace(OFFER, permit_until=math.nan),
    ],
    ids=["open", "soft", "unavailable", "limit", "nan-limit", "lapsed", "never", "ever", "nan"],
)
def test_contactor_does_not_close_without_permission(wanted: EvseSetpoint) -> None:
    decision = look(wanted=wanted)
    assert not decision.close
    assert not decision.offer


@pytest.mark.parametrize("name", list(FaultName))
def test_only_faults_of_severity_open_keep_the_contactor_open(name: FaultName) -> None:
    fault = FAULTS[name]
    decision = look(replace(READY, faults=frozenset({fault})))
    assert decision.close is (fault.severity is not Severity.OPEN)
    assert fault in decision.faults


def test_contactor_waits_for_the_lock_that_is_wanted_but_a_closed_one_stays() -> None:
    unlocked = replace(READY, locked=False)
    wanted = replace(OFFER, lock=True)
    assert not look(unlocked, wanted).close
    assert look(unlocked, replace(OFFER, lock=False)).close
    assert look(replace(READY, locked=True), wanted).close
    running = replace(unlocked, mirror_closed=True)
    assert look(running, wanted, closed_since(0.0)).close


def test_a_permission_too_far_ahead_counts_as_one_lease_from_when_it_was_first_seen() -> None:
    far = replace(OFFER, permit_until=1000.0)
    since = notice(Since(), READY, far, 10.0)
    assert decide(READY, far, since, 10.0).lease_due == 10.0 + LEASE_S
    later = notice(since, READY, far, 11.9)
    assert decide(READY, far, later, 11.9).close
    assert not decide(READY, far, notice(later, READY, far, 12.0), 12.0).close


def test_a_renewed_permission_is_first_seen_again() -> None:
    since = notice(Since(), READY, OFFER, 0.0)
    renewed = replace(OFFER, permit_until=2.5)
    assert decide(READY, renewed, notice(since, READY, renewed, 0.9), 2.4).close


def test_soft_stop_ends_the_offer_and_leaves_the_contactor_closed_while_the_ev_draws() -> None:
    stop = EvseSetpoint(1, power=Power.STOP_SOFT)
    seen = replace(READY, mirror_closed=True, drawing=True)
    since = notice(closed_since(0.0), seen, stop, 5.0)
    decision = decide(seen, stop, since, 5.0)
    assert decision.close
    assert not decision.offer
    assert decision.rest_due == decision.next_due == 5.0 + SOFT_STOP_S


@pytest.mark.parametrize(
    ("seen", "now"),
    [
        (replace(READY, mirror_closed=True, drawing=False), 5.1),
        (replace(READY, mirror_closed=True, drawing=True, pilot=PilotState.B), 5.1),
        (replace(READY, mirror_closed=True, drawing=True), 5.0 + SOFT_STOP_S),
        (replace(READY, mirror_closed=True, drawing=None), 5.0 + SOFT_STOP_S),
        (replace(READY, mirror_closed=True, faults=frozenset({WELDED})), 5.1),
    ],
    ids=["no-current", "pilot", "6-s", "6-s-unmeasured", "fault"],
)
def test_soft_stop_opens_when_the_ev_lets_go_or_after_six_seconds(seen: Inputs, now: float) -> None:
    stop = EvseSetpoint(1, power=Power.STOP_SOFT)
    before = replace(READY, mirror_closed=True, drawing=True)
    since = notice(closed_since(0.0), before, stop, 5.0)
    assert not decide(seen, stop, notice(since, seen, stop, now), now).close


def test_soft_stop_never_closes_a_contactor_that_is_open() -> None:
    stop = replace(OFFER, power=Power.STOP_SOFT)
    assert not look(replace(READY, drawing=True), stop).close


def test_repeating_a_soft_stop_does_not_restart_its_six_seconds() -> None:
    seen = replace(READY, mirror_closed=True, drawing=True)
    since = closed_since(0.0)
    for now in (1.0, 4.0, 6.9):
        stop = EvseSetpoint(1, seq=int(now), power=Power.STOP_SOFT)
        since = notice(since, seen, stop, now)
        assert decide(seen, stop, since, now).close
    assert not decide(seen, stop, notice(since, seen, stop, 7.0), 7.0).close


def test_contactor_that_stays_closed_is_welded_after_the_switching_time() -> None:
    seen = replace(READY, mirror_closed=True)
    since = notice(Since(commanded=False), seen, OFFER, 3.0)
    early = decide(seen, OFFER, since, 3.0)
    assert early.faults == frozenset()
    assert early.rest_due == 3.0 + SWITCHING_TIME_S
    late = decide(seen, OFFER, notice(since, seen, OFFER, 3.2), 3.0 + SWITCHING_TIME_S)
    assert late.faults == {WELDED}
    assert late.rest_due == NO_TIME


def test_contactor_that_does_not_close_is_latched_until_reset() -> None:
    wanted = replace(OFFER, permit_until=2.0)
    since = notice(Since(commanded=True), READY, wanted, 0.5)
    decision = decide(READY, wanted, since, 0.5 + SWITCHING_TIME_S)
    assert decision.faults == {DOES_NOT_CLOSE}
    assert not decision.close
    after = obey(since, decision)
    assert not after.commanded
    later = notice(after, READY, wanted, 1.0)
    assert later.disagrees_at is None
    assert not decide(READY, wanted, later, 1.0).close
    assert decide(READY, wanted, replace(later, latched=frozenset()), 1.0).close


def test_a_mirror_contact_that_agrees_again_in_time_is_no_fault() -> None:
    since = notice(Since(commanded=True), READY, OFFER, 0.0)
    closed = replace(READY, mirror_closed=True)
    assert notice(since, closed, OFFER, 0.1).disagrees_at is None


def test_obey_remembers_nothing_new_when_nothing_changed() -> None:
    since = closed_since(0.0)
    decision = decide(replace(READY, mirror_closed=True), OFFER, since, 0.5)
    assert obey(since, decision) is since


moments = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=-10.0, max_value=10.0),
)
maybe = st.one_of(st.none(), moments)
inputs = st.builds(
    Inputs,
    pilot=st.sampled_from(PilotState),
    mirror_closed=st.booleans(),
    faults=st.frozensets(st.sampled_from(sorted(FAULTS.values())), max_size=2),
    drawing=st.sampled_from([None, True, False]),
    locked=st.sampled_from([None, True, False]),
    min_current_a=st.just(6.0),
    ventilated=st.booleans(),
)
setpoints = st.builds(
    EvseSetpoint,
    evse=st.just(1),
    limit_a=st.one_of(moments, st.sampled_from([0.0, 6.0, 16.0])),
    power=st.sampled_from(Power),
    lock=st.booleans(),
    available=st.booleans(),
    permit_until=moments,
)
memories = st.builds(
    Since,
    commanded=st.booleans(),
    permit_until=moments,
    permit_seen_at=moments,
    soft_at=maybe,
    disagrees_at=maybe,
    latched=st.frozensets(st.just(DOES_NOT_CLOSE)),
)


@given(inputs, setpoints, memories, moments)
def test_whatever_it_is_shown_a_closed_contactor_is_permitted(
    seen: Inputs, wanted: EvseSetpoint, memory: Since, now: float
) -> None:
    since = notice(memory, seen, wanted, now)
    decision = decide(seen, wanted, since, now)
    obey(since, decision)
    assert not math.isnan(decision.next_due)
    if decision.next_due != NO_TIME:
        assert decision.next_due > now
    if not decision.close:
        return
    assert seen.pilot is PilotState.C or (seen.ventilated and seen.pilot is PilotState.D)
    assert not any(fault.severity is Severity.OPEN for fault in decision.faults)
    assert memory.latched <= decision.faults
    assert seen.faults <= decision.faults
    if wanted.power is Power.OFFER:
        assert now < wanted.permit_until < NO_TIME
        assert now < since.permit_seen_at + LEASE_S
        assert wanted.available
        assert wanted.limit_a >= 6.0
    else:
        assert wanted.power is Power.STOP_SOFT
        assert memory.commanded
        assert since.soft_at is not None
        assert now < since.soft_at + SOFT_STOP_S
