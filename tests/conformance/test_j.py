"""Certification cases of block J, Meter values."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool

REGISTER = "Energy.Active.Import.Register"
MEASURANDS = f"{REGISTER},Current.Import,Voltage,Power.Active.Import"
ALIGNED_S, SAMPLED_S, ENDED_S = 60, 30, 20
DURATION_S = 200.0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def measurands_of(value: Payload) -> set[str]:
    return {sample.get("measurand", REGISTER) for sample in value["sampledValue"]}


def contexts_of(value: Payload) -> set[str]:
    return {sample.get("context", "Sample.Periodic") for sample in value["sampledValue"]}


def check_value(value: Payload, measurands: str, context: str) -> None:
    """One element per configured measurand, all taken for the same reason."""
    assert measurands_of(value) == set(measurands.split(",")), value
    assert contexts_of(value) == {context}, value
    check_locations(value)


def check_locations(value: Payload) -> None:
    """Erratum 6.2.58, of every case: nothing but the state of charge is measured in the EV."""
    for sample in value["sampledValue"]:
        assert sample.get("location") != "EV" or sample["measurand"] == "SoC", sample


def check_together(calls: list[Payload]) -> None:
    """Messages of one moment have the same timestamp, whatever they are about."""
    moments: dict[int, list[str]] = {}
    for call in calls:
        times = [value["timestamp"] for value in call["meterValue"]]
        moments.setdefault(call["evseId"], []).extend(times)
    assert len({tuple(times) for times in moments.values()}) == 1, moments


def check_intervals(timestamps: Iterable[str], interval_s: int, *, least: int) -> None:
    """Several messages may share a moment; moments are *interval_s* apart."""
    moments = sorted({moment(text) for text in timestamps})
    assert len(moments) >= least, moments
    for earlier, later in pairwise(moments):
        assert abs(later - earlier - timedelta(seconds=interval_s)) < timedelta(seconds=1), moments


def check_aligned(tool: Tool, calls: list[Payload], *, least: int) -> None:
    values = [value for call in calls for value in call["meterValue"]]
    for value in values:
        check_value(value, MEASURANDS, "Sample.Clock")
    check_intervals((value["timestamp"] for value in values), ALIGNED_S, least=least)


def align(tool: Tool) -> None:
    tool.set("AlignedDataCtrlr", "Measurands", MEASURANDS)
    tool.set("AlignedDataCtrlr", "Interval", str(ALIGNED_S))


def taken(tool: Tool, action: str) -> list[Payload]:
    """Use up every CALL of *action* that has arrived."""
    calls = tool.inbox.all(action)
    for call in calls:
        tool.inbox.take(action, {}, may=lambda each, wanted=call: each is wanted)
    return calls


def test_TC_J_01_CS(tool: Tool) -> None:
    """J01.FR.02, J01.FR.03, J01.FR.06, J01.FR.07, J01.FR.08, J01.FR.14"""
    align(tool)
    tool.wait(DURATION_S)
    calls = taken(tool, "MeterValues")
    assert {0, 1, 2} == {call["evseId"] for call in calls}
    check_aligned(tool, calls, least=3)
    check_together(calls)


@pytest.mark.parametrize("cable", ["fixed", "socket"])
def test_TC_J_02_CS(make_tool: MakeTool, cable: str) -> None:
    """J01.FR.02, J01.FR.06, J01.FR.07, J01.FR.08, J01.FR.14, J01.FR.22"""
    tool = make_tool(cable=cable)
    tool.set("AlignedDataCtrlr", "SendDuringIdle", "false")
    tool.set("SampledDataCtrlr", "RegisterValuesWithoutPhases", "false")
    align(tool)
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    clocked = [
        event
        for event in taken(tool, "TransactionEvent")
        if event["triggerReason"] == "MeterValueClock"
    ]
    for event in clocked:
        for value in event["meterValue"]:
            check_value(value, MEASURANDS, "Sample.Clock")
    check_intervals((event["timestamp"] for event in clocked), ALIGNED_S, least=3)
    calls = taken(tool, "MeterValues")
    assert 1 not in {call["evseId"] for call in calls}
    check_aligned(tool, calls, least=3)
    phases: dict[str, set[str | None]] = {}
    for sample in clocked[0]["meterValue"][0]["sampledValue"]:
        phases.setdefault(sample.get("measurand", REGISTER), set()).add(sample.get("phase"))
    lines = {"L1", "L2", "L3"}
    assert phases == {  # erratum 6.2.63: of each phase that is measured
        REGISTER: {None} | lines,
        "Current.Import": lines,
        "Voltage": {"L1-N", "L2-N", "L3-N"},
        "Power.Active.Import": {None} | lines,
    }


def ended_values(tool: Tool) -> list[Payload]:
    """The meter values of the Ended event, once the session is over."""
    tool.stop_authorized()
    tool.ev_connected_post_session()
    tool.ev_disconnected()
    tool.parking_bay_unoccupied()
    (ended,) = [event for event in tool.events if event["eventType"] == "Ended"]
    values: list[Payload] = ended["meterValue"]
    return values


def test_TC_J_03_CS(tool: Tool) -> None:
    """J01.FR.07, J01.FR.08, E06.FR.11"""
    tool.set("AlignedDataCtrlr", "TxEndedMeasurands", MEASURANDS)
    tool.set("AlignedDataCtrlr", "TxEndedInterval", str(ENDED_S))
    tool.set("SampledDataCtrlr", "TxEndedMeasurands", "")
    tool.set("AlignedDataCtrlr", "SendDuringIdle", "false")
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    values = ended_values(tool)
    for value in values:
        check_value(value, MEASURANDS, "Sample.Clock")
    check_intervals((value["timestamp"] for value in values), ENDED_S, least=5)


def test_TC_J_06_CS(tool: Tool) -> None:
    """J01.FR.20"""
    align(tool)
    tool.set("AlignedDataCtrlr", "SendDuringIdle", "true")
    tool.set("SampledDataCtrlr", "TxUpdatedInterval", "0")
    tool.wait(DURATION_S)
    check_aligned(tool, taken(tool, "MeterValues"), least=3)

    tool.energy_transfer_started()
    taken(tool, "MeterValues")
    tool.wait(ALIGNED_S + 5.0)
    tool.expect_none("MeterValues")
    tool.expect_none("TransactionEvent", {"meterValue": lambda value: value is not None})
    clocked = [event for event in tool.events if event["triggerReason"] == "MeterValueClock"]
    assert clocked == []

    ended_values(tool)
    tool.wait(DURATION_S)
    check_aligned(tool, taken(tool, "MeterValues"), least=3)


START_POINTS = ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"]


@pytest.mark.parametrize("start_point", START_POINTS)
def test_TC_J_07_CS(make_tool: MakeTool, start_point: str) -> None:
    """J02.FR.02, J02.FR.03, J02.FR.04, E01.FR.09"""
    tool = make_tool(variables={"TxCtrlr.TxStartPoint": start_point})
    tool.set("SampledDataCtrlr", "TxStartedMeasurands", MEASURANDS)
    tool.parking_bay_occupied()
    tool.ev_connected_pre_session()
    tool.energy_transfer_started()
    (started,) = [event for event in tool.events if event["eventType"] == "Started"]
    (value,) = started["meterValue"]
    check_value(value, MEASURANDS, "Transaction.Begin")


@pytest.mark.parametrize("reader", [1, None], ids=["reader of the EVSE", "reader of the station"])
@pytest.mark.parametrize("start_point", ["Authorized", "ParkingBayOccupancy,Authorized"])
def test_TC_J_08_CS(make_tool: MakeTool, start_point: str, reader: int | None) -> None:
    """J02.FR.02, J02.FR.03, J02.FR.04, E01.FR.16, E01.FR.17"""
    tool = make_tool(variables={"TxCtrlr.TxStartPoint": start_point}, reader=reader)
    tool.set("SampledDataCtrlr", "TxStartedMeasurands", MEASURANDS)
    tool.energy_transfer_started()
    placed = [event for event in tool.events_of() if "evse" in event]
    (value,) = placed[0]["meterValue"]
    check_value(value, MEASURANDS, "Transaction.Begin")


def test_TC_J_09_CS(tool: Tool) -> None:
    """J02.FR.02, J02.FR.03, J02.FR.04, J02.FR.11"""
    tool.set("SampledDataCtrlr", "TxUpdatedMeasurands", MEASURANDS)
    tool.set("SampledDataCtrlr", "TxUpdatedInterval", str(SAMPLED_S))
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    sampled = [event for event in tool.events if event["triggerReason"] == "MeterValuePeriodic"]
    for event in sampled:
        for value in event["meterValue"]:
            check_value(value, MEASURANDS, "Sample.Periodic")
    check_intervals((event["timestamp"] for event in sampled), SAMPLED_S, least=5)


def test_TC_J_10_CS(tool: Tool) -> None:
    """J02.FR.02, J02.FR.03, J02.FR.04, E06.FR.11"""
    tool.set("SampledDataCtrlr", "TxEndedMeasurands", MEASURANDS)
    tool.set("SampledDataCtrlr", "TxEndedInterval", str(ENDED_S))
    tool.set("AlignedDataCtrlr", "TxEndedMeasurands", "")
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    values = ended_values(tool)
    for value in values:
        assert measurands_of(value) == set(MEASURANDS.split(",")), value
        check_locations(value)
    periodic = [value for value in values if contexts_of(value) == {"Sample.Periodic"}]
    check_intervals((value["timestamp"] for value in periodic), ENDED_S, least=5)
    others = [contexts_of(value) for value in values if value not in periodic]
    assert others.count({"Transaction.End"}) == 1
    assert all(context in ({"Transaction.Begin"}, {"Transaction.End"}) for context in others)
