"""Certification cases of block B, Provisioning."""

from typing import Any

import pytest

from station.bench.fake_csms import CallError
from tests.authority import Authority
from tests.conformance.conftest import MakeTool
from tests.conformance.networks import (
    HERE,
    URLS,
    WAIT_MINIMUM_S,
    is_at,
    migrate,
    schedule,
    set_slot,
    tried,
)
from tests.conformance.pki_states import (
    CSMS_ROOT,
    ROOT_1,
    ROOT_2,
    certificate_installed,
    entry,
    installed_certificates,
)
from tests.conformance.states import Payload, Tool

OFFLINE_THRESHOLD = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "OfflineThreshold"},
}
LOCAL_AUTHORIZE_OFFLINE = {
    "component": {"name": "AuthCtrlr"},
    "variable": {"name": "LocalAuthorizeOffline"},
}
UNKNOWN_COMPONENT = {
    "component": {"name": "UnknownComponent"},
    "variable": {"name": "OfflineThreshold"},
}
UNKNOWN_VARIABLE = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "UnknownVariable"},
}
THERE, SECURE_THERE = "ws://there.example/ocpp", "wss://there.example/ocpp"
INTERVAL_S = 40
THRESHOLD_S = 30


def get(tool: Tool, *data: Payload) -> list[Payload]:
    answer = tool.csms.call("GetVariables", {"getVariableData": list(data)})
    results: list[Payload] = answer["getVariableResult"]
    return results


def put(tool: Tool, *data: Payload) -> list[Payload]:
    answer = tool.csms.call("SetVariables", {"setVariableData": list(data)})
    results: list[Payload] = answer["setVariableResult"]
    return results


def check_result(result: Payload, status: str, asked: Payload, **expected: Any) -> None:
    """A result names what was asked for, and says no more than NoError when it went well."""
    assert result["attributeStatus"] == status, result
    assert result["component"] == asked["component"], result
    assert result["variable"] == asked["variable"], result
    if status == "Accepted":
        assert result.get("attributeStatusInfo", {}).get("reasonCode", "NoError") == "NoError"
    for name, value in expected.items():
        assert result.get(name) == value, result


def reboot_into(tool: Tool, status: str) -> None:
    """The driver's hand: power cycle while the CSMS answers *status* to BootNotification."""
    tool.csms.interval_s, tool.csms.boot_status = INTERVAL_S, status
    tool.inbox.clear()
    tool.station.restart(power_cut=True)
    tool.sim = tool.station.sim


def only_boots(tool: Tool) -> None:
    """Nothing but BootNotification has arrived and is unused."""
    tool.inbox.refresh()
    assert {action for action, _ in tool.inbox.calls} <= {"BootNotification"}, tool.inbox.calls


def test_TC_B_01_CS(tool: Tool) -> None:
    """B01.FR.01, B01.FR.05, B01.FR.09"""
    boot = tool.booted()
    assert boot["reason"] == "PowerUp"


def test_TC_B_02_CS(tool: Tool) -> None:
    """B02.FR.01, B02.FR.02, B02.FR.05, B02.FR.06, F06.FR.17"""
    reboot_into(tool, "Pending")
    tool.expect("BootNotification")
    (result,) = put(tool, {**OFFLINE_THRESHOLD, "attributeValue": "300"})
    check_result(result, "Accepted", OFFLINE_THRESHOLD)
    (result,) = get(tool, OFFLINE_THRESHOLD)
    check_result(result, "Accepted", OFFLINE_THRESHOLD, attributeValue="300")
    report = {"requestId": 17, "reportBase": "FullInventory"}
    assert tool.csms.call("GetBaseReport", report)["status"] == "Accepted"
    parts = [tool.expect("NotifyReport", {"requestId": 17, "seqNo": 0})]
    while parts[-1].get("tbc"):
        parts.append(tool.expect("NotifyReport", {"requestId": 17, "seqNo": len(parts)}))
    assert tool.request_start()["status"] == "Rejected"
    only_boots(tool)
    tool.csms.boot_status = "Accepted"
    trigger = tool.csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert trigger["status"] == "Accepted"
    boot = tool.expect("BootNotification", within_s=5.0)
    assert boot["reason"] == "Triggered"
    tool.expect_all_available()


