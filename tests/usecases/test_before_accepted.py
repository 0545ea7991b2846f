"""B02.FR.03, B03.FR.01: nothing begins before the CSMS has accepted, unless that is wanted."""

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.telling import forget, is_closed, told, transaction_ids

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
TOKEN = "04A1B2C3"


def not_accepted(status: str = "Pending", **variables: str) -> VirtualStation:
    presets = {name.replace("__", "."): value for name, value in variables.items()}
    station = VirtualStation(variables=presets, start=False)
    station.csms.boot_status, station.csms.interval_s = status, 40
    station.power_up()
    station.settle()
    return station


def accept(station: VirtualStation) -> None:
    station.csms.boot_status = "Accepted"
    station.advance(60.0)


@pytest.mark.parametrize("before", ["true", "false"])
@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@pytest.mark.parametrize("start", POINTS)
def test_car_that_needs_no_authorisation_waits_for_the_csms_if_that_is_wanted(
    start: str, status: str, before: str
) -> None:
    """B02.FR.03, B03.FR.01"""
    station = not_accepted(
        status,
        TxCtrlr__TxStartPoint=start,
        TxCtrlr__TxBeforeAcceptedEnabled=before,
        AuthCtrlr__Enabled="false",
    )
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(20.0)
    assert is_closed(station) is (before == "true")
    assert station.csms.actions() == ["BootNotification"]
    accept(station)
    assert is_closed(station)
    assert [line.split()[0] for line in told(station)].count("Started") == 1
    assert told(station)[-1].endswith("Charging")
    station.assert_safe()


@pytest.mark.parametrize("start", ["ParkingBayOccupancy", "EVConnected"])
def test_start_points_that_need_nobody_wait_too(start: str) -> None:
    """B02.FR.03"""
    station = not_accepted(TxCtrlr__TxStartPoint=start, TxCtrlr__TxBeforeAcceptedEnabled="false")
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(20.0)
    assert station.station.transactions.all() == []
    accept(station)
    assert told(station) == ["Started CablePluggedIn EVConnected"]


def test_car_that_left_meanwhile_begins_nothing() -> None:
    """B02.FR.03"""
    station = not_accepted(
        TxCtrlr__TxStartPoint="EVConnected", TxCtrlr__TxBeforeAcceptedEnabled="false"
    )
    station.sim.plug(1)
    station.advance(5.0)
    station.sim.unplug(1)
    station.advance(5.0)
    accept(station)
    assert told(station) == []


def test_what_was_over_before_a_restart_does_not_begin_anew_when_accepted() -> None:
    """B02.FR.03"""
    variables = {
        "TxCtrlr.TxStartPoint": "EVConnected",
        "TxCtrlr.TxStopPoint": "Authorized",
        "TxCtrlr.TxBeforeAcceptedEnabled": "false",
    }
    station = VirtualStation(variables=variables).boot()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station)[-1].startswith("Ended")
    forget(station)
    station.restart()
    station.advance(30.0)
    assert told(station) == []


def test_transaction_that_ran_goes_on_before_the_csms_accepts_again() -> None:
    """B02.FR.03: it was accepted before the restart"""
    station = VirtualStation(variables={"TxCtrlr.TxBeforeAcceptedEnabled": "false"}).boot()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    station.csms.boot_status = "Pending"
    station.restart()
    station.advance(15.0)
    assert is_closed(station)
    accept(station)
    assert len(transaction_ids(station)) == 1


def test_driver_who_leaves_while_a_fault_stands_is_forgotten_in_time() -> None:
    """C01.FR.26: the fault does not hide that the car has gone"""
    station = VirtualStation(variables={"TxCtrlr.EVConnectionTimeOut": "30"}).boot()
    station.sim.token(TOKEN, evse=1)
    station.advance(5.0)
    station.sim.fault(1, "ground_fault", active=True)
    station.advance(1.0)
    station.sim.plug(1)
    station.advance(5.0)
    station.sim.unplug(1)
    station.advance(40.0)
    assert station.station.transactions.grants.all() == []
    assert told(station) == []
