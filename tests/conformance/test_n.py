"""Certification cases of block N, Diagnostics: monitors and events (N02 to N08)."""

from typing import Any

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Tool, absent

Data = dict[str, Any]

STATION = {"component": {"name": "ChargingStation"}, "variable": {"name": "AvailabilityState"}}
EVSE = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "AvailabilityState"},
}
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
PRECONFIGURED = {
    "component": {"name": "SecurityCtrlr"},
    "variable": {"name": "SecurityProfile"},
}


def monitor(address: Data, type: str, value: float = 1.0, severity: int = 8, **more: Any) -> Data:
    return {**address, "type": type, "value": value, "severity": severity, **more}


def send(tool: Tool, *monitors: Data) -> list[Data]:
    """SetVariableMonitoring; its results, which repeat what was asked (in our case in order)."""
    answer = tool.csms.call("SetVariableMonitoring", {"setMonitoringData": list(monitors)})
    results: list[Data] = answer["setMonitoringResult"]
    assert len(results) == len(monitors)
    for result, wanted in zip(results, monitors, strict=True):
        for name in ("type", "severity", "component", "variable"):
            assert result[name] == wanted[name]
        if result["status"] == "Accepted":
            assert result.get("statusInfo", {}).get("reasonCode", "NoError") == "NoError"
        elif "id" not in wanted:
            assert "id" not in result
    return results


def install(tool: Tool, *monitors: Data) -> list[int]:
    """Memory state: the monitors are there; their ids."""
    results = send(tool, *monitors)
    assert {result["status"] for result in results} == {"Accepted"}
    return [int(result["id"]) for result in results]


def statuses(results: list[Data]) -> list[str]:
    return [str(result["status"]) for result in results]


def report(tool: Tool, criteria: list[str] | None = None, *wanted: Data) -> list[Data] | None:
    """GetMonitoringReport; what its parts hold, None for an empty result set."""
    request: Data = {"requestId": 77}
    if criteria:
        request["monitoringCriteria"] = criteria
    if wanted:
        request["componentVariable"] = list(wanted)
    answer = tool.csms.call("GetMonitoringReport", request)
    if answer["status"] == "EmptyResultSet":
        assert answer.get("statusInfo", {}).get("reasonCode", "NotFound") == "NotFound"
        tool.expect_none("NotifyMonitoringReport")
        return None
    assert answer["status"] == "Accepted", answer
    found: list[Data] = []
    seq_no, more = 0, True
    while more:
        part = tool.expect("NotifyMonitoringReport", {"requestId": 77, "seqNo": seq_no})
        assert part["generatedAt"]
        found += part["monitor"]
        seq_no, more = seq_no + 1, part.get("tbc", False)
    return found


def monitors_at(found: list[Data] | None, address: Data) -> list[Data]:
    assert found is not None
    return [
        each
        for place in found
        if (place["component"], place["variable"]) == (address["component"], address["variable"])
        for each in place["variableMonitoring"]
    ]


def types(found: list[Data] | None) -> set[str]:
    assert found is not None
    return {each["type"] for place in found for each in place["variableMonitoring"]}


def set_base(tool: Tool, base: str) -> None:
    answer = tool.csms.call("SetMonitoringBase", {"monitoringBase": base})
    assert answer["status"] == "Accepted"
    assert answer.get("statusInfo", {}).get("reasonCode", "NoError") == "NoError"


def set_level(tool: Tool, severity: int) -> Data:
    return tool.csms.call("SetMonitoringLevel", {"severity": severity})


def expect_event(tool: Tool, **wanted: Any) -> Data:
    """The one event of a NotifyEvent that fits; other events are let pass."""
    paths = {f"eventData.0.{name.replace('__', '.')}": value for name, value in wanted.items()}
    event = tool.expect("NotifyEvent", {"seqNo": 0, **paths})
    assert event["generatedAt"]
    assert event["eventData"][0]["timestamp"]
    data: Data = event["eventData"][0]
    return data


# -- N02: reports


