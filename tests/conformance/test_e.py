"""Certification cases of block E, Transactions: where they begin and end."""

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool, at

CABLES = ("fixed", "socket")


def start_at(tool: Tool, points: str) -> None:
    tool.set("TxCtrlr", "TxStartPoint", points)


def stop_at(tool: Tool, points: str) -> None:
    tool.set("TxCtrlr", "TxStopPoint", points)


def present(tool: Tool) -> None:
    tool.sim.token(tool.id_token["idToken"], type=tool.id_token["type"], evse=tool.evse)


def is_locked(tool: Tool) -> bool:
    return tool.station.world.evses[tool.evse].place.locked


# -- start points


def test_TC_E_01_CS(tool: Tool) -> None:
    start_at(tool, "PowerPathClosed")
    tool.authorized()
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


@pytest.mark.parametrize("how", ["local", "remote"])
def test_TC_E_02_CS(make_tool: MakeTool, how: str) -> None:
    tool = make_tool(how=how)
    start_at(tool, "EnergyTransfer")
    tool.authorized()
    tool.sim.plug(1)
    tool.expect_status("Occupied")
    local = ("ChargingStateChanged", "Authorized")
    tool.expect_event(
        {
            "eventType": "Started",
            "triggerReason": "RemoteStart" if how == "remote" else local,
            "idToken.idToken": tool.id_token["idToken"],
            "idToken.type": tool.id_token["type"],
            "evse.id": 1,
            "evse.connectorId": 1,
            "transactionInfo.chargingState": "Charging",
        }
    )


def test_TC_E_03_CS(tool: Tool) -> None:
    tool.ev_connected_pre_session()
    tool.authorized("local")
    tool.energy_transfer_started()


def test_TC_E_04_CS(tool: Tool) -> None:
    tool.parking_bay_occupied()
    tool.authorized("local")
    tool.energy_transfer_started()


@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed", "ParkingBayOccupancy"])
def test_TC_E_05_CS(tool: Tool, start: str) -> None:
    start_at(tool, start)
    stop_at(tool, "EVConnected,Authorized")
    tool.authorized("local")
    if start == "PowerPathClosed":
        tool.expect_none("TransactionEvent", within_s=35.0)
    else:
        tool.expect_event(
            {
                "triggerReason": "EVConnectTimeout",
                "eventType": "Ended",
                "transactionInfo.stoppedReason": "Timeout",
            },
            within_s=35.0,
        )
    if start == "ParkingBayOccupancy":  # the EV that did not plug in makes room for one that does
        tool.sim.bay(1, occupied=False)
        tool.wait(1.0)
        tool.parking_bay_occupied()
    tool.authorized("local")
    tool.energy_transfer_started()


def test_TC_E_09_CS(tool: Tool) -> None:
    start_at(tool, "EVConnected")
    tool.parking_bay_occupied()
    tool.sim.plug(1)
    tool.expect_status("Occupied")
    tool.expect_event(
        {
            "eventType": "Started",
            "triggerReason": ("CablePluggedIn", "ChargingStateChanged"),
            "evse.id": 1,
            "evse.connectorId": 1,
            "transactionInfo.chargingState": "EVConnected",
        }
    )
    tool.is_connected = True
    tool.authorized()
    tool.energy_transfer_started()


def test_TC_E_10_CS(tool: Tool) -> None:
    start_at(tool, "Authorized")
    tool.authorized("local")
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


def test_TC_E_12_CS(tool: Tool) -> None:
    start_at(tool, "ParkingBayOccupancy")
    tool.parking_bay_occupied()
    tool.authorized()
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


def test_TC_E_13_CS(tool: Tool) -> None:
    start_at(tool, "Authorized")
    tool.authorized("remote")
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()


def test_TC_E_38_CS(tool: Tool) -> None:
    tool.authorized()
    tool.ev_connected_pre_session(ready_after_s=3600.0)
    tool.expect_event(
        {
            "triggerReason": "ChargingStateChanged",
            "transactionInfo.chargingState": "SuspendedEV",
        }
    )


# -- stop points


def test_TC_E_06_CS(tool: Tool) -> None:
    tool.energy_transfer_started()
    tool.stop_authorized("local")
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()


def test_TC_E_07_CS(tool: Tool) -> None:
    stop_at(tool, "PowerPathClosed")
    tool.energy_transfer_started()
    tool.stop_authorized("local")


@pytest.mark.parametrize("how", ["local", "remote"])
def test_TC_E_08_CS(make_tool: MakeTool, how: str) -> None:
    tool = make_tool(how=how)
    stop_at(tool, "EnergyTransfer")
    tool.energy_transfer_started()
    tool.stop_authorized()


