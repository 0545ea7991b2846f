"""F01 to F03 and F06: the CSMS starts, stops, and asks for messages."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, statuses, told, transaction_ids

TOKEN = "04A1B2C3"
SIX_AMPERE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {
            "id": 1,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
        }
    ],
}


def start(station: VirtualStation, evse: int | None = 1, **fields: Any) -> str:
    request: dict[str, Any] = {
        "idToken": {"idToken": TOKEN, "type": "ISO14443"},
        "remoteStartId": 7,
        **fields,
    }
    if evse is not None:
        request["evseId"] = evse
    return str(station.csms.call("RequestStartTransaction", request)["status"])


def stop(station: VirtualStation, transaction_id: str) -> str:
    request = {"transactionId": transaction_id}
    return str(station.csms.call("RequestStopTransaction", request)["status"])


def charging(make_station: MakeStation, stop_point: str) -> VirtualStation:
    station: VirtualStation = make_station("EVConnected", stop_point)
    station.sim.plug(1)
    station.advance(2.0)
    assert start(station) == "Accepted"
    station.advance(10.0)
    assert is_closed(station)
    return station


# -- start


def begin(station: VirtualStation, *, remotely: bool, cable_first: bool) -> None:
    if cable_first:
        station.sim.plug(1)
        station.advance(3.0)
    if remotely:
        assert start(station) == "Accepted"
    else:
        station.sim.token(TOKEN, evse=1)
    station.advance(5.0)
    if not cable_first:
        station.sim.plug(1)
    station.advance(10.0)


@pytest.mark.parametrize("start_point", ["EVConnected", "Authorized", "PowerPathClosed"])
@pytest.mark.parametrize("cable_first", [True, False])
def test_remote_start_is_told_as_a_token_at_the_reader_but_for_the_trigger(
    make_station: MakeStation, cable_first: bool, start_point: str
) -> None:
    """F01.FR.03, F01.FR.04, F01.FR.05, F01.FR.17, F01.FR.19

    F02.FR.05, F02.FR.11, F02.FR.12, F02.FR.13
    """
    remote, local = make_station(start_point), make_station(start_point)
    begin(remote, remotely=True, cable_first=cable_first)
    begin(local, remotely=False, cable_first=cable_first)
    assert is_closed(remote)

    told_first = [line.split()[:2] for line in told(remote)]
    named = [event for event in remote.csms.events() if "idToken" in event]
    assert [event["idToken"] for event in named] == [{"idToken": TOKEN, "type": "ISO14443"}]
    assert named[0]["triggerReason"] == "RemoteStart"
    assert named[0]["transactionInfo"]["remoteStartId"] == 7
    assert told_first.count([named[0]["eventType"], "RemoteStart"]) == 1

    def without_trigger(station: VirtualStation) -> list[tuple[str, str | None, bool]]:
        return [
            (
                event["eventType"],
                event["transactionInfo"].get("chargingState"),
                "idToken" in event,
            )
            for event in station.csms.events()
        ]

    assert without_trigger(remote) == without_trigger(local)


@pytest.mark.parametrize("cable_first", [True, False])
def test_remote_start_asks_nobody_about_the_token_unless_it_shall(
    make_station: MakeStation, cable_first: bool
) -> None:
    """F01.FR.02, F02.FR.10"""
    station = make_station(variables={"AuthCtrlr.AuthorizeRemoteStart": "false"})
    begin(station, remotely=True, cable_first=cable_first)
    assert is_closed(station)
    assert station.csms.of("Authorize") == []


@pytest.mark.parametrize("cable_first", [True, False])
def test_charging_profile_is_ignored_without_smart_charging(
    make_station: MakeStation, cable_first: bool
) -> None:
    """F01.FR.12, F02.FR.20"""
    station = make_station(
        variables={"SampledDataCtrlr.TxUpdatedMeasurands": "Current.Offered,Current.Import"}
    )
    if cable_first:
        station.sim.plug(1)
        station.advance(3.0)
    assert start(station, chargingProfile=SIX_AMPERE) == "Accepted"
    if not cable_first:
        station.sim.plug(1)
    station.advance(65.0)
    (sampled,) = (e for e in station.csms.events() if e["triggerReason"] == "MeterValuePeriodic")
    values = {each["value"] for each in sampled["meterValue"][0]["sampledValue"]}
    assert min(values) == 16.0


@pytest.mark.parametrize("start_point", ["Authorized", "PowerPathClosed"])
@pytest.mark.parametrize(
    ("stop_point", "car_in_the_bay", "last"),
    [
        ("EVConnected", True, "Ended EVConnectTimeout - Timeout"),
        ("ParkingBayOccupancy", True, "Updated EVConnectTimeout -"),
        ("ParkingBayOccupancy", False, "Ended EVConnectTimeout - Timeout"),
    ],
)
def test_remote_start_without_a_cable_ends_in_time(
    make_station: MakeStation, start_point: str, stop_point: str, car_in_the_bay: bool, last: str
) -> None:
    """F02.FR.07, F02.FR.08: an empty bay is left by nobody"""
    station = make_station(start_point, stop_point)
    station.sim.bay(1, occupied=car_in_the_bay)
    station.advance(1.0)
    assert start(station) == "Accepted"
    station.advance(29.0)
    assert told(station) == (["Started RemoteStart Idle"] if start_point == "Authorized" else [])
    station.advance(2.0)
    assert told(station)[1:] == ([last] if start_point == "Authorized" else [])
    station.sim.plug(1)
    station.advance(10.0)
    assert not is_closed(station)


def test_remote_start_on_a_faulted_or_unavailable_evse_is_rejected(
    make_station: MakeStation,
) -> None:
    """F01.FR.23, F02.FR.25"""
    station: VirtualStation = make_station(stop="Authorized")
    station.sim.fault(2, "ground_fault", active=True)
    station.advance(1.0)
    assert statuses(station, 2) == ["Faulted"]
    assert start(station, 2) == "Rejected"
    station.sim.fault(2, "ground_fault", active=False)
    assert start(station, 1) == "Accepted"
    assert station.csms.call("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    station.advance(2.0)
    assert statuses(station, 2)[-1] == "Unavailable"
    assert start(station, 2) == "Rejected"
    assert start(station, None) == "Rejected"


# -- stop


@pytest.mark.parametrize("stop_point", ["EVConnected", "ParkingBayOccupancy"])
def test_remote_stop_withdraws_the_energy_of_a_transaction_that_goes_on(
    make_station: MakeStation, stop_point: str
) -> None:
    """F03.FR.02, F03.FR.07, F03.FR.09"""
    station = charging(make_station, stop_point)
    forget(station)
    (row,) = station.station.transactions.all()
    assert stop(station, row.id) == "Accepted"
    station.advance(8.0)
    assert not is_closed(station)
    assert told(station)[0].startswith("Updated RemoteStop ")
    assert told(station)[-1].split()[2] == "EVConnected"
    assert {event["eventType"] for event in station.csms.events()} == {"Updated"}


@pytest.mark.parametrize("stop_point", ["Authorized", "PowerPathClosed", "EnergyTransfer"])
def test_remote_stop_ends_the_transaction_where_authorisation_counts(
    make_station: MakeStation, stop_point: str
) -> None:
    """F03.FR.03, F03.FR.07, F03.FR.09"""
    station = charging(make_station, stop_point)
    assert stop(station, transaction_ids(station)[0]) == "Accepted"
    station.advance(8.0)
    assert told(station)[-1] == "Ended RemoteStop EVConnected Remote"
    assert not is_closed(station)


def test_remote_stop_of_what_does_not_run_is_rejected(make_station: MakeStation) -> None:
    """F03.FR.08"""
    station = charging(make_station, "Authorized")
    (ended,) = transaction_ids(station)
    assert stop(station, "3c0a61b6-0b4e-4d3c-8f9e-0d5b2f3a7c11") == "Rejected"
    assert is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert stop(station, ended) == "Rejected"


# -- trigger


def trigger(station: VirtualStation, message: str, **evse: int) -> str:
    request: dict[str, Any] = {"requestedMessage": message} | ({"evse": evse} if evse else {})
    return str(station.csms.call("TriggerMessage", request)["status"])


@pytest.mark.parametrize("evse", [1, 9])
def test_evse_that_means_nothing_to_a_message_is_ignored(
    make_station: MakeStation, evse: int
) -> None:
    """F06.FR.03"""
    station: VirtualStation = make_station()
    assert trigger(station, "Heartbeat", id=evse) == "Accepted"
    station.advance(1.0)
    assert station.csms.actions() == ["Heartbeat"]


@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification", "TransactionEvent"])
def test_evse_that_is_not_there_is_refused_where_it_matters(
    make_station: MakeStation, message: str
) -> None:
    """F06.FR.05"""
    station: VirtualStation = make_station()
    assert trigger(station, message, id=9, connectorId=1) == "Rejected"


def test_accepted_trigger_outlives_a_csms_that_answers_nothing(make_station: MakeStation) -> None:
    """F06.FR.10"""
    station: VirtualStation = make_station("EVConnected")
    station.csms.answers["TransactionEvent"] = None
    station.sim.plug(1)
    station.advance(3.0)
    forget(station)
    assert trigger(station, "Heartbeat") == "Accepted"
    assert trigger(station, "StatusNotification", id=2, connectorId=1) == "Accepted"
    assert station.csms.actions() == []
    station.advance(60.0)
    assert set(station.csms.actions()) >= {"Heartbeat", "StatusNotification"}


def test_triggered_status_is_that_of_the_moment_at_which_it_is_sent(
    make_station: MakeStation,
) -> None:
    """F06.FR.09"""
    station: VirtualStation = make_station()
    station.csms.answers["StatusNotification"] = None
    station.sim.plug(2)
    station.advance(3.0)
    forget(station)
    assert trigger(station, "StatusNotification", id=1, connectorId=1) == "Accepted"
    station.sim.plug(1)
    station.csms.answers.clear()
    station.advance(60.0)
    assert statuses(station) == ["Occupied"]