def test_TC_N_01_CS(tool: Tool) -> None:
    """N02.FR.01, N02.FR.03, N02.FR.04, N02.FR.06, N02.FR.09, N02.FR.12, N02.FR.13, N02.FR.14"""
    install(
        tool,
        monitor(POWER, "LowerThreshold", 10),
        monitor(POWER, "UpperThreshold", 5000),
        monitor(EVSE, "Delta"),
        monitor(EVSE, "Periodic", 900),
        monitor(EVSE, "PeriodicClockAligned", 900),
    )
    thresholds = {"UpperThreshold", "LowerThreshold"}
    periodic = {"Periodic", "PeriodicClockAligned"}
    assert types(report(tool, ["ThresholdMonitoring"])) == thresholds
    found = report(tool, ["ThresholdMonitoring", "DeltaMonitoring"])
    assert types(found) == thresholds | {"Delta"}
    assert types(report(tool, ["DeltaMonitoring", "PeriodicMonitoring"])) == periodic | {"Delta"}


def test_TC_N_02_CS(tool: Tool) -> None:
    """N02.FR.01, N02.FR.03, N02.FR.04, N02.FR.08, N02.FR.09, N02.FR.16"""
    install(tool, monitor(STATION, "Delta"), monitor(EVSE, "Delta"), monitor(POWER, "Periodic", 60))
    found = report(tool, None, STATION, {"component": EVSE["component"]})
    assert [each["type"] for each in monitors_at(found, STATION)] == ["Delta"]
    assert [each["type"] for each in monitors_at(found, EVSE)] == ["Delta"]
    assert [each["type"] for each in monitors_at(found, POWER)] == ["Periodic"]


def test_TC_N_03_CS(tool: Tool) -> None:
    """N02.FR.01, N02.FR.05, N02.FR.09, N02.FR.10, N02.FR.13"""
    install(tool, monitor(STATION, "Delta"), monitor(EVSE, "Delta"))
    assert report(tool, ["ThresholdMonitoring"], STATION, EVSE) is None
    found = report(tool, ["DeltaMonitoring"], STATION, EVSE)
    assert types(found) == {"Delta"}
    assert len(monitors_at(found, STATION)) == len(monitors_at(found, EVSE)) == 1


def test_TC_N_47_CS(tool: Tool) -> None:
    """N02.FR.11"""
    install(tool, monitor(STATION, "Delta"), monitor(EVSE, "Delta"))
    found = report(tool)
    for address in (STATION, EVSE):
        assert [each["type"] for each in monitors_at(found, address)] == ["Delta"]


# -- N03: bases


def test_TC_N_05_CS(tool: Tool) -> None:
    """N03.FR.01, N03.FR.03, N03.FR.04, N03.FR.05"""
    for base in ("All", "FactoryDefault", "HardWiredOnly"):
        set_base(tool, base)


def test_TC_N_06_CS(tool: Tool) -> None:
    """N03.FR.01, N03.FR.05"""
    install(tool, monitor(STATION, "Delta"))
    assert [each["type"] for each in monitors_at(report(tool, None, STATION), STATION)] == ["Delta"]
    set_base(tool, "HardWiredOnly")
    assert report(tool, None, STATION) is None


def test_TC_N_41_CS(tool: Tool) -> None:
    """N03.FR.04, N04.FR.12, N04.FR.15; the preconfigured monitor of this product"""
    (before,) = monitors_at(report(tool, ["DeltaMonitoring"], PRECONFIGURED), PRECONFIGURED)
    changed = monitor(PRECONFIGURED, "Delta", severity=before["severity"] + 1, id=before["id"])
    assert statuses(send(tool, changed)) == ["Accepted"]
    (during,) = monitors_at(report(tool, ["DeltaMonitoring"], PRECONFIGURED), PRECONFIGURED)
    assert (during["id"], during["severity"]) == (before["id"], before["severity"] + 1)
    set_base(tool, "FactoryDefault")
    (after,) = monitors_at(report(tool, ["DeltaMonitoring"], PRECONFIGURED), PRECONFIGURED)
    assert after == before


# -- N04: setting monitors


def test_TC_N_08_CS(tool: Tool) -> None:
    """N04.FR.01, N04.FR.02, N04.FR.08, N04.FR.11"""
    install(tool, monitor(EVSE, "Delta"))
    assert [each["type"] for each in monitors_at(report(tool, None, EVSE), EVSE)] == ["Delta"]


def test_TC_N_09_CS(tool: Tool) -> None:
    """N04.FR.01, N04.FR.02, N04.FR.08, N04.FR.11"""
    ids = install(tool, monitor(EVSE, "Delta"), monitor(STATION, "Delta"))
    found = report(tool, None, EVSE, STATION)
    there = [each["id"] for at in (EVSE, STATION) for each in monitors_at(found, at)]
    assert there == ids


