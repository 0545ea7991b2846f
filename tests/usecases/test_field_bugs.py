"""Bugs that other stations have shown in the field, each as a test of this one.

Where a test existed before, it is named here instead of being written twice. What a bug did is
told in our own words; the report is given as project and number of its issue.

| Report | What went wrong there | Shown here by |
|---|---|---|
| libocpp 1175 | a missing pong closed the link for good | below; test_link_faults (F3) |
| libocpp 907, 239 | an end was told twice after a boot | below; test_reset (B12.FR.05) |
| libocpp 495 | begun offline, it was told with id -1 | below |
| libocpp 1135 | pings of the server were not answered | e2e/test_link: ping and pong |
| MicroOcpp 454 | a start queued offline was lost by a reset | below |
| MicroOcpp 354, 311 | events were dated 1970 | below; test_time (F17), test_dead_clock |
| MicroOcpp 50 | a request was sent again before its time-out | below |
| MicroOcpp 215 | a firmware update skipped the installation | not yet: no firmware update here |
| steve 357 | a half-open connection looked connected | below; test_link_faults (F3) |
| lbbrhzn/ocpp 2030 | an idle link was dropped after 110 s | below; test_link_faults (F4) |
| lbbrhzn/ocpp 1275 | a question for the configuration made it boot | below |
| mobilityhouse/ocpp | time-outs were counted by the wall clock | below; test_time (F18) |
"""

from datetime import timedelta
from itertools import pairwise

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.linking import BACK_OFF, CARD, RETRIES, charging, sent
from tests.usecases.test_time import FIFTY_YEARS_S, tell_time, told_at

PINGS = {"OCPPCommCtrlr.WebSocketPingInterval": "20"}
FIRST_STOPS = {"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.TxStopPoint": "EVConnected"}


def deaf_for(station: VirtualStation, times: int, hours: float) -> None:
    """The connection goes half open again and again, each time as soon as there is one."""
    for _ in range(times):
        station.csms.go_silent()
        station.advance(hours * 3600 / times)


def test_a_pong_that_is_missing_ends_the_connection_and_never_the_station() -> None:
    """libocpp 1175: twenty times over, and with a charge running all the time."""
    station = charging(variables=BACK_OFF | PINGS)
    deaf_for(station, 20, 2.0)
    assert station.csms.connected
    assert station.world.evses[1].place.closed
    assert len(station.csms.attempts) == 21
    station.sim.token(CARD, evse=1)
    station.advance(20)
    assert station.csms.events()[-1]["eventType"] == "Ended"


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize("told", [False, True], ids=["in the queue", "answered"])
def test_the_end_of_a_transaction_is_told_once_whenever_the_station_boots(
    told: bool, power_cut: bool
) -> None:
    """libocpp 907, 239"""
    station = charging(variables=BACK_OFF)
    if not told:
        station.csms.go_offline()
    station.sim.token(CARD, evse=1)
    station.advance(10)
    for _ in range(3):
        station.restart(power_cut=power_cut)
    station.csms.go_online()
    station.advance(60)
    station.restart(power_cut=power_cut)
    station.advance(60)
    ends = [event for event in station.csms.events() if event["eventType"] == "Ended"]
    assert [end["transactionInfo"]["stoppedReason"] for end in ends] == ["Local"]


