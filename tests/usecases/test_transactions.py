"""E01 to E07: when a transaction begins, what it tells, when and why it ends."""

from collections.abc import Callable

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed, statuses, told, transaction_ids

POINTS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer")
TOKEN = "04A1B2C3"
OTHER = "04FFEE01"
End = Callable[[VirtualStation], None]

each_start = pytest.mark.parametrize("start", POINTS)
each_stop = pytest.mark.parametrize("stop", POINTS)


def charge(station: VirtualStation, evse: int = 1) -> None:
    """Drive in, plug in, present the token, and charge for a while."""
    station.sim.bay(evse, occupied=True)
    station.sim.plug(evse)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=evse)
    station.advance(10.0)
    assert is_closed(station, evse)


def leave(station: VirtualStation, evse: int = 1) -> None:
    station.sim.unplug(evse)
    station.advance(3.0)
    station.sim.bay(evse, occupied=False)
    station.advance(3.0)


# -- every start point with every stop point


def stop_with_token(station: VirtualStation) -> None:
    station.sim.token(TOKEN, evse=1)


def stop_remotely(station: VirtualStation) -> None:
    request = {"transactionId": transaction_ids(station)[0]}
    assert station.csms.call("RequestStopTransaction", request)["status"] == "Accepted"


def stop_at_the_car(station: VirtualStation) -> None:
    station.sim.ev(1, "B")


def just_leave(_: VirtualStation) -> None:
    pass


@each_start
@each_stop
@pytest.mark.parametrize("end", [stop_with_token, stop_remotely, stop_at_the_car, just_leave])
def test_every_transaction_ends_once_however_the_session_ends(
    make_station: MakeStation, start: str, stop: str, end: End
) -> None:
    """E01.FR.07, E06.FR.14, E02.FR.07, E07.FR.11"""
    station = make_station(start, stop)
    charge(station)
    end(station)
    station.advance(8.0)
    leave(station)
    kinds = [event["eventType"] for event in station.csms.events()]
    assert kinds.count("Started") == kinds.count("Ended") == len(transaction_ids(station)) == 1
    assert kinds[-1] == "Ended"
    assert not is_closed(station)


@each_start
@each_stop
def test_session_with_the_token_first_is_one_transaction_too(
    make_station: MakeStation, start: str, stop: str
) -> None:
    """E03.FR.01, E03.FR.06"""
    station = make_station(start, stop)
    station.sim.bay(1, occupied=True)
    station.sim.token(TOKEN, evse=1)
    station.advance(20.0)
    station.sim.plug(1)
    station.advance(10.0)
    assert is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    leave(station)
    kinds = [event["eventType"] for event in station.csms.events()]
    assert kinds.count("Started") == kinds.count("Ended") == 1
    tokens = [event["idToken"]["idToken"] for event in station.csms.events() if "idToken" in event]
    assert tokens == [TOKEN, TOKEN]  # E03.FR.01, E07.FR.02: once when it began, once when it ended


# -- what began the end is what is told


@pytest.mark.parametrize("stop", ["EVConnected", "ParkingBayOccupancy"])
@pytest.mark.parametrize(
    ("end", "reason"), [(stop_with_token, "Local"), (stop_remotely, "Remote"), (just_leave, None)]
)
def test_reason_is_what_began_the_end(
    make_station: MakeStation, stop: str, end: End, reason: str | None
) -> None:
    """E07.FR.05, F03.FR.03, E07.FR.06"""
    station = make_station(stop=stop)
    charge(station)
    end(station)
    station.advance(8.0)
    leave(station)
    trigger = "EVDeparted" if stop == "ParkingBayOccupancy" else "EVCommunicationLost"
    last = station.csms.events()[-1]
    assert (last["eventType"], last["triggerReason"]) == ("Ended", trigger)
    assert last["transactionInfo"]["stoppedReason"] == (reason or "EVDisconnected")


