"""Presets: the file of `--variables`, and what of it reaches the device model."""

import json
from pathlib import Path
from typing import Any

import pytest

from station.device_model import (
    VARIABLES,
    Boolean,
    DeviceModel,
    Integer,
    Mutability,
    OptionList,
    Text,
    Variable,
    VariableRow,
)
from station.first_start import PRESET_MARKS, PresetMark, configure, preset
from station.ocpp.messages.provisioning import SetVariableStatus
from station.presets import PresetError, VariablePreset, preset_from_key, read_presets
from tests.memory_rows import MemoryRows

INTERVAL = Variable("OCPPCommCtrlr", "HeartbeatInterval", Integer(unit="s", min=1), default=300)
SERIAL = Variable(
    "ChargingStation",
    "SerialNumber",
    Text(max_length=25),
    default="JP-1",
    mutability=Mutability.READ_ONLY,
)
REMOTE_START = Variable("AuthCtrlr", "AuthorizeRemoteStart", Boolean(), default=True)
AVAILABILITY = Variable(
    "EVSE",
    "AvailabilityState",
    OptionList(("Available", "Occupied")),
    default="Available",
    mutability=Mutability.READ_ONLY,
    measured=True,
)
PHASES = Variable("EVSE", "SupplyPhases", Integer(), mutability=Mutability.READ_ONLY)
PASSWORD = Variable(
    "SecurityCtrlr", "BasicAuthPassword", Text(), mutability=Mutability.WRITE_ONLY, secret=True
)


class FakeState:
    """A state folder that outlives the stations that start from it."""

    def __init__(self) -> None:
        self.rows: MemoryRows[VariableRow] = MemoryRows(VARIABLES)
        self.marks: MemoryRows[PresetMark] = MemoryRows(PRESET_MARKS)

    def start(
        self, *presets: VariablePreset, installer: tuple[VariablePreset, ...] = ()
    ) -> DeviceModel:
        model = DeviceModel(self.rows)
        configure(model, installer)
        preset(model, presets, self.marks)
        for variable in (INTERVAL, SERIAL, REMOTE_START, PASSWORD):
            model.declare(variable)
        for evse_id in (1, 2):
            model.declare(AVAILABILITY, evse_id)
            model.declare(PHASES, evse_id)
            model.provide(PHASES, lambda: 3, evse_id)
        return model


@pytest.fixture
def state() -> FakeState:
    return FakeState()


def item(variable: Variable[Any], value: str | None = None, **fields: Any) -> VariablePreset:
    return VariablePreset(
        component=variable.component, variable=variable.name, value=value, **fields
    )


def set_interval(model: DeviceModel, text: str) -> None:
    entry = next(entry for entry in model.variables() if INTERVAL.name == entry.address.variable)
    outcome = model.set_from_outside(entry.component, entry.variable, "Actual", text)
    assert outcome.status is SetVariableStatus.ACCEPTED


def test_a_preset_replaces_the_default_and_stays(state: FakeState) -> None:
    model = state.start(item(INTERVAL, "60"), item(SERIAL, "ACME-7"))
    assert model.load() == []
    assert (model[INTERVAL], model[SERIAL]) == (60, "ACME-7")
    again = state.start()
    assert (again[INTERVAL], again[SERIAL]) == (60, "ACME-7")


def test_presets_count_at_the_first_start_only(state: FakeState) -> None:
    state.start()
    assert state.start(item(INTERVAL, "60"))[INTERVAL] == 300

    other = FakeState()
    other.start(item(INTERVAL, "60"))
    assert other.start(item(INTERVAL, "90"))[INTERVAL] == 60


def test_the_csms_and_the_installer_stand_above_the_manufacturer(state: FakeState) -> None:
    installer = (preset_from_key("OCPPCommCtrlr.HeartbeatInterval", 90),)
    model = state.start(item(INTERVAL, "60"), installer=installer)
    assert model[INTERVAL] == 90
    without = state.start()
    assert without[INTERVAL] == 60
    set_interval(without, "30")
    assert state.start()[INTERVAL] == 30


def test_setting_a_value_back_to_its_preset_keeps_the_preset(state: FakeState) -> None:
    model = state.start(item(INTERVAL, "60"))
    set_interval(model, "30")
    set_interval(model, "60")
    assert state.start()[INTERVAL] == 60


def test_mutability_can_be_preset_and_stays(state: FakeState) -> None:
    for model in (state.start(item(REMOTE_START, mutability="ReadOnly")), state.start()):
        entry = next(e for e in model.variables() if e.address.component == "AuthCtrlr")
        outcome = model.set_from_outside(entry.component, entry.variable, "Actual", "false")
        assert outcome.status is SetVariableStatus.REJECTED
        assert model[REMOTE_START] is True


def test_what_the_station_does_not_have_is_told_once_and_skipped(state: FakeState) -> None:
    model = state.start(
        item(INTERVAL, "60"),
        item(AVAILABILITY, "Occupied", evse=3),
        VariablePreset(component="Modem", variable="IMSI", instance="a", value="1"),
        item(INTERVAL, "1", attribute="Target"),
    )
    assert [str(notice) for notice in model.load()] == [
        "preset of EVSE of EVSE 3: AvailabilityState: the station does not have this variable",
        "preset of Modem: IMSI[a]: the station does not have this variable",
        "preset of OCPPCommCtrlr: HeartbeatInterval (Target): "
        "the station does not have this variable",
    ]
    assert model[INTERVAL] == 60
    assert state.start().load() == []
    assert len(state.rows) == 1