def test_a_charge_that_began_offline_has_its_id_from_the_first_event_on() -> None:
    """libocpp 495; the id serves every request that comes afterwards."""
    station = VirtualStation(
        variables={**BACK_OFF, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    ).boot()
    station.csms.go_offline()
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(60)
    station.restart()
    station.csms.go_online()
    station.advance(30)
    (name,) = {event["transactionInfo"]["transactionId"] for event in station.csms.events()}
    assert len(name) == 36
    asked = {"transactionId": name}
    assert station.csms.call("GetTransactionStatus", asked)["ongoingIndicator"] is True
    assert station.csms.call("RequestStopTransaction", asked) == {"status": "Accepted"}
    station.advance(20)
    events = station.csms.events(name)
    assert (events[0]["eventType"], events[-1]["eventType"]) == ("Started", "Ended")


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle", "crash", "power cut"])
def test_a_start_that_was_queued_offline_is_told_after_any_kind_of_reset(kind: str) -> None:
    """MicroOcpp 454"""
    station = VirtualStation(evses=1, variables=BACK_OFF | FIRST_STOPS).boot()
    station.csms.go_offline()
    station.sim.plug(1)
    station.advance(20)
    in_vain = 0
    if kind in ("Immediate", "OnIdle"):
        station.csms.answers["TransactionEvent"] = None
        station.csms.go_online()
        station.advance(40)
        assert station.csms.call("Reset", {"type": kind})["status"] in ("Accepted", "Scheduled")
        station.sim.unplug(1)
        in_vain = len(station.csms.events())
        while not station.restarts:
            station.advance(1)
        del station.csms.answers["TransactionEvent"]
    else:
        station.restart(power_cut=kind == "power cut")
        station.csms.go_online()
    station.advance(60)
    told = [event["eventType"] for event in station.csms.events()[in_vain:]]
    assert told[0] == "Started"
    assert told.count("Started") == 1


def test_no_timestamp_is_of_another_age_however_the_station_came_by_its_time() -> None:
    """MicroOcpp 354, 311: three boots without a clock and without a link, then one with."""
    station = VirtualStation(
        clock_error_s=-FIFTY_YEARS_S, variables=BACK_OFF | FIRST_STOPS, start=False
    )
    began = station.utc
    station.csms.reachable = False
    station.power_up()
    for _ in range(3):
        station.sim.plug(1)
        station.advance(600)
        station.sim.unplug(1)
        station.advance(60)
        station.restart(power_cut=True)
    station.csms.go_online()
    station.advance(120)
    events = station.csms.events()
    assert [event["eventType"] for event in events].count("Ended") == 3
    times = [told_at(event) for event in events]
    assert times == sorted(times)
    assert began <= times[0]
    assert times[-1] <= station.utc


def test_nothing_is_sent_again_before_its_time_is_out() -> None:
    """MicroOcpp 50: whatever else happens while the CSMS does not answer."""
    station = charging(
        variables={**BACK_OFF, **RETRIES, "OCPPCommCtrlr.MessageTimeout[Default]": "30"}
    )
    station.csms.answers["TransactionEvent"] = None
    since = len(station.csms.frames)
    for state in "BCBCBC":
        station.sim.ev(1, state)
        station.sim.token("04FFEE11", evse=2)
        station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        station.advance(20)
    sendings = sent(station, "TransactionEvent", since)
    assert len(sendings) >= 3
    for (first, _, _), (second, _, _) in pairwise(sendings):
        assert second - first >= 30.0


def test_a_half_open_connection_does_not_look_connected_for_long() -> None:
    """steve 357: the page says so too, and why."""
    station = VirtualStation(variables=BACK_OFF | PINGS).boot()
    station.csms.reachable = False
    station.csms.go_silent()
    station.advance(35)
    link = station.station.snapshot().link
    assert link["state"] != "up"
    assert link["findings"]


@pytest.mark.parametrize("quiet_s", [0, 37, 599])
def test_a_link_without_traffic_is_not_idle_for_110_seconds(quiet_s: float) -> None:
    """lbbrhzn/ocpp 2030: as shipped; a peer that is gone would be missed otherwise."""
    station = VirtualStation().boot()
    station.advance(quiet_s)
    tried = len(station.csms.attempts)
    station.csms.go_silent()
    station.advance(110)
    assert len(station.csms.attempts) > tried


def test_no_question_for_the_configuration_makes_the_station_boot() -> None:
    """lbbrhzn/ocpp 1275: every variable is asked for, in every way that there is."""
    station = VirtualStation().boot()
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.advance(60)
    found = [
        {"component": entry["component"], "variable": entry["variable"]}
        for report in station.csms.of("NotifyReport")
        for entry in report["reportData"]
    ]
    assert len(found) > 100
    for data in found:
        station.csms.call("GetVariables", {"getVariableData": [data]})
    station.csms.call("GetVariables", {"getVariableData": found[:50]})
    station.advance(600)
    assert station.restarts == 0
    assert station.csms.of("BootNotification") == []


@pytest.mark.parametrize("step", [timedelta(days=400), timedelta(days=-400)], ids=str)
def test_a_clock_that_jumps_neither_ends_nor_prolongs_the_wait_for_an_answer(
    step: timedelta,
) -> None:
    """mobilityhouse/ocpp: the time-out of a CALL, and the wait until it is sent again."""
    station = charging(variables=BACK_OFF | RETRIES)
    station.csms.answers["TransactionEvent"] = None
    since = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(1)
    tell_time(station, step)
    station.advance(60)
    moments = [at for at, _, _ in sent(station, "TransactionEvent", since)]
    waits = [round(later - earlier) for earlier, later in pairwise(moments)]
    assert waits[:2] == [5 + 4, 5 + 8]