def test_authorising_anew_makes_the_former_reason_void(make_station: MakeStation) -> None:
    """E06.FR.08"""
    station = make_station(stop="ParkingBayOccupancy")
    charge(station)
    stop_remotely(station)
    station.advance(8.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    leave(station)
    assert told(station)[-1] == "Ended EVDeparted - Local"


def test_ev_that_stops_itself_ends_a_transaction_of_energy_transfer(
    make_station: MakeStation,
) -> None:
    """E06.FR.07"""
    station = make_station(stop="EnergyTransfer")
    charge(station)
    station.sim.ev(1, "B")
    station.advance(5.0)
    assert told(station)[-1] == "Ended ChargingStateChanged EVConnected StoppedByEV"
    station.sim.ev(1, "C")
    station.advance(10.0)
    assert not is_closed(station)  # its authorisation has ended too


def test_full_battery_suspends_and_the_transaction_goes_on(make_station: MakeStation) -> None:
    """E01.FR.19"""
    station = make_station()
    station.sim.plug(1, soc=99.9, capacity_wh=1000)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(30.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEV"
    leave(station)
    assert told(station)[-1] == "Ended EVCommunicationLost Idle EVDisconnected"


# -- what events carry


def test_connector_is_occupied_before_and_available_after_its_transaction(
    make_station: MakeStation,
) -> None:
    station = make_station("EVConnected", "EVConnected")
    charge(station)
    leave(station)
    order = [
        payload.get("connectorStatus") or payload["eventType"]
        for action, payload in station.csms.received
        if action in ("StatusNotification", "TransactionEvent")
    ]
    order = [word for word in order if word != "Updated"]
    assert order == ["Occupied", "Started", "Ended", "Available"]


@each_start
def test_phases_are_told_once_energy_flows(make_station: MakeStation, start: str) -> None:
    """E02.FR.18"""
    station = make_station(start)
    charge(station)
    phases = [event.get("numberOfPhasesUsed") for event in station.csms.events()]
    assert phases[-1] == 3
    assert phases.count(3) == 1


@each_start
def test_time_spent_charging_is_the_time_in_which_energy_flowed(
    make_station: MakeStation, start: str
) -> None:
    station = make_station(start)
    charge(station)
    station.advance(100.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(60.0)
    ended = station.csms.events()[-1]
    assert ended["eventType"] == "Ended"
    assert ended["transactionInfo"]["timeSpentCharging"] == pytest.approx(108, abs=2)


def test_ev_that_connects_long_after_the_token_gets_its_time_to_settle(
    make_station: MakeStation,
) -> None:
    """E02.FR.13"""
    station = make_station("Authorized")
    station.sim.token(TOKEN, evse=1)
    station.advance(25.0)
    station.sim.plug(1, ready_after_s=60.0)
    station.advance(3.0)
    assert told(station)[-1] == "Updated CablePluggedIn EVConnected"
    station.advance(10.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEV"


def test_evse_is_told_once_after_the_ev_has_connected(make_station: MakeStation) -> None:
    """E01.FR.16"""
    station = make_station("Authorized")
    station.sim.token(TOKEN)
    station.advance(5.0)
    station.sim.plug(2)
    station.advance(10.0)
    places = [event.get("evse") for event in station.csms.events()]
    assert places == [None, {"id": 2, "connectorId": 1}, None]


# -- EVConnectionTimeOut


@each_start
@each_stop
def test_authorisation_without_a_cable_ends_in_time(
    make_station: MakeStation, start: str, stop: str
) -> None:
    """C01.FR.26, E03.FR.05, E03.FR.15"""
    station = make_station(start, stop)
    if start == "ParkingBayOccupancy":
        station.sim.bay(1, occupied=True)
    station.sim.token(TOKEN, evse=1)
    station.advance(29.0)
    before = told(station)
    station.advance(2.0)
    after = told(station)[len(before) :]
    if start not in ("Authorized", "ParkingBayOccupancy"):
        assert before + after == []
    elif stop == start == "ParkingBayOccupancy":  # it ends when the car leaves the bay
        assert after == ["Updated EVConnectTimeout -"]
    else:
        assert after == ["Ended EVConnectTimeout - Timeout"]
    station.sim.plug(1)
    station.advance(10.0)
    assert not is_closed(station)


@each_stop
def test_transaction_of_nobody_ends_with_its_authorisation(
    make_station: MakeStation, stop: str
) -> None:
    """E03.FR.15, F02.FR.08: no car has come, and none could leave any more"""
    station = make_station("Authorized", stop)
    station.sim.token(TOKEN, evse=1)
    station.advance(5.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(5.0)
    assert told(station) == ["Started Authorized Idle", "Ended StopAuthorized - Local"]


def test_time_out_does_not_run_while_the_ev_is_connected(make_station: MakeStation) -> None:
    """E03.FR.05"""
    station = make_station()
    charge(station)
    station.advance(120.0)
    assert is_closed(station)


def test_time_out_that_passed_while_nobody_ran_does_not_end_a_charge(
    make_station: MakeStation,
) -> None:
    station = make_station()
    charge(station)
    station.advance(60.0)
    station.restart(after_s=60.0)
    station.advance(20.0)
    assert is_closed(station)
    assert len(transaction_ids(station)) == 1


# -- presenting tokens


def test_token_shown_twice_quickly_has_one_effect(make_station: MakeStation) -> None:
    """C01.FR.02"""
    station = make_station()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert len(station.csms.of("Authorize")) == 1
    assert is_closed(station)


def test_first_of_two_tokens_at_one_evse_charges(make_station: MakeStation) -> None:
    """C01.FR.23"""
    station = make_station()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.sim.token(OTHER, evse=1)
    station.advance(10.0)
    assert told(station) == [
        "Started Authorized EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    assert station.csms.events()[0]["idToken"]["idToken"] == TOKEN


def test_one_token_may_charge_at_two_evses(make_station: MakeStation) -> None:
    station = make_station(stop="Authorized")
    station.sim.plug(1)
    station.sim.plug(2)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.sim.token(TOKEN, evse=2)
    station.advance(10.0)
    assert is_closed(station, 1)
    assert is_closed(station, 2)
    station.sim.token(TOKEN, evse=2)
    station.advance(8.0)
    assert is_closed(station, 1)
    assert not is_closed(station, 2)


def test_after_a_stop_the_same_token_begins_anew(make_station: MakeStation) -> None:
    """E01.FR.08: with another transactionId"""
    station = make_station(stop="Authorized")
    charge(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert len(transaction_ids(station)) == 2
    assert is_closed(station)


def test_buttons_start_and_stop_without_asking_the_csms(make_station: MakeStation) -> None:
    """C02.FR.01, C02.FR.02"""
    station = make_station(stop="Authorized")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.button(1, "start")
    station.advance(10.0)
    assert station.csms.of("Authorize") == []
    started = station.csms.events()[0]
    assert started["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"


def test_digits_of_a_pin_on_a_card_are_another_token(make_station: MakeStation) -> None:
    """C01.FR.25, C04.FR.01"""
    station = make_station(stop="Authorized")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token("1234", type="KeyCode", evse=1)
    station.advance(10.0)
    station.sim.token("1234", type="ISO14443", evse=1)
    station.advance(8.0)
    assert is_closed(station)
    station.sim.token("1234", type="KeyCode", evse=1)
    station.advance(8.0)
    assert not is_closed(station)


def test_without_authorisation_the_cable_is_enough(make_station: MakeStation) -> None:
    """C01.FR.01"""
    station = make_station(variables={"AuthCtrlr.Enabled": "false"})
    station.sim.plug(1)
    station.advance(10.0)
    assert is_closed(station)
    leave(station)
    assert told(station)[-1] == "Ended EVCommunicationLost Idle EVDisconnected"
    assert statuses(station) == ["Occupied", "Available"]
