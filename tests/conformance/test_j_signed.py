"""Certification cases of signed meter values (block J)."""

import base64

import pytest

from station.ocmf.data_set import parse
from station.ocmf.signature import read_key
from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool
from tests.conformance.test_j import (
    DURATION_S,
    ENDED_S,
    REGISTER,
    check_intervals,
    check_value,
    contexts_of,
    ended_values,
    measurands_of,
)

MODES = ("Never", "OncePerTransaction", "EveryMeterValue")
each_mode = pytest.mark.parametrize("mode", MODES)


def check_signed(tool: Tool, values: list[Payload], mode: str) -> None:
    """Every sample is signed, and has a key as the mode wants it."""
    keys = []
    for value in values:
        for sample in value["sampledValue"]:
            signed = sample["signedMeterValue"]
            keys.append(signed["publicKey"])
            data = base64.b64decode(signed["signedMeterData"], validate=True).decode()
            known = tool.station.variable("FiscalMetering", "PublicKey", evse=tool.evse)
            assert read_key(known).verifies(parse(data))
            assert signed["publicKey"] in ("", known)
    told = sum(key != "" for key in keys)
    # Once: in this event, or in the one that began the transaction.
    wanted = {"Never": {0}, "OncePerTransaction": {0, 1}, "EveryMeterValue": {len(keys)}}
    assert told in wanted[mode]


@each_mode
def test_TC_J_04_CS(make_tool: MakeTool, mode: str) -> None:
    """J01.FR.21"""
    tool = make_tool(signing=True)
    tool.set("AlignedDataCtrlr", "TxEndedInterval", str(ENDED_S))
    tool.set("AlignedDataCtrlr", "TxEndedMeasurands", REGISTER)
    tool.set("AlignedDataCtrlr", "SendDuringIdle", "false")
    tool.set("AlignedDataCtrlr", "SignReadings", "true")
    tool.set("SampledDataCtrlr", "TxEndedMeasurands", "")
    tool.set("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue", mode)
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    values = ended_values(tool)
    for value in values:
        check_value(value, REGISTER, "Sample.Clock")
    check_intervals((value["timestamp"] for value in values), ENDED_S, least=5)
    check_signed(tool, values, mode)


@each_mode
def test_TC_J_11_CS(make_tool: MakeTool, mode: str) -> None:
    """J02.FR.21"""
    tool = make_tool(signing=True)
    tool.set("SampledDataCtrlr", "TxEndedMeasurands", REGISTER)
    tool.set("SampledDataCtrlr", "TxEndedInterval", str(ENDED_S))
    tool.set("SampledDataCtrlr", "SignReadings", "true")
    tool.set("AlignedDataCtrlr", "TxEndedMeasurands", "")
    tool.set("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue", mode)
    tool.energy_transfer_started()
    tool.wait(DURATION_S)
    values = ended_values(tool)
    for value in values:
        assert measurands_of(value) == {REGISTER}
    periodic = [value for value in values if contexts_of(value) == {"Sample.Periodic"}]
    check_intervals((value["timestamp"] for value in periodic), ENDED_S, least=5)
    assert [contexts_of(value) for value in values].count({"Transaction.End"}) == 1
    check_signed(tool, values, mode)
