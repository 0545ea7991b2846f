"""Certification cases of block C: another token of the same group ends the charge, or may not."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool
from tests.conformance.token_memory import (
    GROUP,
    MESSAGE_TIMEOUT_S,
    OTHER_TOKEN,
    configured,
    expect_authorize,
    id_token_cached,
    id_token_local_auth_list,
    is_closed,
    never_asks,
    show,
)

ACCEPTED: Payload = {"status": "Accepted", **GROUP}
INVALID: Payload = {"status": "Invalid", **GROUP}
each_start = pytest.mark.parametrize(
    "start", ["PowerPathClosed", "Authorized", "ParkingBayOccupancy"]
)


def answer_with_group(tool: Tool) -> None:
    """What the tool answers when a token is accepted."""
    tool.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    tool.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": ACCEPTED} if "idToken" in event else {}
    )


def charge_with_group(tool: Tool) -> None:
    """A session of a token that has a group."""
    answer_with_group(tool)
    tool.ev_connected_pre_session()
    tool.authorized("local")
    tool.energy_transfer_started()


def expect_ended_by_other(tool: Tool) -> None:
    """The token shown last, another one, has ended the authorisation."""
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


def expect_not_ended(tool: Tool) -> None:
    tool.expect_none("TransactionEvent", {"triggerReason": "StopAuthorized"}, within_s=1.0)
    tool.expect_none("TransactionEvent", {"eventType": "Ended"}, within_s=MESSAGE_TIMEOUT_S)
    assert is_closed(tool.station, tool.evse)


@each_start
def test_TC_C_39_CS(make_tool: MakeTool, start: str) -> None:
    tool = make_tool(variables={"TxCtrlr.TxStartPoint": start})
    charge_with_group(tool)
    show(tool, OTHER_TOKEN)
    expect_authorize(tool, OTHER_TOKEN)
    expect_ended_by_other(tool)


def test_TC_C_42_CS(tool: Tool) -> None:
    charge_with_group(tool)
    tool.inbox.clear()
    tool.csms.answers["Authorize"] = {"idTokenInfo": INVALID}
    show(tool, OTHER_TOKEN)
    expect_authorize(tool, OTHER_TOKEN)
    expect_not_ended(tool)


@each_start
@pytest.mark.parametrize("stop", ["EVConnected,Authorized", "EVConnected", "ParkingBayOccupancy"])
def test_TC_C_40_CS(make_tool: MakeTool, start: str, stop: str) -> None:
    tool = configured(make_tool, TxCtrlr__TxStartPoint=start, TxCtrlr__TxStopPoint=stop)
    id_token_local_auth_list(tool, (tool.id_token, ACCEPTED), (OTHER_TOKEN, ACCEPTED))
    tool.is_cached = True
    charge_with_group(tool)
    show(tool, OTHER_TOKEN)
    expect_ended_by_other(tool)
    never_asks(tool)


@each_start
@pytest.mark.parametrize("stop", ["EVConnected,Authorized", "EVConnected", "ParkingBayOccupancy"])
def test_TC_C_41_CS(make_tool: MakeTool, start: str, stop: str) -> None:
    tool = configured(make_tool, TxCtrlr__TxStartPoint=start, TxCtrlr__TxStopPoint=stop)
    first = tool.id_token
    answer_with_group(tool)
    for token in (OTHER_TOKEN, first):
        tool.id_token, tool.is_cached = token, False
        tool.id_token_cached()
    charge_with_group(tool)
    show(tool, OTHER_TOKEN)
    expect_ended_by_other(tool)
    never_asks(tool)


def test_TC_C_43_CS(make_tool: MakeTool) -> None:
    tool = configured(make_tool)
    id_token_local_auth_list(tool, (tool.id_token, ACCEPTED), (OTHER_TOKEN, INVALID))
    tool.is_cached = True
    charge_with_group(tool)
    tool.csms.answers["Authorize"] = {"idTokenInfo": INVALID}
    show(tool, OTHER_TOKEN)
    expect_authorize(tool, OTHER_TOKEN)
    expect_not_ended(tool)


def test_TC_C_44_CS(make_tool: MakeTool) -> None:
    tool = configured(make_tool)
    tool.set("AuthCacheCtrlr", "DisablePostAuthorize", "false")
    id_token_cached(tool, OTHER_TOKEN, INVALID)
    answer_with_group(tool)
    tool.id_token_cached()
    charge_with_group(tool)
    tool.csms.answers["Authorize"] = {"idTokenInfo": INVALID}
    show(tool, OTHER_TOKEN)
    expect_authorize(tool, OTHER_TOKEN)
    expect_not_ended(tool)
