"""Certification cases of block F, Remote Control."""

import orjson
import pytest

from tests.conformance.states import Payload, Tool

CALLRESULT = 3


def trigger(tool: Tool, message: str, **evse: int) -> str:
    """Send a TriggerMessage, for a place if one is given; the status."""
    request: Payload = {"requestedMessage": message}
    if evse:
        request["evse"] = evse
    tool.inbox.clear()
    before = len(tool.csms.frames)
    answer = tool.csms.call("TriggerMessage", request)
    sent = [orjson.loads(text) for _, way, text in tool.csms.frames[before:] if way == ">"]
    assert sent[0][0] == CALLRESULT  # F06.FR.04: then the message
    return str(answer["status"])


# -- start and stop


@pytest.mark.parametrize("start", ["PowerPathClosed", "EVConnected", "ParkingBayOccupancy"])
def test_TC_F_01_CS(tool: Tool, start: str) -> None:
    tool.set("TxCtrlr", "TxStartPoint", start)
    tool.ev_connected_pre_session()
    tool.authorized("remote")
    tool.energy_transfer_started()


def remote_start_first(tool: Tool, start: str, asks: str) -> None:
    tool.set("TxCtrlr", "TxStartPoint", start)
    tool.set("AuthCtrlr", "AuthorizeRemoteStart", asks)
    tool.parking_bay_occupied()
    tool.authorized("remote")
    tool.energy_transfer_started()


STARTS = pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "EVConnected"])


@STARTS
def test_TC_F_02_CS(tool: Tool, start: str) -> None:
    remote_start_first(tool, start, "true")


@STARTS
def test_TC_F_03_CS(tool: Tool, start: str) -> None:
    """F01.FR.02, F02.FR.10"""
    remote_start_first(tool, start, "false")
    assert "Authorize" not in tool.csms.actions()


def test_TC_F_04_CS(tool: Tool) -> None:
    tool.set("TxCtrlr", "TxStartPoint", "Authorized")
    tool.authorized("remote")
    tool.expect_event({"triggerReason": "EVConnectTimeout", "eventType": "Ended"}, within_s=35.0)
    tool.authorized("remote")


def test_TC_F_08_CS(tool: Tool) -> None:
    tool.energy_transfer_started()
    tool.stop_authorized("remote")


def test_TC_F_09_CS(tool: Tool) -> None:
    """F03.FR.08"""
    tool.energy_transfer_started()
    other = {"transactionId": "3c0a61b6-0b4e-4d3c-8f9e-0d5b2f3a7c11"}
    assert tool.csms.call("RequestStopTransaction", other)["status"] == "Rejected"
    tool.wait(5.0)
    assert tool.is_running


# -- TriggerMessage


def expect_triggered_values(tool: Tool, evse: int) -> None:
    message = tool.expect("MeterValues", {"evseId": evse})
    for value in message["meterValue"]:
        assert {sample["context"] for sample in value["sampledValue"]} == {"Trigger"}


def test_TC_F_11_CS(tool: Tool) -> None:
    """F06.FR.04"""
    assert trigger(tool, "MeterValues", id=1) == "Accepted"
    expect_triggered_values(tool, 1)
    tool.expect_none("MeterValues")


def test_TC_F_12_CS(tool: Tool) -> None:
    """F06.FR.04, F06.FR.11"""
    assert trigger(tool, "MeterValues") == "Accepted"
    expect_triggered_values(tool, 1)
    expect_triggered_values(tool, 2)


def expect_triggered_event(tool: Tool, transaction_id: str, evse: int) -> None:
    tool.expect_event(
        {
            "triggerReason": "Trigger",
            "transactionInfo.transactionId": transaction_id,
            "transactionInfo.chargingState": "Charging",
            "meterValue.0.sampledValue.0.context": "Trigger",
            "evse.id": evse,
        }
    )


def test_TC_F_13_CS(tool: Tool) -> None:
    """F06.FR.04"""
    tool.energy_transfer_started()
    assert trigger(tool, "TransactionEvent", id=1) == "Accepted"
    expect_triggered_event(tool, tool.transaction_id, 1)


def test_TC_F_14_CS(tool: Tool) -> None:
    """F06.FR.04, F06.FR.11"""
    second = Tool(tool.station, evse=2, id_token={"idToken": "04FFEE02", "type": "ISO14443"})
    tool.energy_transfer_started()
    second.energy_transfer_started()
    assert trigger(tool, "TransactionEvent") == "Accepted"
    expect_triggered_event(tool, tool.transaction_id, 1)
    expect_triggered_event(second, second.transaction_id, 2)


def test_TC_F_20_CS(tool: Tool) -> None:
    """F06.FR.04"""
    assert trigger(tool, "Heartbeat") == "Accepted"
    tool.expect("Heartbeat")


def test_TC_F_23_CS(tool: Tool) -> None:
    """F06.FR.04"""
    assert trigger(tool, "StatusNotification", id=1, connectorId=1) == "Accepted"
    tool.expect_status("Available")


def test_TC_F_24_CS(tool: Tool) -> None:
    """F06.FR.04, F06.FR.09"""
    tool.ev_connected_pre_session()
    assert trigger(tool, "StatusNotification", id=1, connectorId=1) == "Accepted"
    tool.expect_status("Occupied")


def test_TC_F_26_CS(tool: Tool) -> None:
    """F06.FR.17"""
    assert trigger(tool, "BootNotification") == "Rejected"
    tool.expect_none("BootNotification")


def test_TC_F_27_CS(tool: Tool) -> None:
    """F06.FR.08"""
    assert trigger(tool, "SignCombinedCertificate") == "NotImplemented"
    tool.expect_none("SignCertificate")


# -- logs


def test_TC_F_15_CS(tool: Tool) -> None:
    """F06.FR.15"""
    assert trigger(tool, "LogStatusNotification") == "Accepted"
    tool.expect("LogStatusNotification", {"status": "Idle"})


def test_TC_F_16_CS(tool: Tool) -> None:
    """F06.FR.14"""
    tool.station.lane_latency_s = (20.0, 20.0)
    log = {"remoteLocation": "https://logs.example/upload/"}
    request = {"log": log, "logType": "DiagnosticsLog", "requestId": 1}
    assert tool.csms.call("GetLog", request)["status"] == "Accepted"
    tool.expect("LogStatusNotification", {"status": "Uploading"})
    assert trigger(tool, "LogStatusNotification") == "Accepted"
    tool.expect("LogStatusNotification", {"status": "Uploading"})
