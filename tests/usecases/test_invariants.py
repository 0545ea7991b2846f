"""Random lives of a station, held to the invariants; JOULEPOST_CAMPAIGN=5000 lives as many."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from tests.conformance.frames import broken_frames
from tests.usecases.campaign import Life
from tests.usecases.linking import BACK_OFF, charging
from tests.usecases.persona import GUEST, PLAIN

LIVES = int(os.environ.get("JOULEPOST_CAMPAIGN", "160"))
CHUNKS = 8
FOUND_ONCE = (197, 203)
"""Seeds that have found a bug, kept in whatever they have become since."""


def live(seed: int) -> Life:
    life = Life(seed)
    try:
        life.run()
    except BaseException as error:
        last = "\n".join(["...", *life.log[-12:]])
        error.add_note(f"replay: Life({seed}).run() of tests/usecases/campaign.py\n{last}")
        raise
    return life


@pytest.mark.timeout(0)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_nothing_is_lost_and_nothing_unsafe_is_done(chunk: int) -> None:
    """I1 to I9 and I14: see `accounting` for what each of them asks."""
    for seed in range(1000 + chunk, 1000 + LIVES, CHUNKS):
        live(seed)


@pytest.mark.parametrize("seed", FOUND_ONCE)
def test_a_life_that_has_found_a_bug_finds_none_any_more(seed: int) -> None:
    live(seed)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_message_fits_the_schemas(seed: int, schemas: Schemas) -> None:
    assert broken_frames(live(seed).station.csms.frames, schemas) == []


# -- what random lives have found, in as few steps as it takes


def station_with(start: str, stop: str, **options: Any) -> VirtualStation:
    points = {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop}
    return VirtualStation(evses=1, variables=points, **options).boot()


def test_a_car_that_charges_although_it_left_the_bay_is_billed_to_the_last_watt_hour() -> None:
    """E06.FR.01; the bay sensor is wrong, or the driver has long legs."""
    station = station_with("Authorized", "ParkingBayOccupancy")
    station.sim.bay(1, occupied=True)
    station.sim.plug(1, current_a=32)
    station.advance(3)
    station.sim.button(1, "start")
    station.advance(600)
    station.sim.bay(1, occupied=False)
    station.advance(20)
    ended = station.csms.events()[-1]
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "EVDeparted")
    last = ended["meterValue"][-1]["sampledValue"][0]["value"]
    assert last == int(station.world.evses[1].place.register_wh)


def test_a_bay_that_is_left_without_plugging_in_ends_what_entering_it_began() -> None:
    station = station_with("ParkingBayOccupancy", "EVConnected")
    station.sim.bay(1, occupied=True)
    station.advance(30)
    station.sim.bay(1, occupied=False)
    station.advance(3)
    assert [event["eventType"] for event in station.csms.events()] == ["Started", "Ended"]


def test_no_energy_flows_towards_a_transaction_that_may_not_begin() -> None:
    """An EVSE that waits for its reset takes nobody new, also nobody authorised before."""
    station = station_with("EnergyTransfer", "EVConnected")
    station.sim.button(1, "start")
    station.advance(1)
    assert station.csms.call("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    station.sim.plug(1)
    for _ in range(20):
        station.advance(1)
        assert not station.world.evses[1].place.closed


def test_the_answer_to_a_call_never_leaves_over_another_connection() -> None:
    """A stalled disk holds the answer back until the link has been lost and found again."""
    station = VirtualStation(variables=BACK_OFF).boot()
    station.backend.stall_until(station.reactor.at + 9.0)
    station.csms.send_text(SET_TIMEOUT)
    station.advance(1)
    station.csms.cut()
    station.advance(20)
    assert station.csms.connected
    assert "mine" not in station.csms.results
    assert station.variable("TxCtrlr", "EVConnectionTimeOut") == "77"


def test_an_event_that_is_not_durable_stays_whatever_else_moves_the_queue() -> None:
    """The disk stalls, the link is lost and found meanwhile: a crash must find nothing told."""
    station = charging(variables=BACK_OFF)
    told = len(station.csms.events())
    station.backend.stall_until(station.reactor.at + 9.0)
    station.sim.ev(1, "B")
    station.csms.cut()
    station.advance(8.9)
    assert station.csms.connected
    assert len(station.csms.events()) == told
    station.advance(2)
    assert len(station.csms.events()) == told + 1


def charging_on_a_socket() -> VirtualStation:
    station = station_with("PowerPathClosed", "EVConnected,Authorized", cable="socket")
    station.sim.plug(1)
    station.advance(2)
    station.sim.token(PLAIN, evse=1)
    station.advance(10)
    return station


def refuse(station: VirtualStation) -> None:
    station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
    station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
    station.advance(10)
    station.csms.answers.clear()
    assert station.csms.events()[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def test_the_plug_of_a_refused_driver_is_not_let_go_for_a_moment() -> None:
    """E05.FR.11; he pulls at it all the time."""
    station = charging_on_a_socket()
    station.sim.unplug(1, side="station", after_s=0.5)
    station.advance(1)
    refuse(station)
    place = station.world.evses[1].place
    assert place.station_side
    assert place.locked
    station.sim.token(PLAIN, evse=1)
    station.advance(1)
    assert not place.station_side


def test_a_kept_cable_that_is_gone_is_kept_for_nobody() -> None:
    """Without power no lock holds; the next driver is not to wait for the owner."""
    station = charging_on_a_socket()
    refuse(station)
    station.kill(power_cut=True)
    station.world.unplug_all()
    station.power_up()
    station.advance(10)
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(GUEST, evse=1)
    station.advance(5)
    assert station.world.evses[1].place.closed


def by_button(station: VirtualStation) -> None:
    station.sim.button(1, "start")


def by_csms(station: VirtualStation) -> None:
    request = {"idToken": {"idToken": "APP-1", "type": "Central"}, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"


@pytest.mark.parametrize("begin", [by_button, by_csms])
def test_no_cable_is_kept_for_somebody_who_has_nothing_to_show(
    begin: Callable[[VirtualStation], None],
) -> None:
    """E05.FR.11, C15.FR.05: the owner could never come back for it."""
    station = station_with("PowerPathClosed", "EVConnected,Authorized", cable="socket")
    station.sim.plug(1)
    station.advance(2)
    begin(station)
    station.advance(10)
    assert station.world.evses[1].place.locked
    refuse(station)
    assert not station.world.evses[1].place.locked


def test_an_answer_that_was_long_on_its_way_does_not_set_the_clock_back() -> None:
    """B01.FR.06, G02.FR.06; the core hung, or the line is slow: the time is asked for again."""
    station = VirtualStation(start=False)
    station.power_up()
    while "BootNotification" not in station.csms.actions():
        station.advance(0.001)
    station.reactor.freeze(3.0)
    station.advance(10)
    error = station.station.clock.utc() - station.utc
    assert abs(error) < timedelta(seconds=0.1)


def test_a_csms_that_always_answers_late_is_not_asked_for_the_time_for_ever() -> None:
    station = VirtualStation(start=False)
    station.csms.latency_s = (3.0, 4.0)
    station.power_up()
    station.advance(250)
    assert len(station.csms.of("Heartbeat")) <= 3
    error = station.station.clock.utc() - station.utc
    assert abs(error) < timedelta(seconds=4)


@pytest.mark.parametrize("known_at_the_end", [False, True])
def test_samples_keep_their_time_when_the_clock_dies_in_mid_charge(
    known_at_the_end: bool,
) -> None:
    """Fault F17: the power fails, and with it a clock that has been right until then."""
    station = charging(variables={"SampledDataCtrlr.TxEndedInterval": "30"})
    station.advance(120)
    began = station.utc
    station.csms.go_offline()
    station.clock_error_s = -50 * 365.25 * 86400
    station.restart(power_cut=True)
    if known_at_the_end:
        station.csms.go_online()
    station.advance(60)
    station.sim.token(PLAIN, evse=1)
    station.advance(10)
    station.csms.go_online()
    station.advance(60)
    ended = station.csms.events()[-1]
    assert ended["eventType"] == "Ended"
    times = [datetime.fromisoformat(value["timestamp"]) for value in ended["meterValue"]]
    assert times == sorted(times)
    assert station.utc - times[0] < timedelta(minutes=10)
    assert len([at for at in times if at < began]) >= 5
    assert abs(times[-1] - datetime.fromisoformat(ended["timestamp"])) < timedelta(seconds=0.1)


SET_TIMEOUT = """[2,"mine","SetVariables",{"setVariableData":[{"component":{"name":"TxCtrlr"},
"variable":{"name":"EVConnectionTimeOut"},"attributeValue":"77"}]}]"""
