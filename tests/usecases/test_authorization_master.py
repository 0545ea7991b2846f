"""C16, Stop Transaction with a Master Pass: all at once, or what its holder chooses."""

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import forget, is_closed, is_locked, told
from tests.usecases.tokens import (
    ACCEPTED,
    CARD,
    OTHER,
    THIRD,
    answer_with,
    answers,
    asked,
    cached,
    listed,
    of_group,
    show,
    token_of,
)

PASS = "04AA55AA"
POLICE = of_group("POLICE-112")
MASTER = {**BACK_OFF, "AuthCtrlr.MasterPassGroupId": "police-112"}
STOPPED = "Ended StopAuthorized EVConnected MasterPass"
each_stop = pytest.mark.parametrize("stop", ["Authorized", "EVConnected", "ParkingBayOccupancy"])


def made(
    make_station: MakeStation,
    mode: str = "stop-all",
    *,
    start: str = "PowerPathClosed",
    stop: str = "Authorized",
    pre_authorize: bool = False,
    **more: object,
) -> VirtualStation:
    variables = {**MASTER, "AuthCtrlr.LocalPreAuthorize": "true" if pre_authorize else "false"}
    station: VirtualStation = make_station(
        start, stop, variables=variables, master_pass=mode, cable="socket", **more
    )
    return station


def charging(station: VirtualStation, *evses: int) -> None:
    for evse, token in zip(evses, (CARD, OTHER, THIRD), strict=False):
        station.sim.bay(evse, occupied=True)
        station.sim.plug(evse)
        station.advance(2.0)
        show(station, token, evse)
        assert is_closed(station, evse)
    forget(station)


def show_pass(station: VirtualStation, reader: int | None = None, *, then_s: float = 8.0) -> None:
    """The CSMS knows it as a master pass."""
    before = station.csms.answers.get("Authorize", {"idTokenInfo": ACCEPTED})
    station.csms.answers["Authorize"] = {"idTokenInfo": POLICE}
    show(station, PASS, reader, then_s=then_s)
    station.csms.answers["Authorize"] = before


def drive_away(station: VirtualStation, *evses: int) -> None:
    for evse in evses:
        assert not is_locked(station, evse)
        station.sim.unplug(evse)
        station.advance(2.0)
        station.sim.bay(evse, occupied=False)
        station.advance(2.0)


def ends(station: VirtualStation) -> list[str]:
    """Why transactions ended, and by which token, as far as their last events say."""
    return [
        event["transactionInfo"]["stoppedReason"]
        for event in station.csms.events()
        if event["eventType"] == "Ended"
    ]


# -- all at once


@each_stop
@pytest.mark.parametrize("reader", [1, 2, None])
def test_pass_ends_everything_at_whatever_reader(
    make_station: MakeStation, stop: str, reader: int | None
) -> None:
    """C16.FR.02, C16.FR.07, C16.FR.08"""
    station = made(make_station, stop=stop)
    charging(station, 1, 2)
    show_pass(station, reader)
    assert asked(station) == [PASS]
    assert not is_closed(station, 1)
    assert not is_closed(station, 2)
    stops = [e for e in station.csms.events() if e["triggerReason"] == "StopAuthorized"]
    assert [event["idToken"] for event in stops] == [token_of(PASS)] * 2
    drive_away(station, 1, 2)
    assert ends(station) == ["MasterPass", "MasterPass"]


@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed", "EVConnected"])
@pytest.mark.parametrize("mode", ["stop-all", "choose"])
def test_pass_starts_nothing(make_station: MakeStation, mode: str, start: str) -> None:
    """C16.FR.03, C12.FR.09"""
    station = made(make_station, mode, start=start)
    heard = answers(station)
    station.sim.plug(1)
    station.advance(2.0)
    for reader in (1, None, 2):
        show_pass(station, reader)
    station.sim.plug(2)
    station.advance(8.0)
    assert "Authorized" not in " ".join(told(station))
    assert not is_closed(station, 1)
    assert not is_closed(station, 2)
    assert [(each.accepted, each.status) for each in heard] == [(False, "Accepted")] * 3


def test_pass_that_is_not_accepted_ends_nothing(make_station: MakeStation) -> None:
    """C16.FR.02: it must be valid"""
    station = made(make_station)
    charging(station, 1)
    station.csms.answers["Authorize"] = {"idTokenInfo": of_group("POLICE-112", "Blocked")}
    show(station, PASS, None)
    assert is_closed(station)


def test_without_a_group_there_is_no_master_pass(make_station: MakeStation) -> None:
    station: VirtualStation = make_station(stop="Authorized")
    charging(station, 1)
    station.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    show(station, PASS, 1)
    assert is_closed(station)


