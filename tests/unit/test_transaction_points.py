"""When a transaction starts and ends: the table of points, and what holds for any facts."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.charging.transaction import (
    Facts,
    Points,
    TxPoint,
    ends,
    ends_with_authorization,
    news,
    starts,
)
from station.ocpp.messages.transactions import ChargingState

P = TxPoint
IDLE = Facts()
PLUGGED = Facts(connected=True)
GRANTED = Facts(authorized=True)
BOTH = Facts(connected=True, authorized=True)
OFFERED = Facts(connected=True, authorized=True, offered=True)
CHARGING = Facts(connected=True, authorized=True, offered=True, drawing=True)
IN_BAY = Facts(bay=True)

NAMES = Facts.__struct_fields__
some_facts = st.builds(Facts, **{name: st.booleans() for name in NAMES})
some_points = st.frozensets(st.sampled_from(TxPoint), min_size=1)


def changed(facts: Facts, **what: bool) -> Facts:
    return msgspec.structs.replace(facts, **what)


HOLDS = {
    P.PARKING_BAY_OCCUPANCY: [Facts(bay=True)],
    P.EV_CONNECTED: [PLUGGED],
    P.AUTHORIZED: [GRANTED],
    P.DATA_SIGNED: [Facts(signed=True)],
    P.POWER_PATH_CLOSED: [BOTH, OFFERED],
    P.ENERGY_TRANSFER: [CHARGING, Facts(drawing=True)],
}
FAILS = {
    P.POWER_PATH_CLOSED: [PLUGGED, GRANTED, Facts(offered=True, drawing=True)],
    P.ENERGY_TRANSFER: [OFFERED],
}


@pytest.mark.parametrize("point", list(TxPoint))
def test_each_point_is_one_condition_on_the_facts(point: TxPoint) -> None:
    assert not IDLE.at(point)
    assert all(facts.at(point) for facts in HOLDS[point])
    assert not any(facts.at(point) for facts in FAILS.get(point, []))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (IDLE, ChargingState.IDLE),
        (GRANTED, ChargingState.IDLE),
        (Facts(drawing=True), ChargingState.IDLE),
        (PLUGGED, ChargingState.EV_CONNECTED),
        (Facts(connected=True, offered=True), ChargingState.EV_CONNECTED),
        (BOTH, ChargingState.SUSPENDED_EVSE),
        (changed(BOTH, settling=True), ChargingState.SUSPENDED_EVSE),
        (changed(OFFERED, settling=True), ChargingState.EV_CONNECTED),
        (OFFERED, ChargingState.SUSPENDED_EV),
        (changed(OFFERED, settling=True, withheld=True), ChargingState.SUSPENDED_EVSE),
        (changed(OFFERED, withheld=True), ChargingState.SUSPENDED_EV),
        (changed(CHARGING, withheld=True), ChargingState.CHARGING),
        (CHARGING, ChargingState.CHARGING),
        (Facts(connected=True, drawing=True), ChargingState.CHARGING),
    ],
)
def test_the_charging_state_follows_from_the_facts(facts: Facts, state: ChargingState) -> None:
    """E01.FR.18 and the table of ChargingStateEnumType"""
    assert facts.charging_state is state


@pytest.mark.parametrize(
    ("before", "now", "points", "expected"),
    [
        (IDLE, PLUGGED, {P.EV_CONNECTED}, True),  # E01.FR.02
        (IDLE, PLUGGED, {P.AUTHORIZED}, False),
        (IDLE, PLUGGED, {P.AUTHORIZED, P.EV_CONNECTED}, True),
        (IDLE, GRANTED, {P.AUTHORIZED}, True),  # E01.FR.03
        (IDLE, IN_BAY, {P.PARKING_BAY_OCCUPANCY}, True),  # E01.FR.01
        (IDLE, Facts(signed=True), {P.DATA_SIGNED}, True),  # E01.FR.04
        (PLUGGED, BOTH, {P.POWER_PATH_CLOSED}, True),  # E01.FR.05
        (GRANTED, BOTH, {P.POWER_PATH_CLOSED}, True),
        (OFFERED, CHARGING, {P.ENERGY_TRANSFER}, True),  # E01.FR.06
        (BOTH, OFFERED, {P.ENERGY_TRANSFER}, False),
        # levels are no edges: after a local stop the cable is still in
        (BOTH, PLUGGED, {P.EV_CONNECTED}, False),
        (PLUGGED, PLUGGED, {P.EV_CONNECTED}, False),
        # an authorisation that comes while a start point holds
        (PLUGGED, BOTH, {P.EV_CONNECTED}, True),
        (PLUGGED, BOTH, {P.PARKING_BAY_OCCUPANCY}, False),
        (IN_BAY, changed(IN_BAY, authorized=True), {P.PARKING_BAY_OCCUPANCY}, True),
    ],
)
def test_a_transaction_starts_when_a_start_point_is_reached(
    before: Facts, now: Facts, points: set[TxPoint], expected: bool
) -> None:
    assert starts(before, now, frozenset(points)) is expected


@pytest.mark.parametrize(
    ("before", "now", "points", "expected"),
    [
        (BOTH, GRANTED, {P.EV_CONNECTED}, True),  # E06.FR.02
        (BOTH, PLUGGED, {P.EV_CONNECTED}, False),
        (CHARGING, changed(CHARGING, authorized=False), {P.AUTHORIZED}, True),  # E06.FR.03
        (IN_BAY, IDLE, {P.PARKING_BAY_OCCUPANCY}, True),  # E06.FR.01
        (CHARGING, changed(CHARGING, drawing=False), {P.ENERGY_TRANSFER}, True),  # E06.FR.07
        (CHARGING, changed(CHARGING, drawing=False), {P.AUTHORIZED, P.EV_CONNECTED}, False),
        # PowerPathClosed: connection or authorisation, each alone, closed before or not
        (BOTH, PLUGGED, {P.POWER_PATH_CLOSED}, True),  # E06.FR.06
        (BOTH, GRANTED, {P.POWER_PATH_CLOSED}, True),
        (PLUGGED, IDLE, {P.POWER_PATH_CLOSED}, True),
        (GRANTED, IDLE, {P.POWER_PATH_CLOSED}, True),
        # EnergyTransfer: an authorisation withdrawn ends it before any energy has flowed
        (GRANTED, IDLE, {P.ENERGY_TRANSFER}, True),
        (OFFERED, changed(OFFERED, authorized=False, offered=False), {P.ENERGY_TRANSFER}, True),
        # a transaction begun by plugging in does not end because nobody is authorised yet
        (IDLE, PLUGGED, {P.AUTHORIZED}, False),
        (PLUGGED, PLUGGED, {P.AUTHORIZED}, False),
        # what is left can never be lost any more
        (PLUGGED, IDLE, {P.AUTHORIZED}, True),
        (BOTH, GRANTED, {P.AUTHORIZED}, False),
        (changed(PLUGGED, bay=True), IN_BAY, {P.PARKING_BAY_OCCUPANCY}, False),
        # nobody is there any more
        (IN_BAY, IDLE, {P.EV_CONNECTED}, True),
        (changed(GRANTED, bay=True), GRANTED, {P.EV_CONNECTED}, False),
        (changed(PLUGGED, bay=True), PLUGGED, {P.AUTHORIZED}, False),
        (GRANTED, IDLE, {P.EV_CONNECTED}, True),
        (GRANTED, IDLE, {P.PARKING_BAY_OCCUPANCY}, True),
        # E03.FR.15: deauthorised by time-out, but the vehicle is still in the bay
        (changed(GRANTED, bay=True), IN_BAY, {P.PARKING_BAY_OCCUPANCY}, False),
    ],
)
def test_a_transaction_ends_when_a_stop_point_is_lost(
    before: Facts, now: Facts, points: set[TxPoint], expected: bool
) -> None:
    assert ends(before, now, frozenset(points)) is expected


@given(some_facts, some_points)
def test_nothing_starts_or_ends_where_nothing_changes(facts: Facts, points: Points) -> None:
    assert not starts(facts, facts, points)
    assert not ends(facts, facts, points)


@given(some_facts, some_facts)
def test_news_is_what_holds_and_did_not_before(before: Facts, now: Facts) -> None:
    new = news(before, now)
    for name in NAMES:
        assert getattr(new, name) is (getattr(now, name) and not getattr(before, name))


@given(some_facts, some_facts, some_points)
def test_a_point_reached_starts_and_a_point_lost_ends(
    before: Facts, now: Facts, points: Points
) -> None:
    reached = any(now.at(point) and not before.at(point) for point in points)
    lost = any(before.at(point) and not now.at(point) for point in points)
    assert starts(before, now, points) or not reached
    assert ends(before, now, points) or not lost


@given(some_facts, some_facts, some_points)
def test_a_start_needs_a_start_point_that_holds(before: Facts, now: Facts, points: Points) -> None:
    if starts(before, now, points):
        assert any(now.at(point) for point in points)


@given(some_facts, some_facts, some_points)
def test_an_end_needs_a_loss(before: Facts, now: Facts, points: Points) -> None:
    if ends(before, now, points):
        was, is_now = (tuple(getattr(facts, name) for name in NAMES) for facts in (before, now))
        assert any(b and not n for b, n in zip(was, is_now, strict=True))


@given(some_facts, some_facts, some_points, some_points)
def test_more_points_never_make_a_start_rarer(
    before: Facts, now: Facts, points: Points, more: Points
) -> None:
    if starts(before, now, points):
        assert starts(before, now, points | more)


def test_every_transaction_can_end_when_everybody_has_gone() -> None:
    """Whatever the stop points: from any facts, losing vehicle and authorisation ends it."""
    for values in product((False, True), repeat=len(NAMES)):
        facts = Facts(**dict(zip(NAMES, values, strict=True)))
        if facts.bay or facts.connected or facts.authorized:
            for point in TxPoint:
                assert ends(facts, IDLE, frozenset({point}))


@pytest.mark.parametrize(
    ("facts", "points", "expected"),
    [
        (CHARGING, {P.AUTHORIZED}, True),
        (CHARGING, {P.POWER_PATH_CLOSED}, True),
        (CHARGING, {P.ENERGY_TRANSFER}, True),
        (CHARGING, {P.EV_CONNECTED}, False),
        (PLUGGED, {P.AUTHORIZED}, False),
        (IN_BAY, {P.PARKING_BAY_OCCUPANCY}, False),
    ],
)
def test_whether_losing_the_authorisation_would_end_it(
    facts: Facts, points: set[TxPoint], expected: bool
) -> None:
    assert ends_with_authorization(facts, frozenset(points)) is expected
