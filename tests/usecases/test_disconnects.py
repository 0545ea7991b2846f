"""E09 and E10: the cable leaves the EV, with each setting, at sockets and fixed cables."""

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import (
    forget,
    is_closed,
    is_locked,
    statuses,
    told,
    transaction_ids,
)

TOKEN, OTHER = "04A1B2C3", "04FFEE01"

each_unlock = pytest.mark.parametrize("unlocks", [True, False], ids=["unlocks", "keeps"])
each_cable = pytest.mark.parametrize("cable", ["fixed", "socket"])


def text(value: bool) -> str:
    return "true" if value else "false"


def pulled(
    make_station: MakeStation, stop: str, *, cable: str, stops: bool, unlocks: bool = False
) -> VirtualStation:
    """A charge whose cable was pulled out of the EV."""
    variables = {"TxCtrlr.StopTxOnEVSideDisconnect": text(stops)}
    if cable == "socket":
        variables["OCPPCommCtrlr.UnlockOnEVSideDisconnect"] = text(unlocks)
    station: VirtualStation = make_station(stop=stop, variables=variables, cable=cable)
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)
    forget(station)
    station.sim.unplug(1, side="ev")
    station.advance(5.0)
    assert not is_closed(station)
    return station


# -- StopTxOnEVSideDisconnect is true: E09


@each_cable
@pytest.mark.parametrize("stop", ["Authorized", "EVConnected", "PowerPathClosed", "EnergyTransfer"])
def test_pulling_the_cable_ends_the_transaction(
    make_station: MakeStation, cable: str, stop: str
) -> None:
    """E09.FR.01, E09.FR.04"""
    station = pulled(make_station, stop, cable=cable, stops=True)
    assert told(station) == ["Ended EVCommunicationLost Idle EVDisconnected"]
    assert statuses(station) == (["Available"] if cable == "fixed" else [])


@each_cable
def test_pulling_the_cable_deauthorises_a_transaction_that_goes_on(
    make_station: MakeStation, cable: str
) -> None:
    """E09.FR.01: plugged in again, it needs a token again"""
    station = pulled(make_station, "ParkingBayOccupancy", cable=cable, stops=True, unlocks=True)
    assert told(station) == ["Updated EVCommunicationLost Idle"]
    station.sim.plug(1, side="ev")
    station.advance(10.0)
    assert told(station)[1:] == ["Updated CablePluggedIn EVConnected"]
    assert not is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station)[2:] == [
        "Updated Authorized -",
        "Updated ChargingStateChanged Charging",
    ]


@pytest.mark.parametrize("stop", ["Authorized", "EVConnected", "ParkingBayOccupancy"])
@each_unlock
def test_socket_lets_the_cable_go_at_once_or_to_its_owner(
    make_station: MakeStation, stop: str, unlocks: bool
) -> None:
    """E09.FR.02, E09.FR.03"""
    station = pulled(make_station, stop, cable="socket", stops=True, unlocks=unlocks)
    assert is_locked(station) is not unlocks
    if not unlocks:
        station.advance(600.0)
        assert is_locked(station)
        station.sim.token(OTHER, evse=1)
        station.advance(3.0)
        assert is_locked(station)
        station.sim.token(TOKEN, evse=1)
        station.advance(3.0)
        assert not is_locked(station)
    station.sim.unplug(1, side="station")
    station.advance(3.0)
    assert statuses(station)[-1] == "Available"


def test_kept_cable_is_kept_across_a_restart(make_station: MakeStation) -> None:
    """E09.FR.03"""
    station = pulled(make_station, "Authorized", cable="socket", stops=True)
    station.restart()
    station.advance(5.0)
    assert is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    assert not is_locked(station)


# -- StopTxOnEVSideDisconnect is false: E10


