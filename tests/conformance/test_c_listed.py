"""Certification cases of block C: authorisation through the local list, and of unknown tokens."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool
from tests.conformance.token_memory import (
    BACK_OFF,
    configured,
    expect_authorize,
    expect_refused,
    id_token_local_auth_list,
    is_closed,
    never_asks,
    present,
    refuse_events_with,
    start_offline_transaction,
)

each_way = pytest.mark.parametrize("how", ["local", "remote"])
"""Erratum 6.2.22: the online cases may be played with a remote start as well."""
each_start = pytest.mark.parametrize(
    "start", ["PowerPathClosed", "Authorized", "ParkingBayOccupancy"]
)
OFFLINE = {key.replace(".", "__"): value for key, value in BACK_OFF.items()}


def listed(make_tool: MakeTool, status: str, how: str = "local", **variables: str) -> Tool:
    """A tool whose token is in the local list with that status."""
    tool = configured(make_tool, how=how, **variables)
    id_token_local_auth_list(tool, (tool.id_token, {"status": status}))
    return tool


# -- offline


@each_start
def test_TC_C_21_CS(make_tool: MakeTool, start: str) -> None:
    tool = listed(make_tool, "Accepted", TxCtrlr__TxStartPoint=start, **OFFLINE)
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false")
    start_offline_transaction(tool)
    assert is_closed(tool.station, tool.evse)
    tool.expect_event({"transactionInfo.chargingState": "Charging"}, within_s=60.0)
    present(tool)
    tool.wait(8.0)
    tool.sim.unplug(tool.evse)
    tool.wait(2.0)
    tool.is_authorized = tool.is_connected = False
    events = tool.events_of()
    triggers = [each["triggerReason"] for each in events]
    assert all(event["offline"] for event in events[: triggers.index("StopAuthorized")])
    tool.parking_bay_unoccupied()


def listed_but_not_accepted_offline(make_tool: MakeTool, start: str, status: str) -> None:
    """TC_C_22, TC_C_23 and TC_C_24."""
    tool = listed(make_tool, status, TxCtrlr__TxStartPoint=start, **OFFLINE)
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false")
    tool.csms.go_offline()
    tool.sim.bay(tool.evse, occupied=True)
    present(tool)
    tool.wait(2.0)
    tool.csms.go_online()
    tool.wait(60.0)
    told = [(each["triggerReason"], each["offline"]) for each in tool.events]
    assert told[:1] == ([("EVDetected", True)] if start == "ParkingBayOccupancy" else [])
    assert "Authorized" not in [trigger for trigger, _ in told]


@each_start
def test_TC_C_22_CS(make_tool: MakeTool, start: str) -> None:
    listed_but_not_accepted_offline(make_tool, start, "Invalid")


@each_start
def test_TC_C_23_CS(make_tool: MakeTool, start: str) -> None:
    listed_but_not_accepted_offline(make_tool, start, "Blocked")


@each_start
def test_TC_C_24_CS(make_tool: MakeTool, start: str) -> None:
    listed_but_not_accepted_offline(make_tool, start, "Expired")


def test_TC_C_25_CS(make_tool: MakeTool) -> None:
    tool = configured(make_tool, **OFFLINE)
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    tool.set("TxCtrlr", "StopTxOnInvalidId", "false")
    tool.id_token_cached()
    id_token_local_auth_list(tool, (tool.id_token, {"status": "Invalid"}))
    tool.ev_connected_pre_session()
    tool.csms.go_offline()
    present(tool)
    tool.wait(10.0)
    tool.csms.go_online()
    tool.wait(60.0)
    assert tool.inbox.all("TransactionEvent") == []
    assert not is_closed(tool.station, tool.evse)


def test_TC_C_26_CS(make_tool: MakeTool) -> None:
    tool = configured(make_tool, **OFFLINE)
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    tool.set("TxCtrlr", "StopTxOnInvalidId", "false")
    tool.set("TxCtrlr", "MaxEnergyOnInvalidId", "0")
    refuse_events_with(tool, "Invalid")
    start_offline_transaction(tool)
    assert is_closed(tool.station, tool.evse)
    tool.wait(40.0)
    tool.expect_status("Occupied")
    told = tool.expect_event({"idToken.idToken": tool.id_token["idToken"]})
    assert told["offline"] is True
    tool.expect_event({"transactionInfo.chargingState": "SuspendedEVSE"})
    assert not is_closed(tool.station, tool.evse)
    tool.csms.answers.clear()
    tool.stop_authorized()
    tool.ev_connected_post_session()
    tool.ev_disconnected()


# -- online


@each_way
@each_start
def test_TC_C_27_CS(make_tool: MakeTool, how: str, start: str) -> None:
    tool = listed(make_tool, "Accepted", how, TxCtrlr__TxStartPoint=start)
    tool.is_cached = True  # it need not ask
    tool.authorized()
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()
    never_asks(tool)


def listed_but_not_accepted(make_tool: MakeTool, how: str, status: str) -> None:
    """TC_C_28, TC_C_29 and TC_C_30."""
    tool = listed(make_tool, status, how)
    tool.set("LocalAuthListCtrlr", "DisablePostAuthorize", "false")
    tool.ev_connected_pre_session()
    tool.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}}
    present(tool)
    expect_authorize(tool, tool.id_token)
    expect_refused(tool)


@each_way
def test_TC_C_28_CS(make_tool: MakeTool, how: str) -> None:
    listed_but_not_accepted(make_tool, how, "Invalid")


@each_way
def test_TC_C_29_CS(make_tool: MakeTool, how: str) -> None:
    listed_but_not_accepted(make_tool, how, "Blocked")


@each_way
def test_TC_C_30_CS(make_tool: MakeTool, how: str) -> None:
    listed_but_not_accepted(make_tool, how, "Expired")


@each_way
def test_TC_C_31_CS(make_tool: MakeTool, how: str) -> None:
    tool = listed(make_tool, "Invalid", how)
    tool.set("LocalAuthListCtrlr", "DisablePostAuthorize", "false")
    tool.authorized()  # expects an Authorize
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


@each_way
def test_TC_C_58_CS(make_tool: MakeTool, how: str) -> None:
    tool = listed(make_tool, "Invalid", how)
    tool.set("LocalAuthListCtrlr", "DisablePostAuthorize", "true")
    present(tool)
    never_asks(tool)
    expect_refused(tool)
