"""Certification cases of block C: authorisation through the cache."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool
from tests.conformance.token_memory import (
    BACK_OFF,
    configured,
    expect_authorize,
    expect_refused,
    id_token_cached,
    id_token_local_auth_list,
    is_closed,
    never_asks,
    present,
    refuse_events_with,
)

each_way = pytest.mark.parametrize("how", ["local", "remote"])
"""Erratum 6.2.22: these cases may be played with a remote start as well."""
ALLOWED_WH = 500
POWER_W = 3 * 16 * 230
"""What the simulated EV draws."""


@each_way
def test_TC_C_08_CS(make_tool: MakeTool, how: str) -> None:
    tool = configured(make_tool, how=how)
    tool.id_token_cached()
    tool.ev_connected_pre_session()
    tool.authorized()
    tool.energy_transfer_started()
    never_asks(tool)


def cached_but_not_accepted(make_tool: MakeTool, how: str, status: str) -> None:
    """TC_C_09, TC_C_10 and TC_C_11."""
    tool = configured(make_tool, how=how)
    tool.set("AuthCacheCtrlr", "DisablePostAuthorize", "false")
    id_token_cached(tool, tool.id_token, {"status": status})
    tool.ev_connected_pre_session()
    tool.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}}
    present(tool)
    expect_authorize(tool, tool.id_token)
    expect_refused(tool)


@each_way
def test_TC_C_09_CS(make_tool: MakeTool, how: str) -> None:
    cached_but_not_accepted(make_tool, how, "Invalid")


@each_way
def test_TC_C_10_CS(make_tool: MakeTool, how: str) -> None:
    cached_but_not_accepted(make_tool, how, "Blocked")


@each_way
def test_TC_C_11_CS(make_tool: MakeTool, how: str) -> None:
    cached_but_not_accepted(make_tool, how, "Expired")


@each_way
def test_TC_C_12_CS(make_tool: MakeTool, how: str) -> None:
    tool = configured(make_tool, how=how)
    tool.set("AuthCacheCtrlr", "DisablePostAuthorize", "false")
    id_token_cached(tool, tool.id_token, {"status": "Invalid"})
    tool.ev_connected_pre_session()
    tool.authorized()  # expects the Authorize of step 1
    tool.energy_transfer_started()


@each_way
@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "ParkingBayOccupancy"])
def test_TC_C_13_CS(make_tool: MakeTool, how: str, start: str) -> None:
    tool = configured(make_tool, how=how, TxCtrlr__TxStartPoint=start)
    tool.id_token_cached()
    tool.parking_bay_occupied()
    tool.authorized()
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()
    never_asks(tool)


# -- accepted by the cache while offline, refused by the CSMS afterwards


def charging_offline(make_tool: MakeTool, *, stops: bool, allowed_wh: int) -> Tool:
    """Up to step 2 of TC_C_15 to TC_C_18; the connection is about to come back."""
    tool = configured(make_tool, **{key.replace(".", "__"): v for key, v in BACK_OFF.items()})
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    tool.set("TxCtrlr", "StopTxOnInvalidId", "true" if stops else "false")
    tool.set("TxCtrlr", "MaxEnergyOnInvalidId", str(allowed_wh))
    tool.id_token_cached()
    id_token_local_auth_list(tool, (tool.id_token, {"status": "Accepted"}))
    tool.ev_connected_pre_session()
    tool.csms.go_offline()
    present(tool)
    tool.wait(10.0)
    assert is_closed(tool.station, tool.evse)
    refuse_events_with(tool, "Invalid")
    tool.csms.go_online()
    return tool


def expect_queued(tool: Tool) -> None:
    """Step 3: what was queued, first the message with the token."""
    told = tool.expect_event({"idToken.idToken": tool.id_token["idToken"]}, within_s=60.0)
    assert told["triggerReason"] == "Authorized"
    assert told["offline"] is True
    flows = tool.expect_event({"triggerReason": "ChargingStateChanged"})
    assert flows["offline"] is True


def test_TC_C_15_CS(make_tool: MakeTool) -> None:
    tool = charging_offline(make_tool, stops=False, allowed_wh=10_000)
    expect_queued(tool)
    tool.expect_none("TransactionEvent", {"triggerReason": "Deauthorized"}, within_s=30.0)
    tool.expect_none("TransactionEvent", {"transactionInfo.chargingState": "SuspendedEVSE"})
    assert is_closed(tool.station, tool.evse)
    tool.wait(10_000 / POWER_W * 3600)
    tool.expect_event({"transactionInfo.chargingState": "SuspendedEVSE"})
    assert not is_closed(tool.station, tool.evse)


def test_TC_C_16_CS(make_tool: MakeTool) -> None:
    tool = charging_offline(make_tool, stops=True, allowed_wh=0)
    expect_queued(tool)
    tool.expect_event({"triggerReason": "Deauthorized"})
    assert not is_closed(tool.station, tool.evse)


def test_TC_C_17_CS(make_tool: MakeTool) -> None:
    tool = charging_offline(make_tool, stops=False, allowed_wh=0)
    expect_queued(tool)
    tool.expect_event({"transactionInfo.chargingState": "SuspendedEVSE"})
    assert not is_closed(tool.station, tool.evse)
    tool.expect_none("TransactionEvent", {"triggerReason": "Deauthorized"})


def test_TC_C_18_CS(make_tool: MakeTool) -> None:
    tool = charging_offline(make_tool, stops=True, allowed_wh=ALLOWED_WH)
    expect_queued(tool)
    told = tool.expect_event({"triggerReason": "Deauthorized"})
    assert told["offline"] is False
    assert not is_closed(tool.station, tool.evse)


# -- the CSMS is not to be asked again


@each_way
def test_TC_C_57_CS(make_tool: MakeTool, how: str) -> None:
    tool = configured(make_tool, how=how)
    tool.set("AuthCacheCtrlr", "DisablePostAuthorize", "true")
    id_token_cached(tool, tool.id_token, {"status": "Invalid"})
    tool.ev_connected_pre_session()
    present(tool)
    never_asks(tool)
    expect_refused(tool)
