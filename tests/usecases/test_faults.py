"""E06.FR.16 and the table of faults: what each does to a connector and its transaction."""

import pytest

from hal.api import FAULTS, FaultName, Severity
from station.bench.virtual import VirtualStation
from station.charging.faults import MEANINGS, Consequence
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, is_locked, statuses, told

TOKEN = "04A1B2C3"
NOT_SEEN_AT_ONCE = (FaultName.CONTACTOR_WELDED, FaultName.LOCK_STUCK)
"""In the middle of a charge the hardware does not show these."""
SEEN_WHEN_MOVED = (FaultName.CONTACTOR_STUCK_OPEN, FaultName.LOCK_STUCK)
"""Before a charge the hardware does not show these."""


def by(consequence: Consequence) -> list[FaultName]:
    return [
        name
        for name, meaning in MEANINGS.items()
        if meaning.consequence is consequence and name not in NOT_SEEN_AT_ONCE
    ]


def charging(make_station: MakeStation, stop: str = "EVConnected,Authorized") -> VirtualStation:
    station: VirtualStation = make_station(stop=stop, cable="socket")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)
    forget(station)
    return station


@pytest.mark.parametrize("stop", ["EVConnected,Authorized", "ParkingBayOccupancy"])
@pytest.mark.parametrize("name", by(Consequence.ENDS))
def test_grave_fault_ends_the_transaction_and_says_why(
    make_station: MakeStation, name: FaultName, stop: str
) -> None:
    """E06.FR.16"""
    station = charging(make_station, stop)
    station.sim.fault(1, name, active=True)
    station.advance(15.0)
    assert statuses(station) == ["Faulted"]
    ended = told(station)[-1].split()
    assert ended[:2] == ["Ended", "AbnormalCondition"]
    assert ended[3] == MEANINGS[name].stopped_reason
    assert len(told(station)) <= 2
    assert not is_closed(station)
    assert not is_locked(station)  # E06.FR.10


@pytest.mark.parametrize("name", by(Consequence.ENDS))
def test_transaction_that_a_fault_ended_does_not_resume(
    make_station: MakeStation, name: FaultName
) -> None:
    station = charging(make_station)
    station.sim.fault(1, name, active=True)
    station.advance(15.0)
    forget(station)
    station.sim.fault(1, name, active=False)
    station.advance(15.0)
    assert statuses(station) == ["Occupied"]
    assert told(station) == []
    assert not is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)


@pytest.mark.parametrize("name", by(Consequence.SUSPENDS))
def test_passing_fault_suspends_and_the_charge_goes_on_by_itself(
    make_station: MakeStation, name: FaultName
) -> None:
    """E02.FR.17"""
    station = charging(make_station)
    station.sim.fault(1, name, active=True)
    station.advance(15.0)
    assert statuses(station) == ["Faulted"]
    assert told(station) == ["Updated AbnormalCondition SuspendedEVSE"]
    assert not is_closed(station)
    forget(station)
    station.sim.fault(1, name, active=False)
    station.advance(15.0)
    assert statuses(station) == ["Occupied"]
    assert told(station)[-1] == "Updated ChargingStateChanged Charging"
    assert is_closed(station)


@pytest.mark.parametrize("name", by(Consequence.SUSPENDS))
def test_suspension_ends_a_transaction_of_energy_transfer(
    make_station: MakeStation, name: FaultName
) -> None:
    """E06.FR.07, E06.FR.16"""
    station = charging(make_station, "EnergyTransfer")
    station.sim.fault(1, name, active=True)
    station.advance(15.0)
    reason = MEANINGS[name].stopped_reason
    assert told(station) == [f"Ended AbnormalCondition EVConnected {reason}"]


@pytest.mark.parametrize("name", by(Consequence.NONE))
def test_harmless_fault_is_told_and_stops_nothing(
    make_station: MakeStation, name: FaultName
) -> None:
    station = charging(make_station)
    station.sim.fault(1, name, active=True)
    station.advance(15.0)
    assert statuses(station) == (["Faulted"] if MEANINGS[name].faulted else [])
    assert told(station) == []
    assert is_closed(station)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, fault in FAULTS.items()
        if fault.severity >= Severity.NO_NEW and name not in SEEN_WHEN_MOVED
    ],
)
def test_faulty_evse_starts_nothing(make_station: MakeStation, name: FaultName) -> None:
    station: VirtualStation = make_station("EVConnected")
    station.sim.fault(1, name, active=True)
    station.advance(1.0)
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station) == []
    assert is_closed(station) is (name is FaultName.CONTACTOR_WELDED)


def test_welded_contactor_ends_the_transaction_although_it_stays_closed(
    make_station: MakeStation,
) -> None:
    """E06.FR.16"""
    station = charging(make_station, "Authorized")
    station.sim.fault(1, FaultName.CONTACTOR_WELDED, active=True)
    station.advance(5.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(20.0)
    assert statuses(station) == ["Faulted"]
    assert told(station)[-1].startswith("Ended")
    assert is_closed(station)
    assert is_locked(station)  # live pins are kept out of reach
    forget(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station) == []


def test_fault_of_one_evse_leaves_the_other_alone(make_station: MakeStation) -> None:
    station: VirtualStation = make_station()
    for evse in (1, 2):
        station.sim.plug(evse)
        station.advance(2.0)
        station.sim.token(f"{TOKEN}{evse}", evse=evse)
        station.advance(8.0)
    station.sim.fault(1, FaultName.RESIDUAL_CURRENT, active=True)
    station.advance(10.0)
    assert not is_closed(station, 1)
    assert is_closed(station, 2)
    assert statuses(station, 2) == ["Occupied"]


def test_emergency_stop_before_the_cable_keeps_energy_away(make_station: MakeStation) -> None:
    station: VirtualStation = make_station("Authorized")
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    station.sim.button(1, "emergency")
    station.advance(1.0)
    assert told(station)[-1].startswith("Ended AbnormalCondition")
    assert told(station)[-1].endswith("EmergencyStop")
    station.sim.plug(1)
    station.advance(10.0)
    assert not is_closed(station)