@pytest.mark.parametrize("how", ["local", "remote"])
def test_TC_E_14_CS(make_tool: MakeTool, how: str) -> None:
    tool = make_tool(how=how)
    stop_at(tool, "EVConnected")
    tool.energy_transfer_started()
    tool.ev_connected_post_session()
    tool.sim.unplug(1)
    tool.expect_status("Available")
    local = ("Local", "EVDisconnected", None)
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
            "transactionInfo.stoppedReason": (
                ("Remote", "EVDisconnected") if how == "remote" else local  # type: ignore[dict-item]
            ),
            "eventType": "Ended",
        }
    )


def test_TC_E_15_CS(tool: Tool) -> None:
    stop_at(tool, "Authorized")
    tool.energy_transfer_started()
    tool.wait(10.0)
    present(tool)
    tool.expect_event(
        {
            "triggerReason": "StopAuthorized",
            "transactionInfo.stoppedReason": "Local",
            "eventType": "Ended",
        }
    )


@pytest.mark.parametrize("stop", ["Authorized", "PowerPathClosed"])
def test_TC_E_16_CS(tool: Tool, stop: str) -> None:
    stop_at(tool, stop)
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    tool.set("TxCtrlr", "StopTxOnInvalidId", "true")
    tool.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Invalid"}} if "idToken" in event else {}
    )
    tool.csms.go_offline()
    tool.sim.bay(1, occupied=True)
    present(tool)
    tool.wait(2.0)
    tool.sim.plug(1)
    tool.wait(10.0)
    tool.csms.go_online()
    queued = tool.expect_event({"idToken.idToken": tool.id_token["idToken"]}, within_s=60.0)
    assert queued["offline"] is True
    tool.expect_event(
        {
            "eventType": "Ended",
            "triggerReason": "Deauthorized",
            "transactionInfo.stoppedReason": "DeAuthorized",
        }
    )


@pytest.mark.parametrize("cable", CABLES)
def test_TC_E_17_CS(make_tool: MakeTool, cable: str) -> None:
    tool = make_tool(cable=cable)
    stop_at(tool, "Authorized")
    tool.set("TxCtrlr", "StopTxOnEVSideDisconnect", "true")
    if cable == "socket":
        tool.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    tool.energy_transfer_started()
    tool.sim.unplug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
            "transactionInfo.stoppedReason": "EVDisconnected",
            "eventType": "Ended",
        }
    )
    if cable == "socket":
        take_the_cable(tool)
    tool.expect_status("Available")


def take_the_cable(tool: Tool) -> None:
    """It is locked until its owner presents the token."""
    tool.wait(3.0)
    assert is_locked(tool)
    present(tool)
    tool.wait(2.0)
    assert not is_locked(tool)
    tool.sim.unplug(1, side="station")


@pytest.mark.parametrize("how", ["local", "remote"])
def test_TC_E_19_CS(make_tool: MakeTool, how: str) -> None:
    tool = make_tool(how=how)
    stop_at(tool, "ParkingBayOccupancy")
    tool.energy_transfer_started()
    tool.ev_disconnected()
    tool.sim.bay(1, occupied=False)
    tool.expect_event(
        {
            "triggerReason": "EVDeparted",
            "transactionInfo.stoppedReason": "Remote" if how == "remote" else "Local",
            "eventType": "Ended",
        }
    )


def unplug_at_the_ev(make_tool: MakeTool, cable: str, *, stop: str, reasons: list[str]) -> None:
    """What TC_E_20, TC_E_37 and TC_E_54 share."""
    tool = make_tool(cable=cable)
    stop_at(tool, stop)
    tool.set("TxCtrlr", "StopTxOnEVSideDisconnect", "false")
    tool.energy_transfer_suspended()
    tool.sim.unplug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
            "transactionInfo.stoppedReason": reasons,
            "eventType": "Ended",
        }
    )


@pytest.mark.parametrize("cable", CABLES)
def test_TC_E_20_CS(make_tool: MakeTool, cable: str) -> None:
    unplug_at_the_ev(make_tool, cable, stop="EVConnected", reasons=["EVDisconnected"])


def test_TC_E_21_CS(tool: Tool) -> None:
    stop_at(tool, "Authorized")
    tool.energy_transfer_started()
    stop_remotely(tool)


def stop_remotely(tool: Tool) -> None:
    answer = tool.csms.call("RequestStopTransaction", {"transactionId": tool.transaction_id})
    assert answer["status"] == "Accepted"
    tool.expect_event(
        {
            "triggerReason": "RemoteStop",
            "transactionInfo.stoppedReason": "Remote",
            "eventType": "Ended",
        }
    )


