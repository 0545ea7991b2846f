"""E01, E02, G01: connectors, several at one EVSE, and what is told of them."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, told, transaction_ids

TOKEN = "04A1B2C3"


def told_statuses(station: VirtualStation) -> list[tuple[int, int, str]]:
    return [
        (each["evseId"], each["connectorId"], each["connectorStatus"])
        for each in station.csms.of("StatusNotification")
    ]


@pytest.mark.parametrize("cable", ["fixed", "socket"])
def test_plugging_and_unplugging_tells_of_that_connector_alone(
    make_station: MakeStation, cable: str
) -> None:
    """E02.FR.05, G01.FR.03, G01.FR.04, G01.FR.08"""
    station: VirtualStation = make_station(connectors=2, cable=cable)
    station.sim.plug(1, connector=2)
    station.advance(3.0)
    assert told_statuses(station) == [(1, 2, "Occupied")]
    station.sim.unplug(1)
    station.advance(3.0)
    assert told_statuses(station) == [(1, 2, "Occupied"), (1, 2, "Available")]


def test_plugging_in_starts_and_is_told_where_that_is_the_start_point(
    make_station: MakeStation,
) -> None:
    """E02.FR.06"""
    station: VirtualStation = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    assert [action for action, _ in station.csms.received] == [
        "StatusNotification",
        "TransactionEvent",
    ]
    assert told(station) == ["Started CablePluggedIn EVConnected"]


@pytest.mark.parametrize("cable", ["fixed", "socket"])
def test_evse_has_one_transaction_whichever_of_its_connectors_is_used(
    make_station: MakeStation, cable: str
) -> None:
    """E01.FR.14, E01.FR.16"""
    station: VirtualStation = make_station(
        "EVConnected,Authorized", "ParkingBayOccupancy", connectors=2, cable=cable
    )
    station.sim.bay(1, occupied=True)
    places: list[Any] = []
    for connector in (1, 2):
        station.sim.plug(1, connector=connector)
        station.advance(3.0)
        places += [event["evse"] for event in station.csms.events() if "evse" in event]
        station.sim.token(TOKEN, evse=1)
        station.advance(10.0)
        station.sim.unplug(1)
        station.advance(3.0)
        assert len(transaction_ids(station)) == 1
        forget(station)
    assert places == [{"id": 1, "connectorId": 1}, {"id": 1, "connectorId": 2}]
    station.sim.bay(1, occupied=False)
    station.advance(3.0)
    assert [line.split()[0] for line in told(station)] == ["Ended"]


def test_no_transaction_has_the_id_of_another(make_station: MakeStation) -> None:
    """E01.FR.08, E02.FR.08"""
    station: VirtualStation = make_station("EVConnected", "EVConnected")
    for power_cut in (False, True, False):
        for evse in (1, 2):
            station.sim.plug(evse)
            station.advance(3.0)
            station.sim.unplug(evse)
            station.advance(3.0)
        station.restart(power_cut=power_cut)
        station.advance(5.0)
    started = [event for event in station.csms.events() if event["eventType"] == "Started"]
    assert len(started) == len(transaction_ids(station)) == 6