def test_TC_B_03_CS(tool: Tool) -> None:
    """B03.FR.02, B03.FR.06"""
    reboot_into(tool, "Rejected")
    tool.expect("BootNotification")
    tool.expect_none("BootNotification", within_s=INTERVAL_S - 4.0)
    tool.csms.boot_status = "Accepted"
    only_boots(tool)
    tool.expect("BootNotification", within_s=10.0)
    tool.expect_all_available()


def test_TC_B_06_CS(tool: Tool) -> None:
    """B06.FR.01, B06.FR.02, B06.FR.03, B06.FR.10"""
    tool.set("OCPPCommCtrlr", "OfflineThreshold", "300")
    (result,) = get(tool, {**OFFLINE_THRESHOLD, "attributeType": "Actual"})
    check_result(
        result, "Accepted", OFFLINE_THRESHOLD, attributeType="Actual", attributeValue="300"
    )


def test_TC_B_07_CS(tool: Tool) -> None:
    """B06.FR.01, B06.FR.02, B06.FR.03, B06.FR.10"""
    tool.set("OCPPCommCtrlr", "OfflineThreshold", "300")
    tool.set("AuthCtrlr", "LocalAuthorizeOffline", "true")
    asked = [
        {**OFFLINE_THRESHOLD, "attributeType": "Actual"},
        {**LOCAL_AUTHORIZE_OFFLINE, "attributeType": "Actual"},
    ]
    results = {result["variable"]["name"]: result for result in get(tool, *asked)}
    assert len(results) == 2
    check_result(
        results["OfflineThreshold"],
        "Accepted",
        OFFLINE_THRESHOLD,
        attributeType="Actual",
        attributeValue="300",
    )
    check_result(
        results["LocalAuthorizeOffline"],
        "Accepted",
        LOCAL_AUTHORIZE_OFFLINE,
        attributeType="Actual",
        attributeValue="true",
    )


def test_TC_B_09_CS(tool: Tool) -> None:
    """B05.FR.01, B05.FR.02, B05.FR.10"""
    (result,) = put(tool, {**OFFLINE_THRESHOLD, "attributeValue": "300", "attributeType": "Actual"})
    check_result(result, "Accepted", OFFLINE_THRESHOLD, attributeType="Actual")


def test_TC_B_10_CS(tool: Tool) -> None:
    """B05.FR.01, B05.FR.02, B05.FR.10"""
    wanted = [
        {**OFFLINE_THRESHOLD, "attributeValue": "300", "attributeType": "Actual"},
        {**LOCAL_AUTHORIZE_OFFLINE, "attributeValue": "true", "attributeType": "Actual"},
    ]
    results = {result["variable"]["name"]: result for result in put(tool, *wanted)}
    assert len(results) == 2
    check_result(results["OfflineThreshold"], "Accepted", OFFLINE_THRESHOLD, attributeType="Actual")
    check_result(
        results["LocalAuthorizeOffline"],
        "Accepted",
        LOCAL_AUTHORIZE_OFFLINE,
        attributeType="Actual",
    )


FORMATS = {
    "OCPPCommCtrlr.OfflineThreshold": {"300"},
    "AuthCtrlr.AuthorizeRemoteStart": {"true"},
    "SmartChargingCtrlr.LimitChangeSignificance": {"300", "300.1"},
    "ClockCtrlr.NextTimeOffsetTransitionDateTime": {"2026-03-02T09:00:00.000Z"},
}
"""What each variable takes of the five values that are tried."""
TRIED = ["300", "300.1", "true", "2026-03-02T09:00:00.000Z", "abc"]


def test_TC_B_11_CS(tool: Tool) -> None:
    """B05.FR.07"""
    tried = 0
    for key, good in FORMATS.items():
        component, name = key.split(".")
        asked = {"component": {"name": component}, "variable": {"name": name}}
        if get(tool, asked)[0]["attributeStatus"] != "Accepted":
            continue  # the tool leaves out what the station does not have
        for value in TRIED:
            (result,) = put(tool, {**asked, "attributeValue": value, "attributeType": "Actual"})
            if value in good:
                check_result(result, "Accepted", asked, attributeType="Actual")
            else:
                check_result(result, "Rejected", asked, attributeType="Actual")
                reason = result.get("attributeStatusInfo", {}).get("reasonCode", "InvalidValue")
                assert reason == "InvalidValue", result
        tried += 1
    assert tried >= 2