def test_TC_N_10_CS(tool: Tool) -> None:
    """N04.FR.01, N04.FR.02, N04.FR.08, N04.FR.11"""
    first, second = install(tool, monitor(EVSE, "Delta"), monitor(EVSE, "Delta", severity=7))
    assert first != second


def test_TC_N_11_CS(tool: Tool) -> None:
    """N04.FR.03"""
    no_evse = {"component": {"name": "EVSE", "evse": {"id": 99}}, "variable": EVSE["variable"]}
    nothing = {"component": {"name": "NonExistent"}, "variable": POWER["variable"]}
    results = send(tool, monitor(no_evse, "Delta"), monitor(nothing, "UpperThreshold", 1234.0))
    assert statuses(results) == ["UnknownComponent", "UnknownComponent"]


def test_TC_N_12_CS(tool: Tool) -> None:
    """N04.FR.14"""
    (result,) = send(tool, monitor(EVSE, "Delta", -1))
    assert result["status"] == "Rejected"
    assert result["statusInfo"]["reasonCode"] in ("ValueOutOfRange", "ValuePositiveOnly")


def test_TC_N_13_CS(tool: Tool) -> None:
    """N04.FR.06"""
    (result,) = send(tool, monitor(POWER, "UpperThreshold", 1e9))
    assert (result["status"], result["statusInfo"]["reasonCode"]) == ("Rejected", "ValueOutOfRange")


def test_TC_N_15_CS(tool: Tool) -> None:
    """N04.FR.10"""
    results = send(tool, monitor(EVSE, "Delta"), monitor(EVSE, "Delta"))
    assert statuses(results) == ["Accepted", "Duplicate"]
    assert results[1]["statusInfo"]["reasonCode"] == "InvalidValue"


def test_TC_N_37_CS(tool: Tool) -> None:
    """N04.FR.04"""
    unknown = {"component": EVSE["component"], "variable": {"name": "unknownVariable"}}
    assert statuses(send(tool, monitor(unknown, "Delta"))) == ["UnknownVariable"]


def test_TC_N_38_CS(tool: Tool) -> None:
    """N04.FR.05"""
    assert statuses(send(tool, monitor(EVSE, "UpperThreshold"))) == ["UnsupportedMonitorType"]


def test_TC_N_39_CS(tool: Tool) -> None:
    """N04.FR.16"""
    (monitor_id,) = install(tool, monitor(EVSE, "Delta"))
    other = {"component": {"name": "ChargingStation"}, "variable": {"name": "Power"}}
    assert statuses(send(tool, monitor(other, "UpperThreshold", id=monitor_id))) == ["Rejected"]
    assert [each["id"] for each in monitors_at(report(tool), EVSE)] == [monitor_id]


def test_TC_N_40_CS(tool: Tool) -> None:
    """N04.FR.12"""
    (monitor_id,) = install(tool, monitor(EVSE, "Delta", severity=5))
    changed = monitor(EVSE, "Delta", severity=4, id=monitor_id)
    assert statuses(send(tool, changed)) == ["Accepted"]
    (there,) = monitors_at(report(tool, ["DeltaMonitoring"], EVSE), EVSE)
    assert there["severity"] == 4


def test_TC_N_43_CS(tool: Tool) -> None:
    """N04.FR.01, N04.FR.14"""
    results = send(
        tool,
        monitor(POWER, "UpperThreshold", 5000),
        monitor(POWER, "Delta", -1.0),
        monitor(POWER, "LowerThreshold", 10),
    )
    assert statuses(results) == ["Accepted", "Rejected", "Accepted"]


# -- N05, N06: level, clearing


def test_TC_N_16_CS(tool: Tool) -> None:
    """N05.FR.01, N05.FR.03, N07.FR.15"""
    install(tool, monitor(EVSE, "Delta"))
    assert set_level(tool, 7) == {"status": "Accepted"}
    tool.ev_connected_pre_session()
    tool.expect_none("NotifyEvent")


def test_TC_N_17_CS(tool: Tool) -> None:
    """N05.FR.02"""
    for severity in (10, -1):
        answer = set_level(tool, severity)
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "ValueOutOfRange"


