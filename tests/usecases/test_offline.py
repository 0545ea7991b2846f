"""E04, E08, E11, E12: charges that begin, end or happen wholly while there is no link."""

from collections.abc import Callable
from datetime import datetime

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import Event, forget, is_closed, is_locked, told, transaction_ids

TOKEN, OTHER = "04A1B2C3", "04FFEE01"
BACK_S = 60.0
Act = Callable[[VirtualStation], None]


def offline_capable(make_station: MakeStation, stop: str = "Authorized") -> VirtualStation:
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    station: VirtualStation = make_station(
        "EVConnected", stop, variables={**BACK_OFF, **unknown}, cable="socket"
    )
    return station


def begin(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)


def end(station: VirtualStation) -> None:
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    station.sim.unplug(1)
    station.advance(3.0)


def back(station: VirtualStation) -> list[Event]:
    """What is told once the link is there again."""
    assert station.csms.received == []
    station.csms.go_online()
    station.advance(BACK_S)
    return station.csms.events()


def numbers(events: list[Event]) -> list[int]:
    return [event["seqNo"] for event in events]


def test_charge_that_begins_offline_is_told_when_the_link_is_back(
    make_station: MakeStation,
) -> None:
    """E04.FR.01, E04.FR.02, E04.FR.03, E04.FR.04"""
    station = offline_capable(make_station)
    station.csms.go_offline()
    begin(station)
    queued = back(station)
    assert told(station) == [
        "Started CablePluggedIn EVConnected",
        "Updated Authorized -",
        "Updated ChargingStateChanged Charging",
    ]
    assert [event["offline"] for event in queued[:3]] == [True, True, True]
    assert queued[1]["idToken"] == {"idToken": TOKEN, "type": "ISO14443"}
    end(station)
    events = station.csms.events()
    assert numbers(events) == list(range(len(events)))
    assert not events[-1]["offline"]


@pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])
def test_token_that_began_stops_offline_too(make_station: MakeStation, stop: str) -> None:
    """E08.FR.01, E08.FR.03, E08.FR.04, E08.FR.05, E08.FR.06, E08.FR.07, E08.FR.08"""
    station = offline_capable(make_station, stop)
    begin(station)
    online = station.csms.events()
    station.csms.go_offline()
    forget(station)
    station.sim.token(OTHER, evse=1)
    station.advance(8.0)
    assert is_closed(station)
    assert is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(8.0)
    assert not is_closed(station)
    assert not is_locked(station)
    station.sim.unplug(1)
    station.advance(3.0)
    queued = back(station)
    assert queued[0]["triggerReason"] == "StopAuthorized"
    assert queued[-1]["eventType"] == "Ended"
    assert queued[-1]["transactionInfo"]["stoppedReason"] == "Local"
    assert all(event["offline"] for event in queued)
    assert numbers(online + queued) == list(range(len(online + queued)))


def test_charge_that_happens_wholly_offline_is_told_from_begin_to_end(
    make_station: MakeStation,
) -> None:
    """E12.FR.01, E12.FR.02"""
    station = offline_capable(make_station)
    station.csms.go_offline()
    for _ in range(2):
        begin(station)
        station.advance(100.0)
        end(station)
    queued = back(station)
    assert all(event["offline"] for event in queued)
    first, second = transaction_ids(station)
    for transaction_id in (first, second):
        events = station.csms.events(transaction_id)
        assert numbers(events) == list(range(len(events)))
        assert events[0]["eventType"] == "Started"
        assert events[-1]["eventType"] == "Ended"
    times = [datetime.fromisoformat(event["timestamp"]) for event in queued]
    assert times == sorted(times)


def test_charge_goes_on_when_the_link_breaks_and_nothing_of_it_is_lost(
    make_station: MakeStation,
) -> None:
    """E11.FR.01, E11.FR.02, E11.FR.07"""
    station = offline_capable(make_station)
    begin(station)
    online = station.csms.events()
    station.csms.go_offline()
    forget(station)
    station.sim.ev(1, "B")
    station.advance(3.0)
    station.sim.ev(1, "C")
    station.advance(130.0)
    assert is_closed(station)
    queued = back(station)
    assert told(station) == [
        "Updated ChargingStateChanged SuspendedEV",
        "Updated ChargingStateChanged Charging",
    ]
    sampled = [event for event in queued if event["triggerReason"] == "MeterValuePeriodic"]
    assert len(sampled) >= 2
    assert all(event["offline"] for event in queued[:4])
    assert numbers(online + queued) == list(range(len(online + queued)))