def test_what_is_measured_or_does_not_fit_is_told_once_and_skipped(state: FakeState) -> None:
    model = state.start(
        item(AVAILABILITY, "Occupied", evse=1),
        item(PHASES, "1", evse=1),
        item(PHASES, evse=2, mutability="ReadWrite"),
        item(INTERVAL, "0", mutability="ReadOnly"),
        item(PASSWORD, mutability="ReadWrite"),
    )
    assert sorted(str(notice) for notice in model.load()) == [
        "preset of EVSE of EVSE 1: AvailabilityState: is measured or derived by the station",
        "preset of EVSE of EVSE 1: SupplyPhases: is measured or derived by the station",
        "preset of EVSE of EVSE 2: SupplyPhases: is measured or derived by the station",
        "preset of OCPPCommCtrlr: HeartbeatInterval: must not be below 1",
        "preset of SecurityCtrlr: BasicAuthPassword: is write-only and stays so",
    ]
    assert model.get(AVAILABILITY, 1) == "Available"
    assert model.get(PHASES, 1) == 3
    assert model[INTERVAL] == 300
    again = state.start()
    assert again.load() == []
    mutability = {str(e.address): e.attributes[0].mutability for e in again.variables()}
    assert mutability["OCPPCommCtrlr: HeartbeatInterval"] is Mutability.READ_ONLY
    assert mutability["SecurityCtrlr: BasicAuthPassword"] is Mutability.WRITE_ONLY
    assert mutability["EVSE of EVSE 2: SupplyPhases"] is Mutability.READ_ONLY


def test_the_installer_can_name_evse_connector_and_instances(state: FakeState) -> None:
    installer = (preset_from_key("Connector@2.1[left].Available[x]", value=False),)
    model = state.start(installer=installer)
    (notice,) = model.load()
    assert str(notice) == (
        "configuration of Connector[left] of EVSE 2 connector 1: Available[x]: "
        "the station does not have this variable"
    )


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    entry = {
        "component": {"name": "EVSE", "evse": 1},
        "variable": {"name": "Power"},
        "attribute": "MaxSet",
        "value": "11000",
        "mutability": "ReadOnly",
    }
    file.write_text(json.dumps([entry]))
    assert read_presets(file) == (
        VariablePreset(
            component="EVSE",
            evse=1,
            variable="Power",
            attribute="MaxSet",
            value="11000",
            mutability="ReadOnly",
        ),
    )


GOOD: dict[str, Any] = {"component": {"name": "A"}, "variable": {"name": "B"}, "value": "1"}


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({}, "must be a list of objects"),
        ([GOOD, 1], "entry 2: Expected `object`, got `int`"),
        ([{**GOOD, "component": {"name": 5}}], "entry 1: component.name: Expected `str`"),
        ([{**GOOD, "component": {}}], "entry 1: component: Object missing required field `name`"),
        ([{**GOOD, "valeu": "1"}], "entry 1: Object contains unknown field `valeu`"),
        ([{**GOOD, "value": 5}], "entry 1: value: Expected `str | null`, got `int`"),
        ([{**GOOD, "attribute": "Max"}], "entry 1: attribute: Invalid enum value 'Max'"),
        ([{**GOOD, "component": {"name": "A", "evse": 0}}], "entry 1: component.evse: Expected"),
        (
            [{**GOOD, "component": {"name": "A", "connector": 1}}],
            "entry 1: component.connector needs component.evse",
        ),
        ([{**GOOD, "value": None}], "entry 1: gives neither value nor mutability"),
    ],
)
def test_a_malformed_file_is_refused_by_file_entry_key_and_rule(
    tmp_path: Path, entries: Any, told: str
) -> None:
    file = tmp_path / "presets.json"
    file.write_text(json.dumps(entries))
    with pytest.raises(PresetError) as refused:
        read_presets(file)
    assert str(refused.value).startswith(f"{file}: {told}")


@pytest.mark.parametrize("content", [b"[", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "presets.json"
    file.write_bytes(content)
    with pytest.raises(PresetError, match=r"presets\.json: "):
        read_presets(file)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"presets\.json: No such file"):
        read_presets(tmp_path / "presets.json")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (90, "90"),
        (0.5, "0.5"),
        ("x", "x"),
        (["EVConnected", "Authorized"], "EVConnected,Authorized"),
        ([], ""),
    ],
)
def test_a_value_of_the_configuration_is_written_as_the_device_model_writes_it(
    value: Any, text: str
) -> None:
    assert preset_from_key("TxCtrlr.X", value).value == text


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": 1}, [1], 2**63, "x" * 2501, ["x" * 2501]]
)
def test_a_value_that_no_variable_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(PresetError, match=r"must be|too large"):
        preset_from_key("TxCtrlr.X", value)


@pytest.mark.parametrize("key", ["X", "A.B.C", "EVSE@0.Power", "Connector@1.0.Enabled", "A[.B", ""])
def test_a_key_that_names_no_variable_is_refused(key: str) -> None:
    with pytest.raises(PresetError, match=r"must be|count from 1"):
        preset_from_key(key, 1)


@pytest.mark.parametrize(
    "key", ["TxCtrlr.TxStartPoint", "EVSE@2.Power", "Connector@1.2[left].Available[x]"]
)
def test_a_key_is_told_as_it_was_written(key: str) -> None:
    assert preset_from_key(key, 1).key == key


def test_a_file_larger_than_any_list_of_presets_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    file.write_bytes(b" " * 4_000_001)
    with pytest.raises(PresetError, match="larger than"):
        read_presets(file)
