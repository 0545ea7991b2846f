"""Certification cases of block C, Authorization."""

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool
from tests.conformance.token_memory import MESSAGE_TIMEOUT_S, OTHER_TOKEN, expect_authorize, show


def present_other(tool: Tool) -> None:
    show(tool, OTHER_TOKEN)
    expect_authorize(tool, OTHER_TOKEN)


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
