"""B08: custom reports, by criteria of components and by name with wildcards."""

from typing import Any

import pytest

from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation
from station.device_model import Boolean, Mutability, Variable
from station.device_model.message_limits import GET_REPORT_LIMITS

ENABLED = Variable("TestCtrlr", "Enabled", Boolean(), default=False)
PROBLEM = Variable(
    "TestSensor", "Problem", Boolean(), default=False, mutability=Mutability.READ_ONLY
)
INSTANCES = [
    Variable("TestFan", "Active", Boolean(), component_instance=name, default=True)
    for name in ("left", "right")
]


@pytest.fixture
def station() -> VirtualStation:
    station = VirtualStation(connectors=2).boot()
    variables = station.station.variables
    variables.declare(ENABLED)
    variables.declare(PROBLEM)
    for variable in INSTANCES:
        variables.declare(variable)
    return station


def named(component: str, variable: str | None = None, **more: Any) -> dict[str, Any]:
    """An element of componentVariable; evse=, connector=, instance= (of either)."""
    place: dict[str, Any] = {}
    if "evse" in more:
        connector = {"connectorId": more["connector"]} if "connector" in more else {}
        place["evse"] = {"id": more["evse"], **connector}
    if "component_instance" in more:
        place["instance"] = more["component_instance"]
    element: dict[str, Any] = {"component": {"name": component, **place}}
    if variable is not None:
        instance = {"instance": more["instance"]} if "instance" in more else {}
        element["variable"] = {"name": variable, **instance}
    return element


def ask(station: VirtualStation, *wanted: dict[str, Any], criteria: list[str] | None = None) -> str:
    request: dict[str, Any] = {"requestId": 9}
    if wanted:
        request["componentVariable"] = list(wanted)
    if criteria:
        request["componentCriteria"] = criteria
    return str(station.csms.call("GetReport", request)["status"])


def reported(station: VirtualStation) -> list[tuple[str, str]]:
    """(component with instance and place, variable with instance), as the parts tell them."""
    station.settle()
    lines = []
    for part in station.csms.of("NotifyReport"):
        assert part["requestId"] == 9
        for each in part["reportData"]:
            assert "variableCharacteristics" in each
            component, variable = each["component"], each["variable"]
            evse = component.get("evse", {})
            place = ".".join(str(evse[name]) for name in ("id", "connectorId") if name in evse)
            instance = f"[{component['instance']}]" if "instance" in component else ""
            of = f"[{variable['instance']}]" if "instance" in variable else ""
            lines.append((f"{component['name']}{instance} {place}".strip(), variable["name"] + of))
    return lines


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (named("EVSE", "AvailabilityState"), ["EVSE 1", "EVSE 2"]),  # B08.FR.23
        (named("evse", "AVAILABILITYSTATE", evse=2), ["EVSE 2"]),
        (
            named("Connector", "AvailabilityState", evse=1),  # B08.FR.22
            ["Connector 1.1", "Connector 1.2"],
        ),
        (named("Connector", "AvailabilityState", evse=1, connector=2), ["Connector 1.2"]),
        (named("TestFan", "Active"), ["TestFan[left]", "TestFan[right]"]),  # B08.FR.25
        (named("TestFan", "Active", component_instance="LEFT"), ["TestFan[left]"]),  # B08.FR.24
    ],
)
def test_what_an_element_leaves_out_stands_for_all(
    station: VirtualStation, wanted: dict[str, Any], places: list[str]
) -> None:
    """B08.FR.01, B08.FR.03, B08.FR.11, B08.FR.12, B08.FR.22, B08.FR.23, B08.FR.24, B08.FR.25"""
    assert ask(station, wanted) == "Accepted"
    assert [place for place, _ in reported(station)] == places


def test_a_variable_without_instance_stands_for_every_instance(station: VirtualStation) -> None:
    """B08.FR.21"""
    assert ask(station, named("DeviceDataCtrlr", "ItemsPerMessage")) == "Accepted"
    instances = [variable for _, variable in reported(station)]
    assert instances == [
        "ItemsPerMessage[GetReport]",
        "ItemsPerMessage[GetVariables]",
        "ItemsPerMessage[SetVariables]",
    ]


