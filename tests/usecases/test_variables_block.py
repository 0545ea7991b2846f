"""SetVariables and GetVariables as the CSMS sees them: payload in, payload out."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from station.blocks import variables as block
from station.device_model import (
    VARIABLES,
    Boolean,
    DeviceModel,
    Integer,
    Mutability,
    Text,
    Variable,
    VariableRow,
)
from station.ocpp import codec
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.messages import ACTIONS
from tests.memory_rows import MemoryRows

THRESHOLD = Variable("OCPPCommCtrlr", "OfflineThreshold", Integer(unit="s", min=0), default=300)
OFFLINE = Variable("AuthCtrlr", "LocalAuthorizeOffline", Boolean(), default=True)
TIMEOUT = Variable(
    "OCPPCommCtrlr",
    "MessageTimeout",
    Integer(unit="s"),
    instance="Default",
    default=30,
    mutability=Mutability.READ_ONLY,
)
PROFILE = Variable(
    "OCPPCommCtrlr",
    "NetworkConfigurationPriority",
    Text(max_length=10),
    default="1",
    reboot_required=True,
)
PASSWORD = Variable(
    "SecurityCtrlr",
    "BasicAuthPassword",
    Text(min_length=16, max_length=64),
    mutability=Mutability.WRITE_ONLY,
    secret=True,
)
LOG = Variable("LocalController", "DataText", Text(), default="", mutability=Mutability.READ_ONLY)
THRESHOLD_NAMES = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "OfflineThreshold"},
}
OFFLINE_NAMES = {
    "component": {"name": "AuthCtrlr"},
    "variable": {"name": "LocalAuthorizeOffline"},
}


class FakeStation:
    """The block between a device model and a CSMS that calls it."""

    def __init__(self, rows: MemoryRows[VariableRow], presets: dict[Variable[int], int]) -> None:
        self.model = DeviceModel(rows)
        for variable, value in presets.items():
            self.model.preset(variable.at(None, None), str(value))
        for owned in (THRESHOLD, OFFLINE, TIMEOUT, PROFILE, PASSWORD, LOG):
            self.model.declare(owned)
        self._handlers: dict[Any, Callable[[Any], Any]] = {}
        csms = SimpleNamespace(answer=self._handlers.__setitem__)
        block.Variables(SimpleNamespace(variables=self.model, csms=csms))

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        request_type = ACTIONS[action]
        request = codec.decode_request(request_type, payload)
        return codec.to_payload(self._handlers[request_type](request))

    def get(self, *items: dict[str, Any]) -> list[dict[str, Any]]:
        results = self.call("GetVariables", {"getVariableData": list(items)})
        return list(results["getVariableResult"])

    def set(self, *items: dict[str, Any]) -> list[dict[str, Any]]:
        results = self.call("SetVariables", {"setVariableData": list(items)})
        return list(results["setVariableResult"])

    def set_one(self, names: dict[str, Any], value: str) -> dict[str, Any]:
        return self.set({**names, "attributeValue": value})[0]


Start = Callable[..., FakeStation]


@pytest.fixture
def start() -> Start:
    rows: MemoryRows[VariableRow] = MemoryRows(VARIABLES)

    def start(presets: dict[Variable[int], int] | None = None) -> FakeStation:
        return FakeStation(rows, presets or {})

    return start


@pytest.fixture
def station(start: Start) -> FakeStation:
    return start()


def test_one_value_is_read_and_the_attribute_type_is_told(station: FakeStation) -> None:
    """B06.FR.01, B06.FR.02, B06.FR.04, B06.FR.10, B06.FR.11"""
    assert station.get(THRESHOLD_NAMES) == [
        {
            "attributeStatus": "Accepted",
            "attributeType": "Actual",
            "attributeValue": "300",
            **THRESHOLD_NAMES,
        }
    ]


def test_names_are_told_as_they_were_asked(station: FakeStation) -> None:
    """B06.FR.02, B06.FR.14"""
    names = {
        "component": {"name": "OCPPCOMMCTRLR"},
        "variable": {"name": "messagetimeout", "instance": "DEFAULT"},
    }
    (result,) = station.get(names)
    assert result["attributeValue"] == "30"
    assert {key: result[key] for key in names} == names


def test_results_come_in_the_order_of_the_items_and_each_has_its_own_status(
    station: FakeStation,
) -> None:
    """B06.FR.01, B06.FR.03, B06.FR.06, B06.FR.07, B06.FR.08, B06.FR.09"""
    results = station.get(
        {**THRESHOLD_NAMES, "attributeType": "Target"},
        {"component": {"name": "Unknown"}, "variable": {"name": "OfflineThreshold"}},
        {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "Unknown"}},
        {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}},
        OFFLINE_NAMES,
        OFFLINE_NAMES,
    )
    assert [(result["attributeStatus"], result["attributeType"]) for result in results] == [
        ("NotSupportedAttributeType", "Target"),
        ("UnknownComponent", "Actual"),
        ("UnknownVariable", "Actual"),
        ("Rejected", "Actual"),
        ("Accepted", "Actual"),
        ("Accepted", "Actual"),
    ]
    assert ["attributeValue" in result for result in results] == [False] * 4 + [True] * 2
    assert results[3]["attributeStatusInfo"] == {"reasonCode": "WriteOnly"}


def test_a_value_is_set_and_read_back(station: FakeStation) -> None:
    """B05.FR.01, B05.FR.02, B05.FR.10, B05.FR.12"""
    result = station.set_one(THRESHOLD_NAMES, "600")
    assert result == {
        "attributeStatus": "Accepted",
        "attributeType": "Actual",
        **THRESHOLD_NAMES,
    }
    assert station.get(THRESHOLD_NAMES)[0]["attributeValue"] == "600"
    assert station.model[THRESHOLD] == 600


def test_every_item_of_a_set_has_its_own_status(station: FakeStation) -> None:
    """B05.FR.03, B05.FR.04, B05.FR.05, B05.FR.06, B05.FR.07, B05.FR.08, B05.FR.09"""
    comm = {"name": "OCPPCommCtrlr"}
    items: list[tuple[dict[str, Any], str]] = [
        ({**THRESHOLD_NAMES, "attributeType": "MaxSet"}, "1"),
        ({"component": {"name": "Unknown"}, "variable": {"name": "OfflineThreshold"}}, "1"),
        ({"component": comm, "variable": {"name": "Unknown"}}, "1"),
        (THRESHOLD_NAMES, "300.1"),
        (THRESHOLD_NAMES, "-1"),
        ({"component": comm, "variable": {"name": "MessageTimeout", "instance": "Default"}}, "9"),
        ({"component": comm, "variable": {"name": "NetworkConfigurationPriority"}}, "2"),
        (OFFLINE_NAMES, "false"),
    ]
    results = station.set(*({**names, "attributeValue": value} for names, value in items))
    told = [
        (result["attributeStatus"], result.get("attributeStatusInfo", {}).get("reasonCode"))
        for result in results
    ]
    assert told == [
        ("NotSupportedAttributeType", None),
        ("UnknownComponent", None),
        ("UnknownVariable", None),
        ("Rejected", "InvalidValue"),
        ("Rejected", "ValueOutOfRange"),
        ("Rejected", "ReadOnly"),
        ("RebootRequired", None),
        ("Accepted", None),
    ]
    assert results[0]["attributeType"] == "MaxSet"
    assert station.model[THRESHOLD] == 300
    assert station.model[OFFLINE] is False


def test_items_that_name_one_variable_twice_are_carried_out_in_order(station: FakeStation) -> None:
    """B05.FR.13 forbids the CSMS to send them; nothing breaks when it does."""
    results = station.set(
        {**THRESHOLD_NAMES, "attributeValue": "1"},
        {**THRESHOLD_NAMES, "attributeValue": "x"},
        {**THRESHOLD_NAMES, "attributeValue": "2"},
    )
    statuses = [result["attributeStatus"] for result in results]
    assert statuses == ["Accepted", "Rejected", "Accepted"]
    assert station.model[THRESHOLD] == 2


def test_what_was_set_is_there_after_a_restart(start: Start) -> None:
    """B05.FR.10"""
    before = start()
    before.set_one(THRESHOLD_NAMES, "600")
    profile = {"component": {"name": "OCPPCommCtrlr"}}
    profile = {**profile, "variable": {"name": "NetworkConfigurationPriority"}}
    assert before.set_one(profile, "2,1")["attributeStatus"] == "RebootRequired"
    assert before.get(profile)[0]["attributeValue"] == "1"  # not in force yet
    after = start()
    values = [result["attributeValue"] for result in after.get(THRESHOLD_NAMES, profile)]
    assert values == ["600", "2,1"]


@pytest.mark.parametrize(
    ("limit", "most", "code"),
    [
        (block.GET_LIMITS.items, 2, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        (block.GET_LIMITS.bytes, 250, ErrorCode.FORMAT_VIOLATION),
    ],
)
def test_a_get_beyond_what_the_station_reports_is_an_error(
    start: Start, limit: Variable[int], most: int, code: ErrorCode
) -> None:
    """B06.FR.16, B06.FR.17"""
    station = start({limit: most})
    assert len(station.get(THRESHOLD_NAMES, THRESHOLD_NAMES)) == 2
    with pytest.raises(RpcError) as refused:
        station.get(THRESHOLD_NAMES, THRESHOLD_NAMES, OFFLINE_NAMES)
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("limit", "most", "code"),
    [
        (block.SET_LIMITS.items, 1, ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        (block.SET_LIMITS.bytes, 170, ErrorCode.FORMAT_VIOLATION),
    ],
)
def test_a_set_beyond_what_the_station_reports_changes_nothing(
    start: Start, limit: Variable[int], most: int, code: ErrorCode
) -> None:
    """B05.FR.11"""
    station = start({limit: most})
    item = {**THRESHOLD_NAMES, "attributeValue": "1"}
    with pytest.raises(RpcError) as refused:
        station.set(item, {**OFFLINE_NAMES, "attributeValue": "false"})
    assert refused.value.code is code
    assert (station.model[THRESHOLD], station.model[OFFLINE]) == (300, True)
    assert station.set(item)[0]["attributeStatus"] == "Accepted"


def test_the_limits_can_be_read_by_the_csms(station: FakeStation) -> None:
    def limit(name: str, instance: str) -> dict[str, Any]:
        variable = {"name": name, "instance": instance} if instance else {"name": name}
        return {"component": {"name": "DeviceDataCtrlr"}, "variable": variable}

    results = station.get(
        limit("ItemsPerMessage", "GetVariables"),
        limit("ItemsPerMessage", "SetVariables"),
        limit("BytesPerMessage", "GetVariables"),
        limit("BytesPerMessage", "SetVariables"),
        limit("ConfigurationValueSize", ""),
        limit("ReportingValueSize", ""),
    )
    values = [result["attributeValue"] for result in results]
    assert values == ["100", "100", "65536", "65536", "1000", "2500"]


def test_values_obey_the_sizes_that_the_station_reports(start: Start) -> None:
    station = start({block.CONFIGURATION_VALUE_SIZE: 3, block.REPORTING_VALUE_SIZE: 5})
    assert station.set_one(THRESHOLD_NAMES, "999")["attributeStatus"] == "Accepted"
    refused = station.set_one(THRESHOLD_NAMES, "1000")
    assert refused["attributeStatusInfo"]["reasonCode"] == "TooLargeElement"
    station.model.update(LOG, "abcdefgh")
    names = {"component": {"name": "LocalController"}, "variable": {"name": "DataText"}}
    assert station.get(names)[0]["attributeValue"] == "abcde"


def test_a_bug_in_an_owner_leaves_no_half_set_values(station: FakeStation) -> None:
    def fail(_: int | None, __: bool) -> None:
        raise RuntimeError("a bug")

    station.model.watch(OFFLINE, fail)
    with pytest.raises(RuntimeError):
        station.set(
            {**THRESHOLD_NAMES, "attributeValue": "1"},
            {**OFFLINE_NAMES, "attributeValue": "false"},
        )
    assert (station.model[THRESHOLD], station.model[OFFLINE]) == (300, True)