@each_cable
@pytest.mark.parametrize("stop", ["Authorized", "ParkingBayOccupancy"])
def test_cable_that_comes_back_resumes_the_charge(
    make_station: MakeStation, cable: str, stop: str
) -> None:
    """E10.FR.01, E10.FR.03"""
    station = pulled(make_station, stop, cable=cable, stops=False)
    assert told(station) == ["Updated EVCommunicationLost Idle"]
    station.sim.plug(1, side="ev")
    station.advance(10.0)
    assert told(station)[1:] == [
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    assert len(transaction_ids(station)) == 1


@pytest.mark.parametrize(
    ("stop", "last"),
    [
        ("Authorized", "Ended EVConnectTimeout - Timeout"),
        ("ParkingBayOccupancy", "Updated EVConnectTimeout -"),
    ],
)
def test_fixed_cable_must_come_back_in_time(
    make_station: MakeStation, stop: str, last: str
) -> None:
    """E10.FR.02"""
    station = pulled(make_station, stop, cable="fixed", stops=False)
    station.advance(20.0)
    assert told(station) == ["Updated EVCommunicationLost Idle"]
    station.advance(8.0)
    assert told(station)[-1] == last
    station.sim.plug(1, side="ev")
    station.advance(10.0)
    assert not is_closed(station)


@pytest.mark.parametrize("stop", ["Authorized", "ParkingBayOccupancy"])
@each_unlock
def test_sockets_cable_waits_locked_for_its_owner_however_long(
    make_station: MakeStation, stop: str, unlocks: bool
) -> None:
    """E10.FR.01"""
    station = pulled(make_station, stop, cable="socket", stops=False, unlocks=unlocks)
    station.advance(600.0)
    assert is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    kind = "Ended StopAuthorized - Local" if stop == "Authorized" else "Updated StopAuthorized -"
    assert told(station)[-1] == kind
    assert not is_locked(station)


def test_sockets_cable_waits_for_its_owner_through_a_power_cut(make_station: MakeStation) -> None:
    """E10.FR.01"""
    station = pulled(make_station, "Authorized", cable="socket", stops=False)
    station.advance(60.0)
    station.restart(power_cut=True)
    station.advance(600.0)
    assert is_locked(station)
    assert told(station) == ["Updated EVCommunicationLost Idle"]
    station.sim.plug(1, side="ev")
    station.advance(10.0)
    assert told(station)[-1] == "Updated ChargingStateChanged Charging"


@pytest.mark.parametrize("cut", [False, True])
def test_cable_that_is_gone_altogether_must_come_back_in_time(
    make_station: MakeStation, cut: bool
) -> None:
    """E10.FR.02: the lock has let it go, and the next driver shall find a free EVSE."""
    station = pulled(make_station, "Authorized", cable="socket", stops=False)
    station.advance(60.0)
    if cut:
        station.restart(power_cut=True)
    station.world.evses[1].place.locked = False
    station.sim.unplug(1, side="station")
    station.advance(29.0)
    assert told(station) == ["Updated EVCommunicationLost Idle"]
    station.advance(3.0)
    assert told(station)[-1] == "Ended EVConnectTimeout - Timeout"


@each_unlock
@pytest.mark.parametrize("stop", ["EVConnected", "PowerPathClosed"])
def test_stop_point_ends_the_transaction_and_the_setting_decides_about_the_cable(
    make_station: MakeStation, stop: str, unlocks: bool
) -> None:
    """E06.FR.02, E10.FR.01"""
    station = pulled(make_station, stop, cable="socket", stops=False, unlocks=unlocks)
    assert told(station) == ["Ended EVCommunicationLost Idle EVDisconnected"]
    assert is_locked(station) is not unlocks
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    assert is_locked(station) is unlocks  # freed, or authorised anew with the cable in


def test_socket_holds_the_plug_from_the_token_to_the_end(make_station: MakeStation) -> None:
    """E06.FR.10"""
    station: VirtualStation = make_station(cable="socket")
    station.sim.plug(1)
    station.advance(2.0)
    assert not is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert not is_locked(station)
    station.sim.unplug(1)
    station.advance(3.0)
    assert statuses(station) == ["Occupied", "Available"]
