"""Certification cases of block E that are about what the station itself knows of a token."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload
from tests.conformance.token_memory import (
    BACK_OFF,
    GROUP,
    OTHER_TOKEN,
    configured,
    expect_refused,
    id_token_local_auth_list,
    is_closed,
    never_asks,
    show,
)

ACCEPTED: Payload = {"status": "Accepted", **GROUP}


@pytest.mark.parametrize("known", ["cache", "list"])
@pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])
def test_TC_E_45_CS(make_tool: MakeTool, stop: str, known: str) -> None:
    """E08.FR.02, E08.FR.04, E08.FR.05, E08.FR.06, E08.FR.07, E08.FR.08"""
    variables = {**BACK_OFF, "TxCtrlr.TxStopPoint": stop}
    tool = make_tool(variables=variables)
    tool.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    tool.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": ACCEPTED} if "idToken" in event else {}
    )
    if known == "list":
        id_token_local_auth_list(tool, (OTHER_TOKEN, ACCEPTED))
    else:
        mine, tool.id_token = tool.id_token, OTHER_TOKEN
        tool.id_token_cached()
        tool.id_token, tool.is_cached = mine, False
    tool.energy_transfer_started()
    before = len(tool.events)
    tool.csms.go_offline()
    show(tool, OTHER_TOKEN)
    tool.wait(8.0)
    assert not is_closed(tool.station, tool.evse)
    tool.sim.unplug(tool.evse)
    tool.wait(2.0)
    tool.sim.bay(tool.evse, occupied=False)
    tool.csms.go_online()
    tool.expect_event({"eventType": "Ended"}, within_s=60.0)
    tool.wait(5.0)
    assert all(event["offline"] for event in tool.events[before:])


@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "EVConnected"])
def test_TC_E_52_CS(make_tool: MakeTool, start: str) -> None:
    tool = configured(make_tool, TxCtrlr__TxStartPoint=start)
    tool.set("AuthCtrlr", "Enabled", "true")
    tool.set("AuthCtrlr", "DisableRemoteAuthorization", "true")
    tool.parking_bay_occupied()
    show(tool, tool.id_token)
    never_asks(tool)
    expect_refused(tool)  # erratum 6.2.48: it shows once the cable is in
    never_asks(tool)