def clear(tool: Tool, *ids: int) -> list[tuple[int, str]]:
    answer = tool.csms.call("ClearVariableMonitoring", {"id": list(ids)})
    return [(each["id"], each["status"]) for each in answer["clearMonitoringResult"]]


def test_TC_N_18_CS(tool: Tool) -> None:
    """N06.FR.01, N06.FR.05"""
    first, second = install(tool, monitor(STATION, "Delta"), monitor(EVSE, "Delta"))
    assert clear(tool, first, second) == [(first, "Accepted"), (second, "Accepted")]
    assert report(tool, None, STATION, EVSE) is None


def test_TC_N_19_CS(tool: Tool) -> None:
    """N06.FR.02"""
    found = report(tool)
    assert found is not None
    highest = max(each["id"] for place in found for each in place["variableMonitoring"])
    assert clear(tool, highest + 1) == [(highest + 1, "NotFound")]


def test_TC_N_44_CS(tool: Tool) -> None:
    """N06.FR.03"""
    set_base(tool, "HardWiredOnly")
    found = report(tool)
    assert found is not None
    first = found[0]["variableMonitoring"][0]["id"]
    assert clear(tool, first) == [(first, "Rejected")]


# -- N07: alert events


def test_TC_N_20_CS(tool: Tool) -> None:
    """N07.FR.02, N07.FR.06, N07.FR.07, N07.FR.16, N07.FR.17"""
    set_base(tool, "All")
    set_level(tool, 8)
    (upper,) = install(tool, monitor(POWER, "UpperThreshold", 100.0, 5))
    tool.energy_transfer_started()
    transaction = tool.transaction_id
    about = {
        "trigger": "Alerting",
        "transactionId": transaction,
        "eventNotificationType": "CustomMonitor",
        "component__name": "EVSE",
        "component__evse__id": 1,
        "variable__name": "Power",
    }
    exceeded = expect_event(tool, variableMonitoringId=upper, cleared=(None, False), **about)
    assert float(exceeded["actualValue"]) > 100.0
    (lower,) = install(tool, monitor(POWER, "LowerThreshold", 10.0, 5))
    tool.stop_authorized()
    cleared = expect_event(tool, variableMonitoringId=upper, cleared=True, **about)
    assert float(cleared["actualValue"]) <= 100.0
    dropped = expect_event(tool, variableMonitoringId=lower, cleared=(None, False), **about)
    assert float(dropped["actualValue"]) <= 10.0
    ids = [each["eventId"] for each in (exceeded, cleared, dropped)]
    assert len(set(ids)) == 3


def test_TC_N_21_CS(tool: Tool) -> None:
    """N07.FR.07"""
    tool.sim.fault(1, "residual_current", active=True)
    event = expect_event(tool, eventNotificationType="HardWiredNotification")
    assert "variableMonitoringId" not in event
    tool.sim.fault(1, "residual_current", active=False)


def test_TC_N_22_CS(tool: Tool) -> None:
    """N07.FR.04"""
    tool.set("MonitoringCtrlr", "OfflineQueuingSeverity", "5")
    install(tool, monitor(EVSE, "Delta", severity=5))
    tool.csms.go_offline()
    tool.sim.plug(1)
    tool.is_connected = True
    tool.wait(20)
    tool.csms.go_online()
    expect_event(
        tool,
        trigger="Delta",
        actualValue="Occupied",
        component__name="EVSE",
        component__evse__id=1,
        variable__name="AvailabilityState",
    )


@pytest.mark.parametrize("start_point", ["EVConnected", "PowerPathClosed"])
def test_TC_N_23_CS(make_tool: MakeTool, start_point: str) -> None:
    """N07.FR.04"""
    tool = make_tool(variables={"TxCtrlr.TxStartPoint": start_point})
    tool.set("MonitoringCtrlr", "OfflineQueuingSeverity", "5")
    install(tool, monitor(EVSE, "Delta", severity=6))
    tool.ev_connected_pre_session()
    tool.expect("NotifyEvent", {"eventData.0.actualValue": "Occupied"})
    tool.csms.go_offline()
    tool.wait(2)
    tool.sim.unplug(1)
    tool.wait(5)
    tool.sim.plug(1)
    tool.wait(20)
    tool.csms.go_online()
    tool.wait(120)
    if start_point == "EVConnected":
        for trigger, state in (("EVCommunicationLost", "Idle"), ("CablePluggedIn", "EVConnected")):
            wanted = {"triggerReason": trigger, "transactionInfo.chargingState": state}
            tool.expect("TransactionEvent", {**wanted, "offline": True})
    tool.expect_none("NotifyEvent", within_s=30)