def test_a_component_without_variable_stands_for_all_of_them(station: VirtualStation) -> None:
    """B08.FR.20"""
    assert ask(station, named("HeartbeatCtrlr"), named("TxCtrlr")) == "Accepted"
    lines = reported(station)
    assert {place for place, _ in lines} == {"TxCtrlr"}
    assert len(lines) > 3


@pytest.mark.parametrize(
    ("criterion", "missing"),
    [("Enabled", "TestCtrlr"), ("Active", None), ("Available", None)],
)
def test_a_criterion_is_met_by_true_and_by_absence(
    station: VirtualStation, criterion: str, missing: str | None
) -> None:
    """B08.FR.07, B08.FR.08, B08.FR.09: of components that lack the variable there are many."""
    assert ask(station, criteria=[criterion]) == "Accepted"
    places = {place for place, _ in reported(station)}
    assert {"TxCtrlr", "OCPPCommCtrlr", "EVSE 1"} <= places
    assert missing not in places


def test_a_problem_must_be_there(station: VirtualStation) -> None:
    """B08.FR.10, B08.FR.15"""
    assert ask(station, criteria=["Problem"]) == "EmptyResultSet"
    assert reported(station) == []
    station.station.variables.update(PROBLEM, True)
    assert ask(station, criteria=["Problem"]) == "Accepted"
    assert reported(station) == [("TestSensor", "Problem")]


def test_one_of_several_criteria_is_enough(station: VirtualStation) -> None:
    """B08.FR.13"""
    station.station.variables.update(PROBLEM, True)
    assert ask(station, criteria=["Problem", "Enabled"]) == "Accepted"
    places = {place for place, _ in reported(station)}
    assert "TestSensor" in places
    assert "TestCtrlr" not in places


def test_criteria_and_names_hold_together(station: VirtualStation) -> None:
    """B08.FR.05"""
    wanted = named("EVSE", "AvailabilityState", evse=1)
    assert ask(station, wanted, criteria=["Problem"]) == "EmptyResultSet"
    assert ask(station, wanted, criteria=["Available"]) == "Accepted"
    assert reported(station) == [("EVSE 1", "AvailabilityState")]


def test_nothing_asked_for_is_everything(station: VirtualStation) -> None:
    assert ask(station) == "Accepted"
    assert len(reported(station)) == len(station.station.variables.variables())


@pytest.mark.parametrize(
    "wanted",
    [named("NoSuch"), named("EVSE", "NoSuch"), named("EVSE", evse=9), named("EVSE", evse=0)],
)
def test_what_is_not_there_is_an_empty_result(
    station: VirtualStation, wanted: dict[str, Any]
) -> None:
    """B08.FR.15"""
    assert ask(station, wanted) == "EmptyResultSet"
    assert reported(station) == []


def test_a_second_report_waits_for_the_first(station: VirtualStation) -> None:
    """B08.FR.16, B08.FR.14: parts of one are numbered from 0 and never mixed with another's."""
    station.csms.answers["NotifyReport"] = None
    assert ask(station) == "Accepted"
    assert ask(station, named("TxCtrlr")) == "Rejected"
    (first,) = station.csms.of("NotifyReport")
    assert first["seqNo"] == 0


def test_a_request_beyond_the_limits_is_an_error_that_names_them(station: VirtualStation) -> None:
    """B08.FR.06, B08.FR.17, B08.FR.18"""
    many = {"requestId": 9, "componentVariable": [named("TxCtrlr")] * 101}
    with pytest.raises(CallError, match=r"OccurrenceConstraintViolation.*100 items"):
        station.csms.call("GetReport", many)
    long = [named("x" * 50, "y" * 50, component_instance="z" * 50, instance="i" * 50)] * 100
    station.station.variables.update(GET_REPORT_LIMITS.bytes, 4096)
    with pytest.raises(CallError, match=r"FormatViolation.*4096 bytes"):
        station.csms.call("GetReport", {"requestId": 9, "componentVariable": long})


def test_a_station_that_is_still_pending_reports() -> None:
    """B02.FR.01: to be set up, it may be asked what it is."""
    station = VirtualStation(start=False)
    station.csms.boot_status = "Pending"
    station.power_up()
    station.settle()
    assert ask(station, named("TxCtrlr", "TxStartPoint")) == "Accepted"
    assert reported(station) == [("TxCtrlr", "TxStartPoint")]
