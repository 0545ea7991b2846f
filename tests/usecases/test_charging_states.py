"""E01.FR.18, E01.FR.19: who suspends, and what each event tells of it, of phases and cables."""

from collections.abc import Callable

import pytest

from hal.api import FaultName
from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, told

TOKEN = "04A1B2C3"
Act = Callable[[VirtualStation], None]


def charging(make_station: MakeStation, **options: object) -> VirtualStation:
    station: VirtualStation = make_station("PowerPathClosed", "EVConnected", **options)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    forget(station)
    return station


def ev_pauses(station: VirtualStation) -> None:
    station.sim.ev(1, "B")


def ev_resumes(station: VirtualStation) -> None:
    station.sim.ev(1, "C")


def evse_pauses(station: VirtualStation) -> None:
    station.sim.fault(1, FaultName.OVER_TEMPERATURE, active=True)


def evse_resumes(station: VirtualStation) -> None:
    station.sim.fault(1, FaultName.OVER_TEMPERATURE, active=False)


STORIES: dict[str, tuple[list[Act], list[str]]] = {
    "the EV": ([ev_pauses, ev_resumes], ["SuspendedEV", "Charging"]),
    "the EVSE": ([evse_pauses, evse_resumes], ["SuspendedEVSE", "Charging"]),
    "the EV, then both": (
        [ev_pauses, evse_pauses, evse_resumes, ev_resumes],
        ["SuspendedEV", "SuspendedEVSE", "SuspendedEV", "Charging"],
    ),
    "the EVSE, then both": (
        [evse_pauses, ev_pauses, ev_resumes, evse_resumes],
        ["SuspendedEVSE", "Charging"],
    ),
    "both, the EV first": (
        [ev_pauses, evse_pauses, ev_resumes, evse_resumes],
        ["SuspendedEV", "SuspendedEVSE", "Charging"],
    ),
    "both, the EVSE first": (
        [evse_pauses, ev_pauses, evse_resumes, ev_resumes],
        ["SuspendedEVSE", "SuspendedEV", "Charging"],
    ),
}


@pytest.mark.parametrize("who", list(STORIES))
def test_each_change_of_the_charging_state_is_told_once(
    make_station: MakeStation, who: str
) -> None:
    """E01.FR.18, E01.FR.19, E02.FR.13"""
    story, states = STORIES[who]
    station = charging(make_station)
    for act in story:
        act(station)
        station.advance(12.0)
    assert [line.split()[2] for line in told(station)] == states


def test_offer_too_small_for_any_ev_is_no_offer(make_station: MakeStation) -> None:
    """E01.FR.18"""
    station = charging(make_station)
    limits = [3.0]
    station.station.queries.limit_a.register(lambda _: limits[0] if limits else None)
    station.station.context.refresh()
    station.advance(10.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    limits.clear()
    station.station.context.refresh()
    station.advance(10.0)
    assert told(station)[-1] == "Updated ChargingStateChanged Charging"
    assert len(told(station)) == 2


# -- the other fields


def set_phases(station: VirtualStation, phases: int) -> None:
    car = station.world.evses[1].place.car
    assert car is not None
    car.phases = phases
    station.sim.ev(1, "C")


def test_phases_that_change_are_told_without_any_sample(make_station: MakeStation) -> None:
    """E02.FR.19, E03.FR.14"""
    quiet = {"SampledDataCtrlr.TxUpdatedInterval": "0", "AlignedDataCtrlr.Interval": "0"}
    station = charging(make_station, variables=quiet)
    for phases in (1, 2, 3):
        set_phases(station, phases)
        station.advance(65.0)
    events = station.csms.events()
    assert [event["numberOfPhasesUsed"] for event in events] == [1, 2, 3]
    assert told(station) == ["Updated ChargingStateChanged Charging"] * 3


def test_phases_that_flicker_are_not_told(make_station: MakeStation) -> None:
    """E02.FR.19: two looks must agree"""
    quiet = {"SampledDataCtrlr.TxUpdatedInterval": "0", "AlignedDataCtrlr.Interval": "0"}
    station = charging(make_station, variables=quiet)
    for _ in range(20):
        set_phases(station, 1)
        station.advance(2.0)
        set_phases(station, 3)
        station.advance(11.0)
    assert told(station) == []


def test_cable_is_told_with_the_evse_and_never_again(make_station: MakeStation) -> None:
    """E01.FR.16: evse.id, connectorId and cableMaxCurrent stand in the same event"""
    station: VirtualStation = make_station("Authorized", "EVConnected", cable="socket")
    station.sim.token(TOKEN)
    station.advance(3.0)
    station.sim.plug(2)
    station.advance(10.0)
    first, second, *rest = station.csms.events()
    assert "cableMaxCurrent" not in first
    assert "evse" not in first
    assert second["evse"] == {"id": 2, "connectorId": 1}
    assert second["cableMaxCurrent"] == station.station.evses.get(2).report.cable_max_a
    assert not any("cableMaxCurrent" in event or "evse" in event for event in rest)


def test_fixed_cable_has_no_limit_of_its_own_to_tell(make_station: MakeStation) -> None:
    station: VirtualStation = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(5.0)
    assert not any("cableMaxCurrent" in event for event in station.csms.events())


def test_remote_start_id_is_told_once(make_station: MakeStation) -> None:
    """F01.FR.25, F02.FR.01"""
    station: VirtualStation = make_station("EVConnected")
    station.sim.plug(1)
    station.advance(3.0)
    request = {"idToken": {"idToken": TOKEN, "type": "Central"}, "remoteStartId": 7, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(100.0)
    ids = [event["transactionInfo"].get("remoteStartId") for event in station.csms.events()]
    assert ids[:2] == [None, 7]
    assert set(ids[2:]) == {None}