def test_TC_N_45_CS(tool: Tool) -> None:
    """N07.FR.06, N07.FR.07, N07.FR.18"""
    set_level(tool, 8)
    (monitor_id,) = install(tool, monitor(POWER, "Delta", 100.0, 5))
    tool.energy_transfer_started()
    expect_event(
        tool,
        trigger="Delta",
        variableMonitoringId=monitor_id,
        component__name="EVSE",
        variable__name="Power",
    )


def test_TC_N_48_CS(tool: Tool) -> None:
    """N07.FR.10"""
    secret = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    (monitor_id,) = install(tool, monitor(secret, "Delta"))
    data = {**secret, "attributeValue": "another-password-of-24-c"}
    answer = tool.csms.call("SetVariables", {"setVariableData": [data]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    event = expect_event(tool, variableMonitoringId=monitor_id, trigger="Delta")
    assert event["actualValue"] == ""


def test_TC_N_51_CS(tool: Tool) -> None:
    """N07.FR.11"""
    set_level(tool, 8)
    most = tool.station.description.evses[0].max_power_w
    (monitor_id,) = install(tool, monitor(POWER, "UpperThreshold", most - 1, 5))
    tool.energy_transfer_started()
    tool.expect_none("NotifyEvent")
    changed = monitor(POWER, "UpperThreshold", 0.0, 5, id=monitor_id)
    assert statuses(send(tool, changed)) == ["Accepted"]
    event = expect_event(tool, trigger="Alerting", variableMonitoringId=monitor_id)
    assert float(event["actualValue"]) > 0.0


def test_TC_N_52_CS(tool: Tool) -> None:
    """N07.FR.12"""
    (monitor_id,) = install(tool, monitor(POWER, "UpperThreshold", 0.0, 5))
    tool.energy_transfer_started()
    expect_event(tool, trigger="Alerting", variableMonitoringId=monitor_id)
    assert clear(tool, monitor_id) == [(monitor_id, "Accepted")]
    assert report(tool, ["ThresholdMonitoring"], POWER) is None
    tool.stop_authorized()
    tool.expect_none("NotifyEvent", {"eventData.0.variableMonitoringId": monitor_id})


def test_TC_N_53_CS(tool: Tool) -> None:
    """N07.FR.13"""
    (monitor_id,) = install(tool, monitor(POWER, "UpperThreshold", 5000))
    tool.booted()
    found = report(tool, ["ThresholdMonitoring"])
    assert [(each["id"], each["type"]) for each in monitors_at(found, POWER)] == [
        (monitor_id, "UpperThreshold")
    ]


def test_TC_N_56_CS(tool: Tool) -> None:
    """N07.FR.06, N07.FR.07, N07.FR.19"""
    set_level(tool, 8)
    (monitor_id,) = install(tool, monitor(EVSE, "Delta", severity=5))
    tool.ev_connected_pre_session()
    expect_event(tool, trigger="Delta", variableMonitoringId=monitor_id, cleared=absent)


def test_TC_N_61_CS(tool: Tool) -> None:
    """N07.FR.18"""
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
    now = int(tool.station.variable("OCPPCommCtrlr", "OfflineThreshold"))
    install(tool, monitor(place, "Delta", 1.0, 5))
    tool.set("OCPPCommCtrlr", "OfflineThreshold", str(now + 1))
    tool.expect_none("NotifyEvent")
    tool.set("OCPPCommCtrlr", "OfflineThreshold", str(now + 2))
    assert expect_event(tool, trigger="Delta")["actualValue"] == str(now + 2)


# -- N08: periodic events


def test_TC_N_24_CS(tool: Tool) -> None:
    """N08.FR.04, N08.FR.05, N08.FR.06"""
    install(tool, monitor(EVSE, "Periodic", 10))
    for _ in range(3):
        tool.expect_none("NotifyEvent", within_s=8)
        expect_event(tool, trigger="Periodic", component__name="EVSE", component__evse__id=1)