def test_TC_B_20_CS(tool: Tool) -> None:
    """B11.FR.01, B11.FR.03, B11.FR.04, B01.FR.03"""
    assert tool.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    tool.expect_boot()
    tool.expect_all_available()


def end_session(tool: Tool) -> None:
    """StopAuthorized and what follows, until the transaction has ended."""
    tool.stop_authorized()
    if tool.is_running:
        tool.ev_connected_post_session()
        tool.ev_disconnected()
    if tool.is_running:
        tool.parking_bay_unoccupied()


RESET_POINTS = ["Authorized", "EVConnected", "ParkingBayOccupancy"]


@pytest.mark.parametrize("stop_point", RESET_POINTS)
def test_TC_B_21_CS(make_tool: MakeTool, stop_point: str) -> None:
    """B12.FR.01, B12.FR.03, B01.FR.03, B01.FR.09"""
    tool = make_tool(variables={"TxCtrlr.TxStopPoint": stop_point})
    tool.energy_transfer_started()
    assert tool.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    end_session(tool)
    boot = tool.expect_boot()
    assert boot["reason"] == "ScheduledReset"
    is_gone = stop_point != "Authorized"
    tool.expect_status("Available" if is_gone else "Occupied")
    tool.expect_status("Available", evse=2)
    tool.expect("SecurityEventNotification", {"type": ("StartupOfTheDevice", "ResetOrReboot")})


@pytest.mark.parametrize("cable", ["fixed", "socket"])
def test_TC_B_22_CS(make_tool: MakeTool, cable: str) -> None:
    """B12.FR.02, B12.FR.04, B01.FR.03, B01.FR.09"""
    tool = make_tool(cable=cable)
    tool.energy_transfer_started()
    assert tool.csms.call("Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    ended = tool.expect_event(
        {
            "eventType": "Ended",
            "triggerReason": "ResetCommand",
            "transactionInfo.chargingState": "EVConnected",
            "transactionInfo.stoppedReason": "ImmediateReset",
        }
    )
    assert "idToken" not in ended
    boot = tool.expect_boot()
    assert boot["reason"] == "RemoteReset"
    tool.expect_status("Occupied")
    tool.expect_status("Available", evse=2)


def test_TC_B_25_CS(tool: Tool) -> None:
    """B11.FR.01, B11.FR.08"""
    assert tool.csms.call("Reset", {"type": "OnIdle", "evseId": 1}) == {"status": "Accepted"}
    tool.wait(10.0)
    assert tool.station.restarts == 0


def test_TC_B_26_CS(tool: Tool) -> None:
    """B12.FR.01, B12.FR.07"""
    tool.energy_transfer_started()
    assert tool.csms.call("Reset", {"type": "OnIdle", "evseId": 1}) == {"status": "Scheduled"}
    tool.stop_authorized()
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    assert tool.station.restarts == 0


def test_TC_B_27_CS(tool: Tool) -> None:
    """B12.FR.02, B12.FR.08"""
    tool.energy_transfer_started()
    assert tool.csms.call("Reset", {"type": "Immediate", "evseId": 1}) == {"status": "Accepted"}
    tool.expect_event(
        {
            "eventType": "Ended",
            "triggerReason": "ResetCommand",
            "transactionInfo.chargingState": "EVConnected",
            "transactionInfo.stoppedReason": "ImmediateReset",
        }
    )
    tool.wait(10.0)
    assert tool.station.restarts == 0


def test_TC_B_30_CS(tool: Tool) -> None:
    """B03.FR.08"""
    reboot_into(tool, "Rejected")
    tool.expect("BootNotification")
    with pytest.raises(CallError) as error:
        tool.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert error.value.code == "SecurityError"


def test_TC_B_32_CS(tool: Tool) -> None:
    """B06.FR.06"""
    (result,) = get(tool, UNKNOWN_COMPONENT)
    check_result(result, "UnknownComponent", UNKNOWN_COMPONENT)


def test_TC_B_33_CS(tool: Tool) -> None:
    """B06.FR.07"""
    (result,) = get(tool, UNKNOWN_VARIABLE)
    check_result(result, "UnknownVariable", UNKNOWN_VARIABLE)


