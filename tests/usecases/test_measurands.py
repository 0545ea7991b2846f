"""J01, J02: every measurand, phase and place that a board's meters offer, and no others."""

from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import MeterDescription, Quantity
from hal.sim.board import sim_board_description
from hal.sim.meter import BASE_LOAD_W, REACTIVE_SHARE
from station.bench.virtual import VirtualStation
from station.blocks.metering.samples import MEASURABLE
from tests.usecases.charges import REGISTER, cable_first, token
from tests.usecases.conftest import MakeStation

Value = dict[str, Any]
LISTS = [
    ("SampledDataCtrlr", "TxStartedMeasurands"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    ("SampledDataCtrlr", "TxEndedMeasurands"),
    ("AlignedDataCtrlr", "Measurands"),
    ("AlignedDataCtrlr", "TxEndedMeasurands"),
]
NOT_OF_A_GRID = {"Current.Offered", "Power.Offered", "SoC"}


def make(make_station: MakeStation, **changed: Any) -> VirtualStation:
    variables = {
        "SampledDataCtrlr.TxUpdatedInterval": "30",
        "AlignedDataCtrlr.Interval": "0",
        **changed.pop("variables", {}),
    }
    station: VirtualStation = make_station(variables=variables, **changed)
    return station


def periodic(station: VirtualStation, measurands: str, *, totals: bool = False) -> list[Value]:
    """The samples of the last Updated event of a charge."""
    station.variable("SampledDataCtrlr", "TxUpdatedMeasurands", measurands)
    station.variable("SampledDataCtrlr", "RegisterValuesWithoutPhases", str(totals).lower())
    cable_first(station)
    station.advance(600.0)
    *_, event = (e for e in station.csms.events() if e["triggerReason"] == "MeterValuePeriodic")
    (value,) = event["meterValue"]
    samples: list[Value] = value["sampledValue"]
    return samples


def inventory(station: VirtualStation) -> dict[tuple[str, str], Value]:
    """Characteristics of every variable, by component and name."""
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.advance(20.0)
    return {
        (each["component"]["name"], each["variable"]["name"]): each["variableCharacteristics"]
        for part in station.csms.of("NotifyReport")
        for each in part["reportData"]
        if "evse" not in each["component"]
    }


def test_every_measurand_that_can_be_chosen_is_told(make_station: MakeStation) -> None:
    """J01.FR.06, J02.FR.02, J02.FR.03, J02.FR.11"""
    station = make(make_station)
    samples = periodic(station, ",".join(MEASURABLE))
    assert {each["measurand"] for each in samples} == {*MEASURABLE}
    assert {each["context"] for each in samples} == {"Sample.Periodic"}


def test_phases_and_totals_are_told_of_what_has_both(make_station: MakeStation) -> None:
    """J02.FR.06; part 2, J 2.3 and its erratum of 2025-01"""
    wanted = f"{REGISTER},Power.Active.Import,Current.Import,Voltage"
    samples = periodic(make(make_station), wanted)
    phases: dict[str, list[str]] = {}
    for each in samples:
        phases.setdefault(each["measurand"], []).append(each.get("phase", "total"))
    lines = ["L1", "L2", "L3"]
    assert phases == {
        REGISTER: ["total", *lines],
        "Power.Active.Import": ["total", *lines],
        "Current.Import": lines,
        "Voltage": ["L1-N", "L2-N", "L3-N"],
    }
    values = {(each["measurand"], each.get("phase")): each["value"] for each in samples}
    for name in (REGISTER, "Power.Active.Import"):
        total = sum(values[name, line] for line in lines)
        assert values[name, None] == pytest.approx(total, abs=3)


def test_registers_without_phases(make_station: MakeStation) -> None:
    """SampledDataCtrlr.RegisterValuesWithoutPhases (part 2, 2.7.18)"""
    samples = periodic(make(make_station), f"{REGISTER},Power.Active.Import", totals=True)
    phases = [(each["measurand"], each.get("phase")) for each in samples]
    assert phases[0] == (REGISTER, None)
    assert [phase for name, phase in phases if name == REGISTER] == [None]
    assert ("Power.Active.Import", "L2") in phases


def test_an_evse_of_one_phase_tells_one(make_station: MakeStation) -> None:
    """J01.FR.10, J02.FR.06"""
    whole = sim_board_description(evses=1)
    (evse,) = whole.evses
    description = replace(whole, evses=(replace(evse, phases=1),))
    samples = periodic(make(make_station, description=description), "Current.Import,Voltage")
    assert [each["phase"] for each in samples] == ["L1", "L1-N"]


def test_what_is_offered_follows_the_limit(make_station: MakeStation) -> None:
    samples = periodic(make(make_station), "Current.Offered,Power.Offered")
    values = {each["measurand"]: each["value"] for each in samples}
    assert values == {"Current.Offered": 32.0, "Power.Offered": 32.0 * 230.0 * 3}
    assert [each["unitOfMeasure"]["unit"] for each in samples] == ["A", "W"]


# -- what may be chosen


@pytest.mark.parametrize(("component", "name"), LISTS)
def test_the_values_list_is_what_the_meters_tell(
    make_station: MakeStation, component: str, name: str
) -> None:
    """B06, MemberList: maxLimit is the length of the longest list"""
    only = frozenset({Quantity.IMPORT, Quantity.CURRENT})
    whole = sim_board_description(evses=2)
    evses = tuple(replace(evse, meter=MeterDescription(only)) for evse in whole.evses)
    station = make(make_station, description=replace(whole, evses=evses, main_meter=None))
    found = inventory(station)[component, name]
    known = [
        REGISTER,
        "Energy.Active.Import.Interval",
        "Power.Offered",
        "Current.Import",
        "Current.Offered",
    ]
    assert found["valuesList"].split(",") == known
    assert found["maxLimit"] == len(",".join(known))
    assert found["dataType"] == "MemberList"
    request = {
        "component": {"name": component},
        "variable": {"name": name},
        "attributeValue": f"{REGISTER},Voltage",
    }
    answer = station.csms.call("SetVariables", {"setVariableData": [request]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"


def test_defaults_are_what_the_meters_tell(make_station: MakeStation) -> None:
    whole = sim_board_description(evses=1)
    evses = (replace(whole.evses[0], has_meter=False),)
    station = make(make_station, description=replace(whole, evses=evses, main_meter=None))
    for component, name in LISTS:
        assert station.variable(component, name) == ""
    cable_first(station)
    station.advance(100.0)
    assert [event for event in station.csms.events() if "meterValue" in event] == []


@pytest.mark.parametrize("component", ["SampledDataCtrlr", "AlignedDataCtrlr"])
def test_the_controllers_are_complete(make_station: MakeStation, component: str) -> None:
    """Part 2, 2.7; appendix"""
    found = {
        name: characteristics
        for (where, name), characteristics in inventory(make(make_station)).items()
        if where == component
    }
    sampled = {"TxStartedMeasurands", "TxUpdatedMeasurands", "TxUpdatedInterval"}
    aligned = {"Measurands", "Interval", "SendDuringIdle"}
    both = {"Available", "Enabled", "TxEndedMeasurands", "TxEndedInterval"}
    more = {"RegisterValuesWithoutPhases"} | sampled if component[0] == "S" else aligned
    assert both | more <= {*found}
    for name, characteristics in found.items():
        if name.endswith("Interval"):
            assert (characteristics["unit"], characteristics["dataType"]) == ("s", "integer")
            assert (characteristics["minLimit"], characteristics["maxLimit"]) == (0, 86_400)


# -- the station's connection to the grid


def test_the_main_meter_is_told_as_evse_0(make_station: MakeStation) -> None:
    """J01.FR.02, J01.FR.03, J01.FR.04, J01.FR.09, J01.FR.14"""
    station = make(make_station, variables={"AlignedDataCtrlr.Measurands": ",".join(MEASURABLE)})
    station.variable("AlignedDataCtrlr", "Interval", "60")
    cable_first(station)
    station.advance(600.0)
    told = [each for each in station.csms.of("MeterValues") if each["evseId"] == 0]
    assert len(told) in (10, 11)
    (value,) = told[-1]["meterValue"]
    samples = value["sampledValue"]
    assert {each["measurand"] for each in samples} == {*MEASURABLE} - NOT_OF_A_GRID
    assert {each["location"] for each in samples} == {"Inlet"}
    values = {(each["measurand"], each.get("phase")): each["value"] for each in samples}
    power_w = 16.0 * 230.0 * 3 + BASE_LOAD_W
    assert values["Power.Active.Import", None] == pytest.approx(power_w)
    assert values["Power.Reactive.Import", None] == pytest.approx(power_w * REACTIVE_SHARE)
    assert values["Energy.Active.Import.Interval", None] == pytest.approx(power_w / 60, abs=1.5)
    registers = [
        sample["value"]
        for each in told
        for sample in each["meterValue"][0]["sampledValue"]
        if sample["measurand"] == REGISTER
    ]
    assert registers == sorted(registers)
    on_evse = [
        sample
        for event in station.csms.events()
        if event["triggerReason"] == "MeterValueClock"
        for sample in event["meterValue"][0]["sampledValue"]
    ]
    assert {each.get("location") for each in on_evse} == {None, "EV"}


def test_a_station_without_a_main_meter_tells_nothing_of_evse_0(make_station: MakeStation) -> None:
    description = replace(sim_board_description(), main_meter=None)
    station = make(make_station, description=description)
    station.variable("AlignedDataCtrlr", "Interval", "60")
    station.csms.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    station.advance(200.0)
    assert {each["evseId"] for each in station.csms.of("MeterValues")} == {1, 2}


def test_a_trigger_is_answered_with_its_own_context(make_station: MakeStation) -> None:
    """F06.FR.06, J01.FR.08"""
    station = make(make_station)
    request = {"requestedMessage": "MeterValues"}
    assert station.csms.call("TriggerMessage", request)["status"] == "Accepted"
    station.advance(5.0)
    told = station.csms.of("MeterValues")
    assert [each["evseId"] for each in told] == [0, 1, 2]
    for each in told:
        (value,) = each["meterValue"]
        assert {sample["context"] for sample in value["sampledValue"]} == {"Trigger"}


# -- intervals


def interval_values(station: VirtualStation, context: str, trigger: str) -> list[int]:
    return [
        int(sample["value"])
        for event in station.csms.events()
        if event["triggerReason"] == trigger
        for value in event["meterValue"]
        for sample in value["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Interval" and sample["context"] == context
    ]


def registers_of(event: dict[str, Any], context: str) -> list[int]:
    return [
        int(sample["value"])
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
        if sample["measurand"] == REGISTER and sample["context"] == context
    ]


def test_intervals_add_up_to_what_the_register_counted(make_station: MakeStation) -> None:
    """Each kind of sample has intervals of its own; a trigger disturbs none."""
    both = f"{REGISTER},Energy.Active.Import.Interval"
    station = make(
        make_station,
        variables={
            "SampledDataCtrlr.TxUpdatedMeasurands": both,
            "SampledDataCtrlr.TxEndedMeasurands": both,
            "SampledDataCtrlr.TxEndedInterval": "70",
            "AlignedDataCtrlr.Measurands": both,
        },
    )
    station.variable("AlignedDataCtrlr", "Interval", "45")
    cable_first(station)
    for _ in range(10):
        station.advance(61.0)
        station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
    token(station)
    station.advance(10.0)
    events = station.csms.events()
    started, ended = events[0], events[-1]
    (begin,), (end,) = (
        registers_of(started, "Transaction.Begin"),
        registers_of(ended, "Transaction.End"),
    )
    for context, trigger in (
        ("Sample.Periodic", "MeterValuePeriodic"),
        ("Sample.Clock", "MeterValueClock"),
    ):
        sampled = [event for event in events if event["triggerReason"] == trigger]
        (last,) = registers_of(sampled[-1], context)
        assert sum(interval_values(station, context, trigger)) == last - begin
    of_end = [
        int(sample["value"])
        for value in ended["meterValue"]
        for sample in value["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Interval"
    ]
    assert sum(of_end) == end - begin
    assert of_end[0] == 0  # Transaction.Begin: nothing has flowed yet
    triggered = interval_values(station, "Trigger", "Trigger")
    assert len(triggered) == 10
    assert all(0 <= each < 400 for each in triggered)
