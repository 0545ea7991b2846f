"""Certification cases of block C: the master pass."""

from collections.abc import Callable

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool, at
from tests.conformance.token_memory import (
    configured,
    expect_authorize,
    id_token_cached,
    is_closed,
    never_asks,
    show,
)

PASS = {"idToken": "04AA55AA", "type": "ISO14443"}
GROUP_ID = "POLICE-112"
ACCEPTED: Payload = {
    "status": "Accepted",
    "groupIdToken": {"idToken": GROUP_ID, "type": "Central"},
}
SECOND_TOKEN = {"idToken": "04FFEE02", "type": "ISO14443"}
STATION_READER = None
each_stop = pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])


def with_master_pass(make_tool: MakeTool, mode: str, **variables: str) -> Tool:
    presets = {name.replace("__", "."): value for name, value in variables.items()}
    tool = make_tool(master_pass=mode, variables=presets)
    tool.set("AuthCtrlr", "MasterPassGroupId", GROUP_ID)
    return tool


def two_charges(tool: Tool) -> tuple[Tool, Tool]:
    """State is EnergyTransferStarted for all EVSEs."""
    other = Tool(tool.station, evse=2, id_token=SECOND_TOKEN)
    for each in (tool, other):
        each.energy_transfer_started()
    return tool, other


def show_pass(tool: Tool) -> None:
    """At the station's own reader; the CSMS knows the group."""
    tool.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    show(tool, PASS, STATION_READER)
    expect_authorize(tool, PASS)


def expect_stopped(tool: Tool) -> None:
    """Step 3 and the states after it: the reason stands in the last event (erratum 6.2.32)."""
    stop = tool.expect_event({"triggerReason": "StopAuthorized"})
    assert at(stop, "idToken.idToken") in (None, PASS["idToken"])
    tool.is_authorized = False
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    last = tool.events_of()[-1]
    assert last["eventType"] == "Ended"
    assert last["transactionInfo"]["stoppedReason"] == "MasterPass"


@each_stop
def test_TC_C_14_CS(make_tool: MakeTool, stop: str) -> None:
    tool = configured(make_tool, TxCtrlr__TxStopPoint=stop)
    tool.set("AuthCtrlr", "MasterPassGroupId", GROUP_ID)
    id_token_cached(tool, PASS, ACCEPTED)
    tool.energy_transfer_started()
    tool.inbox.clear()
    show(tool, PASS)
    event = tool.expect_event({"triggerReason": "StopAuthorized"})
    assert event["idToken"] == PASS
    if event["eventType"] == "Ended":
        assert event["transactionInfo"]["stoppedReason"] == "MasterPass"
    tool.is_authorized = False
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    never_asks(tool)


@pytest.mark.parametrize("mode", ["stop-all", "choose"])
@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized"])
def test_TC_C_45_CS(make_tool: MakeTool, start: str, mode: str) -> None:
    tool = with_master_pass(make_tool, mode, TxCtrlr__TxStartPoint=start)
    tool.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    show(tool, PASS)
    expect_authorize(tool, PASS)
    tool.ev_connected_pre_session()
    tool.expect_none("TransactionEvent", {"transactionInfo.chargingState": "Charging"})
    assert not is_closed(tool.station, tool.evse)


@each_stop
def test_TC_C_47_CS(make_tool: MakeTool, stop: str) -> None:
    tool = with_master_pass(make_tool, "choose", TxCtrlr__TxStopPoint=stop)
    tools = two_charges(tool)
    show_pass(tool)
    tool.wait(2.0)
    assert all(is_closed(tool.station, each.evse) for each in tools)
    show(tool, PASS, STATION_READER)  # all of them
    for each in tools:
        expect_stopped(each)


def by_button(tool: Tool) -> None:
    tool.sim.button(1, "stop")


def by_reader(tool: Tool) -> None:
    show(tool, PASS, 1)


@each_stop
@pytest.mark.parametrize("choose", [by_button, by_reader])
def test_TC_C_48_CS(make_tool: MakeTool, stop: str, choose: Callable[[Tool], None]) -> None:
    tool = with_master_pass(make_tool, "choose", TxCtrlr__TxStopPoint=stop)
    first, other = two_charges(tool)
    show_pass(tool)
    choose(tool)
    expect_stopped(first)
    other.wait(5.0)
    assert is_closed(tool.station, other.evse)
    assert "StopAuthorized" not in [event["triggerReason"] for event in other.events_of()]


@each_stop
def test_TC_C_49_CS(make_tool: MakeTool, stop: str) -> None:
    tool = with_master_pass(make_tool, "stop-all", TxCtrlr__TxStopPoint=stop)
    tools = two_charges(tool)
    show_pass(tool)
    for each in tools:
        expect_stopped(each)