def test_TC_B_34_CS(tool: Tool) -> None:
    """B06.FR.08"""
    (result,) = get(tool, {**OFFLINE_THRESHOLD, "attributeType": "Target"})
    check_result(result, "NotSupportedAttributeType", OFFLINE_THRESHOLD, attributeType="Target")


def test_TC_B_35_CS(tool: Tool) -> None:
    """B05.FR.04"""
    (result,) = put(tool, {**UNKNOWN_COMPONENT, "attributeValue": "300"})
    check_result(result, "UnknownComponent", UNKNOWN_COMPONENT)


def test_TC_B_36_CS(tool: Tool) -> None:
    """B05.FR.05"""
    (result,) = put(tool, {**UNKNOWN_VARIABLE, "attributeValue": "300"})
    check_result(result, "UnknownVariable", UNKNOWN_VARIABLE)


def test_TC_B_37_CS(tool: Tool) -> None:
    """B05.FR.06"""
    asked = {**OFFLINE_THRESHOLD, "attributeValue": "300", "attributeType": "Target"}
    (result,) = put(tool, asked)
    check_result(result, "NotSupportedAttributeType", OFFLINE_THRESHOLD, attributeType="Target")


def test_TC_B_39_CS(tool: Tool) -> None:
    """B05.FR.09"""
    asked = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "MessageTimeout", "instance": "Default"},
    }
    (result,) = put(tool, {**asked, "attributeValue": "30"})
    check_result(result, "Rejected", asked)


@pytest.mark.parametrize("stop_point", RESET_POINTS)
def test_TC_B_41_CS(make_tool: MakeTool, stop_point: str) -> None:
    """B12.FR.01, B12.FR.03"""
    tool = make_tool(variables={"TxCtrlr.TxStopPoint": stop_point})
    other = Tool(tool.station, evse=2, id_token={"idToken": "0BADCAFE", "type": "ISO14443"})
    tool.energy_transfer_started()
    other.energy_transfer_started()
    assert tool.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    tool.stop_authorized()
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    assert tool.station.restarts == 0
    end_session(other)
    boot = other.expect_boot()
    assert boot["reason"] == "ScheduledReset"
    other.expect_status("Available", evse=1)
    other.expect_status("Occupied" if other.is_connected else "Available")


def go_offline_and_plug(tool: Tool, wait_minimum_s: int) -> None:
    tool.set("OCPPCommCtrlr", "OfflineThreshold", str(THRESHOLD_S))
    tool.set("OCPPCommCtrlr", "RetryBackOffWaitMinimum", str(wait_minimum_s))
    tool.set("OCPPCommCtrlr", "RetryBackOffRandomRange", "0")
    tool.inbox.clear()
    tool.csms.go_offline()
    tool.wait(5.0)
    tool.sim.plug(1)
    tool.wait(5.0)
    tool.csms.go_online()


def test_TC_B_51_CS(tool: Tool) -> None:
    """B04.FR.01"""
    go_offline_and_plug(tool, THRESHOLD_S + 2)
    tool.wait(THRESHOLD_S)
    tool.expect_status("Occupied")
    tool.expect_status("Available", evse=2)


def test_TC_B_52_CS(tool: Tool) -> None:
    """B04.FR.02"""
    go_offline_and_plug(tool, THRESHOLD_S - 2)
    tool.wait(THRESHOLD_S - 10.0)
    tool.expect_status("Occupied")
    tool.expect_none("StatusNotification")


