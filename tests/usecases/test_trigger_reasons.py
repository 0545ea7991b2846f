"""What each event of a transaction says that it is about, in whole stories."""

from collections.abc import Callable

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import told

TOKEN = "04A1B2C3"
Story = Callable[[VirtualStation], None]


def swipe(station: VirtualStation) -> None:
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)


def plug(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(8.0)


def unplug(station: VirtualStation) -> None:
    station.sim.unplug(1)
    station.advance(3.0)


def drive_in(station: VirtualStation) -> None:
    station.sim.bay(1, occupied=True)
    station.advance(1.0)


def drive_off(station: VirtualStation) -> None:
    station.sim.bay(1, occupied=False)
    station.advance(1.0)


def start_remotely(station: VirtualStation) -> None:
    request = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 7, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(8.0)


def stop_remotely(station: VirtualStation) -> None:
    (row,) = station.station.transactions.all()
    answer = station.csms.call("RequestStopTransaction", {"transactionId": row.id})
    assert answer["status"] == "Accepted"
    station.advance(8.0)


def ask(station: VirtualStation) -> None:
    request = {"requestedMessage": "TransactionEvent"}
    assert station.csms.call("TriggerMessage", request)["status"] == "Accepted"
    station.advance(1.0)


def suspend(station: VirtualStation) -> None:
    station.sim.ev(1, "B")
    station.advance(8.0)


def resume(station: VirtualStation) -> None:
    station.sim.ev(1, "C")
    station.advance(8.0)


def act(station: VirtualStation, *story: Story) -> list[str]:
    for each in story:
        each(station)
    return told(station)


def test_the_cable_first(make_station: MakeStation) -> None:
    """E01.FR.15, E02.FR.15, E02.FR.16, E02.FR.17, E06.FR.15"""
    station = make_station("ParkingBayOccupancy", "ParkingBayOccupancy")
    story = (drive_in, plug, swipe, suspend, resume, ask, swipe, unplug, drive_off)
    assert act(station, *story) == [
        "Started EVDetected Idle",
        "Updated CablePluggedIn EVConnected",
        "Updated Authorized -",
        "Updated ChargingStateChanged Charging",
        "Updated ChargingStateChanged SuspendedEV",
        "Updated ChargingStateChanged Charging",
        "Updated Trigger Charging",
        "Updated StopAuthorized -",
        "Updated ChargingStateChanged EVConnected",
        "Updated EVCommunicationLost Idle",
        "Ended EVDeparted - Local",
    ]


def test_the_token_first(make_station: MakeStation) -> None:
    """E03.FR.12: two things that happen at once are two events"""
    station = make_station("Authorized", "EVConnected")
    assert act(station, swipe, drive_in, plug, swipe, unplug) == [
        "Started Authorized Idle",
        "Updated EVDetected -",
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
        "Updated StopAuthorized -",
        "Updated ChargingStateChanged EVConnected",
        "Ended EVCommunicationLost Idle Local",
    ]


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        ("Authorized", ["Ended RemoteStop EVConnected Remote"]),
        (
            "EVConnected",
            [
                "Updated RemoteStop -",
                "Updated ChargingStateChanged EVConnected",
                "Ended EVCommunicationLost Idle Remote",
            ],
        ),
    ],
)
def test_from_afar(make_station: MakeStation, stop: str, end: list[str]) -> None:
    """F01.FR.17, F01.FR.18, F03.FR.09"""
    station = make_station("EVConnected", stop)
    assert act(station, plug, start_remotely, ask, stop_remotely, unplug) == [
        "Started CablePluggedIn EVConnected",
        "Updated RemoteStart -",
        "Updated ChargingStateChanged Charging",
        "Updated Trigger Charging",
        *end,
    ]