def test_group_id_has_36_characters_at_most(make_station: MakeStation) -> None:
    station = made(make_station)
    assert station.variable("AuthCtrlr", "MasterPassGroupId", "g" * 36) == "g" * 36
    data = {
        "component": {"name": "AuthCtrlr"},
        "variable": {"name": "MasterPassGroupId"},
        "attributeValue": "g" * 37,
    }
    answer = station.csms.call("SetVariables", {"setVariableData": [data]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"


@pytest.mark.parametrize("remember", [listed, cached], ids=["list", "cache"])
@pytest.mark.parametrize("online", [True, False])
def test_pass_that_the_station_knows_is_not_asked_about(
    make_station: MakeStation, remember: object, online: bool
) -> None:
    """C16.FR.04, C16.FR.05"""
    station = made(make_station, pre_authorize=True)
    if remember is cached:
        station.csms.answers["Authorize"] = {"idTokenInfo": POLICE}
        show(station, PASS, 1)
        del station.csms.answers["Authorize"]
    else:
        listed(station, (PASS, POLICE))
    charging(station, 1, 2)
    if not online:
        station.csms.go_offline()
    show(station, PASS, None)
    assert not is_closed(station, 1)
    assert not is_closed(station, 2)
    assert asked(station) == []
    station.csms.go_online()
    station.advance(60.0)
    assert ends(station) == ["MasterPass", "MasterPass"]


def test_known_pass_is_asked_about_where_the_csms_decides(make_station: MakeStation) -> None:
    """C16.FR.04, C01.FR.05"""
    station = made(make_station, pre_authorize=False)
    listed(station, (PASS, POLICE))
    charging(station, 1)
    station.csms.answers["Authorize"] = {"idTokenInfo": of_group("POLICE-112", "Blocked")}
    show(station, PASS, None)
    assert asked(station) == [PASS]
    assert is_closed(station)


def test_pass_ends_what_waits_for_a_cable(make_station: MakeStation) -> None:
    """C16.FR.02"""
    station = made(make_station, start="Authorized")
    show(station, CARD, None)
    assert told(station) == ["Started Authorized Idle"]
    show_pass(station)
    assert told(station)[1:] == ["Ended StopAuthorized - MasterPass"]


def test_pass_that_comes_while_a_driver_ends_the_charge_changes_nothing(
    make_station: MakeStation,
) -> None:
    """C16.FR.08: the reason is that of who ended it"""
    station = made(make_station, pre_authorize=True)
    listed(station, (PASS, POLICE))
    charging(station, 1)
    show(station, CARD, 1, then_s=0.1)
    station.sim.token(PASS, evse=None)
    station.advance(8.0)
    assert ends(station) == ["Local"]


@pytest.mark.parametrize("refused", [True, False])
def test_pass_frees_a_cable_that_is_kept(make_station: MakeStation, refused: bool) -> None:
    """It is there to get a vehicle away (C16); E05.FR.11 and E09.FR.03 keep out others."""
    station = made(make_station)
    station.variable("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    charging(station, 1)
    if refused:
        station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
        station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
        station.advance(15.0)
    else:
        station.sim.unplug(1, side="ev")
        station.advance(5.0)
    assert is_locked(station)
    show_pass(station)
    assert not is_locked(station)


def test_what_the_csms_started_with_a_pass_is_not_allowed_to_go_on(
    make_station: MakeStation,
) -> None:
    """C16.FR.03: nobody knew its group before the first event was answered"""
    station = made(make_station)
    answer_with(station, POLICE)
    station.sim.plug(1)
    request = {"idToken": token_of(PASS), "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(15.0)
    assert told(station)[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert not is_closed(station)


# -- what its holder chooses


def test_nothing_ends_before_the_holder_has_chosen(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1, 2)
    heard = answers(station)
    show_pass(station)
    assert [(each.accepted, each.choice_s) for each in heard] == [(True, 30.0)]
    assert is_closed(station, 1)
    assert is_closed(station, 2)


@each_stop
@pytest.mark.parametrize("by", ["button", "reader"])
def test_holder_ends_one_transaction_after_the_other(
    make_station: MakeStation, stop: str, by: str
) -> None:
    """C16.FR.01, C16.FR.07, C16.FR.08"""
    station = made(make_station, "choose", stop=stop, evses=3)
    charging(station, 1, 2, 3)
    show_pass(station)
    for evse in (2, 1):
        if by == "button":
            station.sim.button(evse, "stop")
            station.advance(20.0)
        else:
            show(station, PASS, evse, then_s=20.0)
        assert not is_closed(station, evse)
    assert is_closed(station, 3)
    assert asked(station) == [PASS]
    drive_away(station, 2, 1)
    assert ends(station) == ["MasterPass", "MasterPass"]


def test_holder_ends_everything(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1, 2)
    show_pass(station)
    show(station, PASS, None)
    assert told(station) == [STOPPED, STOPPED]
    assert asked(station) == [PASS]


def test_choice_that_is_not_made_in_time_is_over(make_station: MakeStation) -> None:
    """C16.FR.01, error handling of C16"""
    station = made(make_station, "choose")
    charging(station, 1, 2)
    show_pass(station)
    station.advance(30.0)
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert ends(station) == ["Local"]
    show_pass(station)
    assert asked(station) == [PASS, PASS]
    assert is_closed(station, 2)


def test_choice_is_over_once_everything_was_ended(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1)
    show_pass(station)
    show(station, PASS, None)
    forget(station)
    station.sim.unplug(1)
    station.advance(3.0)
    station.sim.plug(1)
    show(station, CARD, 1)
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert ends(station) == ["Local"]


def test_choice_of_an_evse_where_nothing_runs_ends_nothing(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1)
    heard = answers(station)
    show_pass(station)
    show(station, PASS, 2)
    station.sim.button(2, "stop")
    station.advance(3.0)
    assert is_closed(station, 1)
    assert [each.accepted for each in heard] == [True, False]


def test_drivers_go_on_as_ever_while_a_choice_is_awaited(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1)
    show_pass(station)
    station.sim.plug(2)
    show(station, OTHER, 2)
    assert is_closed(station, 2)
    show(station, CARD, 1)
    assert ends(station) == ["Local"]


def test_choice_does_not_outlive_a_restart(make_station: MakeStation) -> None:
    """C16.FR.01"""
    station = made(make_station, "choose")
    charging(station, 1)
    show_pass(station, then_s=2.0)
    station.restart()
    station.advance(8.0)
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert ends(station) == ["Local"]