def test_TC_B_57_CS(tool: Tool) -> None:
    wait_s = 12
    tool.set("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "3")
    tool.set("OCPPCommCtrlr", "RetryBackOffRepeatTimes", "2")
    tool.set("OCPPCommCtrlr", "RetryBackOffRandomRange", "0")
    tool.set("OCPPCommCtrlr", "RetryBackOffWaitMinimum", str(wait_s))
    attempts = tool.csms.attempts
    attempts.clear()
    closed_at = tool.station.reactor.at
    tool.csms.cut()
    tool.wait(wait_s + 4.0)
    assert len(attempts) == 1
    assert attempts[0] - closed_at >= wait_s
    assert tool.csms.connected

    attempts.clear()
    closed_at = tool.station.reactor.at
    tool.csms.go_offline()
    tool.wait(wait_s + 4.0)
    assert len(attempts) == 1
    first_wait_s = attempts[0] - closed_at
    assert first_wait_s >= wait_s
    tool.csms.go_online()
    tool.wait(2 * wait_s)
    assert len(attempts) == 2
    assert attempts[1] - attempts[0] >= 2 * first_wait_s - 0.1
    assert tool.csms.connected
    tool.expect_none("BootNotification")


# -- network connection profiles (B09, B10)


def test_TC_B_43_CS(tool: Tool) -> None:
    """B09.FR.02"""
    assert set_slot(tool, 999, THERE)["status"] == "Rejected"


def test_TC_B_45_CS(tool: Tool) -> None:
    """B09.FR.01, B10.FR.01, B10.FR.04, B10.FR.06"""
    migrate(tool, THERE)
    tool.booted(reset="OnIdle")
    assert is_at(tool, THERE)


def test_TC_B_46_CS(tool: Tool) -> None:
    """B10.FR.03, B10.FR.04"""
    schedule(tool, 2)
    migrate(tool, THERE)
    tool.csms.at(THERE, reachable=False)
    since = len(tool.csms.targets)
    tool.booted(reset="OnIdle")
    assert tried(tool, since) == [THERE, THERE, HERE]
    assert is_at(tool, HERE)


def test_TC_B_47_CS(make_tool: MakeTool) -> None:
    """B10.FR.07, M05.FR.15, M05.FR.16; the new root is signed by the old one"""
    tool = make_tool(
        url=URLS[2],
        security_profile=2,
        variables={"SecurityCtrlr.AdditionalRootCertificateCheck": "true"},
    )
    schedule(tool, 1)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    tool.csms.at(URLS[2], root=ROOT_1.pem)
    new_root = Authority("CSMS Root 2", ROOT_1)
    certificate_installed(tool, CSMS_ROOT, new_root)
    migrate(tool, SECURE_THERE, 2)
    tool.csms.at(SECURE_THERE, root=ROOT_1.pem)
    since = len(tool.csms.targets)
    tool.booted(reset="OnIdle")
    assert tried(tool, since) == [SECURE_THERE, URLS[2]]
    assert entry(CSMS_ROOT, ROOT_1) in installed_certificates(tool, CSMS_ROOT)


def test_TC_B_49_CS(tool: Tool) -> None:
    """B10.FR.07"""
    schedule(tool, 1)
    migrate(tool, THERE)
    since = len(tool.csms.targets)
    for url in (THERE, HERE):
        tool.csms.at(url, reachable=False)
    assert tool.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    tool.csms.at(HERE, reachable=False)
    while len(tried(tool, since)) < 2:
        tool.wait(0.5)
    tool.wait(0.5)
    refused_at = tool.csms.attempts[-1]
    tool.csms.at(HERE, reachable=True)
    tool.wait(WAIT_MINIMUM_S)
    assert tried(tool, since) == [THERE, HERE, HERE]
    assert tool.csms.attempts[-1] - refused_at >= WAIT_MINIMUM_S
    tool.expect_boot()
    assert is_at(tool, HERE)


def test_TC_B_50_CS(make_tool: MakeTool) -> None:
    """M05.FR.13"""
    tool = make_tool(url=URLS[2], security_profile=2)
    certificate_installed(tool, CSMS_ROOT, ROOT_1)
    certificate_installed(tool, CSMS_ROOT, ROOT_2)
    migrate(tool, SECURE_THERE, 2)
    tool.csms.at(SECURE_THERE, root=ROOT_2.pem)
    tool.booted(reset="OnIdle")
    assert is_at(tool, SECURE_THERE)


def test_TC_B_23_CS(make_tool: MakeTool) -> None:
    """B11.FR.01, B11.FR.02, B11.FR.03, B11.FR.04, B01.FR.03"""
    tool = make_tool(connectors=2)
    tool.unavailable(1, 1)
    assert tool.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    assert tool.expect_boot()["reason"] == "RemoteReset"
    for evse, connector in tool.connectors():
        status = "Unavailable" if (evse, connector) == (1, 1) else "Available"
        tool.expect_status(status, evse=evse, connector=connector)
