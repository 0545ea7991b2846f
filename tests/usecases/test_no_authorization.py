"""AuthCtrlr.Enabled is false: whoever plugs in charges, and everything else is as ever."""

import pytest

from hal.api import FaultName
from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, is_locked, told, transaction_ids

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
NOBODY = {"idToken": "", "type": "NoAuthorization"}


def made(
    make_station: MakeStation,
    start: str = "PowerPathClosed",
    stop: str = "EVConnected",
    **more: str,
) -> VirtualStation:
    variables = {"AuthCtrlr.Enabled": "false", **more}
    station: VirtualStation = make_station(start, stop, variables=variables, cable="socket")
    return station


def plug(station: VirtualStation) -> None:
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(8.0)


def stop_remotely(station: VirtualStation) -> None:
    (row,) = station.station.transactions.all()
    answer = station.csms.call("RequestStopTransaction", {"transactionId": row.id})
    assert answer["status"] == "Accepted"
    station.advance(8.0)


def stop_by_button(station: VirtualStation) -> None:
    station.sim.button(1, "stop")
    station.advance(8.0)


@pytest.mark.parametrize("start", POINTS)
def test_every_start_point_begins_one_transaction_of_nobody(
    make_station: MakeStation, start: str
) -> None:
    """E01.FR.03, E01.FR.05: authorised is who plugs in"""
    station = made(make_station, start)
    station.advance(60.0)
    assert told(station) == []  # nobody is there
    plug(station)
    assert is_closed(station)
    events = station.csms.events()
    assert [each["idToken"] for each in events if "idToken" in each] == [NOBODY]
    assert len(transaction_ids(station)) == 1


@pytest.mark.parametrize("stop", POINTS)
@pytest.mark.parametrize("how", [stop_remotely, stop_by_button], ids=["remotely", "button"])
def test_it_is_stopped_as_any_other_and_lets_the_cable_go(
    make_station: MakeStation, stop: str, how: object
) -> None:
    """F03.FR.02, F03.FR.03, E07.FR.07"""
    assert callable(how)
    station = made(make_station, stop=stop)
    plug(station)
    assert is_locked(station)
    forget(station)
    how(station)
    trigger, reason = (
        ("RemoteStop", "Remote") if how is stop_remotely else ("StopAuthorized", "Local")
    )
    if stop in ("Authorized", "PowerPathClosed", "EnergyTransfer"):
        assert told(station) == [f"Ended {trigger} EVConnected {reason}"]
    else:
        assert told(station)[0] == f"Updated {trigger} -"
    assert not is_closed(station)
    assert not is_locked(station)


def test_what_was_stopped_begins_again_with_the_next_car_only(make_station: MakeStation) -> None:
    """E01.FR.05"""
    station = made(make_station, "PowerPathClosed", "Authorized")
    plug(station)
    stop_by_button(station)
    station.sim.bay(1, occupied=False)
    station.advance(5.0)
    station.sim.fault(1, FaultName.OVER_TEMPERATURE, active=True)
    station.advance(5.0)
    station.sim.fault(1, FaultName.OVER_TEMPERATURE, active=False)
    station.advance(5.0)
    station.restart()
    station.advance(30.0)
    assert len(transaction_ids(station)) == 1
    station.sim.unplug(1)
    station.advance(5.0)
    plug(station)
    assert len(transaction_ids(station)) == 2
    assert is_closed(station)


def test_token_that_the_csms_refuses_even_so_ends_it_and_keeps_no_cable(
    make_station: MakeStation,
) -> None:
    """E05.FR.10: nobody could ever come for the cable"""
    station = made(make_station, stop="Authorized")
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Blocked"}} if "idToken" in event else {}
    )
    plug(station)
    station.advance(10.0)
    assert told(station)[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert not is_closed(station)
    assert not is_locked(station)


def test_cable_pulled_out_of_the_car_is_free_whatever_the_setting(
    make_station: MakeStation,
) -> None:
    """E09.FR.03: there is nobody who could be asked for"""
    station = made(
        make_station, stop="Authorized", **{"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"}
    )
    plug(station)
    station.sim.unplug(1, side="ev")
    station.advance(8.0)
    assert told(station)[-1] == "Ended EVCommunicationLost Idle EVDisconnected"
    assert not is_locked(station)


def test_fault_that_stood_at_the_plug_in_only_delays_it(make_station: MakeStation) -> None:
    """E01.FR.05: what comes while nothing may begin stays news"""
    station = made(make_station)
    station.sim.fault(1, FaultName.UNDER_VOLTAGE, active=True)
    station.advance(2.0)
    plug(station)
    assert told(station) == []
    station.sim.fault(1, FaultName.UNDER_VOLTAGE, active=False)
    station.advance(10.0)
    assert is_closed(station)
    assert told(station)[0].startswith("Started CablePluggedIn")


def test_authorisation_that_is_switched_on_asks_the_next_driver(make_station: MakeStation) -> None:
    """C01.FR.01"""
    station = made(make_station)
    plug(station)
    station.variable("AuthCtrlr", "Enabled", "true")
    station.advance(60.0)
    assert is_closed(station)
    station.sim.unplug(1)
    station.advance(5.0)
    plug(station)
    assert not is_closed(station)


def test_car_that_comes_and_goes_while_nothing_may_begin_leaves_nothing_behind(
    make_station: MakeStation,
) -> None:
    station = made(make_station, "EVConnected")
    station.sim.fault(1, FaultName.GROUND_FAULT, active=True)
    station.advance(2.0)
    plug(station)
    station.sim.unplug(1)
    station.advance(5.0)
    assert station.station.transactions.grants.all() == []
    station.sim.fault(1, FaultName.GROUND_FAULT, active=False)
    station.advance(10.0)
    assert told(station) == []


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_car_that_stood_at_a_closed_evse_begins_when_it_opens(
    make_station: MakeStation, enabled: str
) -> None:
    """E01.FR.02"""
    station = made(make_station, "EVConnected", **{"AuthCtrlr.Enabled": enabled})
    request = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    assert station.csms.call("ChangeAvailability", request)["status"] == "Accepted"
    plug(station)
    assert told(station) == []
    request = {"operationalStatus": "Operative", "evse": {"id": 1}}
    assert station.csms.call("ChangeAvailability", request)["status"] == "Accepted"
    station.advance(10.0)
    assert told(station)[0] == "Started CablePluggedIn EVConnected"
    assert is_closed(station) is (enabled == "false")
