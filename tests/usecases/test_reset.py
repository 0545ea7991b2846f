"""B11 and B12: resets that wait, that cannot wait, and that come while another is under way."""

from collections.abc import Callable

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, told

TOKEN = "04A1B2C3"
End = Callable[[VirtualStation, int | None], None]


def reset(station: VirtualStation, kind: str, **evse: int) -> str:
    return str(station.csms.call("Reset", {"type": kind, **evse})["status"])


def charging(make_station: MakeStation) -> VirtualStation:
    station: VirtualStation = make_station(stop="Authorized")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    forget(station)
    return station


def never_plug_in(station: VirtualStation, _: int | None) -> None:
    station.advance(31.0)


def change_ones_mind(station: VirtualStation, reader: int | None) -> None:
    station.sim.token(TOKEN, evse=reader)


@pytest.mark.parametrize("reader", [1, None], ids=["reader of the EVSE", "reader of the station"])
@pytest.mark.parametrize("end", [never_plug_in, change_ones_mind])
def test_reset_waits_for_a_driver_who_may_yet_plug_in(
    make_station: MakeStation, reader: int | None, end: End
) -> None:
    """B11.FR.07"""
    station: VirtualStation = make_station()
    station.sim.token(TOKEN, evse=reader)
    station.advance(2.0)
    assert reset(station, "OnIdle") == "Scheduled"
    station.advance(10.0)
    assert station.restarts == 0
    end(station, reader)
    station.advance(5.0)
    assert station.restarts == 1
    assert station.csms.of("BootNotification")[-1]["reason"] == "ScheduledReset"


def test_end_that_is_not_acknowledged_is_told_after_the_reboot(make_station: MakeStation) -> None:
    """B12.FR.05"""
    station = charging(make_station)
    station.csms.answers["TransactionEvent"] = None
    assert reset(station, "Immediate") == "Accepted"
    station.advance(3.0)
    (unanswered,) = station.csms.events()
    assert unanswered["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert station.restarts == 0
    station.csms.answers.clear()
    station.advance(60.0)
    assert station.restarts == 1
    assert station.csms.events()[1:] == [{**unanswered, "offline": True}]
    assert station.csms.call("GetTransactionStatus", {}) == {"messagesInQueue": False}


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_reset_that_is_under_way_cannot_be_asked_for_again(
    make_station: MakeStation, kind: str
) -> None:
    """B11.FR.06, B12.FR.10"""
    station = charging(make_station)
    station.csms.answers["TransactionEvent"] = None
    assert reset(station, "Immediate") == "Accepted"
    station.advance(3.0)
    assert reset(station, kind) == "Rejected"
    assert reset(station, kind, evseId=2) == "Rejected"
    station.advance(60.0)
    assert station.restarts == 1


def test_each_evse_says_that_it_can_be_reset(make_station: MakeStation) -> None:
    """B11.FR.10"""
    station: VirtualStation = make_station()
    for evse in (1, 2):
        assert station.variable("EVSE", "AllowReset", evse=evse) == "true"
        assert reset(station, "OnIdle", evseId=evse) == "Accepted"
    station.advance(10.0)
    assert station.restarts == 0


def test_evse_that_is_reset_is_out_of_service_meanwhile(make_station: MakeStation) -> None:
    """B11.FR.08"""
    station = charging(make_station)
    assert reset(station, "Immediate", evseId=1) == "Accepted"
    station.advance(10.0)
    assert told(station)[-1] == "Ended ResetCommand EVConnected ImmediateReset"
    told_statuses = [each["connectorStatus"] for each in station.csms.of("StatusNotification")]
    assert told_statuses == ["Unavailable", "Occupied"]


READERS = pytest.mark.parametrize(
    "reader", [1, None], ids=["reader of the EVSE", "reader of the station"]
)


@READERS
@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized"])
def test_immediate_reset_waits_for_nobody_who_may_yet_plug_in(
    make_station: MakeStation, reader: int | None, start: str
) -> None:
    """B12.FR.02, B12.FR.04"""
    station: VirtualStation = make_station(start)
    station.sim.token(TOKEN, evse=reader)
    station.advance(2.0)
    assert reset(station, "Immediate") == "Accepted"
    station.advance(8.0)
    assert station.restarts == 1
    station.sim.plug(1)
    station.advance(60.0)
    assert not any("EVConnected" in each for each in told(station))


@pytest.mark.parametrize("evse", [1, 2])
def test_token_during_an_immediate_reset_starts_nothing(
    make_station: MakeStation, evse: int
) -> None:
    """B12.FR.02: neither where somebody is cut off, nor beside it."""
    station = charging(make_station)
    station.csms.send_call("Reset", {"type": "Immediate"})
    station.advance(0.1)
    station.sim.token("04FFEE01", evse=evse)
    station.advance(30.0)
    assert station.restarts == 1
    assert told(station) == ["Ended ResetCommand EVConnected ImmediateReset"]


def test_plugging_in_during_an_immediate_reset_does_not_hold_it_up(
    make_station: MakeStation,
) -> None:
    """B12.FR.02"""
    station: VirtualStation = make_station("EVConnected", "EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    station.csms.send_call("Reset", {"type": "Immediate"})
    station.advance(0.1)
    station.sim.plug(2)
    station.advance(20.0)
    assert station.restarts == 1


def test_immediate_reset_of_an_evse_takes_its_driver_who_may_yet_plug_in(
    make_station: MakeStation,
) -> None:
    """B12.FR.08"""
    station: VirtualStation = make_station()
    station.sim.token(TOKEN, evse=1)
    station.sim.token("04FFEE01", evse=2)
    station.advance(2.0)
    assert reset(station, "Immediate", evseId=1) == "Accepted"
    station.advance(5.0)
    for evse in (1, 2):
        station.sim.plug(evse)
    station.advance(10.0)
    (started,) = (each for each in station.csms.events() if each["eventType"] == "Started")
    assert started["evse"]["id"] == 2
