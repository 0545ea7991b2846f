"""Certification cases of block C, Authorization."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool, fits

OTHER_TOKEN = {"idToken": "04FFEE01", "type": "ISO14443"}
GROUP = {"groupIdToken": {"idToken": "GROUP-7", "type": "Central"}}
MESSAGE_TIMEOUT_S = 30.0


def present_other(tool: Tool) -> None:
    tool.sim.token(OTHER_TOKEN["idToken"], type=OTHER_TOKEN["type"], evse=tool.evse)
    tool.expect("Authorize", {"idToken": lambda token: fits(token, dict(OTHER_TOKEN))})


def start_with_refused_token(make_tool: MakeTool, status: str) -> None:
    """A refused token starts nothing: TC_C_02, TC_C_06, TC_C_07 and TC_C_56."""
    for start in ("PowerPathClosed", "Authorized", "EVConnected"):
        tool = make_tool(variables={"TxCtrlr.TxStartPoint": start})
        tool.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}}
        tool.ev_connected_pre_session()
        present_other(tool)
        tool.expect_none("TransactionEvent", within_s=MESSAGE_TIMEOUT_S)
        assert not tool.station.world.evses[1].place.closed


def test_TC_C_02_CS(make_tool: MakeTool) -> None:
    start_with_refused_token(make_tool, "Invalid")


def test_TC_C_06_CS(make_tool: MakeTool) -> None:
    start_with_refused_token(make_tool, "Blocked")


def test_TC_C_07_CS(make_tool: MakeTool) -> None:
    start_with_refused_token(make_tool, "Expired")


def test_TC_C_56_CS(make_tool: MakeTool) -> None:
    start_with_refused_token(make_tool, "Unknown")


def test_TC_C_04_CS(tool: Tool) -> None:
    tool.energy_transfer_started()
    present_other(tool)
    tool.wait(MESSAGE_TIMEOUT_S)
    later = tool.inbox.all("TransactionEvent")
    assert [event for event in later if "idToken" in event or event["eventType"] == "Ended"] == []
    assert tool.station.world.evses[1].place.closed


def charge_with_group(tool: Tool) -> None:
    """Steps 1 to 5 of TC_C_39 and TC_C_42: a session of a token that has a group."""
    accepted: Payload = {"idTokenInfo": {"status": "Accepted", **GROUP}}
    tool.csms.answers["Authorize"] = accepted
    tool.csms.answers["TransactionEvent"] = lambda event: accepted if "idToken" in event else {}
    tool.ev_connected_pre_session()
    tool.authorized("local")
    tool.energy_transfer_started()


@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "ParkingBayOccupancy"])
def test_TC_C_39_CS(tool: Tool, start: str) -> None:
    tool.set("TxCtrlr", "TxStartPoint", start)
    charge_with_group(tool)
    present_other(tool)
    tool.expect_event(
        {
            "triggerReason": "StopAuthorized",
            "idToken.idToken": OTHER_TOKEN["idToken"],
            "idToken.type": OTHER_TOKEN["type"],
        }
    )
    tool.is_authorized = False
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()


def test_TC_C_42_CS(tool: Tool) -> None:
    charge_with_group(tool)
    tool.inbox.clear()
    tool.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid", **GROUP}}
    present_other(tool)
    tool.expect_none("TransactionEvent", within_s=MESSAGE_TIMEOUT_S)
    assert tool.station.world.evses[1].place.closed
