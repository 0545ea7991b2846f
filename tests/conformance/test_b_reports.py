"""Certification cases of block B, Provisioning: base and custom reports (B07, B08)."""

import csv
from typing import Any

import pytest

from station.bench.fake_csms import CallError
from tests.conformance.declared import HERE
from tests.conformance.states import Tool

Data = dict[str, Any]

LISTS = ("OptionList", "SequenceList", "MemberList")


def required(tool: Tool) -> set[tuple[str, str, str]]:
    """(component, variable, instance) that part 2 requires of what this station has built.

    required_variables.csv names the message that a variable belongs to, where it is not for all.
    """
    text = (HERE / "required_variables.csv").read_text(encoding="utf-8")
    return {
        (row["component"], row["variable"], row["instance"])
        for row in csv.DictReader(text.splitlines())
        if row["with"] != "ISO 15118" and (row["with"] == "" or is_built(tool, row["with"]))
    }


def is_built(tool: Tool, action: str) -> bool:
    """Whether the station knows what to do with the message: an empty one is then malformed."""
    with pytest.raises(CallError) as refusal:
        tool.csms.call(action, {})
    return refusal.value.code not in ("NotImplemented", "NotSupported")


def report(tool: Tool, action: str, **request: Any) -> list[Data]:
    """Ask for a report; everything that its parts hold, each checked as the tool checks it."""
    answer = tool.csms.call(action, {"requestId": 42, **request})
    assert answer["status"] == "Accepted", answer
    assert answer.get("statusInfo", {}).get("reasonCode", "NoError") == "NoError"
    data: list[Data] = []
    seq_no, more = 0, True
    while more:
        part = tool.expect("NotifyReport", {"requestId": 42, "seqNo": seq_no})
        assert part["generatedAt"]
        data += part["reportData"]
        seq_no, more = seq_no + 1, part.get("tbc", False)
    for each in data:
        check(each)
    return data


def check(each: Data) -> None:
    """Characteristics are there; a list names its values, and the value is one of them."""
    characteristics = each["variableCharacteristics"]
    kind = characteristics["dataType"]
    if kind not in LISTS:
        return
    allowed = characteristics["valuesList"].split(",")
    assert allowed != [""], each
    for attribute in each["variableAttribute"]:
        value = attribute.get("value", "")
        chosen = [value] if kind == "OptionList" else value.split(",")
        assert value == "" or set(chosen) <= set(allowed), each


def names(data: list[Data]) -> set[tuple[str, str, str]]:
    return {
        (each["component"]["name"], each["variable"]["name"], each["variable"].get("instance", ""))
        for each in data
    }


def wanted(component: str, variable: str, **more: Any) -> list[Data]:
    instance = {"instance": more["instance"]} if "instance" in more else {}
    place = {"evse": {"id": more["evse"]}} if "evse" in more else {}
    return [
        {
            "component": {"name": component, **place},
            "variable": {"name": variable, **instance},
        }
    ]


def test_TC_B_12_CS(tool: Tool) -> None:
    """B07.FR.01, B07.FR.03, B07.FR.04, B07.FR.07, B07.FR.10, B07.FR.12"""
    data = report(tool, "GetBaseReport", reportBase="ConfigurationInventory")
    for each in data:
        assert {a["mutability"] for a in each["variableAttribute"]} & {"ReadWrite", "WriteOnly"}
    everything = report(tool, "GetBaseReport", reportBase="FullInventory")
    writable = [
        each
        for each in everything
        if any(a["mutability"] != "ReadOnly" for a in each["variableAttribute"])
    ]
    assert names(data) >= names(writable) & required(tool)


def test_TC_B_13_CS(tool: Tool) -> None:
    """B07.FR.01, B07.FR.03, B07.FR.04, B07.FR.08, B07.FR.10, B07.FR.11, B07.FR.12"""
    data = report(tool, "GetBaseReport", reportBase="FullInventory")
    assert required(tool) - names(data) == set()


def test_TC_B_14_CS(tool: Tool) -> None:
    """B07.FR.01, B07.FR.03, B07.FR.04, B07.FR.09, B07.FR.10"""
    data = report(tool, "GetBaseReport", reportBase="SummaryInventory")
    components = [each["component"]["name"] for each in data]
    assert components.count("ChargingStation") == 1
    assert components.count("EVSE") == len(tool.station.description.evses)
    assert {each["variable"]["name"] for each in data} == {"AvailabilityState"}


