"""G03, G04: what the CSMS takes out of service, combined, and what a driver finds there."""

import itertools

import pytest

from station.bench.virtual import VirtualStation


def change(
    station: VirtualStation, status: str, evse: int | None = None, connector: int | None = None
) -> dict[str, object]:
    request: dict[str, object] = {"operationalStatus": status}
    if evse is not None:
        request["evse"] = {"id": evse} | ({} if connector is None else {"connectorId": connector})
    return station.csms.call("ChangeAvailability", request)


def statuses(station: VirtualStation) -> dict[tuple[int, int], str]:
    """The status last told of each connector."""
    return {
        (call["evseId"], call["connectorId"]): call["connectorStatus"]
        for name, call in station.csms.received
        if name == "StatusNotification"
    }


PLACES = [(None, None), (1, None), (1, 2)]


@pytest.mark.parametrize("order", list(itertools.permutations(PLACES)))
def test_a_connector_works_again_once_nothing_keeps_it_out(
    order: list[tuple[int | None, int | None]],
) -> None:
    """G03.FR.07, G04.FR.08: the original status is that which the other requests leave."""
    station = VirtualStation(connectors=2).boot()
    for place in PLACES:
        change(station, "Inoperative", *place)
    for place in order:
        station.settle()
        assert statuses(station)[1, 2] == "Unavailable"
        assert change(station, "Operative", *place)["status"] == "Accepted"
    station.settle()
    assert set(statuses(station).values()) == {"Available"}


def test_a_driver_finds_nothing_at_an_evse_out_of_service() -> None:
    station = VirtualStation().boot()
    change(station, "Inoperative", 1)
    station.sim.plug(1)
    station.settle()
    station.sim.token("04A1B2C3", evse=1)
    station.advance(30)
    assert station.csms.events() == []
    assert not station.world.evses[1].place.closed


def test_what_was_plugged_in_meanwhile_charges_once_it_is_back_and_a_token_is_shown() -> None:
    station = VirtualStation().boot()
    change(station, "Inoperative", 1)
    station.sim.plug(1)
    station.settle()
    change(station, "Operative", 1)
    station.settle()
    assert statuses(station)[1, 1] == "Occupied"
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    assert station.world.evses[1].place.closed


def test_an_order_that_waits_for_a_transaction_can_be_taken_back() -> None:
    """G03.FR.05; the transaction never notices."""
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    assert change(station, "Inoperative", 1)["status"] == "Scheduled"
    assert change(station, "Inoperative", 1)["status"] == "Scheduled"
    assert change(station, "Operative", 1)["status"] == "Accepted"
    station.sim.token("04A1B2C3", evse=1)
    station.settle()
    station.sim.unplug(1)
    station.advance(10)
    assert statuses(station)[1, 1] == "Available"


def test_an_order_that_waits_survives_a_power_cut() -> None:
    """G03.FR.05, G03.FR.08, B11.FR.02: also when the transaction is resumed."""
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    assert change(station, "Inoperative", 1)["status"] == "Scheduled"
    station.restart(power_cut=True)
    station.advance(10)
    assert station.world.evses[1].place.closed
    station.sim.token("04A1B2C3", evse=1)
    station.advance(10)
    assert station.csms.events()[-1]["eventType"] == "Ended"
    assert statuses(station)[1, 1] == "Unavailable"


def test_a_reset_leaves_out_of_service_what_the_csms_took_out() -> None:
    """B11.FR.02, B12.FR.06, B01.FR.07"""
    station = VirtualStation().boot()
    change(station, "Inoperative", 1)
    for request in ({"type": "Immediate", "evseId": 1}, {"type": "Immediate"}):
        station.csms.received.clear()
        station.csms.call("Reset", request)
        station.advance(30)
        assert statuses(station).get((1, 1), "Unavailable") == "Unavailable"
    assert statuses(station) == {(1, 1): "Unavailable", (2, 1): "Available"}


@pytest.mark.parametrize(
    ("place", "reason"),
    [((7, None), "UnknownEvse"), ((0, None), "UnknownEvse"), ((1, 9), "UnknownConnectorId")],
)
def test_an_unknown_place_is_named_in_the_answer(
    place: tuple[int, int | None], reason: str
) -> None:
    station = VirtualStation().boot()
    answer = change(station, "Inoperative", *place)
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": reason}}


def test_nothing_is_changed_before_the_station_is_accepted() -> None:
    """B02: no CALL may have to follow."""
    station = VirtualStation(start=False)
    station.csms.answers["BootNotification"] = lambda _: {
        "status": "Pending",
        "interval": 300,
        "currentTime": station.in_seconds(0),
    }
    station.power_up()
    station.settle()
    answer = change(station, "Inoperative", 1)
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "CSNotAccepted"}}