def test_TC_E_22_CS(tool: Tool) -> None:
    stop_at(tool, "EnergyTransfer")
    tool.energy_transfer_started()
    tool.sim.ev(1, "B")
    tool.expect_event(
        {
            "triggerReason": "ChargingStateChanged",
            "transactionInfo.chargingState": "EVConnected",
            "transactionInfo.stoppedReason": "StoppedByEV",
            "eventType": "Ended",
        }
    )


def test_TC_E_35_CS(tool: Tool) -> None:
    stop_at(tool, "PowerPathClosed")
    tool.energy_transfer_started()
    stop_remotely(tool)


@pytest.mark.parametrize("cable", CABLES)
def test_TC_E_37_CS(make_tool: MakeTool, cable: str) -> None:
    reasons = ["EVDisconnected", "StoppedByEV"]
    unplug_at_the_ev(make_tool, cable, stop="PowerPathClosed", reasons=reasons)


def test_TC_E_54_CS(make_tool: MakeTool) -> None:
    reasons = ["StoppedByEV", "EVDisconnected"]
    unplug_at_the_ev(make_tool, "fixed", stop="EVConnected", reasons=reasons)


@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed"])
def test_TC_E_39_CS(tool: Tool, start: str) -> None:
    start_at(tool, start)
    stop_at(tool, "Authorized")
    tool.authorized()
    if start == "Authorized":
        tool.expect_event(
            {
                "triggerReason": "EVConnectTimeout",
                "eventType": "Ended",
                "transactionInfo.stoppedReason": "Timeout",
            },
            within_s=35.0,
        )
    tool.wait(35.0)
    tool.sim.plug(1)
    tool.expect_status("Occupied")
    tool.wait(15.0)
    for event in tool.inbox.all("TransactionEvent"):
        assert event["triggerReason"] == "CablePluggedIn"
        assert at(event, "transactionInfo.chargingState") != "Charging"
    assert not tool.station.world.evses[1].place.closed


# -- the cable leaves the EV


def test_TC_E_24_CS(make_tool: MakeTool) -> None:
    tool = make_tool(cable="socket")
    tool.set("TxCtrlr", "StopTxOnEVSideDisconnect", "true")
    tool.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "true")
    tool.energy_transfer_suspended()
    tool.sim.unplug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
        }
    )
    tool.wait(2.0)
    assert not is_locked(tool)
    tool.sim.unplug(1, side="station")
    tool.expect_status("Available")


@pytest.mark.parametrize("cable", CABLES)
def test_TC_E_25_CS(make_tool: MakeTool, cable: str) -> None:
    tool = make_tool(cable=cable)
    tool.set("TxCtrlr", "StopTxOnEVSideDisconnect", "true")
    if cable == "socket":
        tool.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    tool.energy_transfer_suspended()
    tool.sim.unplug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
        }
    )
    if cable == "socket":
        take_the_cable(tool)
    tool.expect_status("Available")


def suspend_by_unplugging(make_tool: MakeTool, cable: str, stop: str) -> Tool:
    """What TC_E_26 and TC_E_27 share: the EV end of the cable is out, the transaction waits."""
    tool = make_tool(cable=cable)
    stop_at(tool, stop)
    tool.set("TxCtrlr", "StopTxOnEVSideDisconnect", "false")
    if cable == "socket":
        tool.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    tool.energy_transfer_suspended()
    tool.sim.unplug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "EVCommunicationLost",
            "transactionInfo.chargingState": "Idle",
            "eventType": "Updated",
        }
    )
    if cable == "fixed":
        tool.expect_status("Available")
    return tool


@pytest.mark.parametrize("stop", ["Authorized", "ParkingBayOccupancy"])
@pytest.mark.parametrize("cable", CABLES)
def test_TC_E_26_CS(make_tool: MakeTool, cable: str, stop: str) -> None:
    tool = suspend_by_unplugging(make_tool, cable, stop)
    tool.sim.plug(1, side="ev")
    tool.expect_event(
        {
            "triggerReason": "CablePluggedIn",
            "transactionInfo.chargingState": "EVConnected",
            "eventType": "Updated",
        }
    )
    tool.expect_event(
        {
            "triggerReason": "ChargingStateChanged",
            "transactionInfo.chargingState": "Charging",
            "eventType": "Updated",
        }
    )


@pytest.mark.parametrize("stop", ["Authorized", "ParkingBayOccupancy"])
def test_TC_E_27_CS(make_tool: MakeTool, stop: str) -> None:
    tool = suspend_by_unplugging(make_tool, "fixed", stop)
    event = tool.expect_event({"triggerReason": "EVConnectTimeout"}, within_s=35.0)
    if stop == "Authorized":
        assert event["eventType"] == "Ended"
        assert event["transactionInfo"]["stoppedReason"] == "Timeout"
    else:
        assert event["eventType"] == "Updated"