def test_TC_B_16_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.04, B08.FR.09, B08.FR.12, B08.FR.14, B06.FR.09

    The report holds whole components, as B08.FR.09 says; of their variables the tool looks at
    those that are called Enabled.
    """
    everything = report(tool, "GetBaseReport", reportBase="FullInventory")
    found = report(tool, "GetReport", componentCriteria=["Enabled"])
    enabled = [each for each in found if each["variable"]["name"] == "Enabled"]
    assert {each["variableAttribute"][0]["value"] for each in enabled} == {"true"}
    all_enabled = [
        each
        for each in everything
        if each["variable"]["name"] == "Enabled" and each["variableAttribute"][0]["value"] == "true"
    ]
    assert [each["component"] for each in enabled] == [each["component"] for each in all_enabled]
    for each in enabled:
        address = {"component": each["component"], "variable": each["variable"]}
        answer = tool.csms.call("GetVariables", {"getVariableData": [address]})
        (result,) = answer["getVariableResult"]
        assert (result["attributeStatus"], result["attributeValue"]) == ("Accepted", "true")


def check_availability_state(data: list[Data]) -> None:
    for each in data:
        assert each["component"]["name"] == "EVSE"
        assert each["variable"]["name"] == "AvailabilityState"
        characteristics = each["variableCharacteristics"]
        assert characteristics["dataType"] == "OptionList"
        assert sorted(characteristics["valuesList"].split(",")) == [
            "Available",
            "Faulted",
            "Occupied",
            "Reserved",
            "Unavailable",
        ]
        (attribute,) = each["variableAttribute"]
        assert attribute.get("type", "Actual") == "Actual"
        assert attribute["mutability"] == "ReadOnly"


def test_TC_B_17_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.04, B08.FR.11, B08.FR.12, B08.FR.14"""
    data = report(tool, "GetReport", componentVariable=wanted("EVSE", "AvailabilityState", evse=1))
    assert [each["component"]["evse"]["id"] for each in data] == [1]
    check_availability_state(data)


def test_TC_B_18_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.05, B08.FR.08, B08.FR.10, B08.FR.15"""
    names_it = wanted("EVSE", "AvailabilityState", evse=1)
    data = report(tool, "GetReport", componentCriteria=["Available"], componentVariable=names_it)
    assert [each["component"]["evse"]["id"] for each in data] == [1]
    check_availability_state(data)
    request = {"requestId": 43, "componentCriteria": ["Problem"], "componentVariable": names_it}
    answer = tool.csms.call("GetReport", request)
    assert answer["status"] == "EmptyResultSet"
    assert answer.get("statusInfo", {}).get("reasonCode", "NotFound") == "NotFound"
    tool.expect_none("NotifyReport")


def test_TC_B_53_CS(tool: Tool) -> None:
    """B07.FR.01, B07.FR.08; errata 6.2.19"""
    data = report(tool, "GetBaseReport", reportBase="FullInventory")
    assert required(tool) - names(data) == set()
    standard = {(component, variable) for component, variable, _ in required(tool)}
    for each in data:
        name = each["component"]["name"], each["variable"]["name"]
        for attribute in each["variableAttribute"]:
            if attribute["mutability"] == "WriteOnly":
                assert "value" not in attribute, each
            elif name in standard and name != ("EVSE", "Power"):
                assert "value" in attribute, each


def test_TC_B_54_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.04, B08.FR.11, B08.FR.12, B08.FR.14, B08.FR.21"""
    data = report(tool, "GetReport", componentVariable=wanted("DeviceDataCtrlr", "ItemsPerMessage"))
    found = names(data)
    assert {instance for _, _, instance in found} >= {"GetReport", "GetVariables"}
    assert {name for name, _, _ in found} == {"DeviceDataCtrlr"}


def test_TC_B_55_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.04, B08.FR.11, B08.FR.12, B08.FR.14"""
    one = wanted("DeviceDataCtrlr", "ItemsPerMessage", instance="GetReport")
    data = report(tool, "GetReport", componentVariable=one)
    assert names(data) == {("DeviceDataCtrlr", "ItemsPerMessage", "GetReport")}


def test_TC_B_56_CS(tool: Tool) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.04, B08.FR.11, B08.FR.12, B08.FR.14, B08.FR.23"""
    data = report(tool, "GetReport", componentVariable=wanted("EVSE", "AvailabilityState"))
    assert len(data) == len(tool.station.description.evses)
    check_availability_state(data)
